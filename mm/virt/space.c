// SPDX-License-Identifier: MIT
// Regions of an address space: made, taken away, changed, split and joined. fault.c puts memory
// behind them, clone.c copies them. Invariants (tests/unit/test_space.c):
//   A1  a page has a frame only in a region, and its entry allows no more than the region does
//                                                                       random_operations
//   A2  an entry is writable only if its frame has one user             random_operations
//   A3  a frame is freed when its last user lets go of it, not before, and after every flush
//                                                                       random_operations
//   A4  two regions that touch have different permissions               random_operations
// Records for what an operation splits are taken before it changes anything.
#include "regions.h"

#include <mm/assert.h>
#include <string.h>

const char *space_status_name(enum space_status status) {
    static const char *const names[] = {
        "ok", "no memory", "no room", "bad request", "taken", "not mapped",
    };
    return status < sizeof(names) / sizeof(names[0]) ? names[status] : "?";
}

void spaces_init(struct spaces *spaces, struct page_tables *kernel, struct page_allocator *pages,
                 vaddr_t begin, vaddr_t end, paddr_t memory_end) {
    ASSERT(((begin.value | end.value) & (PAGE_SIZE - 1)) == 0);
    memset(spaces, 0, sizeof(*spaces));
    spaces->pages = pages;
    spaces->kernel = kernel;
    spaces->lock.rank = LOCK_REGIONS;
    spaces->begin = begin;
    spaces->end = end;
    shares_init(&spaces->shares, pages, memory_end);
    nodes_init(&spaces->nodes, pages, sizeof(struct region), PAGE_OWNER_KERNEL);
}

void spaces_trim(struct spaces *spaces) {
    unsigned long flags = lock_acquire(&spaces->lock);
    nodes_trim(&spaces->nodes);
    lock_release(&spaces->lock, flags);
}

struct region *region_alloc(struct spaces *spaces, uint32_t attributes) {
    unsigned long flags = lock_acquire(&spaces->lock);
    struct region *region = nodes_alloc(&spaces->nodes);
    lock_release(&spaces->lock, flags);
    if (region != NULL) {
        region->range.tag = attributes;
    }
    return region;
}

void region_free(struct spaces *spaces, struct region *region) {
    if (region != NULL) {
        unsigned long flags = lock_acquire(&spaces->lock);
        nodes_free(&spaces->nodes, region);
        lock_release(&spaces->lock, flags);
    }
}

enum space_status space_create(struct spaces *spaces, struct space *space) {
    memset(space, 0, sizeof(*space));
    if (tables_init(&space->tables, &spaces->kernel->format, spaces->pages, spaces->kernel) !=
        TABLES_OK) {
        return SPACE_NO_MEMORY;
    }
    space->lock.rank = LOCK_SPACE;
    space->spaces = spaces;
    ranges_init(&space->regions, spaces->begin, spaces->end, PAGE_SIZE);
    __atomic_fetch_add(&spaces->count, 1, __ATOMIC_RELAXED);
    return SPACE_OK;
}

void space_drop_frame(struct space *space, pfn_t frame) {
    if (shares_drop(&space->spaces->shares, frame)) {
        page_free_frame(space->spaces->pages, frame);
    }
}

// Unmaps pages that are all mapped, SPACE_BATCH at the most.
static void drop_batch(struct space *space, vaddr_t begin, uint64_t pages) {
    pfn_t frames[SPACE_BATCH];
    enum tables_status status = tables_unmap(&space->tables, begin, pages, frames, NULL);
    ASSERT(status == TABLES_OK);
    uint64_t last = shares_drop_all(&space->spaces->shares, frames, pages);
    for (uint64_t i = 0; i < last; i++) {
        page_free_frame(space->spaces->pages, frames[i]);
    }
    space->resident -= pages;
}

void space_drop_pages(struct space *space, uint64_t begin, uint64_t end) {
    struct paging_range run;
    while (begin < end &&
           tables_next(&space->tables, vaddr(begin), pages_between(begin, end), true, &run)) {
        begin = run.begin.value;
        while (run.pages != 0) {
            uint64_t pages = run.pages < SPACE_BATCH ? run.pages : SPACE_BATCH;
            drop_batch(space, vaddr(begin), pages);
            begin += pages << PAGE_SHIFT;
            run.pages -= pages;
        }
    }
}

void space_destroy(struct space *space) {
    struct spaces *spaces = space->spaces;
    ASSERT(__atomic_load_n(&space->tables.space.cpus, __ATOMIC_RELAXED) == 0);
    unsigned long flags = lock_acquire(&space->lock);
    struct range *range;
    while ((range = space->regions.root) != NULL) {
        space_drop_pages(space, range->begin, range->end);
        ranges_remove(&space->regions, range);
        region_free(spaces, region_of(range));
    }
    ASSERT(space->resident == 0);
    lock_release(&space->lock, flags);
    tables_destroy(&space->tables);
    __atomic_fetch_sub(&spaces->count, 1, __ATOMIC_RELAXED);
}

static bool allowed(uint32_t attributes) {
    return (attributes & ~SPACE_ATTRIBUTES) == 0 && attributes != SPACE_ATTRIBUTES;
}

// Whether the range can be one of regions; its end is stored.
static bool valid(const struct space *space, vaddr_t begin, uint64_t pages, uint64_t *end) {
    uint64_t bytes;
    return pages != 0 && (begin.value & (PAGE_SIZE - 1)) == 0 &&
           begin.value >= space->regions.begin &&
           !__builtin_mul_overflow(pages, PAGE_SIZE, &bytes) &&
           !__builtin_add_overflow(begin.value, bytes, end) && *end <= space->regions.end;
}

// Makes one region of two neighbours that touch and allow the same.
static void join(struct space *space, struct range *low, struct range *high) {
    if (low != NULL && high != NULL && low->end == high->begin && low->tag == high->tag) {
        uint64_t end = high->end;
        ranges_remove(&space->regions, high);
        region_free(space->spaces, region_of(high));
        ranges_resize(&space->regions, low, vaddr(low->begin), vaddr(end));
    }
}

// Joins whatever can be joined where regions meet in [begin, end].
static void join_all(struct space *space, uint64_t begin, uint64_t end) {
    struct range *low = ranges_before(&space->regions, vaddr(begin));
    if (low == NULL) {
        low = ranges_from(&space->regions, vaddr(begin));
    }
    while (low != NULL && low->end <= end) {
        uint64_t meets = low->end;
        struct range *high = ranges_from(&space->regions, vaddr(meets));
        join(space, low, high);
        low = ranges_from(&space->regions, vaddr(meets));
    }
}

enum space_status space_map(struct space *space, vaddr_t from, uint64_t pages, uint32_t attributes,
                            vaddr_t *out) {
    if (pages == 0 || pages > UINT64_MAX >> PAGE_SHIFT || !allowed(attributes)) {
        return SPACE_BAD_REQUEST;
    }
    struct region *region = region_alloc(space->spaces, attributes);
    if (region == NULL) {
        return SPACE_NO_MEMORY;
    }
    unsigned long flags = lock_acquire(&space->lock);
    bool placed =
        ranges_alloc(&space->regions, &region->range, pages << PAGE_SHIFT, PAGE_SIZE, from);
    if (placed) {
        *out = vaddr(region->range.begin);
    }
    lock_release(&space->lock, flags);
    if (!placed) {
        region_free(space->spaces, region);
    }
    return placed ? SPACE_OK : SPACE_NO_ROOM;
}

enum space_status space_map_at(struct space *space, vaddr_t begin, uint64_t pages,
                               uint32_t attributes) {
    uint64_t end;
    if (!valid(space, begin, pages, &end) || !allowed(attributes)) {
        return SPACE_BAD_REQUEST;
    }
    struct region *region = region_alloc(space->spaces, attributes);
    if (region == NULL) {
        return SPACE_NO_MEMORY;
    }
    unsigned long flags = lock_acquire(&space->lock);
    bool placed = ranges_insert(&space->regions, &region->range, begin, vaddr(end));
    if (placed) {
        join_all(space, begin.value, end);
    }
    lock_release(&space->lock, flags);
    if (!placed) {
        region_free(space->spaces, region);
    }
    return placed ? SPACE_OK : SPACE_TAKEN;
}

// The region that `address` lies inside of, not at its begin; NULL for none.
static struct range *cut_by(const struct space *space, uint64_t address) {
    struct range *range = ranges_find(&space->regions, vaddr(address));
    return range != NULL && range->begin < address ? range : NULL;
}

// Cuts the region in two at `address`; `spare` becomes the upper one.
static void cut(struct space *space, struct range *range, uint64_t address, struct region *spare) {
    uint64_t end = range->end;
    spare->range.tag = range->tag;
    ranges_resize(&space->regions, range, vaddr(range->begin), vaddr(address));
    bool inserted = ranges_insert(&space->regions, &spare->range, vaddr(address), vaddr(end));
    ASSERT(inserted);
}

// Cuts regions at both ends of the range, so that it consists of whole ones. False, with nothing
// changed, when there is no memory for the records.
static bool cut_out(struct space *space, uint64_t begin, uint64_t end) {
    struct region *spares[2] = {NULL, NULL};
    const uint64_t at[2] = {begin, end};
    for (unsigned i = 0; i < 2; i++) {
        if (cut_by(space, at[i]) != NULL) {
            spares[i] = region_alloc(space->spaces, 0);
            if (spares[i] == NULL) {
                region_free(space->spaces, spares[0]);
                return false;
            }
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (spares[i] != NULL) {
            cut(space, cut_by(space, at[i]), at[i], spares[i]);
        }
    }
    return true;
}

// Takes [begin, end) off a region that begins in it, ends in it, or both.
static void shorten(struct space *space, struct range *range, uint64_t begin, uint64_t end) {
    if (range->begin < begin) {
        ranges_resize(&space->regions, range, vaddr(range->begin), vaddr(begin));
    } else if (range->end > end) {
        ranges_resize(&space->regions, range, vaddr(end), vaddr(range->end));
    } else {
        ranges_remove(&space->regions, range);
        region_free(space->spaces, region_of(range));
    }
}

static enum space_status unmap(struct space *space, uint64_t begin, uint64_t end) {
    struct range *range = ranges_from(&space->regions, vaddr(begin));
    if (range != NULL && range->begin < begin && range->end > end) {
        struct region *spare = region_alloc(space->spaces, 0);
        if (spare == NULL) {
            return SPACE_NO_MEMORY;
        }
        cut(space, range, end, spare);
    }
    while ((range = ranges_from(&space->regions, vaddr(begin))) != NULL && range->begin < end) {
        shorten(space, range, begin, end);
    }
    space_drop_pages(space, begin, end);
    return SPACE_OK;
}

enum space_status space_unmap(struct space *space, vaddr_t begin, uint64_t pages) {
    uint64_t end;
    if (!valid(space, begin, pages, &end)) {
        return SPACE_BAD_REQUEST;
    }
    unsigned long flags = lock_acquire(&space->lock);
    enum space_status status = unmap(space, begin.value, end);
    lock_release(&space->lock, flags);
    return status;
}

// Whether all of the range lies in regions.
static bool covered(const struct space *space, uint64_t begin, uint64_t end) {
    while (begin < end) {
        const struct range *range = ranges_find(&space->regions, vaddr(begin));
        if (range == NULL) {
            return false;
        }
        begin = range->end;
    }
    return true;
}

// Pages that may be written from now on become writable when somebody does: their frames may be
// shared.
static void protect_pages(struct space *space, uint64_t begin, uint64_t end, uint32_t attributes) {
    uint32_t mask = PAGING_EXECUTE | ((attributes & PAGING_WRITE) != 0 ? 0 : PAGING_WRITE);
    enum tables_status status = tables_protect(
        &space->tables, vaddr(begin), pages_between(begin, end), attributes & mask, mask, NULL);
    ASSERT(status == TABLES_OK);
}

static enum space_status protect(struct space *space, uint64_t begin, uint64_t end,
                                 uint32_t attributes) {
    if (!covered(space, begin, end)) {
        return SPACE_NOT_MAPPED;
    }
    if (!cut_out(space, begin, end)) {
        return SPACE_NO_MEMORY;
    }
    for (struct range *range = ranges_from(&space->regions, vaddr(begin));
         range != NULL && range->begin < end; range = ranges_next(range, vaddr(begin))) {
        range->tag = attributes;
    }
    protect_pages(space, begin, end, attributes);
    join_all(space, begin, end);
    return SPACE_OK;
}

enum space_status space_protect(struct space *space, vaddr_t begin, uint64_t pages,
                                uint32_t attributes) {
    uint64_t end;
    if (!valid(space, begin, pages, &end) || !allowed(attributes)) {
        return SPACE_BAD_REQUEST;
    }
    unsigned long flags = lock_acquire(&space->lock);
    enum space_status status = protect(space, begin.value, end, attributes);
    lock_release(&space->lock, flags);
    return status;
}
