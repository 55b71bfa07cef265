// SPDX-License-Identifier: MIT
// Giving back now whatever is kept for later.
#pragma once

#include <state.h>

enum reclaim_source {
    RECLAIM_OBJECTS, // magazines, empty slabs, freed objects that were looked after
    RECLAIM_VMALLOC, // places of the windows, their records and tables
    RECLAIM_DEVICES,
    RECLAIM_STACKS,
    RECLAIM_SPACES, // records of address spaces
    RECLAIM_TABLES, // an empty page table
    RECLAIM_ACPI,   // tables, when the boot had no memory for copies of them
    RECLAIM_SOURCE_COUNT_,
};

// What it gave, in pages.
struct reclaimed {
    uint64_t before, after;               // free
    int64_t pages[RECLAIM_SOURCE_COUNT_]; // by how much each source has raised that
    uint64_t drained; // that lay in this CPU's stacks, free already, and are in the sections now
};

// Asks all sources. What is in use stays where it is.
// O(caches + slabs + what is kept).
void reclaim_now(struct kernel *kernel, struct reclaimed *out);

// The command `reclaim`: the same, and what came of it.
void reclaim_print(struct text *out, struct kernel *kernel);
