// SPDX-License-Identifier: MIT
// Who allocated what: for each section that has allocated blocks a table with the caller of each,
// in the entry of the block's first frame. 32 bits a frame, 1 MiB a section.
//
// What an entry says counts only while a block begins there, so freeing writes nothing.
//
// Invariant (tests/unit/test_sites.c):
//   O1  the pages of all sites of an owner are the owner's pages      sites_add_up
#include "watch.h"

#include <string.h>

#define TABLE_BYTES (SECTION_FRAMES * sizeof(uint32_t))

static uint32_t pages_of(uint64_t bytes) {
    return (uint32_t)(align_up(bytes, PAGE_SIZE) >> PAGE_SHIFT);
}

static uint32_t directory_pages(const struct page_allocator *allocator) {
    return pages_of(allocator->section_count * sizeof(pfn_t));
}

// Takes metadata, cleared; false when there is none.
static bool take_pages(struct page_allocator *allocator, uint32_t pages, pfn_t *first) {
    bool taken = page_take_metadata(allocator, pages, first);
    if (taken) {
        memset(port_direct_map(paddr_of(*first)), 0, (uint64_t)pages << PAGE_SHIFT);
    }
    return taken;
}

static void record_metadata(struct page_allocator *allocator, uint32_t pages, pfn_t first) {
    struct page_event event = {
        .sequence = page_watch_sequence(allocator),
        .operation = PAGE_OPERATION_METADATA,
        .first = first,
        .count = pages,
    };
    page_watch_record(allocator, event, port_text());
}

bool page_sites_start(struct page_allocator *allocator) {
    struct page_watch *watch = allocator->watch;
    if (watch->sites != NULL) {
        return true;
    }
    if (!take_pages(allocator, directory_pages(allocator), &watch->sites_begin)) {
        return false;
    }
    record_metadata(allocator, directory_pages(allocator), watch->sites_begin);
    watch->sites = port_direct_map(paddr_of(watch->sites_begin));
    return true;
}

void page_sites_end(struct page_allocator *allocator) {
    struct page_watch *watch = allocator->watch;
    if (watch->sites == NULL) {
        return;
    }
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        if (watch->sites[i].value != 0) {
            page_return_metadata(allocator, watch->sites[i], pages_of(TABLE_BYTES));
        }
    }
    page_return_metadata(allocator, watch->sites_begin, directory_pages(allocator));
    watch->sites = NULL;
}

// The table of a section, or NULL.
static uint32_t *table_of(struct page_allocator *allocator, uint64_t index) {
    uint64_t first = __atomic_load_n(&allocator->watch->sites[index].value, __ATOMIC_ACQUIRE);
    return first == 0 ? NULL : port_direct_map(paddr_of(pfn(first)));
}

// The same, made when it is not there yet; NULL when there is no memory for it.
static uint32_t *make_table(struct page_allocator *allocator, uint64_t index) {
    uint32_t *table = table_of(allocator, index);
    pfn_t first;
    if (table != NULL || !take_pages(allocator, pages_of(TABLE_BYTES), &first)) {
        return table;
    }
    uint64_t none = 0;
    if (__atomic_compare_exchange_n(&allocator->watch->sites[index].value, &none, first.value,
                                    false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        record_metadata(allocator, pages_of(TABLE_BYTES), first);
    } else {
        page_return_metadata(allocator, first, pages_of(TABLE_BYTES)); // another CPU was quicker
    }
    return table_of(allocator, index);
}

void page_site_set(struct page_allocator *allocator, pfn_t first, uint64_t count, uint32_t caller) {
    if (allocator->watch->sites == NULL) {
        return;
    }
    for (uint64_t frame = first.value, end = first.value + count; frame < end;) {
        uint32_t within = frame & (SECTION_FRAMES - 1);
        uint64_t room = SECTION_FRAMES - within, rest = end - frame;
        uint32_t *table = make_table(allocator, frame >> SECTION_SHIFT);
        if (table != NULL) {
            __atomic_store_n(&table[within], caller, __ATOMIC_RELAXED);
        }
        frame +=
            UINT64_C(1) << largest_order(within, within + (uint32_t)(rest < room ? rest : room));
    }
}

uint32_t page_site_of(struct page_allocator *allocator, pfn_t block) {
    uint64_t index = block.value >> SECTION_SHIFT;
    struct page_watch *watch = allocator->watch;
    if (watch == NULL || watch->sites == NULL || index >= allocator->section_count) {
        return 0;
    }
    const uint32_t *table = table_of(allocator, index);
    return table == NULL
               ? 0
               : __atomic_load_n(&table[block.value & (SECTION_FRAMES - 1)], __ATOMIC_RELAXED);
}

// The sites found so far. The last one that counted is the likeliest to count next.
struct tally {
    struct page_site *sites, *rest;
    size_t count, capacity, last;
};

static struct page_site *site_for(struct tally *tally, uint32_t caller, enum page_owner owner) {
    for (size_t i = 0; i < tally->count; i++) {
        size_t at = (tally->last + i) % tally->count;
        if (tally->sites[at].caller == caller && tally->sites[at].owner == owner) {
            tally->last = at;
            return &tally->sites[at];
        }
    }
    if (tally->count == tally->capacity) {
        return tally->rest;
    }
    tally->sites[tally->count] = (struct page_site){.caller = caller, .owner = (uint8_t)owner};
    return &tally->sites[tally->count++];
}

static void count_block(struct tally *tally, uint32_t caller, uint8_t head, enum page_owner only) {
    enum page_owner owner = state_owner(head);
    if (only == PAGE_OWNER_COUNT_ || only == owner) {
        struct page_site *site = site_for(tally, caller, owner);
        site->blocks++;
        site->pages += UINT64_C(1) << state_order(head);
    }
}

static void count_section(struct page_allocator *allocator, uint64_t index, enum page_owner only,
                          struct tally *tally) {
    struct section *section = &allocator->sections[index];
    uint64_t base = section_base(index);
    if (section->kind == SECTION_TAKEN && state_is_head(section->taken_state)) {
        count_block(tally, page_site_of(allocator, pfn(base)), section->taken_state, only);
    }
    for (uint32_t frame = 0; section->kind == SECTION_SPLIT && frame < section->span;) {
        uint8_t state = state_read(section, frame);
        if (state_is_head(state)) {
            count_block(tally, page_site_of(allocator, pfn(base + frame)), state, only);
        }
        frame += state_pages(state);
    }
}

static void sort_sites(struct page_site *sites, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct page_site site = sites[i];
        size_t at = i;
        for (; at != 0 && sites[at - 1].pages < site.pages; at--) {
            sites[at] = sites[at - 1];
        }
        sites[at] = site;
    }
}

size_t page_sites(struct page_allocator *allocator, enum page_owner owner, struct page_site *sites,
                  size_t capacity, struct page_site *rest) {
    struct page_site ignored;
    struct tally tally = {sites, rest == NULL ? &ignored : rest, 0, capacity, 0};
    *tally.rest = (struct page_site){0};
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        unsigned long flags = lock_acquire(&allocator->sections[i].lock);
        count_section(allocator, i, owner, &tally);
        lock_release(&allocator->sections[i].lock, flags);
    }
    sort_sites(sites, tally.count);
    return tally.count;
}
