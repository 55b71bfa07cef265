// SPDX-License-Identifier: MIT
// What kmalloc's files share.
#pragma once

#include "internal.h"

#include <mm/kmalloc.h>

// kmalloc.c: 0 bytes, more than the largest class, flags, an empty magazine.
void *kmalloc_alloc_slow(struct kmalloc *kmalloc, size_t size, unsigned flags, const void *caller);

// The class that serves 1 … 65,536 bytes: eight of 8 bytes each, then four to a doubling.
static inline unsigned kmalloc_class_for(size_t size) {
    uint64_t last = size - 1;
    if (last < 64) {
        return (unsigned)last / 8;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(last);
    return 8 + (top - 6) * 4 + (unsigned)(last >> (top - 2) & 3);
}
