// SPDX-License-Identifier: MIT
// The option `debug`, where the slow ways meet it (include/mm/object_debug.h has the concept).
#pragma once

#include "internal.h"

#include <mm/object_debug.h>

// What is remembered of an object.
struct object_trace {
    uint32_t allocated_by, freed_by;
    uint32_t size; // as asked for
    uint32_t unused;
};

// The size of a slot and what lies before the first one, so that there is room for red zones.
void object_debug_shape(struct object_cache *cache);
// Gives a slab traces and fills it. False without memory.
bool object_debug_open(struct slab *slab, unsigned flags);
void object_debug_close(struct slab *slab);

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

// What is remembered of the object at this index, or zeros.
struct object_trace object_debug_trace(const struct slab *slab, uint64_t index);

// cache.c: a free object goes into a magazine or its slab.
void object_return(struct slab *slab, void *object, uint8_t *handed);
