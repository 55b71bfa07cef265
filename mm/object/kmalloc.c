// SPDX-License-Identifier: MIT
// kmalloc: a cache for each class, pages beyond them.
#include "internal.h"

#include <mm/kmalloc.h>
#include <string.h>

// The class that serves 1 … 65,536 bytes: eight of 8 bytes each, then four to a doubling.
static inline unsigned class_for(size_t size) {
    uint64_t last = size - 1;
    if (last < 64) {
        return (unsigned)last / 8;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(last);
    return 8 + (top - 6) * 4 + (unsigned)(last >> (top - 2) & 3);
}

static uint32_t size_of_class(unsigned class) {
    return class < 8 ? 8 * (class + 1) : (16u << (class - 8) / 4) * (5 + (class - 8) % 4);
}

static void name_class(char *name, uint32_t size) {
    char digits[8];
    unsigned count = 0;
    bool kib = size >= 1024 && size % 1024 == 0;
    for (uint32_t rest = kib ? size / 1024 : size; rest != 0; rest /= 10) {
        digits[count++] = (char)('0' + rest % 10);
    }
    memcpy(name, "kmalloc-", 8);
    for (name += 8; count != 0;) {
        *name++ = digits[--count];
    }
    *name++ = kib ? 'K' : '\0';
    *name = '\0';
}

bool kmalloc_init(struct kmalloc *kmalloc, struct page_allocator *pages,
                  const struct object_options *options) {
    if (!object_heap_init(&kmalloc->heap, pages, options)) {
        return false;
    }
    for (unsigned i = 0; i <= KMALLOC_SMALL / 8; i++) {
        kmalloc->class_of[i] = (uint8_t)class_for(i == 0 ? 1 : i * 8);
    }
    for (unsigned class = KMALLOC_CLASSES; class -- > 0;) {
        char name[OBJECT_NAME_MAX];
        name_class(name, size_of_class(class));
        object_cache_init(&kmalloc->classes[class], &kmalloc->heap, name, size_of_class(class), 0,
                          NULL);
        kmalloc->classes[class].is_class = true;
    }
    return true;
}

static void *alloc_slow(struct kmalloc *kmalloc, size_t size, unsigned flags) {
    if (size == 0) {
        return KMALLOC_NOTHING;
    }
    if (size > KMALLOC_CLASS_MAX || (flags & (OBJECT_BELOW_4G | OBJECT_BELOW_16M)) != 0) {
        return large_alloc(&kmalloc->heap, size, 0, flags);
    }
    return object_alloc_slow(&kmalloc->classes[class_for(size)], flags);
}

void *kmalloc_alloc(struct kmalloc *kmalloc, size_t size, unsigned flags) {
    uint32_t cpu = port_cpu();
    size_t class;
    if (__builtin_expect((flags & ~(unsigned)OBJECT_ATOMIC) != 0, false)) {
        return alloc_slow(kmalloc, size, flags);
    }
    if (__builtin_expect(size - 1 < KMALLOC_SMALL, true)) {
        class = kmalloc->class_of[(size + 7) / 8];
    } else if (size - 1 < KMALLOC_CLASS_MAX) {
        class = class_for(size);
    } else {
        return alloc_slow(kmalloc, size, flags);
    }
    struct object_cpu *part = kmalloc->classes[class].cpus[cpu];
    if (object_gate_enter(part, cpu)) {
        void *object = object_pop(part);
        object_gate_leave(part, cpu);
        if (__builtin_expect(object != NULL, true)) {
            return object;
        }
    }
    return object_alloc_slow(&kmalloc->classes[class], flags);
}

static void free_slow(struct kmalloc *kmalloc, void *memory) {
    if (memory != KMALLOC_NOTHING) {
        object_free_slow(&kmalloc->heap, NULL, memory);
    }
}

void kmalloc_free(struct kmalloc *kmalloc, void *memory) {
    const struct slab *slab = object_find(&kmalloc->heap, memory);
    uint32_t cpu = port_cpu();
    uint64_t index;
    if (__builtin_expect(slab_index(slab, memory, &index), true)) {
        struct object_cpu *part = slab->cache->cpus[cpu];
        uint8_t *handed = (uint8_t *)slab->handed + index;
        if (object_gate_enter(part, cpu)) {
            bool done = __builtin_expect(handed_read(handed) == HANDED_OUT, true) &&
                        object_push(part, memory, handed);
            object_gate_leave(part, cpu);
            if (__builtin_expect(done, true)) {
                return;
            }
        }
    }
    free_slow(kmalloc, memory);
}

void *kmalloc_alloc_aligned(struct kmalloc *kmalloc, size_t size, size_t align, unsigned flags) {
    if (align == 0 || (align & (align - 1)) != 0 || align > GIB) {
        return NULL;
    }
    bool pages = size > KMALLOC_CLASS_MAX || align > OBJECT_ALIGN_MAX ||
                 (flags & (OBJECT_BELOW_4G | OBJECT_BELOW_16M)) != 0;
    if (size == 0) {
        return KMALLOC_NOTHING;
    }
    if (pages) {
        return large_alloc(&kmalloc->heap, size, align, flags);
    }
    unsigned class = class_for(size);
    while (size_of_class(class) % align != 0) {
        class ++;
    }
    return object_alloc_slow(&kmalloc->classes[class], flags);
}

void *kmalloc_alloc_array(struct kmalloc *kmalloc, size_t count, size_t size, unsigned flags) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return kmalloc_alloc(kmalloc, bytes, flags | OBJECT_ZERO);
}

size_t kmalloc_class_size(const struct kmalloc *kmalloc, size_t size) {
    (void)kmalloc;
    if (size == 0 || size > KMALLOC_CLASS_MAX) {
        return size > SIZE_MAX - (PAGE_SIZE - 1) ? 0 : align_up(size, PAGE_SIZE);
    }
    return size_of_class(class_for(size));
}

size_t kmalloc_size(struct kmalloc *kmalloc, const void *memory) {
    if (memory == NULL || memory == KMALLOC_NOTHING) {
        return 0;
    }
    struct slab *slab = object_find(&kmalloc->heap, memory);
    uint64_t index;
    if (slab->kind == SLAB_LARGE && slab->base == memory) {
        return slab->pages * PAGE_SIZE;
    }
    if (slab->kind != SLAB_SMALL || !slab->cache->is_class || !slab_index(slab, memory, &index) ||
        handed_read(&slab->handed[index]) != HANDED_OUT) {
        object_misuse(&kmalloc->heap, NULL, memory);
    }
    return slab->cache->size;
}

void *kmalloc_realloc(struct kmalloc *kmalloc, void *memory, size_t size, unsigned flags) {
    if (memory == NULL || memory == KMALLOC_NOTHING) {
        return kmalloc_alloc(kmalloc, size, flags);
    }
    size_t old = kmalloc_size(kmalloc, memory);
    if (size == 0) {
        kmalloc_free(kmalloc, memory);
        return KMALLOC_NOTHING;
    }
    if (old == kmalloc_class_size(kmalloc, size)) {
        return memory;
    }
    void *moved = kmalloc_alloc(kmalloc, size, flags & ~(unsigned)OBJECT_ZERO);
    if (moved == NULL) {
        return NULL;
    }
    memcpy(moved, memory, old < size ? old : size);
    if ((flags & OBJECT_ZERO) != 0 && size > old) {
        memset((uint8_t *)moved + old, 0, size - old);
    }
    kmalloc_free(kmalloc, memory);
    return moved;
}

void kmalloc_free_sized(struct kmalloc *kmalloc, void *memory, size_t size) {
    size_t there = kmalloc_size(kmalloc, memory);
    if (memory != NULL && there != kmalloc_class_size(kmalloc, size)) {
        port_panic("kmalloc_free_sized: %p: freed as %lu bytes, which takes %lu, but it has %lu",
                   memory, size, kmalloc_class_size(kmalloc, size), there);
    }
    kmalloc_free(kmalloc, memory);
}
