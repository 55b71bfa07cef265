// SPDX-License-Identifier: MIT
// Finding free blocks in all sections. search.c has the policy.
#pragma once

#include "internal.h"

// A request. Blocks end at or below frame `limit`; each is marked with `state`.
struct search {
    unsigned order;
    unsigned min; // blocks wanted: more than one for order 0 without a limit only, and then there
                  // may be more
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
    uint64_t low = top > FRAMES_4G    ? 0
                   : top > FRAMES_16M ? reserves->below_4g
                                      : reserves->below_4g | reserves->below_16m;
    // Mostly there is enough for the atomic reserve in the last section alone.
    const struct section *last = &allocator->sections[allocator->section_count - 1];
    uint64_t there = __atomic_load_n(&last->free_pages, __ATOMIC_RELAXED);
    return (low == 0 && there >= reserves->atomic + count) ||
           page_reserves_allow_slow(allocator, top, count, ceiling, atomic);
}

// What a search took: of one section, whose first frame is `base` and whose state bytes begin at
// `states`. A single block is the first run's `first`; single frames are runs, those found first
// first.
struct taken {
    uint64_t base;
    uint8_t *states;
    unsigned run_count;
    struct frame_run runs[PAGE_STACK_BATCH];
};

// Takes one block of one section, or a batch of frames (section_take_frames). False when there is
// no such block. Does not count owners.
bool page_take(struct page_allocator *allocator, const struct search *search, struct taken *taken);
