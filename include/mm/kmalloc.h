// SPDX-License-Identifier: MIT
// kmalloc: memory of any size, for everybody.
//
//   size   8 16 … 64 | 80 96 112 128 | 160 … 256 | … | 40K 48K 56K 64K |  more
//          └──────────── four classes to a doubling: a cache each ────┘    pages
//
// A request is served by the smallest class that holds it, so less than a fifth is lost to
// rounding (below 64 bytes: less than 8 bytes). A class whose size is a power of two aligns its
// objects to it. What is larger than 64 KiB gets pages of its own, exactly as many as it needs.
// cache.h says how a class works and what is caught.
#pragma once

#include <mm/cache.h>

#define KMALLOC_CLASSES   48
#define KMALLOC_CLASS_MAX OBJECT_SIZE_MAX
#define KMALLOC_SMALL     4096 // up to here the classes' table goes by 8 bytes, then by 256

// What a request for 0 bytes gets: may be freed, and not used.
#define KMALLOC_NOTHING ((void *)16)

struct kmalloc {
    struct object_heap heap;
    // By size in units of 8 bytes, rounded up; 0 bytes: the last one, which is no class and never
    // has anything. Beyond KMALLOC_SMALL in units of 256.
    uint8_t class_of[KMALLOC_SMALL / 8 + 1], class_beyond[KMALLOC_CLASS_MAX / 256 + 1];
    struct object_cache classes[KMALLOC_CLASSES + 1];
};

// Makes the classes, over a heap of their own. False when there is no memory for the heap
// (object_heap_init).
bool kmalloc_init(struct kmalloc *kmalloc, struct page_allocator *pages,
                  const struct object_options *options);

// Takes `size` bytes; NULL when there is no memory for them. `flags`: OBJECT_… .
// O(1) and what object_alloc says; beyond KMALLOC_CLASS_MAX what page_alloc_contig says.
static inline void *kmalloc_alloc(struct kmalloc *kmalloc, size_t size, unsigned flags);

// The same without flags, in fewer instructions: what kmalloc_alloc becomes when there are none.
void *kmalloc_alloc_plain(struct kmalloc *kmalloc, size_t size);
void *kmalloc_alloc_flags(struct kmalloc *kmalloc, size_t size, unsigned flags);

static inline void *kmalloc_alloc(struct kmalloc *kmalloc, size_t size, unsigned flags) {
    return __builtin_constant_p(flags) && flags == 0 ? kmalloc_alloc_plain(kmalloc, size)
                                                     : kmalloc_alloc_flags(kmalloc, size, flags);
}

// The same, for an address that is a multiple of `align`, a power of two up to 1 GiB; NULL for
// another one.
void *kmalloc_alloc_aligned(struct kmalloc *kmalloc, size_t size, size_t align, unsigned flags);

// `count` times `size` bytes, cleared; NULL when that does not fit into a size_t.
void *kmalloc_alloc_array(struct kmalloc *kmalloc, size_t count, size_t size, unsigned flags);

// Changes the size of an allocation, which may move: the first bytes stay, as many as both sizes
// have. Stays in place when the new size is of the same class or takes as many pages; beyond the
// classes also when it becomes shorter, or longer where the pages behind it are free, as long as
// its place is aligned to the new size if that is a power of two. What has to move in order to
// grow is put where there is room behind it. NULL, with the old one unchanged, when there is no
// memory. From NULL it allocates; size 0 frees and returns KMALLOC_NOTHING. OBJECT_ZERO clears what
// is added to what kmalloc_size said before.
void *kmalloc_realloc(struct kmalloc *kmalloc, void *memory, size_t size, unsigned flags);

// How many bytes an allocation really has: at least what was asked for.  O(1).
size_t kmalloc_size(struct kmalloc *kmalloc, const void *memory);

// Gives an allocation back; NULL and KMALLOC_NOTHING are nothing. Panics when it is none.  O(1).
void kmalloc_free(struct kmalloc *kmalloc, void *memory);

// The same, and panics unless an allocation of `size` bytes would have been of this one's class.
void kmalloc_free_sized(struct kmalloc *kmalloc, void *memory, size_t size);

// The size of the class that serves `size` bytes; whole pages beyond the classes, 0 for 0.
size_t kmalloc_class_size(const struct kmalloc *kmalloc, size_t size);
