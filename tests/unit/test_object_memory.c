// SPDX-License-Identifier: MIT
// The object allocator when memory is short, and how it gives memory back: failure at every
// allocation, shrinkers, others' slabs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "object_world.h"
#include <host/host.h>
#include <mm/watch.h>

// Everything freed and shrunk by each CPU: what stays is the overhead that the heap states.
static void everything_goes_back(void **state) {
    (void)state;
    uint64_t before = page_free_count(&world.pages);
    enum { COUNT = 3000 };
    static void *memory[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        host_cpu_set(i % 2);
        memory[i] = kmalloc_alloc(&kmalloc, 1 + i * 7, 0);
        assert_non_null(memory[i]);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        host_cpu_set(i / 2 % 2);
        kmalloc_free(&kmalloc, memory[i]);
    }
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        host_cpu_set(cpu);
        object_heap_shrink(&kmalloc.heap);
        page_drain(&world.pages);
    }
    host_cpu_set(0);
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        struct object_statistics statistics;
        object_cache_statistics(&kmalloc.classes[i], &statistics);
        assert_int_equal(statistics.slabs + statistics.bytes + statistics.in_use, 0);
        assert_true(statistics.slabs_peak != 0 || statistics.size > 20 * KIB);
    }
    uint64_t overhead = object_heap_overhead(&kmalloc.heap) / PAGE_SIZE;
    assert_true(before - page_free_count(&world.pages) <= overhead);
    assert_true(overhead < 80);
}

// The n-th request for memory fails, for every n until none does: each call fails cleanly.
static void fail_at_every_allocation(const struct object_options *options) {
    static struct page_watch watch;
    static struct object_cache cache;
    assert_true(page_watch_start(&world.pages, &watch));
    const size_t sizes[] = {8, 100, 5000, 65536, 100000};
    bool injected = true, failed = false;
    for (uint64_t n = 1; injected; n++) {
        struct kmalloc other;
        uint64_t before = page_free_count(&world.pages);
        void *memory[5] = {NULL};
        page_fail(&watch, PAGE_FAIL_NTH, n, 0);
        bool begun = kmalloc_init(&other, &world.pages, options);
        assert_true(begun || watch.failures.injected == 1);
        if (begun) {
            assert_true(object_cache_init(&cache, &other.heap, "cache", 200, 0, NULL));
            for (unsigned i = 0; i < 5; i++) {
                memory[i] = kmalloc_alloc(&other, sizes[i], 0);
                failed = failed || memory[i] == NULL;
                assert_null(object_check(&other.heap));
            }
            void *object = object_alloc(&cache, OBJECT_ATOMIC);
            failed = failed || object == NULL;
            object_free(&cache, object);
            for (unsigned i = 0; i < 5; i++) {
                kmalloc_free(&other, memory[i]);
            }
            assert_true(object_cache_destroy(&cache, NULL));
            for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
                assert_true(object_cache_destroy(&other.classes[i], NULL));
            }
            assert_true(object_heap_destroy(&other.heap));
        }
        failed = failed || !begun;
        injected = watch.failures.injected != 0; // some are made up for
        assert_int_equal(page_free_count(&world.pages), before);
    }
    assert_true(failed);
    page_watch_stop(&world.pages);
}

static void failure_at_every_allocation(void **state) {
    (void)state;
    fail_at_every_allocation(NULL);
    fail_at_every_allocation(&(struct object_options){.debug = true});
}

// A large object of the option debug has two records: the first may be there and the second not.
static void no_record_for_a_large_object(void **state) {
    (void)state;
    const struct object_options options = {.debug = true};
    static struct page_watch watch;
    void *memory[100];
    unsigned refused = 0;
    world_destroy(&world);
    object_world_open(GIB, &options);
    assert_true(page_watch_start(&world.pages, &watch));
    for (unsigned i = 0; i < 100; i++) {
        uint64_t before = page_free_count(&world.pages);
        page_fail(&watch, PAGE_FAIL_NTH, 2, 0); // the first is for the object itself
        memory[i] = kmalloc_alloc(&kmalloc, 100000, 0);
        refused += memory[i] == NULL;
        assert_true(memory[i] != NULL || page_free_count(&world.pages) == before);
        if (memory[i] == NULL) {
            page_fail(&watch, PAGE_FAIL_NEVER, 1, 0);
            memory[i] = kmalloc_alloc(&kmalloc, 100000, 0);
        }
        assert_non_null(memory[i]);
    }
    page_watch_stop(&world.pages);
    assert_in_range(refused, 5, 20);
    for (unsigned i = 0; i < 100; i++) {
        kmalloc_free(&kmalloc, memory[i]);
    }
}

static uint64_t shrink(void *heap) {
    return object_heap_shrink(heap);
}

// Pages that caches keep are given to whoever would be refused.
static void shrinker_is_asked_before_a_refusal(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    static void *memory[COUNT], *all[1200];
    unsigned count = 0, taken = 0;
    page_set_shrinker(&world.pages, shrink, &kmalloc.heap);
    for (; count < 6000; count++) {
        memory[count] = kmalloc_alloc(&kmalloc, 8192, 0);
    }
    while (taken < 1200 && (all[taken] = kmalloc_alloc(&kmalloc, MIB, 0)) != NULL) {
        taken++;
    }
    assert_true(taken < 1200);
    pfn_t frame;
    while (page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame) == PAGE_OK) {
    }
    for (unsigned i = 0; i < 16; i++) {
        kmalloc_free(&kmalloc, memory[--count]); // into the magazines
    }
    unsigned more = 0;
    while (page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame) == PAGE_OK) {
        more++;
    }
    assert_true(more != 0);
    while (count < COUNT &&
           (memory[count] = kmalloc_alloc(&kmalloc, 8192, OBJECT_ATOMIC)) != NULL) {
        count++; // the rest of slabs that are in use
    }
    assert_true(count < COUNT);
    page_set_shrinker(&world.pages, NULL, NULL);
    while (count != 0) {
        kmalloc_free(&kmalloc, memory[--count]);
    }
    while (taken != 0) {
        kmalloc_free(&kmalloc, all[--taken]);
    }
}

static void take_all_pages(void) {
    pfn_t block;
    for (unsigned order = PAGE_ORDER_COUNT; order-- != 0;) {
        while (page_alloc(&world.pages, order, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) == PAGE_OK) {
        }
    }
}

static unsigned shrinks;

static uint64_t shrink_and_count(void *heap) {
    shrinks++;
    return object_heap_shrink(heap);
}

// What is in quarantine may need memory on its way back, which asks for more to be given back.
static void shrinking_does_not_begin_again(void **state) {
    (void)state;
    const struct object_options options = {.debug = true, .seed = 1};
    world_destroy(&world);
    object_world_open(GIB, &options);
    void *memory[40];
    for (unsigned i = 0; i < 40; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, (size_t)8 << i % 8, 0);
    }
    for (unsigned i = 0; i < 40; i++) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    take_all_pages();
    host_cpu_set(5); // has no part of any cache
    page_set_shrinker(&world.pages, shrink_and_count, &kmalloc.heap);
    object_heap_shrink(&kmalloc.heap);
    page_set_shrinker(&world.pages, NULL, NULL);
    host_cpu_set(0);
    assert_true(shrinks != 0);
}

// A CPU that gets no memory takes what lies in others' slabs.
static void others_slabs_help_out(void **state) {
    (void)state;
    static void *memory[64];
    for (unsigned i = 0; i < 64; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 512, 0);
    }
    for (unsigned i = 0; i < 64; i++) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    host_cpu_set(1);
    void *mine = kmalloc_alloc(&kmalloc, 512, 0);
    static struct page_watch watch;
    assert_true(page_watch_start(&world.pages, &watch));
    page_fail(&watch, PAGE_FAIL_EVERY, 1, 0);
    unsigned got = 0;
    while (got < 64 && (memory[got] = kmalloc_alloc(&kmalloc, 512, 0)) != NULL) {
        got++;
    }
    assert_true(got > 8);
    page_watch_stop(&world.pages);
    while (got != 0) {
        kmalloc_free(&kmalloc, memory[--got]);
    }
    kmalloc_free(&kmalloc, mine);
    host_cpu_set(0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, object_world_setup, object_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(everything_goes_back),           TEST(failure_at_every_allocation),
        TEST(no_record_for_a_large_object),   TEST(shrinker_is_asked_before_a_refusal),
        TEST(shrinking_does_not_begin_again), TEST(others_slabs_help_out),
    };
    return cmocka_run_group_tests_name("object_memory", tests, NULL, NULL);
}
