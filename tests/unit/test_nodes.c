// SPDX-License-Identifier: MIT
// Node pools: records do not overlap, frames go back, and running out changes nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/nodes.h>
#include <stdio.h>
#include <string.h>

#define MAX 1000

static struct world world;
static struct node_pool pool;

static int begin(void **state) {
    (void)state;
    const struct world_range ranges[] = {{MIB, 4 * MIB, EFI_CONVENTIONAL}};
    world_create(&world, ranges, 1);
    return 0;
}

static int end(void **state) {
    (void)state;
    world_destroy(&world);
    return 0;
}

static bool is_clear(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

// Random allocations and frees; each record is filled with its own byte and must keep it.
static void frames_go_back(void **state) {
    (void)state;
    static const uint32_t sizes[] = {8, 72, 104, 1024};
    static uint8_t *live[MAX];
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint64_t before = page_free_count(&world.pages), used = 0;
        uint32_t bytes = sizes[s];
        nodes_init(&pool, &world.pages, bytes, PAGE_OWNER_KERNEL);
        for (uint64_t step = 0; step < 20000; step++) {
            size_t i = world_random(&seed) % MAX;
            bool grow = step / 4000 % 2 == 0 || world_random(&seed) % 4 == 0;
            if (live[i] == NULL && grow) {
                live[i] = nodes_alloc(&pool);
                assert_non_null(live[i]);
                assert_true(is_clear(live[i], bytes));
                memset(live[i], (int)(i % 255 + 1), bytes);
                used++;
            } else if (live[i] != NULL && !grow) {
                assert_int_equal(live[i][0], i % 255 + 1);
                assert_int_equal(live[i][bytes - 1], i % 255 + 1);
                nodes_free(&pool, live[i]);
                live[i] = NULL;
                used--;
            }
            assert_int_equal(pool.used, used);
            assert_int_equal(before - page_free_count(&world.pages), pool.frames);
        }
        for (size_t i = 0; i < MAX; i++) {
            if (live[i] != NULL) {
                nodes_free(&pool, live[i]);
                live[i] = NULL;
            }
        }
        assert_int_equal(pool.used, 0);
        assert_true(pool.frames <= 1);
        nodes_trim(&pool);
        assert_int_equal(pool.frames, 0);
        assert_null(pool.partial);
        assert_int_equal(page_free_count(&world.pages), before);
    }
}

// Takes every frame there is; returns how many.
static size_t take_all(pfn_t *frames) {
    size_t count = 0;
    while ((frames[count] = page_alloc_frame(&world.pages, PAGE_OWNER_TEST)).value !=
           PAGE_NO_FRAME.value) {
        count++;
    }
    return count;
}

static void running_out_changes_nothing(void **state) {
    (void)state;
    static pfn_t frames[1024];
    nodes_init(&pool, &world.pages, 1024, PAGE_OWNER_KERNEL);
    void *first = nodes_alloc(&pool);
    size_t count = take_all(frames);
    void *second = nodes_alloc(&pool), *third = nodes_alloc(&pool);
    assert_non_null(third);
    struct node_pool before = pool;
    assert_null(nodes_alloc(&pool));
    assert_false(nodes_prepare(&pool, 1));
    assert_memory_equal(&before, &pool, sizeof(pool));
    page_free_frame(&world.pages, frames[--count]);
    page_free_frame(&world.pages, frames[--count]);
    assert_true(nodes_prepare(&pool, 6));
    assert_false(nodes_prepare(&pool, 7));
    assert_int_equal(pool.frames, 3);
    void *more[6];
    for (size_t i = 0; i < 6; i++) {
        more[i] = nodes_alloc(&pool);
        assert_non_null(more[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        nodes_free(&pool, more[i]);
    }
    while (count != 0) {
        page_free_frame(&world.pages, frames[--count]);
    }
    nodes_free(&pool, first);
    nodes_free(&pool, second);
    nodes_free(&pool, third);
    nodes_trim(&pool);
    assert_int_equal(pool.frames, 0);
}

static void a_foreign_record_is_refused(void **state) {
    (void)state;
    struct node_pool other;
    nodes_init(&pool, &world.pages, 64, PAGE_OWNER_KERNEL);
    nodes_init(&other, &world.pages, 64, PAGE_OWNER_KERNEL);
    void *node = nodes_alloc(&pool);
    if (HOST_EXPECT_PANIC()) {
        nodes_free(&other, node);
        host_panic_end();
        fail();
    } else {
        char expected[80];
        snprintf(expected, sizeof(expected), "nodes_free: %p is no record of this pool", node);
        assert_string_equal(host_panic_message, expected);
    }
    nodes_free(&pool, node);
    nodes_trim(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_go_back, begin, end),
        cmocka_unit_test_setup_teardown(running_out_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_foreign_record_is_refused, begin, end),
    };
    return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
