// SPDX-License-Identifier: MIT
// Guarded objects, where the other files meet them (include/mm/object_guard.h has the concept). All
// of it does nothing in a heap without a guard.
#pragma once

#include "debug.h"

#include <mm/object_guard.h>

// Whether objects of a cache that has this name are guarded.
bool guard_wants(const struct object_heap *heap, const char *name);

// An object with pages of its own; NULL without memory or addresses for them.
void *guard_alloc(const struct object_cache *cache, unsigned flags, size_t size, size_t align,
                  const void *caller);
// The same for a large one; NULL also when large objects are not the ones that are guarded. `align`
// 0: its own.
void *guard_alloc_large(struct object_heap *heap, unsigned flags, size_t size, size_t align,
                        const void *caller);

// Frees a guarded object. False when it lies in no guarded pages; panics when it does, and cannot
// be freed. `cache`: the one it was given to, or NULL for kmalloc.
bool guard_free(struct object_heap *heap, const struct object_cache *cache, void *object,
                const void *caller);

// The guarded object whose pages the address lies in; false when there is none.
bool guard_find(struct object_heap *heap, const void *address, struct object_guarded *out);

// What is wrong with giving an address to a cache, or to kmalloc, that lies in guarded pages.
const char *guard_refusal(const struct object_cache *cache, const struct object_guarded *guarded,
                          const void *address);

// Everything out of quarantine. Not from the shrinker: the addresses' owner may be asking for
// pages.
void guard_drain(struct object_heap *heap);

// Calls `visit` for each guarded object that is in use, until it returns true; whether it did. The
// lock is held.
bool guard_each(struct object_heap *heap,
                bool (*visit)(void *context, const struct object_guarded *guarded), void *context);

// The first byte around an object in use that is not red.
bool guard_defect(struct object_heap *heap, struct object_defect *defect);

// NULL, or the sentence that does not hold.
const char *guard_check(struct object_heap *heap);
