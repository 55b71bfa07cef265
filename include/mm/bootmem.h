// SPDX-License-Identifier: MIT
// The boot allocator: carves memory out of the converted map before there is a page allocator.
//
// This is how the circle is broken ("don't I need malloc to build malloc's structures?"): the map
// lives in a fixed array; the boot allocator takes pieces off its usable regions and marks them
// there; the page allocator's metadata comes from it; then it is closed for good.
#pragma once

#include <mm/memmap.h>

struct bootmem {
    struct memmap *map;
    uint64_t bytes; // carved so far
    bool closed;
};

// An open boot allocator over `map`, which stays the caller's and has to outlive it; what is carved
// changes the map's regions from now on. Nothing is carved yet. Cannot fail.  O(1). One CPU, at
// boot: neither this nor what follows has locks.
void bootmem_init(struct bootmem *boot, struct memmap *map);

// Carves `bytes`, rounded up to whole pages, from the smallest usable piece that has room, at its
// upper end, and marks it `class` in the map. Pieces above 16 MiB come first (devices that can
// reach no further are left their memory), and among them those outside 1 GiB sections that are
// wholly usable. The memory is not cleared. `align` is a power of two; at least PAGE_SIZE is used.
// False, with nothing changed, when no region has room or the map's array is full.  O(regions).
// Panics when called after bootmem_close.
bool bootmem_alloc(struct bootmem *boot, uint64_t bytes, uint64_t align, enum memory_class class,
                   paddr_t *out);

// No more: the page allocator owns what is left, and a call of bootmem_alloc panics from now on.
// O(1).
void bootmem_close(struct bootmem *boot);
