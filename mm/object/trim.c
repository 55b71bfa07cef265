// SPDX-License-Identifier: MIT
// Slabs give back pages that none of their objects needs.
//
// A slab of large objects seldom becomes empty by chance, a few pages of it often. A unit of a slab
// is as many pages as hold a whole number of objects. When memory is asked back, the units go whose
// objects all lie in the slab; these are GONE, and never come again: a slab that fills anew is
// short of them, and is released like others when the rest is there. What it keeps are pieces, each
// like a slab of its own.
//
//   units    [    kept    ][ given back ][    kept    ]      of 2 objects of 2 KiB: a page; of 16
//   objects  [ A  ][  B   ][  C  ][  D  ][  E  ][  F  ]      objects of 1,792 bytes: 7 pages
//
// Not with the option debug, which looks at free objects.
#include "internal.h"

static uint64_t pages_of(const struct slab *slab) {
    return UINT64_C(1) << slab->order;
}

static uint8_t *page_at(const struct slab *slab, uint64_t page) {
    return slab_block(slab) + page * PAGE_SIZE;
}

static bool has_page(const struct slab *slab, uint64_t page) {
    return object_find(slab->cache->heap, page_at(slab, page)) == slab;
}

// Pages [page, page_end) and their objects [first, end). The last unit of a slab may be shorter.
struct unit {
    uint64_t page, page_end;
    uint64_t first, end;
};

// The unit that a page belongs to.
static struct unit unit_of(const struct slab *slab, uint64_t page) {
    uint64_t size = slab->cache->size, power = size & -size;
    uint64_t common = power < PAGE_SIZE ? power : PAGE_SIZE; // divides both
    uint64_t pages = size / common, objects = PAGE_SIZE / common, number = page / pages;
    struct unit unit = {number * pages, (number + 1) * pages, number * objects,
                        (number + 1) * objects};
    unit.page_end = unit.page_end < pages_of(slab) ? unit.page_end : pages_of(slab);
    unit.end = unit.end < slab->count ? unit.end : slab->count;
    return unit;
}

static bool unit_is_spare(const struct slab *slab, struct unit unit) {
    uint64_t i = unit.first;
    while (i < unit.end && (slab_bits(slab)[i / 64] >> i % 64 & 1) != 0) {
        i++;
    }
    return i >= unit.end && has_page(slab, unit.page);
}

static void give_page(struct slab *slab, uint64_t page) {
    struct object_heap *heap = slab->cache->heap;
    directory_set(heap, page_at(slab, page), PAGE_SIZE, &slab_none);
    port_memory_show(page_at(slab, page), PAGE_SIZE);
    page_free(heap->pages, object_frame(page_at(slab, page)), 0);
}

static void let_go(struct slab *slab, struct unit unit) {
    struct object_cache *cache = slab->cache;
    for (uint64_t i = unit.first; i < unit.end; i++) {
        handed_write(&slab->handed[i], GONE);
        slab_bits(slab)[i / 64] &= ~(UINT64_C(1) << i % 64);
        slab->stock--;
        slab->gone++;
    }
    for (uint64_t page = unit.page; page < unit.page_end; page++) {
        give_page(slab, page);
        slab->trimmed++;
        cache->bytes -= PAGE_SIZE;
        cache->released_pages++;
    }
}

// A slab becomes single pages when its first unit goes.
static bool split(const struct slab *slab) {
    return slab->trimmed != 0 ||
           page_split(slab->cache->heap->pages, object_frame(slab->base), slab->order);
}

// A slab of which nothing is missing stays whole: it is released (cpu.c), now, or when its home has
// harvested it and its visitors have left. It may have become one since the empty ones were
// released.
static void trim(struct slab *slab) {
    if (slab->stock == slab_objects(slab)) {
        return;
    }
    bool had_room = slab->stock != 0;
    struct unit unit;
    for (uint64_t page = 0; page < pages_of(slab); page = unit.page_end) {
        unit = unit_of(slab, page);
        if (unit_is_spare(slab, unit) && split(slab)) {
            let_go(slab, unit);
        }
    }
    if (had_room && slab->stock == 0) {
        slab_heap_remove(slab);
    }
}

void object_trim(struct object_cache *cache) {
    struct slab *slab = cache->heap->options.debug ? NULL : cache->slabs;
    for (; slab != NULL; slab = slab->list_next) {
        trim(slab);
    }
}

void slab_give_pages(struct slab *slab) {
    struct object_heap *heap = slab->cache->heap;
    if (slab->trimmed == 0) {
        uint8_t *block = slab_block(slab);
        directory_set(heap, block, PAGE_SIZE << slab->order, &slab_none);
        port_memory_show(block, PAGE_SIZE << slab->order);
        page_free(heap->pages, object_frame(block), slab->order);
        return;
    }
    for (uint64_t page = 0; page < pages_of(slab); page++) {
        if (has_page(slab, page)) {
            give_page(slab, page);
        }
    }
}

bool slab_page_went(const struct slab *slab, uint64_t page) {
    struct unit unit = unit_of(slab, page);
    while (unit.first < unit.end && handed_read(&slab->handed[unit.first]) == GONE) {
        unit.first++;
    }
    return unit.first >= unit.end && !has_page(slab, page);
}

struct slab_piece slab_piece_at(const struct slab *slab, const void *address) {
    uint64_t size = slab->cache->size, lead = slab->cache->lead;
    uint64_t begin = ((uint64_t)address - (uint64_t)slab_block(slab)) / PAGE_SIZE, end = begin + 1;
    while (begin != 0 && has_page(slab, begin - 1)) {
        begin--;
    }
    while (end < pages_of(slab) && has_page(slab, end)) {
        end++;
    }
    uint64_t from = begin * PAGE_SIZE, to = end * PAGE_SIZE, last = (to - lead) / size;
    // While another CPU is in the middle of a unit, objects at both ends may be half there.
    uint64_t first = (from + size - 1) / size;
    last = last < slab->count ? last : slab->count;
    return (struct slab_piece){
        .begin = slab_block(slab) + from,
        .bytes = to - from,
        .first = (unsigned)(first < last ? first : last),
        .end = (unsigned)last,
    };
}
