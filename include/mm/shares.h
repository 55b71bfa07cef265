// SPDX-License-Identifier: MIT
// How many address spaces share a frame: counts, for shared frames only.
//
// After a clone two address spaces have the same frames; a frame is freed when the last one lets go
// of it, and copied when one of two wants to write. There is no struct for every frame to keep a
// count in, and most frames never have more than one user: so a count exists only while there are
// two users or more.
//
//   frame number | 9 bits | … | 9 bits | 11 bits |
//                    │            │        └ a frame of 2,048 counts of 16 bits: 8 MiB of memory
//                    └ tables ────┘          entry: where the next one is | how many entries it has
//
// A radix tree: frames that are cloned together lie together, so that its leaves are well filled,
// and an entry needs no key. A leaf or table without entries is given back at once. (A hash table
// would take 16 bytes and more for each frame, contiguous memory, and has to be rebuilt when it
// grows; counts in the page allocator's state bytes would leave no room for owner and order.)
//
// Locks its own lock, LOCK_SHARES; any context.
#pragma once

#include <mm/page.h>

#define SHARES_USERS_MAX 65536 // of one frame

struct shares {
    struct page_allocator *pages;
    struct lock lock;
    unsigned levels; // of tables above the leaves
    uint64_t root;   // the entry of the whole tree
    uint64_t shared; // frames with two users or more
    uint64_t frames; // the tree's own
};

// No frame is shared. Frames to be shared lie below `memory_end`. Nothing is taken yet.
void shares_init(struct shares *shares, struct page_allocator *pages, paddr_t memory_end);

// One user more. False, with nothing changed, when there is no memory for the count, or there are
// SHARES_USERS_MAX.  O(levels).
bool shares_add(struct shares *shares, pfn_t frame);

// One user less; true when there was no other one: the caller, who was the last, frees the frame.
// O(levels).
bool shares_drop(struct shares *shares, pfn_t frame);

// The same for many frames, under one lock. shares_add_all: all or none of them. shares_drop_all
// leaves the frames that have no other user at the beginning of `frames`, and returns how many.
bool shares_add_all(struct shares *shares, const pfn_t *frames, uint64_t count);
uint64_t shares_drop_all(struct shares *shares, pfn_t *frames, uint64_t count);

// How many users the frame has, 1 unless it is shared. While the caller is one of them, 1 stays 1;
// a greater number may become smaller at any time.  O(levels).
uint32_t shares_users(struct shares *shares, pfn_t frame);

// NULL, or the sentence that does not hold.  O(the tree).
const char *shares_check(struct shares *shares);
