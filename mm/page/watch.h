// SPDX-License-Identifier: MIT
// Where the allocator's calls meet a watch (mm/watch.h has the concept). Who calls these has found
// allocator->watch not NULL, but for page_watch_refuses.
//
// The order of the records is the order of what happened to each frame: an allocation is recorded
// when it is done, a free before it is done, and a release has its number before it is done.
#pragma once

#include "internal.h"

#include <mm/watch.h>

// Who called the function that this stands in; for public functions.
#define PAGE_CALLER __builtin_return_address(0)

// Counts a request; true when it has to fail.
bool page_watch_request(struct page_allocator *allocator);

static inline bool page_watch_refuses(struct page_allocator *allocator) {
    return allocator->watch != NULL && page_watch_request(allocator);
}

// page_alloc, watched.
enum page_status page_watch_alloc(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                                  enum page_owner owner, bool atomic, pfn_t *out,
                                  const void *caller);

// A block is about to be freed.
void page_watch_free(struct page_allocator *allocator, pfn_t block, unsigned order,
                     const void *caller);

// An allocation, done or refused: remembers the caller and records the event.
void page_watch_allocated(struct page_allocator *allocator, struct page_event event,
                          const void *caller);

// The number of the next event; 0 when nothing is recorded.
uint64_t page_watch_sequence(struct page_allocator *allocator);

// Writes the event into the slot of its number, if it has one.
void page_watch_record(struct page_allocator *allocator, struct page_event event,
                       const void *caller);

// Remembers who allocated the blocks of [first, first + count) (sites.c).
void page_site_set(struct page_allocator *allocator, pfn_t first, uint64_t count, uint32_t caller);

// Gives the tables of call sites back (sites.c).
void page_sites_end(struct page_allocator *allocator);
