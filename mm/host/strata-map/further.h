// SPDX-License-Identifier: MIT
// What the machine itself found (MTRRs, tables, windows) and its map alone does not show: lines
// "severity: rule: sentence" that came along with the map: in codes, in \strata\map.txt, in a log.
#pragma once

#include <mm/memmap.h>
#include <strata/text.h>

// Those of `lines`, NULL for none, that the findings of `map` have not: as text under a heading,
// and as records.
void report_further(struct text *out, const struct memmap *map, const char *lines);
void record_further(struct text *out, const struct memmap *map, const char *lines);
