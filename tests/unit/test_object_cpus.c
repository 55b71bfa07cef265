// SPDX-License-Identifier: MIT
// What a CPU meets in the object allocator when an interrupt or another CPU was quicker, brought
// about by hand. An interrupt in the middle of a call is played by the page allocator's shrinker,
// which it asks when a call in its middle wants the page that is not there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <mm/report.h>
#include <mm/watch.h>
#include <object/internal.h>
#include <string.h>

#define MEMORY (16 * MIB)

static struct world world;
static struct object_heap heap;
static struct object_cache cache;
static pfn_t held[MEMORY / PAGE_SIZE];
static size_t held_count;
static void (*interrupt)(void); // once
static uint64_t interrupts;

static uint64_t play(void *context) {
    (void)context;
    void (*now)(void) = interrupt;
    interrupt = NULL;
    if (now == NULL) {
        return 0;
    }
    for (unsigned i = 0; i < 100; i++) {
        page_free(&world.pages, held[--held_count], 0);
    }
    now();
    interrupts++;
    return 100;
}

static int setup(void **state) {
    (void)state;
    const struct world_range range = {0, MEMORY, EFI_CONVENTIONAL};
    host_cpu_set(0);
    world_create(&world, &range, 1);
    assert_true(object_heap_init(&heap, &world.pages, NULL));
    assert_true(object_cache_init(&cache, &heap, "cache", 64, 0, NULL));
    page_set_shrinker(&world.pages, play, NULL);
    interrupts = 0;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    while (held_count != 0) {
        page_free(&world.pages, held[--held_count], 0);
    }
    const char *broken = object_check(&heap);
    broken = broken != NULL ? broken : page_check(&world.pages);
    bool destroyed = object_cache_destroy(&cache, NULL) && object_heap_destroy(&heap);
    world_destroy(&world);
    if (broken != NULL || !destroyed) {
        print_error("%s\n", broken != NULL ? broken : "something is left");
        return -1;
    }
    return 0;
}

// Leaves so many pages free.
static void take_all_but(size_t count) {
    while (page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &held[held_count]) ==
           PAGE_OK) {
        held_count++;
    }
    while (count-- != 0) {
        page_free(&world.pages, held[--held_count], 0);
    }
}

static void *from_interrupt;

static void allocate_too(void) {
    from_interrupt = object_alloc(&cache, 0);
}

// It has made this CPU's part of the cache: there is one.
static void a_part_that_an_interrupt_made(void **state) {
    (void)state;
    take_all_but(0);
    interrupt = allocate_too;
    void *object = object_alloc(&cache, 0);
    assert_int_equal(interrupts, 1);
    assert_true(object != NULL && from_interrupt != NULL && object != from_interrupt);
    assert_null(object_check(&heap));
    object_free(&cache, object);
    object_free(&cache, from_interrupt);
}

static void prepare_all(void) {
    assert_true(directory_prepare(&heap, port_direct_map(paddr(0)), MEMORY, 0));
}

// The part and the block are there, the table of the directory is not; then it is.
static void a_table_of_the_directory_that_an_interrupt_made(void **state) {
    (void)state;
    take_all_but(2);
    interrupt = prepare_all;
    void *object = object_alloc(&cache, 0);
    assert_int_equal(interrupts, 1);
    assert_non_null(object);
    assert_int_equal(heap.directory_pages, 2 + 1 + 2 * 8);
    object_free(&cache, object);
}

static void nothing_without_memory(void **state) {
    (void)state;
    void *object = object_alloc(&cache, 0);
    struct object_cpu *part = cache.cpus[0];
    object_part_empty(part);
    take_all_but(0);
    *port_cpu_gate() = GATE_QUICK;
    static void *objects[SLAB_OBJECTS];
    size_t count = 0;
    while ((objects[count] = object_alloc(&cache, 0)) != NULL) {
        count++;
    }
    assert_true(count != 0);
    for (size_t i = 0; i < count; i++) {
        object_free(&cache, objects[i]);
    }
    object_free(&cache, object);
    *port_cpu_gate() = port_cpu();
}

static bool large_free_panics(struct slab *slab) {
    if (HOST_EXPECT_PANIC()) {
        large_free(&heap, slab, NULL);
        host_panic_end();
        return false;
    }
    return true;
}

static void a_large_object_that_two_cpus_free(void **state) {
    (void)state;
    uint8_t *object = large_alloc(&heap, MIB, 0, 0, NULL);
    struct slab *slab = object_find(&heap, object);
    directory_set(&heap, object, PAGE_SIZE, &slab_none); // the other one is there already
    assert_true(large_free_panics(slab));
    assert_non_null(strstr(host_panic_message, "interior: it is inside a large object"));
    directory_set(&heap, object, PAGE_SIZE, slab);
    large_free(&heap, slab, NULL);
}

static bool empty_panics(struct object_cpu *part) {
    if (HOST_EXPECT_PANIC()) {
        object_part_empty(part);
        host_panic_end();
        return false;
    }
    return true;
}

// One of the two is in the magazine, the other's has gone with the page.
static void an_object_that_two_cpus_free_and_whose_page_went(void **state) {
    (void)state;
    void *object = object_alloc(&cache, 0);
    struct slab *slab = object_find(&heap, object);
    object_free(&cache, object);
    directory_set(&heap, slab_block(slab), PAGE_SIZE << slab->order, &slab_none);
    assert_true(empty_panics(cache.cpus[0]));
    assert_non_null(strstr(host_panic_message, "foreign"));
    directory_set(&heap, slab_block(slab), PAGE_SIZE << slab->order, slab);
    cache.lock.held = 0;
    lock_innermost[0] = NULL;
}

// What cannot wait gets what is kept for it, in blocks.
static void large_objects_that_cannot_wait(void **state) {
    (void)state;
    const struct page_reserves reserves = {.atomic = page_free_count(&world.pages)};
    page_set_reserves(&world.pages, &reserves);
    assert_null(large_alloc(&heap, MIB, 0, 0, NULL));
    assert_null(large_alloc(&heap, MIB + PAGE_SIZE, 0, OBJECT_ATOMIC, NULL));
    uint8_t *object = large_alloc(&heap, MIB, 0, OBJECT_ATOMIC, NULL);
    assert_non_null(object);
    large_free(&heap, object_find(&heap, object), NULL);
    page_set_reserves(&world.pages, &(struct page_reserves){0});
}

// The frames are there; a table of the directory, or the descriptor, is not.
static void large_objects_need_a_descriptor(void **state) {
    (void)state;
    static struct page_watch watch;
    assert_true(page_watch_start(&world.pages, &watch));
    for (unsigned n = 1; n <= 3; n++) {
        uint64_t free = page_free_count(&world.pages);
        page_fail(&watch, PAGE_FAIL_NTH, n, 0);
        assert_null(large_alloc(&heap, MIB, 0, 0, NULL));
        assert_int_equal(heap.large_count, 0);
        // The table of the directory stays.
        assert_int_equal(page_free_count(&world.pages), free - (n == 3 ? 2 : 0));
    }
    page_watch_stop(&world.pages);
}

// Of more than 512 places of 2 MiB: the directory takes more than a page.
static void a_directory_of_several_pages(void **state) {
    (void)state;
    const struct world_range ranges[] = {{MIB, 32 * MIB, EFI_CONVENTIONAL},
                                         {4 * GIB, 5 * GIB - MIB, EFI_CONVENTIONAL}};
    static struct object_heap wide;
    struct world machine;
    world_create(&machine, ranges, 2);
    uint64_t free = page_free_count(&machine.pages);
    assert_true(object_heap_init(&wide, &machine.pages, NULL));
    assert_int_equal(wide.directory.region_count, 5 * 512);
    assert_int_equal(free - page_free_count(&machine.pages), 2 + 8);
    assert_true(object_heap_destroy(&wide));
    assert_int_equal(page_free_count(&machine.pages), free);
    assert_null(page_check(&machine.pages));
    world_destroy(&machine);
}

// The list of caches is no stack.
static void the_older_cache_goes_first(void **state) {
    (void)state;
    static struct object_cache younger;
    assert_true(object_cache_init(&younger, &heap, "younger", 64, 0, NULL));
    assert_true(object_cache_destroy(&cache, NULL));
    assert_ptr_equal(heap.caches, &younger);
    assert_false(object_heap_destroy(&heap)); // it has a cache
    assert_true(object_cache_init(&cache, &heap, "cache", 64, 0, NULL));
    assert_true(object_cache_destroy(&younger, NULL));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_part_that_an_interrupt_made),
        TEST(a_table_of_the_directory_that_an_interrupt_made),
        TEST(nothing_without_memory),
        TEST(a_large_object_that_two_cpus_free),
        TEST(large_objects_that_cannot_wait),
        TEST(large_objects_need_a_descriptor),
        TEST(an_object_that_two_cpus_free_and_whose_page_went),
        TEST(the_older_cache_goes_first),
        cmocka_unit_test(a_directory_of_several_pages),
    };
    return cmocka_run_group_tests_name("object_cpus", tests, NULL, NULL);
}
