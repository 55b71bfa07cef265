// SPDX-License-Identifier: MIT
// An address, through every layer: firmware descriptor, region, section, block, owner, object, and
// every mapping; for a virtual one before that where in the layout it lies, and in which block.
#pragma once

#include <state.h>

void whatis_physical(struct text *out, struct kernel *kernel, paddr_t address);
void whatis_virtual(struct text *out, struct kernel *kernel, vaddr_t address);

// One frame's state in words, without a newline: "free, in a block of order 9 at 0x…".
void whatis_frame(struct text *out, struct kernel *kernel, pfn_t frame);
