// SPDX-License-Identifier: MIT
// Looking at an address space, and walking all of it.
#include "regions.h"

#define LOOK_TRIES 10000

bool space_next_region(struct space *space, vaddr_t address, struct space_region *region) {
    unsigned long flags;
    if (!lock_try(&space->lock, LOOK_TRIES, &flags)) {
        return false;
    }
    const struct range *range = ranges_from(&space->regions, address);
    if (range != NULL) {
        *region = (struct space_region){vaddr(range->begin), vaddr(range->end), range->tag};
    }
    lock_release(&space->lock, flags);
    return range != NULL;
}

// One run of mapped pages against the region that its first page lies in.
static const char *check_run(struct space *space, const struct paging_range *run) {
    const struct range *range = ranges_find(&space->regions, run->begin);
    if (range == NULL || run->begin.value + (run->pages << PAGE_SHIFT) > range->end) {
        return "a page has a frame outside of all regions";
    }
    // Without NX everything can be executed, whatever its region says.
    uint32_t allowed = range->tag | (space->tables.format.no_execute ? 0 : PAGING_EXECUTE);
    if ((run->attributes & SPACE_ATTRIBUTES & ~allowed) != 0 ||
        (run->attributes & PAGING_USER) == 0) {
        return "an entry allows more than its region";
    }
    for (uint64_t i = 0; i < run->pages; i++) {
        pfn_t frame = pfn(pfn_of(run->to).value + i);
        struct page_info info = page_inspect(space->spaces->pages, frame);
        if (info.state != PAGE_STATE_ALLOCATED || info.owner != PAGE_OWNER_USER) {
            return "a frame of an address space is not user memory";
        }
        if ((run->attributes & PAGING_WRITE) != 0 &&
            shares_users(&space->spaces->shares, frame) != 1) {
            return "a shared frame is writable";
        }
    }
    return NULL;
}

static const char *check_regions(const struct space *space) {
    const struct range *before = NULL;
    vaddr_t begin = vaddr(space->regions.begin);
    for (const struct range *range = ranges_from(&space->regions, begin); range != NULL;
         before = range, range = ranges_next(range, begin)) {
        if (((range->begin | range->end) & (PAGE_SIZE - 1)) != 0 ||
            (before != NULL && before->end > range->begin)) {
            return "regions overlap, or are not of whole pages";
        }
        if (before != NULL && before->end == range->begin && before->tag == range->tag) {
            return "two regions that touch allow the same";
        }
        if ((range->tag & ~SPACE_ATTRIBUTES) != 0 || range->tag == SPACE_ATTRIBUTES) {
            return "a region is writable and executable";
        }
    }
    return NULL;
}

static const char *check_pages(struct space *space) {
    uint64_t at = space->regions.begin, pages = 0;
    const char *broken = NULL;
    struct paging_range run;
    while (broken == NULL && at < space->regions.end &&
           tables_next(&space->tables, vaddr(at), pages_between(at, space->regions.end), false,
                       &run)) {
        // A run may go on into the next region: as far as the first one, then again.
        const struct range *range = ranges_find(&space->regions, run.begin);
        uint64_t end = run.begin.value + (run.pages << PAGE_SHIFT);
        if (range != NULL && range->end < end) {
            end = range->end;
            run.pages = pages_between(run.begin.value, end);
        }
        broken = check_run(space, &run);
        pages += run.pages;
        at = end;
    }
    return broken == NULL && pages != space->resident
               ? "there are not as many pages with a frame as are counted"
               : broken;
}

const char *space_check(struct space *space) {
    unsigned long flags = lock_acquire(&space->lock);
    const char *broken = ranges_check(&space->regions);
    if (broken == NULL) {
        broken = check_regions(space);
    }
    if (broken == NULL) {
        broken = check_pages(space);
    }
    lock_release(&space->lock, flags);
    return broken != NULL ? broken : tables_check(&space->tables);
}
