// SPDX-License-Identifier: MIT
// The quick ways of kmalloc and of object caches: an object out of a magazine, an object into one.
//
// These functions call nothing but what cannot be done in this way, and that last: so they save no
// registers. Everything else is cache.c's business.
#include "kmalloc.h"

void *object_alloc_plain(struct object_cache *cache) {
    struct object_cpu *part = cache->cpus[port_cpu()];
    uint32_t open = port_cpu() | OBJECT_NAMED;
    if (object_gate_enter(part, open)) {
        void *object = object_pop(&part->magazine);
        object_gate_leave(part, open);
        if (__builtin_expect(object != NULL, true)) {
            port_memory_show(object, cache->wanted);
            return object;
        }
    }
    return object_alloc_slow(cache, 0, cache->wanted, OBJECT_CALLER);
}

// Puts an object into the magazine or, if it is this CPU's, back into its slab. False when that
// takes more, or it is not handed out. The gate is held.
static inline __attribute__((always_inline)) bool
put_quickly(struct object_cpu *part, struct slab *slab, void *object, uint8_t *handed) {
    if (__builtin_expect(*handed != HANDED_OUT, false)) {
        return false;
    }
    object_hide(part->cache, object);
    return object_push(part, object, handed) ||
           (slab->home == part && object_return_quick(slab, handed));
}

void object_free(struct object_cache *cache, void *object) {
    struct slab *slab = directory_find(&cache->directory, object);
    struct object_cpu *part = cache->cpus[port_cpu()];
    uint32_t open = port_cpu() | OBJECT_NAMED;
    uint8_t *handed;
    if (__builtin_expect(slab_byte(slab, object, &handed) && slab->cache == cache, true) &&
        object_gate_enter(part, open)) {
        bool done = put_quickly(part, slab, object, handed);
        object_gate_leave(part, open);
        if (__builtin_expect(done, true)) {
            return;
        }
    }
    object_free_slow(cache->heap, cache, object, OBJECT_CALLER);
}

void *kmalloc_alloc_plain(struct kmalloc *kmalloc, size_t size) {
    uint32_t cpu = port_cpu();
    size_t class = (size + 7) / 8;
    if (__builtin_expect(class <= KMALLOC_SMALL / 8, true)) {
        class = kmalloc->class_of[class];
    } else if (size <= KMALLOC_CLASS_MAX) {
        class = kmalloc->class_beyond[(size + 255) / 256];
    } else {
        return kmalloc_alloc_slow(kmalloc, size, 0, OBJECT_CALLER);
    }
    struct object_cpu *part = kmalloc->classes[class].cpus[cpu];
    if (object_gate_enter(part, cpu)) {
        void *object = object_pop(&part->magazine);
        object_gate_leave(part, cpu);
        if (__builtin_expect(object != NULL, true)) {
            port_memory_show(object, size);
            return object;
        }
    }
    return kmalloc_alloc_slow(kmalloc, size, 0, OBJECT_CALLER);
}

void kmalloc_free(struct kmalloc *kmalloc, void *memory) {
    struct slab *slab = directory_find(&kmalloc->heap.directory, memory);
    uint32_t cpu = port_cpu();
    uint8_t *handed;
    if (__builtin_expect(slab_byte(slab, memory, &handed), true)) {
        struct object_cpu *part = slab->cache->cpus[cpu];
        if (object_gate_enter(part, cpu)) {
            bool done = put_quickly(part, slab, memory, handed);
            object_gate_leave(part, cpu);
            if (__builtin_expect(done, true)) {
                return;
            }
        }
    }
    object_free_slow(&kmalloc->heap, NULL, memory, OBJECT_CALLER);
}
