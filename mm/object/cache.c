// SPDX-License-Identifier: MIT
// Object caches: making them, and the calls that everybody makes. cpu.c has what goes on behind.
#include "guard.h"

#include <mm/kmalloc.h>
#include <string.h>

// Slabs of later times are about this large, when their objects are small,
#define SLAB_BYTES (32 * KIB)
// and this large at most.
#define SLAB_ORDER_MAX 7

uint64_t slab_fits(const struct object_cache *cache, unsigned order) {
    uint64_t ends = cache->lead == 0 ? 0 : cache->lead + PAGE_SIZE, bytes = PAGE_SIZE << order;
    uint64_t fits = bytes < ends ? 0 : (bytes - ends) / cache->size;
    return fits < SLAB_OBJECTS ? fits : SLAB_OBJECTS;
}

// Whether all objects that this order has room for are in the slab.
static bool is_used(const struct object_cache *cache, unsigned order) {
    return (PAGE_SIZE << order) - slab_fits(cache, order) * cache->size < cache->size;
}

// The smallest order whose slab has this many bytes and objects, and loses at most that part of it
// at its end.
static uint8_t order_for(const struct object_cache *cache, uint64_t least_bytes,
                         uint64_t least_objects, uint64_t part) {
    uint8_t order = 0;
    while (order < SLAB_ORDER_MAX && is_used(cache, order + 1)) {
        uint64_t bytes = PAGE_SIZE << order, objects = slab_fits(cache, order);
        if (objects >= least_objects && bytes >= least_bytes &&
            (bytes - objects * cache->size) * part <= bytes) {
            break;
        }
        order++;
    }
    return order;
}

static void shape(struct object_cache *cache, size_t size, size_t align) {
    bool power = size >= 8 && (size & (size - 1)) == 0;
    cache->align = align != 0 ? (uint32_t)align : power ? (uint32_t)size : 8;
    cache->align = cache->align < 8 ? 8 : cache->align;
    cache->wanted = (uint32_t)size;
    cache->size = (uint32_t)align_up(size, cache->align);
    cache->first_order = order_for(cache, 0, cache->size <= 4 * KIB ? 4 : 2, 8);
    cache->order = order_for(cache, SLAB_BYTES, 8, 128);
    if (cache->heap->options.debug) {
        object_debug_shape(cache);
    }
}

bool object_cache_init(struct object_cache *cache, struct object_heap *heap, const char *name,
                       size_t size, size_t align, void (*construct)(void *object)) {
    if (size == 0 || size > OBJECT_SIZE_MAX || align > OBJECT_ALIGN_MAX ||
        (align & (align - 1)) != 0) {
        return false;
    }
    memset(cache, 0, sizeof(*cache));
    cache->heap = heap;
    cache->directory = heap->directory;
    shape(cache, size, align);
    cache->construct = construct;
    cache->lock.rank = LOCK_OBJECT_CACHE;
    for (unsigned i = 0; i + 1 < OBJECT_NAME_MAX && name[i] != '\0'; i++) {
        cache->name[i] = name[i];
    }
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        cache->cpus[cpu] = object_nobody();
    }
    object_quick_close(cache);
    unsigned long irq = lock_acquire(&heap->list);
    cache->guarded = guard_wants(heap, cache->name);
    cache->next = heap->caches;
    heap->caches = cache;
    lock_release(&heap->list, irq);
    return true;
}

// The part of this CPU, made if need be; the closed one without memory. An interrupt may be
// quicker.
static struct object_cpu *part_here(struct object_cache *cache, unsigned flags) {
    struct object_cpu **place = &cache->cpus[port_cpu()], *nobody = object_nobody();
    if (*place == nobody) {
        struct object_cpu *part = object_part_create(cache, flags);
        if (part != NULL && !__atomic_compare_exchange_n(place, &nobody, part, false,
                                                         __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
            record_free(cache->heap, part);
        }
        if (!object_heap_is_slow(cache->heap)) {
            cache->quick[port_cpu()] = *place;
        }
    }
    return *place;
}

static void prepare(struct object_cache *cache, void *object, unsigned flags, size_t size,
                    const void *caller) {
    const struct object_options *options = &cache->heap->options;
    port_memory_show(object, cache->size);
    if (options->debug) {
        object_debug_alloc(object_find(cache->heap, object), object, size, caller);
    }
    if (((flags & OBJECT_ZERO) != 0 || options->zero_on_alloc) && cache->construct == NULL) {
        memset(object, 0, options->debug ? size : cache->size);
    }
    if (!options->debug) {
        port_memory_hide((uint8_t *)object + size, cache->size - size);
    }
}

void *object_alloc_slow(struct object_cache *cache, unsigned flags, size_t size,
                        const void *caller) {
    if (cache->guarded) {
        void *guarded = guard_alloc(cache, flags, size, cache->align, caller);
        if (guarded != NULL) {
            return guarded;
        }
    }
    struct object_cpu *part = part_here(cache, flags);
    void *object = NULL;
    if (object_part_enter(part)) {
        object = object_take(part, flags);
        object_part_leave(part);
    } else if (part != object_nobody()) {
        object = object_take_around(part, flags);
    }
    if (object != NULL) {
        prepare(cache, object, flags, size, caller);
    }
    return object;
}

void *object_alloc_flags(struct object_cache *cache, unsigned flags) {
    return object_alloc_slow(cache, flags, cache->wanted, OBJECT_CALLER);
}

void object_return(struct slab *slab, void *object, uint8_t *handed) {
    struct object_cpu *part = part_here(slab->cache, 0);
    if (object_part_enter(part)) {
        object_put(part, slab, object, handed);
        object_part_leave(part);
    } else {
        object_put_around(slab->cache, object, handed);
    }
}

// Whether this slab is one of the cache, or of kmalloc's classes when that is NULL.
static bool is_right(const struct slab *slab, const struct object_cache *cache) {
    return slab->kind == SLAB_SMALL &&
           (cache != NULL ? slab->cache == cache : slab->cache->is_class);
}

void object_free_slow(struct object_heap *heap, void *object, struct object_cache *cache,
                      const void *caller) {
    if (object == NULL || (cache == NULL && object == KMALLOC_NOTHING)) {
        return;
    }
    struct slab *slab = object_find(heap, object);
    if (cache == NULL && slab->kind == SLAB_LARGE && slab->base == object) {
        large_free(heap, slab, caller);
        return;
    }
    if (slab->kind == SLAB_NONE && guard_free(heap, cache, object, caller)) {
        return;
    }
    uint64_t index;
    if (!is_right(slab, cache) || !slab_index(slab, object, &index) || index >= slab->count ||
        handed_read(&slab->handed[index]) != HANDED_OUT) {
        object_misuse(heap, cache, object);
    }
    if (heap->options.debug) {
        object_debug_free(slab, object, index, caller);
        return;
    }
    if (heap->options.zero_on_free && slab->cache->construct == NULL) {
        port_memory_show(object, slab->cache->size);
        memset(object, 0, slab->cache->size);
    }
    object_return(slab, object, &slab->handed[index]);
}

static uint64_t released_pages(struct object_cache *cache) {
    unsigned long irq = lock_acquire(&cache->lock);
    uint64_t pages = cache->released_pages;
    lock_release(&cache->lock, irq);
    return pages;
}

// Returns how many pages went.
static uint64_t shrink_cache(struct object_cache *cache) {
    struct object_cpu *part = cache->cpus[port_cpu()];
    uint64_t before = released_pages(cache);
    unsigned long irq;
    if (object_part_enter(part)) {
        object_part_empty(part);
        object_part_leave(part);
    }
    object_release_empty(cache);
    irq = lock_acquire(&cache->lock);
    object_trim(cache);
    lock_release(&cache->lock, irq);
    return released_pages(cache) - before;
}

uint64_t object_heap_shrink(struct object_heap *heap) {
    bool *shrinking = &heap->shrinking[port_cpu()];
    if (*shrinking) {
        return 0; // what drains a quarantine may need memory itself
    }
    *shrinking = true;
    uint64_t pages = large_debug_drain(heap);
    object_debug_drain(heap);
    unsigned long irq = lock_acquire(&heap->list);
    for (struct object_cache *cache = heap->caches; cache != NULL; cache = cache->next) {
        pages += shrink_cache(cache);
    }
    lock_release(&heap->list, irq);
    *shrinking = false;
    return pages;
}

struct leak_search {
    const struct object_cache *cache;
    struct object_leaks *leaks;
};

static void add_leak(struct object_leaks *leaks, const void *object) {
    if (leaks->objects < sizeof(leaks->first) / sizeof(leaks->first[0])) {
        leaks->first[leaks->objects] = object;
    }
    leaks->objects++;
}

static bool visit_leak(void *context, const struct object_guarded *guarded) {
    struct leak_search *search = context;
    if (guarded->cache == search->cache) {
        add_leak(search->leaks, guarded->object);
    }
    return false;
}

// Counts what is handed out, and remembers the first.
static void find_leaks(struct object_cache *cache, struct object_leaks *leaks) {
    memset(leaks, 0, sizeof(*leaks));
    struct leak_search search = {cache, leaks};
    guard_each(cache->heap, visit_leak, &search);
    unsigned long irq = lock_acquire(&cache->lock);
    for (const struct slab *slab = cache->slabs; slab != NULL; slab = slab->list_next) {
        for (unsigned i = 0; i < slab->count; i++) {
            if (handed_read(&slab->handed[i]) == HANDED_OUT) {
                add_leak(leaks, slab->base + (size_t)i * cache->size);
            }
        }
    }
    lock_release(&cache->lock, irq);
}

static void forget(struct object_cache *cache) {
    struct object_heap *heap = cache->heap;
    unsigned long irq = lock_acquire(&heap->list);
    struct object_cache **place = &heap->caches;
    while (*place != cache) {
        place = &(*place)->next;
    }
    *place = cache->next;
    lock_release(&heap->list, irq);
}

bool object_cache_destroy(struct object_cache *cache, struct object_leaks *leaks) {
    struct object_leaks found;
    object_debug_drain(cache->heap);
    guard_drain(cache->heap);
    find_leaks(cache, &found);
    if (found.objects != 0) {
        if (leaks != NULL) {
            *leaks = found;
        }
        return false;
    }
    forget(cache);
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        if (cache->cpus[cpu] != object_nobody()) {
            object_part_empty(cache->cpus[cpu]);
        }
    }
    object_release_empty(cache);
    ASSERT(cache->slabs == NULL);
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        if (cache->cpus[cpu] != object_nobody()) {
            record_free(cache->heap, cache->cpus[cpu]);
            cache->cpus[cpu] = cache->quick[cpu] = object_nobody();
        }
    }
    return true;
}
