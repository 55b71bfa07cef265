// SPDX-License-Identifier: MIT
// Sums of memory. The sum of a block is Fletcher's (IEEE Transactions on Communications, 1982) over
// 64-bit words, mixed into 32 bits: a word that changes changes it but for one chance in 2^32, and
// so do words that change places.
//   W1  a page that changed is found, whichever byte     every_byte_counts
//   W2  a page that did not change is not                nothing_is_found_without_a_change
//   W3  memory that is not watched is counted            what_is_too_much_is_counted
#include <tripwire.h>

#include <mm/port.h>

static uint32_t sum_of(const uint64_t *words) {
    uint64_t sum = 0, sums = 0;
    for (size_t i = 0; i < TRIPWIRE_BLOCK / sizeof(uint64_t); i++) {
        sum += words[i];
        sums += sum;
    }
    uint64_t mixed = (sum ^ (sums << 32 | sums >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32);
}

static const uint64_t *block_at(uint64_t frame, unsigned block) {
    const uint8_t *page = port_direct_map(paddr_of(pfn(frame)));
    return (const uint64_t *)(const void *)(page + (size_t)block * TRIPWIRE_BLOCK);
}

static void add_span(struct tripwire *tripwire, uint64_t begin, uint64_t end) {
    uint64_t room = TRIPWIRE_PAGES - tripwire->watched_pages;
    uint64_t taken = end - begin < room ? end - begin : room;
    if (tripwire->span_count == TRIPWIRE_SPANS) {
        taken = 0;
    }
    if (taken != 0) {
        tripwire->spans[tripwire->span_count++] =
            (struct tripwire_span){pfn(begin), pfn(begin + taken), tripwire->watched_pages};
    }
    tripwire->watched_pages += taken;
    tripwire->unwatched_pages += end - begin - taken;
}

static void watch_nothing(struct tripwire *tripwire) {
    tripwire->unwatched_pages += tripwire->watched_pages;
    tripwire->watched_pages = 0;
    tripwire->span_count = 0;
    tripwire->storage_pages = 0;
}

static void sum_span(struct tripwire *tripwire, const struct tripwire_span *span) {
    for (uint64_t frame = span->begin.value; frame < span->end.value; frame++) {
        uint32_t *sums = tripwire->sums[span->first + frame - span->begin.value];
        for (unsigned block = 0; block < TRIPWIRE_BLOCKS; block++) {
            sums[block] = sum_of(block_at(frame, block));
        }
    }
}

void tripwire_set(struct tripwire *tripwire, const struct memmap *map, enum memory_class class,
                  struct page_allocator *pages) {
    *tripwire = (struct tripwire){.sums = NULL};
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        if (region->class == class) {
            add_span(tripwire, pfn_of(region->begin).value, pfn_of(region->end).value);
        }
    }
    uint64_t bytes = tripwire->watched_pages * sizeof(tripwire->sums[0]);
    tripwire->storage_pages = align_up(bytes, PAGE_SIZE) / PAGE_SIZE;
    if (bytes == 0 || page_alloc_contig(pages, tripwire->storage_pages, 0, PAGE_ANYWHERE, 0,
                                        PAGE_OWNER_KERNEL, &tripwire->storage, NULL) != PAGE_OK) {
        watch_nothing(tripwire);
        return;
    }
    tripwire->sums = port_direct_map(paddr_of(tripwire->storage));
    for (size_t i = 0; i < tripwire->span_count; i++) {
        sum_span(tripwire, &tripwire->spans[i]);
    }
}

static bool has_changed(struct tripwire *tripwire, const struct tripwire_span *span, uint64_t frame,
                        struct tripwire_change *change) {
    const uint32_t *sums = tripwire->sums[span->first + frame - span->begin.value];
    unsigned changed = 0;
    for (unsigned block = 0; block < TRIPWIRE_BLOCKS; block++) {
        if (sum_of(block_at(frame, block)) != sums[block] && changed++ == 0) {
            *change = (struct tripwire_change){pfn(frame), (uint64_t)block * TRIPWIRE_BLOCK, 0};
        }
    }
    change->blocks = changed != 0 ? changed : change->blocks;
    return changed != 0;
}

bool tripwire_next(struct tripwire *tripwire, pfn_t begin, pfn_t end,
                   struct tripwire_change *change) {
    for (size_t i = 0; i < tripwire->span_count; i++) {
        const struct tripwire_span *span = &tripwire->spans[i];
        uint64_t from = begin.value > span->begin.value ? begin.value : span->begin.value;
        uint64_t to = end.value < span->end.value ? end.value : span->end.value;
        for (uint64_t frame = from; frame < to; frame++) {
            if (has_changed(tripwire, span, frame, change)) {
                tripwire->changed_pages++;
                return true;
            }
        }
    }
    return false;
}

void tripwire_free(struct tripwire *tripwire, struct page_allocator *pages) {
    if (tripwire->storage_pages != 0) {
        page_free_contig(pages, tripwire->storage, tripwire->storage_pages);
    }
    tripwire->storage_pages = 0;
    tripwire->span_count = 0;
    tripwire->sums = NULL;
}
