// SPDX-License-Identifier: MIT
// Looking at object caches: one address, one cache, every slab and large object by address.
//
// A descriptor that the directory knows while the heap's lock is held stays as long as it is: who
// releases one takes it out of the directory first, and gives it back under that lock.
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
        statistics->objects += slab_objects(slab);
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

_Static_assert(OBJECT_BLOCK_WORDS == SLAB_OBJECTS / 64, "a bit for each object of a slab");

// The heap's lock is held.
static struct object_info large_info(const struct slab *slab) {
    struct object_info info = {
        .kind = OBJECT_LARGE,
        .cache = "large",
        .object = slab->base,
        .size = slab->pages * PAGE_SIZE,
        .slab = slab->base,
        .slab_bytes = slab->pages * PAGE_SIZE,
        .cpu = PORT_CPU_MAX,
        .wanted = slab->wanted,
    };
    if (slab->traces != NULL) {
        const struct large_trace *large = large_trace_of(slab);
        info.freed = large->freed;
        info.allocated_by = large->trace.allocated_by;
        info.freed_by = large->trace.freed_by;
    }
    return info;
}

// The directory knows only the first frame of a large object.
static struct object_info inside_large(struct object_heap *heap, const void *address) {
    unsigned long irq = lock_acquire(&heap->lock);
    const struct slab *slab = object_find(heap, address);
    slab = slab->kind == SLAB_LARGE ? slab : heap->large;
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

static bool is_in_use(const struct slab *slab, uint64_t index) {
    return handed_read(&slab->handed[index]) == HANDED_OUT;
}

// What is said of an object of a piece of a slab; of none, when it is the piece's end.
static struct object_info slab_info(const struct slab *slab, const struct slab_piece *piece,
                                    uint64_t index) {
    struct object_info info = {
        .cache = slab->cache->name,
        .object = index < piece->end ? slab->base + index * slab->cache->size : NULL,
        .size = slab->cache->size,
        .slab = piece->begin,
        .slab_bytes = piece->bytes,
        .index = (unsigned)index - piece->first,
        .cpu = slab->home->cpu,
    };
    info.kind = index >= piece->end      ? OBJECT_NO_OBJECT
                : is_in_use(slab, index) ? OBJECT_IN_USE
                                         : OBJECT_FREE;
    return info;
}

// The heap's lock is held.
static struct object_info inside_slab(const struct slab *slab, const void *address) {
    struct slab_piece piece = slab_piece_at(slab, address);
    uint8_t *first = slab->base + (size_t)piece.first * slab->cache->size;
    uint64_t index;
    slab_index(slab, address, &index);
    struct object_info info = slab_info(slab, &piece, index < piece.end ? index : piece.end);
    if ((const uint8_t *)address < first) {
        info = slab_info(slab, &piece, piece.end);
        info.index = 0;
    }
    return info;
}

struct object_info object_inspect(struct object_heap *heap, const void *address) {
    struct object_info info = {.kind = OBJECT_FOREIGN};
    struct object_guarded guarded;
    unsigned long irq = lock_acquire(&heap->lock);
    const struct slab *slab = object_find(heap, address);
    bool found = slab->kind == SLAB_SMALL;
    if (found) {
        info = inside_slab(slab, address);
    }
    lock_release(&heap->lock, irq);
    if (!found) {
        info = guard_find(heap, address, &guarded) ? guarded_info(&guarded)
                                                   : inside_large(heap, address);
    }
    return info;
}

// What the directory says of the frames of 2 MiB.
static const struct directory_frame *frames_of(const struct object_heap *heap, uint64_t offset) {
    return __atomic_load_n(&heap->directory.regions[offset / (2 * MIB)], __ATOMIC_ACQUIRE);
}

// As object_find, for an offset.
static const struct slab *slab_at(const struct object_heap *heap, uint64_t offset) {
    return object_find(heap, port_direct_map(paddr(offset)));
}

// The first frame at or above an offset that the directory knows.
static bool find_frame(const struct object_heap *heap, uint64_t *offset) {
    uint64_t at = align_up(*offset, PAGE_SIZE);
    while (at / (2 * MIB) < heap->directory.region_count) {
        if (frames_of(heap, at) == heap->no_frames) {
            at = align_down(at, 2 * MIB) + 2 * MIB;
        } else if (slab_at(heap, at) == &slab_none) {
            at += PAGE_SIZE;
        } else {
            *offset = at;
            return true;
        }
    }
    return false;
}

// False when no block begins there, or one without objects: another CPU is about to give it back.
// The heap's lock is held.
static bool copy_block(const struct slab *slab, const uint8_t *begin, struct object_block *block) {
    if (slab->kind != SLAB_SMALL) { // SLAB_NONE: it went meanwhile
        *block = (struct object_block){.info = large_info(slab)};
        return slab->kind == SLAB_LARGE;
    }
    struct slab_piece piece = slab_piece_at(slab, begin);
    *block = (struct object_block){.objects = piece.end - piece.first};
    block->info = slab_info(slab, &piece, piece.first);
    for (unsigned i = 0; i < block->objects; i++) {
        block->in_use[i / 64] |= (uint64_t)is_in_use(slab, piece.first + i) << i % 64;
    }
    return piece.begin == begin && block->objects != 0;
}

bool object_block_next(struct object_heap *heap, paddr_t *at, struct object_block *block) {
    bool found = false;
    while (!found && find_frame(heap, &at->value)) {
        const uint8_t *begin = port_direct_map(*at);
        unsigned long irq = lock_acquire(&heap->lock);
        found = copy_block(slab_at(heap, at->value), begin, block);
        lock_release(&heap->lock, irq);
        at->value += found ? block->info.slab_bytes : PAGE_SIZE;
    }
    return found;
}
