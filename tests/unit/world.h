// SPDX-License-Identifier: MIT
// A machine for the tests of the allocators: usable ranges in, a page allocator over simulated
// memory out.
#pragma once

#include <mm/bootmem.h>
#include <mm/page.h>

struct world_range {
    uint64_t begin, end; // bytes
    uint32_t type;       // enum efi_memory_type
};

struct world {
    struct memmap map;
    struct bootmem boot;
    struct page_allocator pages;
    void *storage;
};

// Converts the ranges and builds a page allocator over them. Simulated memory spans [0, the last
// end). Fails the test when anything does.
void world_create(struct world *world, const struct world_range *ranges, size_t count);
void world_destroy(struct world *world);

// A small xorshift generator, so that a failing seed can be run again.
static inline uint64_t world_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}
