// SPDX-License-Identifier: MIT
// The directory's arithmetic against division: of every size that a slab's objects may have, every
// object of the largest slab and the bytes beside it, wherever the slab begins.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <object/internal.h>

#define MEMORY     (6 * GIB) // so that there is a page of every number modulo 2^20
#define SLAB_BYTES (512 * KIB)

static struct world world;
static struct object_heap heap;

static int setup(void **state) {
    (void)state;
    const struct world_range range = {MIB, MEMORY, EFI_CONVENTIONAL};
    world_create(&world, &range, 1);
    assert_true(object_heap_init(&heap, &world.pages, NULL));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_true(object_heap_destroy(&heap));
    world_destroy(&world);
    return 0;
}

static void look(const struct slab *slab, uint64_t offset) {
    struct slab *found = NULL;
    uint8_t *handed = NULL;
    uint64_t index;
    const void *address = slab->base + offset;
    bool begins = directory_object(&heap.directory, address, &found, &handed);
    if (begins != slab_index(slab, address, &index) || (begins && found != slab) ||
        (begins && handed != slab->handed + index)) {
        fail_msg("object %lu of %u bytes, %lu behind the slab's begin", (unsigned long)index,
                 slab->cache->size, (unsigned long)offset);
    }
}

static void look_at_all(const struct slab *slab) {
    uint32_t size = slab->cache->size;
    uint64_t count = SLAB_BYTES / size < SLAB_OBJECTS ? SLAB_BYTES / size : SLAB_OBJECTS;
    for (uint64_t at = 0; at < count * size; at += size) {
        look(slab, at);
        look(slab, at + 1);
        look(slab, at + 8);
        look(slab, at + size / 2);
        look(slab, at + size - 1);
    }
}

// The first page whose number, in the direct map, has these lower 20 bits.
static uint8_t *page_like(uint64_t number) {
    uint64_t first = (uint64_t)port_direct_map(paddr(MIB)) >> PAGE_SHIFT;
    uint64_t page = first + ((number - first) & NUMBERS_PAGE);
    return (uint8_t *)(page << PAGE_SHIFT); // NOLINT(performance-no-int-to-ptr)
}

static void every_size(uint8_t *block) {
    static struct object_cache cache;
    static _Alignas(64) uint8_t room[1024];
    struct slab *slab = (struct slab *)(void *)room;
    cache.heap = &heap;
    *slab = (struct slab){.kind = SLAB_SMALL, .base = block, .cache = &cache};
    assert_true(directory_prepare(&heap, block, SLAB_BYTES, 0));
    for (cache.size = 8; cache.size <= OBJECT_SIZE_MAX; cache.size += 8) {
        directory_set(&heap, block, SLAB_BYTES, slab);
        look_at_all(slab);
    }
    directory_set(&heap, block, SLAB_BYTES, &slab_none);
}

static void quotients_are_those_of_division(void **state) {
    (void)state;
    every_size(page_like(NUMBERS_PAGE));
    every_size(page_like(NUMBERS_PAGE - 1));
    every_size(page_like(0));
    every_size(page_like(0x80000));
}

static bool finds(const uint8_t *address) {
    struct slab *slab;
    uint8_t *handed;
    return directory_object(&heap.directory, address, &slab, &handed);
}

// Neither the first byte of a large object, wherever it lies, nor those behind it.
static void large_objects_are_no_slabs_objects(void **state) {
    (void)state;
    const uint64_t pages[] = {0, 1, 0x80000, NUMBERS_PAGE};
    static _Alignas(64) uint8_t room[256];
    struct slab *slab = (struct slab *)(void *)room;
    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        uint8_t *base = page_like(pages[i]);
        *slab = (struct slab){.kind = SLAB_LARGE, .base = base};
        assert_true(directory_prepare(&heap, base, PAGE_SIZE, 0));
        directory_set(&heap, base, PAGE_SIZE, slab);
        assert_ptr_equal(object_find(&heap, base), slab);
        for (unsigned at = 0; at < PAGE_SIZE; at++) {
            assert_false(finds(base + at));
        }
        directory_set(&heap, base, PAGE_SIZE, &slab_none);
    }
}

static void addresses_without_slabs(void **state) {
    (void)state;
    uint8_t elsewhere;
    assert_false(finds(page_like(0)));
    assert_false(finds(NULL));
    assert_false(finds(&elsewhere));
    assert_int_equal(object_find(&heap, page_like(0))->kind, SLAB_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quotients_are_those_of_division, setup, teardown),
        cmocka_unit_test_setup_teardown(large_objects_are_no_slabs_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_without_slabs, setup, teardown),
    };
    return cmocka_run_group_tests_name("object_directory", tests, NULL, NULL);
}
