// SPDX-License-Identifier: MIT
// The kernel's own image in memory, by segment: what kernel/strata.lds laid out.
#pragma once

#include <paging/layout.h>

// Offsets from kernel_image_begin.
struct layout_image image_segments(void);

// Whether `address` lies in the kernel's code.
bool image_is_code(vaddr_t address);
