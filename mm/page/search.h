// SPDX-License-Identifier: MIT
// Finding free blocks in all sections. search.c has the policy.
#pragma once

#include "internal.h"

// A request. Blocks end at or below frame `limit`; each is marked with `state`.
struct search {
    unsigned order;
    unsigned max; // blocks wanted: more than one for order 0 only
    uint8_t state;
    bool atomic; // may use the atomic reserve
    uint64_t limit;
};

#define FRAMES_16M (16 * MIB >> PAGE_SHIFT)
#define FRAMES_4G  (4 * GIB >> PAGE_SHIFT)

// Whether the reserves leave `count` frames that lie below frame `top` to a request whose ceiling
// is frame `ceiling`.  O(1) without reserves, else O(sections) at worst.
bool page_reserves_allow_slow(struct page_allocator *allocator, uint64_t top, uint64_t count,
                              uint64_t ceiling, bool atomic);

static inline bool page_reserves_allow(struct page_allocator *allocator, uint64_t top,
                                       uint64_t count, uint64_t ceiling, bool atomic) {
    const struct page_reserves *reserves = &allocator->reserves;
    return (reserves->below_16m | reserves->below_4g | reserves->atomic) == 0 ||
           page_reserves_allow_slow(allocator, top, count, ceiling, atomic);
}

// Takes up to `search->max` blocks from one section, and stores their first frames in `frames`.
// Returns how many: 0 when there is no such block. Does not count owners.
unsigned page_take(struct page_allocator *allocator, const struct search *search, uint64_t *frames);
