// SPDX-License-Identifier: MIT
// The option `debug`, where the slow ways meet it (include/mm/object_debug.h has the concept).
#pragma once

#include "internal.h"

#include <mm/object_debug.h>

// What is remembered of an object. Written with the cache's lock held.
struct object_trace {
    uint32_t allocated_by, freed_by;
    uint32_t size : 31;   // as asked for
    uint32_t settled : 1; // handed out, and all of this and the red behind it is written
    uint32_t sum;         // of an object with a constructor while it is free
};

// The size of a slot and what lies before the first one, so that there is room for red zones.
void object_debug_shape(struct object_cache *cache);
// Gives a slab traces and fills it. False without memory.
bool object_debug_open(struct slab *slab, unsigned flags);
void object_debug_close(struct slab *slab);
// Its objects were constructed.
void object_debug_constructed(struct slab *slab);

// An object was handed out; it must be as it was when it was freed.
void object_debug_alloc(struct slab *slab, void *object, size_t size, const void *caller);
// An object comes back, which is HANDED_OUT: it goes into quarantine, and the oldest that was there
// comes out of it.
void object_debug_free(struct slab *slab, void *object, uint64_t index, const void *caller);
// Everything out of quarantine.
void object_debug_drain(struct object_heap *heap);

// A caller as it is remembered.
uint32_t object_debug_site(const void *caller);
// The first byte of [begin, end) that is not `expected`; NULL when all are.
const uint8_t *object_debug_wrong(const uint8_t *begin, const uint8_t *end, uint8_t expected);
// The end: something was written where nobody may.
_Noreturn void object_debug_refuse(const struct object_defect *defect, const char *when);

// debug_large.c: objects in pages of their own, with red zones at both ends.
//
// How many pages have to lie before an object that is aligned to `align`: none before those aligned
// to more than 2 MiB, which would double.
uint64_t large_lead(const struct object_heap *heap, uint64_t align);
// Remembers the caller and fills the red zones. False without memory.
bool large_debug_open(struct object_heap *heap, struct slab *slab, uint64_t lead,
                      const void *caller, unsigned flags);
// It is freed, and goes into quarantine: pages go back when it leaves it.
void large_debug_free(struct object_heap *heap, struct slab *slab, const void *caller);
// Everything out of quarantine; returns how many pages that are.
uint64_t large_debug_drain(struct object_heap *heap);
bool large_debug_find(struct object_heap *heap, struct object_defect *defect);
// Calls `visit` for each large object in use. The lock is held.
void large_debug_each(struct object_heap *heap,
                      void (*visit)(void *context, const struct slab *slab), void *context);

// What is remembered of a large object (slab->traces), and which of them wait.
struct large_trace {
    struct object_trace trace;
    uint64_t lead; // pages
    struct slab *newer;
    bool freed;
};

static inline struct large_trace *large_trace_of(const struct slab *slab) {
    return (struct large_trace *)(void *)slab->traces;
}

// What is remembered of the object at this index, or zeros.
struct object_trace object_debug_trace(const struct slab *slab, uint64_t index);

// cache.c: a free object goes into a magazine or its slab.
void object_return(struct slab *slab, void *object, uint8_t *handed);
