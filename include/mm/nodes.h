// SPDX-License-Identifier: MIT
// A node pool: records of one size, for structures that stand below kmalloc.
//
// Trees of ranges need a record for each range, and their number has no bound. kmalloc is above
// them (it asks the page allocator, and for large sizes them), so it cannot serve. A pool cuts
// frames of the page allocator into records of one size and gives a frame back when all of it is
// free, but for one that it keeps so that a record that comes and goes costs no frame each time.
//
//   frame   | struct node_frame | record | record | record | …
//
// Nothing here locks: the caller does. Any context in which the caller may hold its lock.
#pragma once

#include <mm/page.h>

struct node_frame; // at the beginning of each frame

struct node_pool {
    struct page_allocator *pages;
    struct node_frame *partial; // frames that have free records, the ones used last first
    uint64_t frames;            // in all
    uint64_t used;              // records
    uint32_t bytes;             // of a record, a multiple of 8
    enum page_owner owner;      // of the frames
};

// An empty pool for records of `bytes`, at most 1,024; nothing is taken yet.
void nodes_init(struct node_pool *pool, struct page_allocator *pages, uint32_t bytes,
                enum page_owner owner);

// A record, cleared. NULL, with nothing changed, when a frame is needed and there is none.  O(1).
void *nodes_alloc(struct node_pool *pool);

// Gives a record back. Panics when its frame is not one of this pool's.  O(1).
void nodes_free(struct node_pool *pool, void *node);

// Makes sure that the next `count` records come without a frame being asked for: false, with
// nothing but spare frames taken, when there is no memory.  O(count).
bool nodes_prepare(struct node_pool *pool, uint64_t count);

// Gives back every frame that holds no record.  O(frames with room).
void nodes_trim(struct node_pool *pool);
