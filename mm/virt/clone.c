// SPDX-License-Identifier: MIT
// Cloning an address space, and changing to another one.
//
// First the clone is made: its regions, one user more for each frame, its tables with every page
// read-only. Any of it may fail, and then space_destroy takes it back; the parent has not changed.
// Then the parent's pages become read-only as well, which cannot fail, and are flushed: from there
// on the two have parted.
#include "regions.h"

#include <mm/assert.h>

// Gives the child the frames of mapped pages, SPACE_BATCH at the most, read-only.
static bool share_pages(struct space *parent, struct space *child, vaddr_t begin, uint64_t pages,
                        uint32_t attributes) {
    pfn_t frames[SPACE_BATCH];
    tables_frames(&parent->tables, begin, pages, frames);
    if (!shares_add_all(&child->spaces->shares, frames, pages)) {
        return false;
    }
    if (tables_map_frames(&child->tables, begin, pages, frames, attributes) != TABLES_OK) {
        uint64_t last = shares_drop_all(&child->spaces->shares, frames, pages);
        ASSERT(last == 0);
        return false;
    }
    child->resident += pages;
    return true;
}

static bool share_run(struct space *parent, struct space *child, struct paging_range run) {
    uint32_t attributes = (run.attributes & PAGING_EXECUTE) | SPACE_PAGE;
    while (run.pages != 0) {
        uint64_t pages = run.pages < SPACE_BATCH ? run.pages : SPACE_BATCH;
        if (!share_pages(parent, child, run.begin, pages, attributes)) {
            return false;
        }
        run.begin.value += pages << PAGE_SHIFT;
        run.pages -= pages;
    }
    return true;
}

static bool copy_region(struct space *parent, struct space *child, const struct range *range) {
    struct region *region = region_alloc(child->spaces, range->tag);
    if (region == NULL) {
        return false;
    }
    bool inserted =
        ranges_insert(&child->regions, &region->range, vaddr(range->begin), vaddr(range->end));
    ASSERT(inserted);
    uint64_t at = range->begin;
    struct paging_range run;
    while (at < range->end &&
           tables_next(&parent->tables, vaddr(at), pages_between(at, range->end), true, &run)) {
        if (!share_run(parent, child, run)) {
            return false;
        }
        at = run.begin.value + (run.pages << PAGE_SHIFT);
    }
    return true;
}

static bool copy_regions(struct space *parent, struct space *child) {
    vaddr_t begin = vaddr(parent->regions.begin);
    for (const struct range *range = ranges_from(&parent->regions, begin); range != NULL;
         range = ranges_next(range, begin)) {
        if (!copy_region(parent, child, range)) {
            return false;
        }
    }
    return true;
}

// What was writable is read-only from now on; one flush for all.
static void make_read_only(struct space *parent) {
    struct tlb_batch batch;
    tlb_batch_init(&batch, &parent->tables);
    vaddr_t begin = vaddr(parent->regions.begin);
    for (const struct range *range = ranges_from(&parent->regions, begin); range != NULL;
         range = ranges_next(range, begin)) {
        if ((range->tag & PAGING_WRITE) != 0) {
            enum tables_status status =
                tables_protect(&parent->tables, vaddr(range->begin),
                               pages_between(range->begin, range->end), 0, PAGING_WRITE, &batch);
            ASSERT(status == TABLES_OK);
        }
    }
    tlb_batch_flush(&batch);
}

enum space_status space_clone(struct space *parent, struct space *child) {
    if (space_create(parent->spaces, child) != SPACE_OK) {
        return SPACE_NO_MEMORY;
    }
    unsigned long flags = lock_acquire(&parent->lock);
    bool done = copy_regions(parent, child);
    if (done) {
        make_read_only(parent);
    }
    lock_release(&parent->lock, flags);
    if (!done) {
        space_destroy(child);
        return SPACE_NO_MEMORY;
    }
    return SPACE_OK;
}

void space_switch(struct spaces *spaces, struct space *space) {
    unsigned long flags = port_irq_save();
    unsigned cpu = port_cpu();
    uint64_t bit = UINT64_C(1) << cpu;
    struct space *old = spaces->current[cpu];
    if (old != space) {
        struct page_tables *tables = space != NULL ? &space->tables : spaces->kernel;
        // From here on this CPU is asked to flush what changes in the new tables, until the new
        // ones are loaded also in the old.
        if (space != NULL) {
            __atomic_fetch_or(&tables->space.cpus, bit, __ATOMIC_SEQ_CST);
        }
        port_tables_load(tables->root);
        if (old != NULL) {
            __atomic_fetch_and(&old->tables.space.cpus, ~bit, __ATOMIC_SEQ_CST);
        }
        spaces->current[cpu] = space;
    }
    port_irq_restore(flags);
}
