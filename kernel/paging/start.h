// SPDX-License-Identifier: MIT
// The kernel's own page tables: made once at boot, then the loader's are left behind.
//
//    direct map    RAM only: no holes, no bad memory; the image is left out. 1 GiB, 2 MiB, 4 KiB
//    kernel        code r-x, constants r--, data rw-
//    stacks        each with an unmapped page below and above
//    screen        write-combining
//
// Nothing else is mapped; nothing is writable and executable; nothing is for user mode.
#pragma once

#include <state.h>

// Makes the tables and the stacks, loads them, and gives the CPU its own stacks for double faults,
// NMIs and machine checks. The caller still runs on the loader's stack afterwards, which is in the
// direct map as before; `*stack` is where to go on. False, with everything as it was and the reason
// logged, when there is no memory for it: then the loader's tables and stack stay in use.
bool paging_start(struct kernel *kernel, struct stack_range *stack);

// Takes what was retired (page_retire) out of the direct map. Warns when there is no memory to
// split a large page for it.  O(frames that are not free).
void paging_unmap_retired(struct kernel *kernel);
