// SPDX-License-Identifier: MIT
// The quick ways of kmalloc and of object caches: an object out of a magazine, an object into one.
//
// These functions call nothing but what cannot be done in this way, and that last: so they save no
// registers. Everything else is cache.c's business.
#include "kmalloc.h"

void *object_alloc_plain(struct object_cache *cache) {
    struct object_cpu *part = cache->cpus[port_cpu()];
    uint32_t open = port_cpu();
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

// Puts an object into the magazine or, when it is full and the slab is this part's, back into the
// slab; `own`: it is known to be. False when that takes more, or it is not handed out.
static inline __attribute__((always_inline)) bool
put_quickly(struct object_cpu *part, bool own, struct slab *slab, void *object, uint8_t *handed) {
    uint32_t open = port_cpu();
    if (!object_gate_enter(part, open)) {
        return false;
    }
    bool done = false;
    if (__builtin_expect(*handed == HANDED_OUT, true)) {
        object_hide(part->cache, object);
        done = object_push(part, object, handed) ||
               (own || slab->home == part ? object_return_quick(slab, handed)
                                          : object_return_visiting(part, slab, handed));
    }
    object_gate_leave(part, open);
    return __builtin_expect(done, true);
}

void object_free(struct object_cache *cache, void *object) {
    struct slab *slab;
    uint8_t *handed;
    if (__builtin_expect(!directory_object(&cache->directory, object, &slab, &handed) ||
                             slab->cache != cache ||
                             !put_quickly(cache->cpus[port_cpu()], false, slab, object, handed),
                         false)) {
        object_free_slow(cache->heap, object, cache, OBJECT_CALLER);
    }
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

// What another CPU's slab has.
static __attribute__((noinline)) void free_of_others(struct kmalloc *kmalloc, struct slab *slab,
                                                     void *memory, uint8_t *handed,
                                                     const void *caller) {
    struct object_cache *cache = slab->cache;
    if (!cache->is_class || !put_quickly(cache->cpus[port_cpu()], false, slab, memory, handed)) {
        object_free_slow(&kmalloc->heap, memory, NULL, caller);
    }
}

void kmalloc_free(struct kmalloc *kmalloc, void *memory) {
    struct slab *slab;
    uint8_t *handed;
    if (__builtin_expect(directory_object(&kmalloc->heap.directory, memory, &slab, &handed),
                         true)) {
        if (__builtin_expect(slab->owner != port_cpu(), false)) {
            free_of_others(kmalloc, slab, memory, handed, OBJECT_CALLER);
            return;
        }
        if (put_quickly(slab->home, true, slab, memory, handed)) {
            return;
        }
    }
    object_free_slow(&kmalloc->heap, memory, NULL, OBJECT_CALLER);
}
