// SPDX-License-Identifier: MIT
// Slabs come from the page allocator and go back to it.
//
// Prepare, then commit: frames, descriptor and directory are there before anything knows the slab.
#include "internal.h"

void slab_list_add(struct slab **list, struct slab *slab) {
    slab->list_next = *list;
    slab->list_link = list;
    if (*list != NULL) {
        (*list)->list_link = &slab->list_next;
    }
    *list = slab;
}

void slab_list_remove(struct slab *slab) {
    *slab->list_link = slab->list_next;
    if (slab->list_next != NULL) {
        slab->list_next->list_link = slab->list_link;
    }
}

static void construct_all(const struct slab *slab) {
    const struct object_cache *cache = slab->cache;
    for (unsigned i = 0; cache->construct != NULL && i < slab->count; i++) {
        cache->construct(slab->base + (size_t)i * cache->size);
    }
}

static bool take_block(struct object_cpu *part, unsigned flags, uint8_t *order, pfn_t *block) {
    const struct object_cache *cache = part->cache;
    // The first slabs of a part are small, so that a cache of which little is used takes little.
    *order = part->created < 2 ? cache->first_order : cache->order;
    if (object_take_pages(cache->heap, *order, flags, PAGE_OWNER_SLAB, block)) {
        return true;
    }
    *order = cache->first_order;
    return object_take_pages(cache->heap, *order, flags, PAGE_OWNER_SLAB, block);
}

struct slab *slab_create(struct object_cpu *part, unsigned flags) {
    struct object_cache *cache = part->cache;
    struct object_heap *heap = cache->heap;
    uint8_t order;
    pfn_t block;
    if (!take_block(part, flags, &order, &block)) {
        return NULL;
    }
    uint8_t *base = port_direct_map(paddr_of(block));
    uint16_t count = (uint16_t)((PAGE_SIZE << order) / cache->size);
    struct slab *slab = NULL;
    if (directory_prepare(heap, base, PAGE_SIZE << order, flags)) {
        slab = record_alloc(heap, sizeof(*slab) + count + 1u, flags);
    }
    if (slab == NULL) {
        page_free(heap->pages, block, order);
        return NULL;
    }
    slab->base = base;
    slab->reciprocal = slab->limit = UINT64_MAX / cache->size + 1;
    slab->origin = slab_origin(base, cache->size);
    slab->cache = cache;
    slab->home = part;
    slab->count = slab->stock = count;
    slab->words = (uint8_t)((count + 63) / 64);
    slab->order = order;
    slab->kind = SLAB_SMALL;
    for (unsigned i = 0; i < count; i += 64) {
        slab->free[i / 64] = UINT64_MAX >> (count - i >= 64 ? 0 : 64 - (count - i));
    }
    construct_all(slab);
    directory_set(heap, base, PAGE_SIZE << order, slab);
    return slab;
}

void slab_release(struct slab *slab) {
    struct object_heap *heap = slab->cache->heap;
    directory_set(heap, slab->base, PAGE_SIZE << slab->order, &slab_none);
    page_free(heap->pages, object_frame(slab->base), slab->order);
    record_free(heap, slab);
}
