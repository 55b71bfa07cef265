// SPDX-License-Identifier: MIT
// kmalloc of the running kernel: include/mm/kmalloc.h has what each of these does.
#pragma once

#include <state.h>

static inline void *kmalloc(size_t size, unsigned flags) {
    return kmalloc_alloc(&strata.kmalloc, size, flags);
}

static inline void *kzalloc(size_t size, unsigned flags) {
    return kmalloc_alloc(&strata.kmalloc, size, flags | OBJECT_ZERO);
}

static inline void *kcalloc(size_t count, size_t size, unsigned flags) {
    return kmalloc_alloc_array(&strata.kmalloc, count, size, flags);
}

static inline void *krealloc(void *memory, size_t size, unsigned flags) {
    return kmalloc_realloc(&strata.kmalloc, memory, size, flags);
}

static inline void *kmalloc_aligned(size_t size, size_t align, unsigned flags) {
    return kmalloc_alloc_aligned(&strata.kmalloc, size, align, flags);
}

static inline size_t ksize(const void *memory) {
    return kmalloc_size(&strata.kmalloc, memory);
}

static inline void kfree(void *memory) {
    kmalloc_free(&strata.kmalloc, memory);
}

static inline void kfree_sized(void *memory, size_t size) {
    kmalloc_free_sized(&strata.kmalloc, memory, size);
}
