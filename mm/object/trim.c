// SPDX-License-Identifier: MIT
// Slabs give back pages that none of their objects needs.
//
// A slab of large objects seldom becomes empty by chance, a page of it often. When memory is asked
// back, the pages of a slab go whose objects all lie in it; these objects are GONE, and never come
// again: a slab that fills anew is short of them, and is released like others when the rest is
// there. So the pages that it keeps are pieces, each like a slab of its own.
//
//   pages    [    kept    ][ given back ][    kept    ]
//   objects  [ A ][ B ][ C ][ D ][ E ][ F ][ G ][ H ]     C to F: in the slab, now GONE
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

// Objects [first, end) of a slab.
struct objects {
    uint64_t first, end;
};

// Those of which something lies in a page.
static struct objects objects_in(const struct slab *slab, uint64_t page) {
    uint64_t begin = page * PAGE_SIZE, end = begin + PAGE_SIZE, size = slab->cache->size;
    uint64_t last = (end + size - 1) / size;
    return (struct objects){begin / size, last < slab->count ? last : slab->count};
}

static bool is_gone(const struct slab *slab, uint64_t index) {
    return handed_read(&slab->handed[index]) == GONE;
}

static bool is_spare(const struct slab *slab, uint64_t index) {
    return (slab_bits(slab)[index / 64] >> index % 64 & 1) != 0 || is_gone(slab, index);
}

static bool page_is_spare(const struct slab *slab, uint64_t page) {
    struct objects objects = objects_in(slab, page);
    while (objects.first < objects.end && is_spare(slab, objects.first)) {
        objects.first++;
    }
    return objects.first >= objects.end && has_page(slab, page);
}

static void let_objects_go(struct slab *slab, uint64_t page) {
    struct objects objects = objects_in(slab, page);
    for (uint64_t i = objects.first; i < objects.end; i++) {
        if (!is_gone(slab, i)) {
            handed_write(&slab->handed[i], GONE);
            slab_bits(slab)[i / 64] &= ~(UINT64_C(1) << i % 64);
            slab->stock--;
            slab->gone++;
        }
    }
}

static void let_page_go(struct slab *slab, uint64_t page) {
    struct object_cache *cache = slab->cache;
    let_objects_go(slab, page);
    directory_set(cache->heap, page_at(slab, page), PAGE_SIZE, &slab_none);
    port_memory_show(page_at(slab, page), PAGE_SIZE);
    page_free(cache->heap->pages, object_frame(page_at(slab, page)), 0);
    slab->trimmed++;
    cache->bytes -= PAGE_SIZE;
    cache->released_pages++;
}

// The first page that may go; as many as it has when none may.
static uint64_t first_spare(const struct slab *slab) {
    uint64_t page = 0;
    while (page < pages_of(slab) && !page_is_spare(slab, page)) {
        page++;
    }
    return page;
}

static void trim(struct slab *slab) {
    struct page_allocator *pages = slab->cache->heap->pages;
    uint64_t page = first_spare(slab);
    if (page == pages_of(slab) ||
        (slab->trimmed == 0 && !page_split(pages, object_frame(slab->base), slab->order))) {
        return;
    }
    bool had_room = slab->stock != 0;
    for (; page < pages_of(slab); page++) {
        if (page_is_spare(slab, page)) {
            let_page_go(slab, page);
        }
    }
    if (had_room && slab->stock == 0) {
        slab_heap_remove(&slab->home->heap, slab);
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
            directory_set(heap, page_at(slab, page), PAGE_SIZE, &slab_none);
            port_memory_show(page_at(slab, page), PAGE_SIZE);
            page_free(heap->pages, object_frame(page_at(slab, page)), 0);
        }
    }
}

bool slab_page_went(const struct slab *slab, uint64_t page) {
    struct objects objects = objects_in(slab, page);
    while (objects.first < objects.end && is_gone(slab, objects.first)) {
        objects.first++;
    }
    return objects.first >= objects.end && !has_page(slab, page);
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
    uint64_t first = from == 0 ? 0 : (from + size - 1) / size;
    last = last < slab->count ? last : slab->count;
    return (struct slab_piece){
        .begin = slab_block(slab) + from,
        .bytes = to - from,
        .first = (unsigned)first,
        .end = (unsigned)(last > first ? last : first),
    };
}
