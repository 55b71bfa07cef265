// SPDX-License-Identifier: MIT
// What the kernel will say of the firmware's map, said before the exit.
//
// It is the kernel's own conversion (mm/map/) of the map as it was read last, with what the
// contract has by then, in the room that the kernel gets for the same. What the kernel must read
// for itself, with its own page tables and its own drivers, is its own to judge: MTRRs, ACPI and
// SMBIOS.
#pragma once

#include <loader.h>

#include <mm/memmap.h>

// Converts loader->map. NULL, or why there are no regions and no findings. `*map` lies in the
// contract's workspace: judge_end when it has been looked at. Takes no memory.  O(n log n).
const char *judge_begin(struct loader *loader, struct memmap *map);

// The workspace is empty again, as the contract promises.
void judge_end(struct loader *loader);
