// SPDX-License-Identifier: MIT
// Which memory the firmware's runtime services need, and what they may do with it.
//
// A descriptor with the RUNTIME attribute, or of a runtime type, is believed as far as the
// converted map agrees: bytes that turned out to be bad, or somebody else's, are left out and
// counted. Without a memory attributes table nobody knows which part of a code descriptor is data,
// so all of it can be written and executed, in an address space where nothing else runs. Pure:
// tests/unit/test_runtime_plan.c.
#pragma once

#include <mm/memmap.h>

// What may be done with a piece of memory.
enum runtime_access { RUNTIME_WRITE = 1, RUNTIME_EXECUTE = 2, RUNTIME_DEVICE = 4 };

struct runtime_piece {
    paddr_t begin, end; // page-aligned, begin < end
    unsigned access;    // of enum runtime_access
    bool attribute;     // the descriptor has the RUNTIME attribute: SetVirtualAddressMap moves it
};

// Where the walk over the descriptors stands.
struct runtime_plan {
    const struct memmap *map;
    const struct efi_map *firmware;
    uint64_t descriptor;    // index of the one looked at
    uint64_t at;            // how far it was looked at; 0: not yet
    uint64_t refused_pages; // that a descriptor claims and the converted map does not have so
};

void runtime_plan_begin(struct runtime_plan *plan, const struct memmap *map,
                        const struct efi_map *firmware);

// The next piece. False at the end.  O(regions) each.
bool runtime_plan_next(struct runtime_plan *plan, struct runtime_piece *piece);

// What a valid entry of the memory attributes table allows.
unsigned runtime_access_of(const struct efi_descriptor *entry);
