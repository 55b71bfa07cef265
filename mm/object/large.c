// SPDX-License-Identifier: MIT
// Objects in pages of their own: larger than the largest class, aligned to more, or below a
// ceiling. Each has a descriptor; the directory knows only the first frame.
#include "guard.h"

// What grows gets a block this many times as large as it is, so that it can grow in place for a
// while, but not more than this many pages.
#define GROWTH           8
#define GROWTH_PAGES_MAX UINT64_C(512)
// But only as long as this many times the block is free: nobody is asked to shrink for it.
#define GROWTH_SHARE 16

paddr_t object_ceiling(unsigned flags) {
    return (flags & OBJECT_BELOW_16M) != 0  ? paddr(16 * MIB)
           : (flags & OBJECT_BELOW_4G) != 0 ? paddr(4 * GIB)
                                            : PAGE_ANYWHERE;
}

static bool take_pages(struct object_heap *heap, uint64_t count, size_t align, unsigned flags,
                       pfn_t *first) {
    bool atomic = (flags & OBJECT_ATOMIC) != 0;
    struct page_refusal refusal;
    if (page_alloc_contig(heap->pages, count, align, object_ceiling(flags), 0, PAGE_OWNER_LARGE,
                          first, &refusal) == PAGE_OK) {
        return true;
    }
    unsigned order = 0;
    while (order < PAGE_ORDER_MAX && UINT64_C(1) << order < count) {
        order++;
    }
    // What is kept for those who cannot wait is given out in blocks only.
    return atomic && UINT64_C(1) << order == count && align <= PAGE_SIZE << order &&
           page_alloc_atomic(heap->pages, order, object_ceiling(flags), PAGE_OWNER_LARGE, first) ==
               PAGE_OK;
}

static uint64_t pages_of(size_t size) {
    return size / PAGE_SIZE + (size % PAGE_SIZE != 0);
}

// More than there can be: what is larger is not even asked for, nor multiplied with anything.
static uint64_t most_pages(const struct object_heap *heap) {
    return heap->directory.region_count * 512;
}

// What a large object is aligned to by itself.
static uint64_t natural_align(uint64_t pages) {
    return (pages & (pages - 1)) == 0 ? pages * PAGE_SIZE : PAGE_SIZE;
}

// What is wanted.
struct shape {
    size_t size;
    uint64_t lead;      // pages before the object (the option debug)
    const void *caller; // likewise
};

// A descriptor for an object at this place; NULL without memory. Nothing knows of it yet.
static struct slab *describe(struct object_heap *heap, uint8_t *base, uint64_t pages,
                             const struct shape *shape, unsigned flags) {
    struct slab *slab = NULL;
    if (directory_prepare(heap, base, PAGE_SIZE, flags)) {
        slab = record_alloc(heap, slab_bytes(0), flags);
    }
    if (slab == NULL) {
        return NULL;
    }
    slab->kind = SLAB_LARGE;
    slab->base = base;
    slab->pages = pages;
    slab->wanted = shape->size;
    if (heap->options.debug && !large_debug_open(heap, slab, shape->lead, shape->caller, flags)) {
        record_free(heap, slab);
        return NULL;
    }
    return slab;
}

// Makes an object of pages that were taken; gives these back without memory for its descriptor.
static void *enlist(struct object_heap *heap, pfn_t first, uint64_t pages,
                    const struct shape *shape, unsigned flags) {
    uint8_t *base = port_direct_map(paddr_of(pfn(first.value + shape->lead)));
    size_t size = shape->size;
    struct slab *slab = describe(heap, base, pages - shape->lead, shape, flags);
    if (slab == NULL) {
        page_free_contig(heap->pages, first, pages);
        return NULL;
    }
    pages = slab->pages;
    unsigned long irq = lock_acquire(&heap->lock);
    slab_list_add(&heap->large, slab);
    heap->large_count++;
    heap->large_pages += pages;
    lock_release(&heap->lock, irq);
    directory_set(heap, base, PAGE_SIZE, slab);
    if ((flags & OBJECT_ZERO) != 0 || heap->options.zero_on_alloc) {
        __builtin_memset(base, 0, heap->options.debug ? size : pages * PAGE_SIZE);
    }
    if (!heap->options.debug) {
        port_memory_hide(base + size, pages * PAGE_SIZE - size);
    }
    return base;
}

void *large_alloc(struct object_heap *heap, size_t size, size_t align, unsigned flags,
                  const void *caller) {
    uint64_t pages = pages_of(size);
    pfn_t first;
    if (pages > most_pages(heap)) {
        return NULL;
    }
    void *guarded = NULL;
    if (object_ceiling(flags).value == PAGE_ANYWHERE.value) {
        guarded = guard_alloc_large(heap, flags, size, align, caller);
    }
    if (guarded != NULL) {
        return guarded;
    }
    align = align == 0 ? natural_align(pages) : align;
    const struct shape shape = {size, large_lead(heap, align), caller};
    if (heap->options.debug) {
        pages = shape.lead + pages_of(size + PAGE_SIZE);
    }
    return take_pages(heap, pages, align, flags, &first) ? enlist(heap, first, pages, &shape, flags)
                                                         : NULL;
}

// Takes a block of eight times as much, up to 2 MiB, and gives back what is not wanted yet.
void *large_alloc_to_grow(struct object_heap *heap, size_t size, unsigned flags) {
    uint64_t pages = pages_of(size), room = 1;
    pfn_t first;
    while (room < pages * GROWTH && room < GROWTH_PAGES_MAX) {
        room *= 2;
    }
    bool plenty = room > pages && page_free_count(heap->pages) / GROWTH_SHARE >= room;
    if (!plenty || heap->pages->watch != NULL ||
        !take_pages(heap, room, room * PAGE_SIZE, flags & ~(unsigned)OBJECT_ATOMIC, &first)) {
        return large_alloc(heap, size, 0, flags, NULL);
    }
    bool shorter = page_resize_contig(heap->pages, first, room, pages);
    ASSERT(shorter);
    const struct shape shape = {.size = size};
    return enlist(heap, first, pages, &shape, flags);
}

// The lock is held: others look for the object that an address is inside of.
static void set_size(struct object_heap *heap, struct slab *slab, size_t size) {
    uint64_t pages = pages_of(size);
    unsigned long irq = lock_acquire(&heap->lock);
    heap->large_pages += pages - slab->pages;
    slab->pages = pages;
    slab->wanted = size;
    lock_release(&heap->lock, irq);
}

bool large_resize(struct object_heap *heap, void *memory, size_t size, unsigned flags) {
    struct slab *slab = object_find(heap, memory);
    uint64_t pages = pages_of(size), old = slab->pages;
    if (slab->kind != SLAB_LARGE || size <= OBJECT_SIZE_MAX || pages > most_pages(heap) ||
        object_offset(memory) % natural_align(pages) != 0 ||
        object_offset(memory) + pages * PAGE_SIZE > object_ceiling(flags).value ||
        (pages < old && heap->options.zero_on_free) ||
        !page_resize_contig(heap->pages, object_frame(memory), old, pages)) {
        return false;
    }
    set_size(heap, slab, size);
    if (pages > old && ((flags & OBJECT_ZERO) != 0 || heap->options.zero_on_alloc)) {
        __builtin_memset((uint8_t *)memory + old * PAGE_SIZE, 0, (pages - old) * PAGE_SIZE);
    }
    return true;
}

void large_free(struct object_heap *heap, struct slab *slab, const void *caller) {
    if (heap->options.debug) {
        large_debug_free(heap, slab, caller);
    } else {
        large_release(heap, slab);
    }
}

void large_release(struct object_heap *heap, struct slab *slab) {
    uint8_t *base = slab->base;
    uint64_t pages = slab->pages;
    unsigned long irq = lock_acquire(&heap->lock);
    bool known = object_find(heap, base) == slab; // two CPUs may free it in the same instant
    if (known) {
        directory_set(heap, base, PAGE_SIZE, &slab_none);
        slab_list_remove(slab);
        heap->large_count--;
        heap->large_pages -= pages;
    }
    lock_release(&heap->lock, irq);
    if (!known) {
        object_misuse(heap, NULL, base);
    }
    port_memory_show(base, pages * PAGE_SIZE);
    if (heap->options.zero_on_free) {
        __builtin_memset(base, 0, pages * PAGE_SIZE);
    }
    uint64_t lead = slab->traces != NULL ? large_trace_of(slab)->lead : 0;
    if (slab->traces != NULL) {
        record_free(heap, slab->traces);
    }
    record_free(heap, slab);
    page_free_contig(heap->pages, object_frame(base - lead * PAGE_SIZE), lead + pages);
}
