// SPDX-License-Identifier: MIT
// Finding free blocks in all sections. search.c has the policy.
#pragma once

#include "internal.h"

// A request. Blocks may lie in the frames [floor, limit); each is marked with `state`.
struct search {
    unsigned order;
    unsigned max; // blocks wanted: more than one for order 0 only
    uint8_t state;
    uint64_t floor, limit;
};

// Takes up to `search->max` blocks from one section, and stores their first frames in `frames`.
// Returns how many: 0 when there is no such block. Does not count owners.
unsigned page_take(struct page_allocator *allocator, struct search search, uint64_t *frames);
