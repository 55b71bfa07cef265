// SPDX-License-Identifier: MIT
// What a CPU keeps for itself, against what was allocated and freed before.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/report.h>
#include <string.h>

#define MEMORY (64 * MIB)

static struct world world;
static struct object_heap heap;
static struct object_cache first, second;
static char said[4096];

static int set_up(void **state) {
    (void)state;
    const struct world_range range = {0, MEMORY, EFI_CONVENTIONAL};
    host_cpu_set(0);
    world_create(&world, &range, 1);
    assert_true(object_heap_init(&heap, &world.pages, NULL));
    assert_true(object_cache_init(&first, &heap, "first", 64, 0, NULL));
    assert_true(object_cache_init(&second, &heap, "second", 8192, 0, NULL));
    page_drain(&world.pages);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bool empty = object_cache_destroy(&first, NULL) && object_cache_destroy(&second, NULL) &&
                 object_heap_destroy(&heap);
    world_destroy(&world);
    return empty ? 0 : -1;
}

static bool report(unsigned cpu) {
    struct text_buffer buffer;
    text_buffer_init(&buffer, said, sizeof(said));
    bool kept = report_cpu(&buffer.text, &world.pages, &heap, cpu);
    assert_int_equal(buffer.dropped, 0);
    return kept;
}

static void nothing_is_kept(void **state) {
    (void)state;
    assert_false(report(0));
    assert_string_equal(said, "");
    uint64_t objects = 1, room = 1;
    object_cache_kept(&first, 0, &objects, &room);
    assert_int_equal(objects, 0);
    assert_int_equal(room, 0);
}

// Blocks that are given back one after the other, each to its order's stack.
static void blocks_by_order(void **state) {
    (void)state;
    static const struct { unsigned order, count; } kinds[] = {{1, 3}, {3, 32}, {9, 2}};
    for (size_t i = 0; i < 3; i++) {
        pfn_t blocks[32];
        for (unsigned n = 0; n < kinds[i].count; n++) {
            assert_int_equal(page_alloc(&world.pages, kinds[i].order, PAGE_ANYWHERE,
                                        PAGE_OWNER_TEST, &blocks[n]),
                             PAGE_OK);
        }
        for (unsigned n = 0; n < kinds[i].count; n++) {
            page_free(&world.pages, blocks[n], kinds[i].order);
        }
    }
    struct page_cpu_report stacks;
    page_cpu_report(&world.pages, 0, &stacks);
    struct page_census census;
    page_census(&world.pages, &census);
    uint64_t pages = 0;
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        pages += stacks.blocks[order] << order;
        assert_true(stacks.blocks[order] <= stacks.room[order]);
    }
    assert_int_equal(pages, census.cached_pages);
    assert_int_equal(stacks.blocks[1], 3);
    assert_int_equal(stacks.blocks[3], 32);
    assert_int_equal(stacks.blocks[9], 2);
    assert_true(report(0));
    assert_string_equal(said, "CPU 0 keeps for itself:\n"
                              "  blocks in its stacks, by order: 1286 pages, 5.0 MiB\n"
                              "                  0    1    2    3    4    5    6    7    8    9\n"
                              "    kept          .    3    .   32    .    .    .    .    .    2\n"
                              "    room for    128   32   32   32   16    8    4    4    4    4\n"
                              "  objects in its magazines, by cache: 0, 0 bytes\n");
    page_drain(&world.pages);
    assert_false(report(0));
}

// Each CPU has its own, and only of caches that it has used.
static void objects_by_cache(void **state) {
    (void)state;
    host_cpu_set(2);
    void *object = object_alloc(&first, 0), *large = object_alloc(&second, 0);
    uint64_t objects, room;
    object_cache_kept(&first, 2, &objects, &room);
    assert_int_equal(room, 64);
    uint64_t before = objects;
    object_free(&first, object);
    object_cache_kept(&first, 2, &objects, &room);
    assert_int_equal(objects, before + 1);
    object_cache_kept(&second, 2, &objects, &room);
    assert_int_equal(room, 8);
    uint64_t bytes = (before + 1) * 64 + objects * 8192;
    page_drain(&world.pages);
    assert_true(report(2));
    char expected[256];
    struct text_buffer buffer;
    text_buffer_init(&buffer, expected, sizeof(expected));
    text_printf(&buffer.text, "  objects in its magazines, by cache: %lu, ", before + 1 + objects);
    text_size(&buffer.text, bytes);
    text_printf(
        &buffer.text,
        "\n    second                  %3lu of  8\n    first                   %3lu of 64\n",
        objects, before + 1);
    assert_non_null(strstr(said, expected));
    assert_false(report(0));
    object_free(&second, large);
    host_cpu_set(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocks_by_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(objects_by_cache, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
