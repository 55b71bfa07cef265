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

// Puts an object into the magazine or, when it is full and the slab is this CPU's `own`, back into
// the slab. False when that takes more, or it is not handed out.
static inline __attribute__((always_inline)) bool put_quickly(struct object_cpu *part,
                                                              uint32_t open, struct slab *own,
                                                              void *object, uint8_t *handed) {
    if (!object_gate_enter(part, open)) {
        return false;
    }
    bool done = false;
    if (__builtin_expect(*handed == HANDED_OUT, true)) {
        object_hide(part->cache, object);
        done =
            object_push(part, object, handed) || (own != NULL && object_return_quick(own, handed));
    }
    object_gate_leave(part, open);
    return __builtin_expect(done, true);
}

// The same for an object of whatever slab. One's own is asked for apart, since that is all that has
// to be looked at then.
static inline __attribute__((always_inline)) bool
free_quickly(struct slab *slab, uint32_t cpu, uint32_t open, void *object, uint8_t *handed) {
    return __builtin_expect(slab->cpu == cpu, true)
               ? put_quickly(slab->home, open, slab, object, handed)
               : put_quickly(slab->cache->cpus[cpu], open, NULL, object, handed);
}

void object_free(struct object_cache *cache, void *object) {
    struct slab *slab;
    uint8_t *handed;
    uint32_t cpu = port_cpu();
    if (__builtin_expect(!directory_object(&cache->directory, object, &slab, &handed) ||
                             slab->cache != cache ||
                             !free_quickly(slab, cpu, cpu | OBJECT_NAMED, object, handed),
                         false)) {
        object_free_slow(cache->heap, cache, object, OBJECT_CALLER);
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

void kmalloc_free(struct kmalloc *kmalloc, void *memory) {
    struct slab *slab;
    uint8_t *handed;
    uint32_t cpu = port_cpu();
    if (__builtin_expect(!directory_object(&kmalloc->heap.directory, memory, &slab, &handed) ||
                             !free_quickly(slab, cpu, cpu, memory, handed),
                         false)) {
        object_free_slow(&kmalloc->heap, NULL, memory, OBJECT_CALLER);
    }
}
