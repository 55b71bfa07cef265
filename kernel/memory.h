// SPDX-License-Identifier: MIT
// Memory at boot: from the firmware's map to a page allocator, and then the memory that only the
// boot needed.
//
//   memory_init      firmware map + claims -> regions -> boot allocator -> page allocator
//   memory_reclaim   loader's, ACPI's and boot services' memory -> page allocator
#pragma once

#include <state.h>

// Builds kernel->map and kernel->pages from the boot contract; prints nothing. Panics when that
// cannot be done: without a page allocator there is nothing to go on with.
void memory_init(struct kernel *kernel);

// Gives back what the boot is done with, in the only right order, with a line in the log for each
// kind. What others still need stays, with the reason. Panics when the free count does not rise by
// exactly the pages given back.
void memory_reclaim(struct kernel *kernel);
