// SPDX-License-Identifier: MIT
// Memory at boot: from the firmware's map to a page allocator, and then the memory that only the
// boot needed.
//
//   memory_init           firmware map + claims -> regions -> boot allocator -> page allocator
//   memory_init_objects   kmalloc and the object caches over it
//   memory_compare        what SRAT and SMBIOS say of memory against the map
//   memory_reclaim_acpi   ACPI's memory -> page allocator
//   paging_start          (kernel/paging/) off the loader's tables and stack
//   memory_reclaim        the loader's and boot services' memory -> page allocator
//   memory_set_reserves
#pragma once

#include <state.h>

// Builds kernel->map and kernel->pages from the boot contract; prints nothing. Panics when that
// cannot be done: without a page allocator there is nothing to go on with.
void memory_init(struct kernel *kernel);

// Builds kernel->kmalloc over the page allocator, and has its caches shrunk before a request for
// pages is refused. Panics without the handful of pages that it needs.
void memory_init_objects(struct kernel *kernel);

// Adds findings where the map and the firmware's other tables disagree. Not for the map of another
// machine.
void memory_compare(struct kernel *kernel);

// Give back what the boot is done with, in the only right order, with a line in the log for each
// kind. What others still need stays, with the reason. Panic when the free count does not rise by
// exactly the pages given back.
void memory_reclaim_acpi(struct kernel *kernel);
void memory_reclaim(struct kernel *kernel);

// Sums up boot services' and low memory, before anything else is done that takes time: firmware
// that writes there afterwards is found when the memory is reclaimed.
void memory_set_tripwires(struct kernel *kernel);

// Warns of each page of low memory that was written to since; returns how many there are.
uint64_t memory_report_low(struct kernel *kernel);

// Sets a part of what is free aside: below 16 MiB a quarter, at most 4 MiB; below 4 GiB a
// sixteenth, at most 64 MiB, where there is memory above as well; for requests that cannot wait a
// 512th of all, at most 2 MiB. Reserved memory stays free: only who may take it is decided.
void memory_set_reserves(struct kernel *kernel);
