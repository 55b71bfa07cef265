// SPDX-License-Identifier: MIT
// The games of the defect matrix: an object of each kind, class and slot in a heap of its own, and
// then the table (defects_rows.c).
#include <monitor/defects_rows.h>

void defects_record(struct defects *test, const char *defect, const char *said, bool caught) {
    test->played++;
    test->caught += caught;
    if (!caught) {
        test->missed(test, defect, said);
    }
}

uint8_t *defects_take(struct defects *test) {
    return test->cache != NULL ? object_alloc(test->cache, 0)
                               : kmalloc_alloc(&test->kmalloc, test->size, 0);
}

void defects_give(struct defects *test, void *memory) {
    if (test->cache != NULL) {
        object_free(test->cache, memory);
    } else {
        kmalloc_free(&test->kmalloc, memory);
    }
}

static void construct(void *object) {
    *(uint8_t *)object = MADE_BYTE;
}

// How many objects the slab of this one has: behind the last one lies what is none, or nothing.
static unsigned objects_beside(struct defects *test, uint8_t *object) {
    struct object_info info = object_inspect(&test->kmalloc.heap, object), next = info;
    uint8_t *at = info.object;
    unsigned count = 0;
    while ((next.kind == OBJECT_IN_USE || next.kind == OBJECT_FREE) && next.slab == info.slab) {
        count = next.index + 1;
        at += info.size;
        next = object_inspect(&test->kmalloc.heap, at);
    }
    return count;
}

// Takes objects until one slab's first, middle and last are among them (of two, one is twice), and
// frees all others but the wanted one, which is NULL when it cannot be had.
static uint8_t *take_slot(struct defects *test, unsigned wanted_slot) {
    unsigned count = 0, found = 0, objects = 0;
    uint8_t *slots[DEFECTS_SLOTS] = {NULL};
    const void *slab = NULL;
    while (found < DEFECTS_SLOTS && count < DEFECTS_OBJECTS &&
           (test->taken[count] = defects_take(test)) != NULL) {
        uint8_t *object = test->taken[count++];
        struct object_info info = object_inspect(&test->kmalloc.heap, object);
        objects = slab == NULL ? objects_beside(test, object) : objects;
        slab = slab == NULL ? info.slab : slab;
        const unsigned indices[DEFECTS_SLOTS] = {0, objects / 2, objects - 1};
        for (unsigned i = 0; i < DEFECTS_SLOTS && info.slab == slab; i++) {
            if (info.index == indices[i]) {
                slots[i] = object;
                found++;
            }
        }
    }
    uint8_t *wanted = found == DEFECTS_SLOTS ? slots[wanted_slot] : NULL;
    for (unsigned i = 0; i < count; i++) {
        if (test->taken[i] != wanted) {
            defects_give(test, test->taken[i]);
        }
    }
    return wanted;
}

// The first, the middle or the last of as many guarded objects as there are slots.
static uint8_t *take_guarded(struct defects *test, unsigned slot) {
    uint8_t *slots[DEFECTS_SLOTS];
    for (unsigned i = 0; i < DEFECTS_SLOTS; i++) {
        slots[i] = defects_take(test);
    }
    for (unsigned i = 0; i < DEFECTS_SLOTS; i++) {
        if (i != slot) {
            defects_give(test, slots[i]);
        }
    }
    bool guarded = slots[slot] != NULL && object_inspect(&test->kmalloc.heap, slots[slot]).guarded;
    if (!guarded) {
        defects_give(test, slots[slot]);
    }
    return guarded ? slots[slot] : NULL;
}

static bool open_heap(struct defects *test) {
    const struct object_options options = {.debug = test->debug, .seed = 7};
    if (!kmalloc_init(&test->kmalloc, test->pages, &options)) {
        return false;
    }
    object_cache_init(&test->other, &test->kmalloc.heap, "other", test->size <= 64 ? 64 : 72, 0,
                      construct);
    test->cache = test->kind == MADE ? &test->made : NULL;
    if (test->cache != NULL) {
        object_cache_init(&test->made, &test->kmalloc.heap, "made", test->size, 0, construct);
    }
    if (test->kind == GUARDED) {
        object_guard_start(&test->guard, &test->kmalloc.heap, test->guard_pages);
        const char *name = OBJECT_GUARD_LARGE;
        for (unsigned i = KMALLOC_CLASSES;
             i-- > 0 && test->kmalloc.classes[i].wanted >= test->size;) {
            name = test->kmalloc.classes[i].name;
        }
        object_guard_choose(&test->guard, name, test->at_begin);
    }
    return true;
}

// Nothing may be left: neither an object, nor a page.
static void close_heap(struct defects *test) {
    struct object_heap *heap = &test->kmalloc.heap;
    defects_record(test, "every invariant", NULL, object_check(heap) == NULL);
    bool all = test->kind != GUARDED || object_guard_end(&test->guard);
    object_heap_shrink(heap);
    for (struct object_cache *cache = heap->caches; all && cache != NULL; cache = heap->caches) {
        all = object_cache_destroy(cache, NULL);
    }
    defects_record(test, "everything given back", NULL, all && object_heap_destroy(heap));
}

static void play_object(struct defects *test, unsigned kind, size_t size, unsigned slot) {
    test->kind = kind;
    test->size = size;
    if (test->stopped()) {
        return;
    }
    if (!open_heap(test)) {
        defects_record(test, "memory for the test", NULL, false);
        return;
    }
    test->object = kind == LARGE     ? defects_take(test)
                   : kind == GUARDED ? take_guarded(test, slot)
                                     : take_slot(test, slot);
    if (test->object != NULL) {
        defects_play_rows(test);
    } else {
        defects_record(test, "memory for the test", NULL, false);
    }
    close_heap(test);
}

// What classes there are is the same in every heap.
static void play_classes(struct defects *test, unsigned kind) {
    for (size_t size = 1; size <= KMALLOC_CLASS_MAX; size++) {
        size = kmalloc_class_size(&test->kmalloc, size);
        for (unsigned slot = 0; slot < DEFECTS_SLOTS; slot++) {
            play_object(test, kind, size, slot);
        }
    }
}

void defects_play(struct defects *test, bool debug) {
    static const uint32_t made[] = {8, 24, 40, 64, 100, 256, 1000, 4096, 5000, 20000, 65536};
    static const uint32_t large[] = {65537,   69632,   100000,  131072,  131073,  300001,
                                     1048575, 1048576, 1048577, 2093056, 2097152, 3145733};
    test->debug = debug;
    play_classes(test, SLOT);
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        for (unsigned slot = 0; slot < DEFECTS_SLOTS; slot++) {
            play_object(test, MADE, made[i], slot);
        }
    }
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        play_object(test, LARGE, large[i], 0);
    }
}

void defects_play_guarded(struct defects *test) {
    static const uint32_t large[] = {65544, 100000, 131072, 300008, 1048576, 3145736};
    test->debug = true;
    for (unsigned begin = 0; begin < 2; begin++) {
        test->at_begin = begin != 0;
        play_classes(test, GUARDED);
        for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
            play_object(test, GUARDED, large[i], 0);
        }
    }
}
