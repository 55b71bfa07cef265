// SPDX-License-Identifier: MIT
// Two maps of the firmware's, and where they disagree. Pure: tests/unit/test_map_diff.c.
#pragma once

#include <mm/report.h>

// Writes a line for each range whose type or attributes the later map gives differently, and how
// many there are. Neighbours that changed in the same way are one range.  O((n + m)^2) descriptors.
void diff_maps(struct text *out, const struct efi_map *before, const struct efi_map *after);
