// SPDX-License-Identifier: MIT
// Slabs come from the page allocator and go back to it.
//
// Prepare, then commit: frames, descriptor and directory are there before anything knows the slab.
#include "debug.h"

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

// Fills in a descriptor that is all zeros.
static void describe(struct slab *slab, struct object_cpu *part, uint8_t *block, uint8_t order,
                     uint16_t count) {
    struct object_cache *cache = part->cache;
    slab->base = block + cache->lead;
    slab->cache = cache;
    slab->home = part;
    slab->owner = part->cpu | (cache->is_class ? 0 : SLAB_NAMED);
    slab->count = slab->stock = count;
    slab->words = (uint8_t)((count + 63) / 64);
    slab->order = order;
    slab->kind = SLAB_SMALL;
    // No byte lies behind this many: so nothing of the slab does.
    ASSERT(count < SLAB_OBJECTS || cache->lead != 0 || count * cache->size == PAGE_SIZE << order);
    for (unsigned word = 0; word < slab->words; word++) {
        slab_bits(slab)[word] = slab_word(count, word);
    }
}

struct slab *slab_create(struct object_cpu *part, unsigned flags) {
    struct object_cache *cache = part->cache;
    struct object_heap *heap = cache->heap;
    uint8_t order;
    pfn_t frame;
    if (!take_block(part, flags, &order, &frame)) {
        return NULL;
    }
    uint8_t *block = port_direct_map(paddr_of(frame));
    uint16_t count = (uint16_t)slab_fits(cache, order);
    struct slab *slab = NULL;
    if (directory_prepare(heap, block, PAGE_SIZE << order, flags)) {
        slab = record_alloc(heap, slab_bytes(count), flags);
    }
    if (slab != NULL) {
        describe(slab, part, block, order, count);
    }
    if (slab != NULL && heap->options.debug && !object_debug_open(slab, flags)) {
        record_free(heap, slab);
        slab = NULL;
    }
    if (slab == NULL) {
        page_free(heap->pages, frame, order);
        return NULL;
    }
    construct_all(slab);
    if (slab->traces != NULL) {
        object_debug_constructed(slab);
    }
    if (!heap->options.debug) {
        port_memory_hide(block, PAGE_SIZE << order);
    }
    directory_set(heap, block, PAGE_SIZE << order, slab);
    return slab;
}

void slab_release(struct slab *slab) {
    struct object_heap *heap = slab->cache->heap;
    if (slab->traces != NULL) {
        object_debug_close(slab);
    }
    slab_give_pages(slab);
    record_free(heap, slab);
}
