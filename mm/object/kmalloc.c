// SPDX-License-Identifier: MIT
// kmalloc: a cache for each class, pages beyond them.
#include "kmalloc.h"
#include "guard.h"

#include <string.h>

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
        kmalloc->class_of[i] =
            i == 0 ? KMALLOC_CLASSES : (uint8_t)kmalloc_class_for(UINT64_C(8) * i);
    }
    for (unsigned i = KMALLOC_SMALL / 256; i <= KMALLOC_CLASS_MAX / 256; i++) {
        kmalloc->class_beyond[i] = (uint8_t)kmalloc_class_for(UINT64_C(256) * i);
    }
    for (unsigned class = KMALLOC_CLASSES; class -- > 0;) {
        char name[OBJECT_NAME_MAX];
        name_class(name, size_of_class(class));
        object_cache_init(&kmalloc->classes[class], &kmalloc->heap, name, size_of_class(class), 0,
                          NULL);
        kmalloc->classes[class].is_class = true;
    }
    object_quick_close(&kmalloc->classes[KMALLOC_CLASSES]);
    return true;
}

void *kmalloc_alloc_slow(struct kmalloc *kmalloc, size_t size, unsigned flags, const void *caller) {
    if (size == 0) {
        return KMALLOC_NOTHING;
    }
    if (size > KMALLOC_CLASS_MAX || (flags & (OBJECT_BELOW_4G | OBJECT_BELOW_16M)) != 0) {
        return large_alloc(&kmalloc->heap, size, 0, flags, caller);
    }
    return object_alloc_slow(&kmalloc->classes[kmalloc_class_for(size)], flags, size, caller);
}

void *kmalloc_alloc_flags(struct kmalloc *kmalloc, size_t size, unsigned flags) {
    return kmalloc_alloc_slow(kmalloc, size, flags, OBJECT_CALLER);
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
        return large_alloc(&kmalloc->heap, size, align, flags, OBJECT_CALLER);
    }
    unsigned class = kmalloc_class_for(size);
    // Slots of another size than the class's are aligned as the class alone promises.
    while (size_of_class(class) % align != 0 ||
           (kmalloc->heap.options.debug && kmalloc->classes[class].align % align != 0)) {
        class ++;
    }
    return object_alloc_slow(&kmalloc->classes[class], flags, size, OBJECT_CALLER);
}

void *kmalloc_alloc_array(struct kmalloc *kmalloc, size_t count, size_t size, unsigned flags) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return kmalloc_alloc_slow(kmalloc, bytes, flags | OBJECT_ZERO, OBJECT_CALLER);
}

size_t kmalloc_class_size(const struct kmalloc *kmalloc, size_t size) {
    (void)kmalloc;
    if (size == 0 || size > KMALLOC_CLASS_MAX) {
        return size > SIZE_MAX - (PAGE_SIZE - 1) ? 0 : align_up(size, PAGE_SIZE);
    }
    return size_of_class(kmalloc_class_for(size));
}

// How many bytes it has, or the end, which names the function that was called.
static size_t size_of(struct kmalloc *kmalloc, const void *memory, const char *call) {
    if (memory == NULL || memory == KMALLOC_NOTHING) {
        return 0;
    }
    struct slab *slab = object_find(&kmalloc->heap, memory);
    uint64_t index;
    if (slab->kind == SLAB_LARGE && slab->base == memory && slab->traces != NULL &&
        !large_trace_of(slab)->freed) {
        return slab->wanted;
    }
    if (slab->kind == SLAB_LARGE && slab->base == memory && slab->traces == NULL) {
        port_memory_show(memory, slab->pages * PAGE_SIZE);
        return slab->pages * PAGE_SIZE;
    }
    struct object_guarded guarded;
    if (slab->kind == SLAB_NONE && guard_find(&kmalloc->heap, memory, &guarded) &&
        guard_refusal(NULL, &guarded, memory) == NULL) {
        return guarded.size;
    }
    if (slab->kind != SLAB_SMALL || !slab->cache->is_class || !slab_index(slab, memory, &index) ||
        index >= slab->count || handed_read(&slab->handed[index]) != HANDED_OUT) {
        object_misuse_by(&kmalloc->heap, NULL, memory, call, NULL);
    }
    if (slab->traces != NULL) {
        return slab->traces[index].size;
    }
    port_memory_show(memory, slab->cache->size); // whoever asks may use all of it
    return slab->cache->size;
}

size_t kmalloc_size(struct kmalloc *kmalloc, const void *memory) {
    return size_of(kmalloc, memory, "kmalloc_size");
}

void *kmalloc_realloc(struct kmalloc *kmalloc, void *memory, size_t size, unsigned flags) {
    if (memory == NULL || memory == KMALLOC_NOTHING) {
        return kmalloc_alloc_slow(kmalloc, size, flags, OBJECT_CALLER);
    }
    size_t old = size_of(kmalloc, memory, "kmalloc_realloc");
    if (size == 0) {
        object_free_slow(&kmalloc->heap, memory, NULL, OBJECT_CALLER);
        return KMALLOC_NOTHING;
    }
    bool low = object_offset(memory) + old <= object_ceiling(flags).value;
    if (old == kmalloc_class_size(kmalloc, size) && low && !kmalloc->heap.options.debug) {
        port_memory_hide((uint8_t *)memory + size, old - size);
        return memory;
    }
    bool debug = kmalloc->heap.options.debug;
    if (!debug && large_resize(&kmalloc->heap, memory, size, flags)) {
        port_memory_hide((uint8_t *)memory + size, align_up(size, PAGE_SIZE) - size);
        return memory;
    }
    unsigned moved_flags = flags & ~(unsigned)OBJECT_ZERO;
    void *moved = size > old && size > KMALLOC_CLASS_MAX && !debug
                      ? large_alloc_to_grow(&kmalloc->heap, size, moved_flags)
                      : kmalloc_alloc_slow(kmalloc, size, moved_flags, OBJECT_CALLER);
    if (moved == NULL) {
        return NULL;
    }
    memcpy(moved, memory, old < size ? old : size);
    if ((flags & OBJECT_ZERO) != 0 && size > old) {
        memset((uint8_t *)moved + old, 0, kmalloc_size(kmalloc, moved) - old);
        port_memory_hide((uint8_t *)moved + size, kmalloc_size(kmalloc, moved) - size);
    }
    object_free_slow(&kmalloc->heap, memory, NULL, OBJECT_CALLER);
    return moved;
}

// What an allocation of `size` bytes has, when there are `there`.
static size_t size_for(const struct kmalloc *kmalloc, size_t size, const struct slab *slab) {
    return slab->traces != NULL || slab->kind == SLAB_NONE ? size // NONE: it is guarded
           : slab->kind == SLAB_LARGE                      ? align_up(size, PAGE_SIZE)
                                                           : kmalloc_class_size(kmalloc, size);
}

void kmalloc_free_sized(struct kmalloc *kmalloc, void *memory, size_t size) {
    size_t there = size_of(kmalloc, memory, "kmalloc_free_sized");
    size_t expected = size_for(kmalloc, size, object_find(&kmalloc->heap, memory));
    if (memory != NULL && there != expected) {
        object_wrong_size(&kmalloc->heap, memory, size, expected, there);
    }
    object_free_slow(&kmalloc->heap, memory, NULL, OBJECT_CALLER);
}
