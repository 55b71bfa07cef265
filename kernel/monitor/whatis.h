// SPDX-License-Identifier: MIT
// One physical address, through every layer: firmware descriptor, region, section, block, owner.
#pragma once

#include <state.h>

void whatis_physical(struct text *out, struct kernel *kernel, paddr_t address);

// One frame's state in words, without a newline: "free, in a block of order 9 at 0x…".
void whatis_frame(struct text *out, struct kernel *kernel, pfn_t frame);
