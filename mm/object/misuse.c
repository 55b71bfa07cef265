// SPDX-License-Identifier: MIT
// What is wrong with an address that was given back: looked at from all sides, then the end.
#include "internal.h"

static const char *call(const struct object_cache *cache) {
    return cache != NULL ? "object_free" : "kmalloc_free";
}

// It lies in no slab: what the page allocator says of it.
static _Noreturn void foreign(struct object_heap *heap, const struct object_cache *cache,
                              const void *address) {
    const char *into = cache != NULL ? cache->name : "kmalloc";
    if (object_offset(address) / GIB >= heap->section_count) {
        port_panic("%s: %p, to %s: foreign: it is no memory", call(cache), address, into);
    }
    struct page_info page = page_inspect(heap->pages, object_frame(address));
    uint8_t *block = port_direct_map(paddr_of(page.block));
    if (page.state == PAGE_STATE_ALLOCATED && page.owner == PAGE_OWNER_LARGE) {
        port_panic("%s: %p, to %s: interior: it is inside a large object; the block at %p, order "
                   "%u, holds it",
                   call(cache), address, into, (void *)block, page.order);
    }
    if (page.state == PAGE_STATE_FREE || page.state == PAGE_STATE_CACHED) {
        port_panic("%s: %p, to %s: double free or foreign: its page is free", call(cache), address,
                   into);
    }
    port_panic("%s: %p, to %s: foreign: its page is %s%s%s", call(cache), address, into,
               page_state_name(page.state), page.state == PAGE_STATE_ALLOCATED ? ", owner " : "",
               page.state == PAGE_STATE_ALLOCATED ? page_owner_name(page.owner) : "");
}

// Where in its slab an address lies, as text for all that is said about it.
#define PLACE "object %lu of %u of %s, %u bytes each, in the slab at %p of CPU %u"

_Noreturn void object_misuse(struct object_heap *heap, const struct object_cache *cache,
                             const void *address) {
    const struct slab *slab = object_find(heap, address);
    if (slab->kind == SLAB_NONE) {
        foreign(heap, cache, address);
    }
    if (slab->kind == SLAB_LARGE) {
        port_panic("%s: %p: %s: it is%s a large object of %lu bytes at %p", call(cache), address,
                   slab->base == address ? "wrong cache" : "interior",
                   slab->base == address ? "" : " inside", slab->wanted, (void *)slab->base);
    }
    uint64_t index;
    bool begins = slab_index(slab, address, &index);
    const struct object_cache *owner = slab->cache;
    unsigned cpu = slab->home->cpu;
    const char *wrong = index >= slab->count ? "behind the last object"
                        : !begins            ? "interior"
                        : (cache != NULL ? owner != cache : !owner->is_class) ? "wrong cache"
                                                                              : "double free";
    port_panic("%s: %p, to %s: %s: " PLACE, call(cache), address,
               cache != NULL ? cache->name : "kmalloc", wrong, index, slab->count, owner->name,
               owner->size, (void *)slab->base, cpu);
}
