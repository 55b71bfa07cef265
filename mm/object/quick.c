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

// Puts an object of one of the part's own slabs into the magazine, or straight back. False when
// that takes more, or the object is not handed out. A full magazine is what is expected: so the
// instructions of a free in bulk follow each other, and a hot pair, which has the time, jumps.
static inline __attribute__((always_inline)) bool
put_own(struct object_cpu *part, struct slab *slab, void *object, uint8_t *handed) {
    if (__builtin_expect(*handed != HANDED_OUT, false)) {
        return false;
    }
    object_hide(slab->cache, object);
    if (__builtin_expect(object_is_full(part), true)) {
        return object_return_quick(slab, handed);
    }
    object_push(part, object, handed);
    return true;
}

// The same for any slab of a cache. The closed part is the home of none and visits none.
static inline __attribute__((always_inline)) bool
put_any(const struct object_cache *cache, struct slab *slab, void *object, uint8_t *handed) {
    uint32_t open = object_gate_enter();
    struct object_cpu *part = cache->quick[open];
    bool done = false;
    if (__builtin_expect(*handed == HANDED_OUT, true)) {
        object_hide(cache, object);
        done = object_push(part, object, handed) ||
               (slab->home == part ? object_return_quick(slab, handed)
                                   : object_return_visiting(part, slab, handed));
    }
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

static inline __attribute__((always_inline)) void *
alloc_of_class(struct kmalloc *kmalloc, unsigned class, size_t size, const void *caller) {
    uint32_t open = object_gate_enter();
    void *object = object_pop(&kmalloc->classes[class].quick[open]->magazine);
    object_gate_leave(open);
    if (__builtin_expect(object != NULL, true)) {
        port_memory_show(object, size);
        return object;
    }
    return kmalloc_alloc_slow(kmalloc, size, 0, caller);
}

// By itself, or compilers join it with the small sizes, which then take two instructions more.
static QUICK __attribute__((noinline)) void *alloc_beyond(struct kmalloc *kmalloc, size_t size,
                                                          const void *caller) {
    if (size > KMALLOC_CLASS_MAX) {
        return kmalloc_alloc_slow(kmalloc, size, 0, caller);
    }
    return alloc_of_class(kmalloc, kmalloc->class_beyond[(size + 255) / 256], size, caller);
}

QUICK void *kmalloc_alloc_plain(struct kmalloc *kmalloc, size_t size) {
    size_t eights = (size + 7) / 8;
    if (__builtin_expect(eights > KMALLOC_SMALL / 8, false)) {
        return alloc_beyond(kmalloc, size, OBJECT_CALLER);
    }
    return alloc_of_class(kmalloc, kmalloc->class_of[eights], size, OBJECT_CALLER);
}

// Puts an object of another CPU's slab into the magazine, or straight back. False when that takes
// more, or the object is not handed out, or the gate is held: the closed part is full and visits
// none.
static inline __attribute__((always_inline)) bool put_others(struct slab *slab, void *object,
                                                             uint8_t *handed) {
    const struct object_cache *cache = slab->cache;
    __atomic_signal_fence(__ATOMIC_SEQ_CST); // the gate is read again: to keep it costs one's own
    uint32_t open = object_gate_enter();
    struct object_cpu *part = cache->quick[open];
    bool done = false;
    if (__builtin_expect(*handed == HANDED_OUT, true)) {
        object_hide(cache, object);
        if (__builtin_expect(object_is_full(part), true)) {
            done = object_return_visiting(part, slab, handed);
        } else {
            done = object_push(part, object, handed);
        }
    }
    object_gate_leave(open);
    return __builtin_expect(done, true);
}

QUICK void kmalloc_free(struct kmalloc *kmalloc, void *memory) {
    struct slab *slab;
    uint8_t *handed;
    if (__builtin_expect(directory_object(&kmalloc->heap.directory, memory, &slab, &handed),
                         true)) {
        struct object_cpu *part = slab->home; // early: whose it is and this lie side by side
        if (__builtin_expect(slab->owner != *port_cpu_gate(), false)) {
            if (slab->owner >= SLAB_NAMED || !put_others(slab, memory, handed)) {
                object_free_slow(&kmalloc->heap, memory, NULL, OBJECT_CALLER);
            }
            return;
        }
        uint32_t open = object_gate_enter();
        bool done = put_own(part, slab, memory, handed);
        object_gate_leave(open);
        if (__builtin_expect(done, true)) {
            return;
        }
    }
    object_free_slow(&kmalloc->heap, memory, NULL, OBJECT_CALLER);
}
