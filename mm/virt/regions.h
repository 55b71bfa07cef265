// SPDX-License-Identifier: MIT
// What the files of address spaces share.
#pragma once

#include <mm/space.h>

#define SPACE_ATTRIBUTES (PAGING_WRITE | PAGING_EXECUTE)
// Pages stay small, so that each can be taken away, shared and replaced by itself without asking
// for a table.
#define SPACE_PAGE (PAGING_USER | PAGING_SMALL)

// Frames that are shared, or dropped after one flush, at a time.
#define SPACE_BATCH 64

struct region {
    struct range range; // its tag: SPACE_ATTRIBUTES
};

static inline struct region *region_of(struct range *range) {
    _Static_assert(offsetof(struct region, range) == 0, "a region begins with its range");
    return (struct region *)range;
}

static inline uint64_t pages_between(uint64_t begin, uint64_t end) {
    return (end - begin) >> PAGE_SHIFT;
}

// Records of regions; NULL when there is no memory.
struct region *region_alloc(struct spaces *spaces, uint32_t attributes);
void region_free(struct spaces *spaces, struct region *region);

// Unmaps [begin, end), and frees what nobody else has after the flush. Locked.
void space_drop_pages(struct space *space, uint64_t begin, uint64_t end);

// One user less of a frame that no CPU can reach through this space any more.
void space_drop_frame(struct space *space, pfn_t frame);
