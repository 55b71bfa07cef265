// SPDX-License-Identifier: MIT
// The quick ways of kmalloc and of object caches: an object out of a magazine, an object into one.
//
// These functions call nothing but what cannot be done in this way, and that last: so they save no
// registers. Everything else is cache.c's business.
#include "kmalloc.h"

// A function that begins a cache line is read by the processor in fewer pieces.
#define QUICK __attribute__((aligned(64)))

QUICK void *object_alloc_plain(struct object_cache *cache) {
    uint32_t open = object_gate_enter();
    void *object = object_pop(&cache->quick[open]->magazine);
    object_gate_leave(open);
    if (__builtin_expect(object != NULL, true)) {
        port_memory_show(object, cache->wanted);
        return object;
    }
    return object_alloc_slow(cache, 0, cache->wanted, OBJECT_CALLER);
}

// Puts an object into the magazine; when that is full back into its slab, which is this part's
// (`own`) or the one that it visits. False when that takes more, or the object is not handed out.
static inline __attribute__((always_inline)) bool
put_quickly(struct object_cpu *part, bool own, struct slab *slab, void *object, uint8_t *handed) {
    if (__builtin_expect(*handed != HANDED_OUT, false)) {
        return false;
    }
    object_hide(slab->cache, object);
    return object_push(part, object, handed) ||
           (own ? object_return_quick(slab, handed) : object_return_visiting(part, slab, handed));
}

// The same for any slab of a cache. The closed part is the home of none and visits none.
static inline __attribute__((always_inline)) bool
put_any(const struct object_cache *cache, struct slab *slab, void *object, uint8_t *handed) {
    uint32_t open = object_gate_enter();
    struct object_cpu *part = cache->quick[open];
    bool done = put_quickly(part, slab->home == part, slab, object, handed);
    object_gate_leave(open);
    return __builtin_expect(done, true);
}

QUICK void object_free(struct object_cache *cache, void *object) {
    struct slab *slab;
    uint8_t *handed;
    if (__builtin_expect(!directory_object(&cache->directory, object, &slab, &handed) ||
                             slab->cache != cache || !put_any(cache, slab, object, handed),
                         false)) {
        object_free_slow(cache->heap, object, cache, OBJECT_CALLER);
    }
}

QUICK void *kmalloc_alloc_plain(struct kmalloc *kmalloc, size_t size) {
    size_t class = (size + 7) / 8;
    if (__builtin_expect(class <= KMALLOC_SMALL / 8, true)) {
        class = kmalloc->class_of[class];
    } else if (size <= KMALLOC_CLASS_MAX) {
        class = kmalloc->class_beyond[(size + 255) / 256];
    } else {
        return kmalloc_alloc_slow(kmalloc, size, 0, OBJECT_CALLER);
    }
    uint32_t open = object_gate_enter();
    void *object = object_pop(&kmalloc->classes[class].quick[open]->magazine);
    object_gate_leave(open);
    if (__builtin_expect(object != NULL, true)) {
        port_memory_show(object, size);
        return object;
    }
    return kmalloc_alloc_slow(kmalloc, size, 0, OBJECT_CALLER);
}

// What another CPU's slab has, or a cache's that is no class, or an interrupt that finds the gate
// held.
static __attribute__((noinline)) void free_of_others(struct kmalloc *kmalloc, struct slab *slab,
                                                     void *memory, uint8_t *handed,
                                                     const void *caller) {
    if (!slab->cache->is_class || !put_any(slab->cache, slab, memory, handed)) {
        object_free_slow(&kmalloc->heap, memory, NULL, caller);
    }
}

QUICK void kmalloc_free(struct kmalloc *kmalloc, void *memory) {
    struct slab *slab;
    uint8_t *handed;
    if (__builtin_expect(directory_object(&kmalloc->heap.directory, memory, &slab, &handed),
                         true)) {
        struct object_cpu *part = slab->home; // early: whose it is and this lie side by side
        if (__builtin_expect(slab->owner != *port_cpu_gate(), false)) {
            free_of_others(kmalloc, slab, memory, handed, OBJECT_CALLER);
            return;
        }
        uint32_t open = object_gate_enter();
        bool done = put_quickly(part, true, slab, memory, handed);
        object_gate_leave(open);
        if (__builtin_expect(done, true)) {
            return;
        }
    }
    object_free_slow(&kmalloc->heap, memory, NULL, OBJECT_CALLER);
}
