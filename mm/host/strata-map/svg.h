// SPDX-License-Identifier: MIT
// A machine's memory as a picture for documents: a row for each GiB, to scale, with a legend.
#pragma once

#include "machine.h"

#include <strata/text.h>

// Draws the regions of the map, before anything of it is reclaimed. `source`: where it comes from.
void svg_write(struct text *out, const char *source, const struct memmap *map);
