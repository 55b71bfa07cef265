// SPDX-License-Identifier: MIT
// Looking at object caches: one address, one cache, all call sites.
#include "guard.h"

struct guarded_count {
    const struct object_cache *cache;
    struct object_statistics *statistics;
};

static bool count_guarded(void *context, const struct object_guarded *guarded) {
    struct guarded_count *count = context;
    if (guarded->cache == count->cache) {
        count->statistics->guarded++;
        count->statistics->guarded_bytes += guarded->bytes;
    }
    return false;
}

void object_cache_statistics(struct object_cache *cache, struct object_statistics *statistics) {
    *statistics = (struct object_statistics){.name = cache->name, .size = cache->size};
    unsigned long irq = lock_acquire(&cache->lock);
    for (const struct slab *slab = cache->slabs; slab != NULL; slab = slab->list_next) {
        statistics->objects += slab->count;
        for (unsigned i = 0; i < slab->count; i++) {
            statistics->in_use += handed_read(&slab->handed[i]) == HANDED_OUT;
        }
    }
    statistics->slabs = cache->slab_count;
    statistics->slabs_peak = cache->slab_peak;
    statistics->bytes = cache->bytes;
    lock_release(&cache->lock, irq);
    struct guarded_count count = {cache, statistics};
    guard_each(cache->heap, count_guarded, &count);
}

void object_cache_kept(const struct object_cache *cache, unsigned cpu, uint64_t *objects,
                       uint64_t *room) {
    const struct object_cpu *part = __atomic_load_n(&cache->cpus[cpu], __ATOMIC_ACQUIRE);
    *objects = __atomic_load_n(&part->magazine.count, __ATOMIC_RELAXED);
    *room = part->capacity;
}

static struct object_info large_info(const struct slab *slab) {
    return (struct object_info){
        .kind = OBJECT_LARGE,
        .cache = "large",
        .object = slab->base,
        .size = slab->pages * PAGE_SIZE,
        .slab = slab->base,
        .slab_bytes = slab->pages * PAGE_SIZE,
        .cpu = PORT_CPU_MAX,
    };
}

// The directory knows only the first frame of a large object.
static struct object_info inside_large(struct object_heap *heap, const void *address) {
    unsigned long irq = lock_acquire(&heap->lock);
    const struct slab *slab = heap->large;
    while (slab != NULL && (uint64_t)address - (uint64_t)slab->base >= slab->pages * PAGE_SIZE) {
        slab = slab->list_next;
    }
    struct object_info info = {.kind = OBJECT_FOREIGN};
    if (slab != NULL) {
        info = large_info(slab);
    }
    lock_release(&heap->lock, irq);
    return info;
}

static struct object_info guarded_info(const struct object_guarded *guarded) {
    return (struct object_info){
        .kind = guarded->in_use ? OBJECT_IN_USE : OBJECT_FREE,
        .cache = guarded->cache->name,
        .object = (void *)guarded->object,
        .size = guarded->size,
        .slab = (void *)guarded->begin,
        .slab_bytes = guarded->bytes,
        .cpu = PORT_CPU_MAX,
        .guarded = true,
    };
}

struct object_info object_inspect(struct object_heap *heap, const void *address) {
    const struct slab *slab = object_find(heap, address);
    if (slab->kind == SLAB_LARGE) {
        return large_info(slab);
    }
    if (slab->kind == SLAB_NONE) {
        struct object_guarded guarded;
        return guard_find(heap, address, &guarded) ? guarded_info(&guarded)
                                                   : inside_large(heap, address);
    }
    uint64_t index;
    slab_index(slab, address, &index);
    struct object_info info = {
        .cache = slab->cache->name,
        .object = index < slab->count ? slab->base + index * slab->cache->size : NULL,
        .size = slab->cache->size,
        .slab = slab_block(slab),
        .slab_bytes = PAGE_SIZE << slab->order,
        .index = (unsigned)index,
        .cpu = slab->home->cpu,
    };
    info.kind = index >= slab->count                              ? OBJECT_NO_OBJECT
                : handed_read(&slab->handed[index]) != HANDED_OUT ? OBJECT_FREE
                                                                  : OBJECT_IN_USE;
    return info;
}
