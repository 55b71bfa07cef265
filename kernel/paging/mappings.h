// SPDX-License-Identifier: MIT
// All that is mapped, as text and as records.
#pragma once

#include <state.h>

// The next run from `at` on; one that reaches over the end of an area of the layout ends there.
// False when there is none.
bool mappings_next(struct walk_run *run, const struct kernel *kernel, const struct walker *walker,
                   uint64_t at);

// A line for each run of pages that are alike. Frames from all over are one run where `pt` would
// otherwise fill screens: "to scattered frames".
void mappings_report(struct text *out, const struct kernel *kernel);

// {"record":"mapping","start":"0x…","end":"0x…","physical":"0x…","page":4096,
//  "permissions":"rw-","cache":"write-back","global":true,"area":"direct map"}   (one line)
// Frames of one record follow one another. The end of the address space is "0x10000000000000000".
void mappings_records(struct text *out, const struct kernel *kernel);
