// SPDX-License-Identifier: MIT
// Objects that go straight back to their slab (mm/object/returns.c), on one CPU and on two.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "object_world.h"
#include <host/host.h>
#include <mm/watch.h>
#include <object/internal.h>

// An object that this CPU allocated in bulk and freed is nowhere but in its slab. Slabs all of
// whose objects came back are gone at once.
static void bulk_goes_straight_back(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static void *memory[COUNT];
    struct object_cache *cache = &kmalloc.classes[7];
    for (unsigned i = 0; i < COUNT; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    uint64_t full = cache->bytes;
    for (unsigned i = 0; i < COUNT; i += 2) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    assert_null(broken());
    assert_non_null(cache->cpus[0]->returned);
    assert_int_equal(cache->cpus[0]->magazine.count, 64);
    assert_int_equal(cache->bytes, full);
    for (unsigned i = 0; i < COUNT / 2; i++) { // from what came back
        memory[i * 2] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    assert_int_equal(cache->bytes, full);
    for (unsigned i = 0; i < COUNT; i++) {
        kmalloc_free(&kmalloc, memory[COUNT - 1 - i]);
    }
    assert_null(broken());
    assert_in_range(cache->bytes, 0, 4 * 32 * KIB); // what the magazine's objects lie in, and one
    object_heap_shrink(&kmalloc.heap);
    assert_int_equal(cache->bytes, 0);
}

// What another CPU claims of a slab is counted as returned until the home has looked; so that slab
// stays, even if it is empty.
static void claimed_objects_are_counted_once(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    static void *memory[COUNT];
    static struct page_watch watch;
    struct object_cache *cache = &kmalloc.classes[7];
    for (unsigned i = 0; i < COUNT; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    for (unsigned i = 1; i < COUNT; i++) { // the first keeps its slab
        kmalloc_free(&kmalloc, memory[i]);
    }
    object_heap_shrink(&kmalloc.heap);
    for (unsigned i = 1; i < COUNT; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    for (unsigned i = 0; i < COUNT; i += 2) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    host_cpu_set(1);
    void *mine = kmalloc_alloc(&kmalloc, 64, 0);
    assert_true(page_watch_start(&world.pages, &watch));
    page_fail(&watch, PAGE_FAIL_EVERY, 1, 0);
    unsigned got = 0;
    while (got < COUNT / 2 && (memory[got * 2] = kmalloc_alloc(&kmalloc, 64, 0)) != NULL) {
        got++;
    }
    page_watch_stop(&world.pages);
    assert_in_range(got, COUNT / 2 - 64, COUNT / 2); // all but the other's magazine, and more
    assert_null(broken());
    for (unsigned i = 0; i < got; i++) {
        kmalloc_free(&kmalloc, memory[i * 2]);
    }
    object_heap_shrink(&kmalloc.heap);
    assert_null(broken());
    host_cpu_set(0);
    for (unsigned i = 1; i < COUNT; i += 2) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    assert_null(broken());
    object_heap_shrink(&kmalloc.heap);
    host_cpu_set(1);
    kmalloc_free(&kmalloc, mine);
    object_heap_shrink(&kmalloc.heap);
    host_cpu_set(0);
    assert_int_equal(cache->bytes, 0);
}

// What is returned, claimed and handed out again and again is not counted without end.
static void claims_without_end_are_counted(void **state) {
    (void)state;
    enum { COUNT = 512, ROUNDS = 400 };
    static void *memory[COUNT];
    static struct page_watch watch;
    for (unsigned i = 0; i < COUNT; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    host_cpu_set(1);
    void *mine = kmalloc_alloc(&kmalloc, 64, 0);
    assert_true(page_watch_start(&world.pages, &watch));
    page_fail(&watch, PAGE_FAIL_EVERY, 1, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        host_cpu_set(0);
        for (unsigned i = 1; i < COUNT; i++) { // the first stays in use
            kmalloc_free(&kmalloc, memory[i]);
            memory[i] = NULL;
        }
        host_cpu_set(1);
        for (unsigned i = 1; i < COUNT; i++) {
            memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
        }
    }
    page_watch_stop(&world.pages);
    assert_null(broken());
    kmalloc_free(&kmalloc, mine);
    for (unsigned i = 0; i < COUNT; i++) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    object_heap_shrink(&kmalloc.heap);
    host_cpu_set(0);
    object_heap_shrink(&kmalloc.heap);
    assert_int_equal(kmalloc.classes[7].bytes, 0);
}

// Slabs that have everything back are given back by whoever shrinks, and counted.
static void anybody_gives_whole_slabs_back(void **state) {
    (void)state;
    enum { COUNT = 40000 };
    static void *memory[COUNT];
    struct object_cache *cache = &kmalloc.classes[7];
    for (unsigned i = 0; i < COUNT; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    for (unsigned i = 0; i < COUNT; i += 2) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    host_cpu_set(1);
    for (unsigned i = 1; i < COUNT; i += 2) { // here and there: it visits no slab for long
        kmalloc_free(&kmalloc, memory[i * 7919 % COUNT]);
    }
    uint64_t before = cache->bytes;
    assert_true(before > MIB);
    uint64_t pages = object_heap_shrink(&kmalloc.heap);
    assert_int_equal(pages * PAGE_SIZE, before - cache->bytes);
    assert_in_range(cache->bytes, 0, 3 * 32 * KIB); // what the other's magazine lies in
    assert_null(broken());
    host_cpu_set(0);
    object_heap_shrink(&kmalloc.heap);
    assert_int_equal(cache->bytes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, object_world_setup, object_world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(bulk_goes_straight_back),
        TEST(claimed_objects_are_counted_once),
        TEST(claims_without_end_are_counted),
        TEST(anybody_gives_whole_slabs_back),
    };
    return cmocka_run_group_tests_name("object_returns", tests, NULL, NULL);
}
