// SPDX-License-Identifier: MIT
// Contiguous allocations that become longer and shorter in place: by hand, and at random against an
// array of frames. Blocks that are split.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/watch.h>
#include <string.h>

static struct world world;

static int setup(void **state) {
    (void)state;
    const struct world_range range = {MIB, 2 * GIB, EFI_CONVENTIONAL};
    world_create(&world, &range, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_null(page_check(&world.pages));
    world_destroy(&world);
    return 0;
}

// The first of `count` frames, at a multiple of so many.
static pfn_t take(uint64_t count, uint64_t align) {
    pfn_t first;
    assert_int_equal(page_alloc_contig(&world.pages, count, align * PAGE_SIZE, PAGE_ANYWHERE, 0,
                                       PAGE_OWNER_TEST, &first, NULL),
                     PAGE_OK);
    return first;
}

static bool resize(pfn_t first, uint64_t count, uint64_t wanted) {
    return page_resize_contig(&world.pages, first, count, wanted);
}

static void grows_into_what_is_free(void **state) {
    (void)state;
    uint64_t before = page_free_count(&world.pages);
    pfn_t first = take(512, 512);
    assert_true(resize(first, 512, 3));
    assert_int_equal(page_free_count(&world.pages), before - 3);
    assert_true(resize(first, 3, 100));
    assert_int_equal(page_free_count(&world.pages), before - 100);
    assert_int_equal(page_inspect(&world.pages, pfn(first.value + 99)).state, PAGE_STATE_ALLOCATED);
    assert_int_equal(page_inspect(&world.pages, pfn(first.value + 99)).owner, PAGE_OWNER_TEST);
    assert_true(resize(first, 100, 100));
    assert_true(resize(first, 100, 512));
    page_free_contig(&world.pages, first, 512);
    page_drain(&world.pages);
    assert_int_equal(page_free_count(&world.pages), before);
}

static void changes_nothing_when_it_refuses(void **state) {
    (void)state;
    pfn_t first = take(512, 512), obstacle;
    assert_true(resize(first, 512, 8));
    assert_int_equal(page_reserve(&world.pages, pfn(first.value + 20), pfn(first.value + 21), NULL),
                     PAGE_OK);
    uint64_t before = page_free_count(&world.pages);
    assert_false(resize(first, 8, 21));
    assert_false(resize(first, 8, 0));
    assert_int_equal(page_free_count(&world.pages), before);
    assert_null(page_check(&world.pages));
    assert_true(resize(first, 8, 20));
    assert_int_equal(
        page_release(&world.pages, pfn(first.value + 20), pfn(first.value + 21), &obstacle),
        PAGE_OK);
    assert_true(resize(first, 20, 21));
    page_free_contig(&world.pages, first, 21);
}

// Nor beyond the section, nor beyond memory, nor while a watch looks on.
static void knows_its_limits(void **state) {
    (void)state;
    static struct page_watch watch;
    pfn_t first = take(64, 1), last = pfn(GIB / PAGE_SIZE - 4);
    assert_false(resize(first, 64, UINT64_MAX));
    assert_false(resize(first, 64, GIB / PAGE_SIZE));
    assert_false(resize(pfn(UINT64_MAX / PAGE_SIZE), 1, 2));
    assert_true(page_watch_start(&world.pages, &watch));
    assert_false(resize(first, 64, 32));
    page_watch_stop(&world.pages);
    page_free_contig(&world.pages, first, 64);
    // The last frames of the lower GiB, wherever its metadata is.
    assert_int_equal(
        page_alloc_contig(&world.pages, 64, 0, paddr(GIB), 0, PAGE_OWNER_TEST, &first, NULL),
        PAGE_OK);
    assert_false(resize(first, 64, last.value + 8 - first.value));
    page_free_contig(&world.pages, first, 64);
}

static void reserves_are_kept(void **state) {
    (void)state;
    pfn_t low;
    assert_int_equal(page_alloc_contig(&world.pages, 512, 2 * MIB, paddr(16 * MIB), 0,
                                       PAGE_OWNER_TEST, &low, NULL),
                     PAGE_OK);
    assert_true(resize(low, 512, 16));
    struct page_reserves all = page_free_below(&world.pages);
    const struct page_reserves reserves = {.below_16m = all.below_16m - 8};
    page_set_reserves(&world.pages, &reserves);
    assert_false(resize(low, 16, 25));
    assert_true(resize(low, 16, 24));
    page_set_reserves(&world.pages, &(struct page_reserves){0});
    page_free_contig(&world.pages, low, 24);
}

#define PANICS(call) (HOST_EXPECT_PANIC() ? ((call), host_panic_end(), false) : true)

static void another_count_is_caught(void **state) {
    (void)state;
    pfn_t first = take(64, 64);
    assert_true(PANICS(resize(first, 63, 64)));
    assert_non_null(strstr(host_panic_message, "page_resize_contig"));
    lock_innermost[0] = NULL;
    world_destroy(&world);
    setup(NULL);
}

// Sixteen places of 64 frames each, of which the first ones are taken.
static void lengths_at_random(void **state) {
    (void)state;
    enum { PLACES = 16, ROOM = 64 };
    uint64_t lengths[PLACES], seed = 88172645463325252u;
    pfn_t first = take(PLACES * ROOM, ROOM);
    page_free_contig(&world.pages, first, PLACES * ROOM);
    page_drain(&world.pages);
    uint64_t before = page_free_count(&world.pages), taken = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        assert_int_equal(page_alloc_contig(&world.pages, ROOM, ROOM * PAGE_SIZE, PAGE_ANYWHERE, 0,
                                           PAGE_OWNER_TEST, &first, NULL),
                         PAGE_OK);
        lengths[i] = first.value;
    }
    pfn_t places[PLACES];
    for (unsigned i = 0; i < PLACES; i++) {
        places[i] = pfn(lengths[i]);
        lengths[i] = ROOM;
        taken += ROOM;
    }
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)(world_random(&seed) % PLACES);
        uint64_t wanted = 1 + world_random(&seed) % ROOM;
        assert_true(resize(places[i], lengths[i], wanted)); // nobody else is there
        taken += wanted - lengths[i];
        lengths[i] = wanted;
        assert_int_equal(page_free_count(&world.pages), before - taken);
        if (step % 500 == 0) {
            assert_null(page_check(&world.pages));
        }
    }
    for (unsigned i = 0; i < PLACES; i++) {
        page_free_contig(&world.pages, places[i], lengths[i]);
    }
}

// Each frame of a block that was split goes back by itself, and they become one block again.
static void a_block_becomes_frames(void **state) {
    (void)state;
    static struct page_watch watch;
    uint64_t before = page_free_count(&world.pages), seed = 1;
    for (unsigned order = 0; order <= 10; order++) {
        pfn_t block;
        unsigned count = 1u << order;
        assert_int_equal(page_alloc(&world.pages, order, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block),
                         PAGE_OK);
        assert_true(page_split(&world.pages, block, order));
        assert_null(page_check(&world.pages));
        unsigned first = (unsigned)(world_random(&seed) % count);
        for (unsigned i = 0; i < count; i++) {
            struct page_info info =
                page_inspect(&world.pages, pfn(block.value + (first + i) % count));
            assert_int_equal(info.owner, PAGE_OWNER_TEST);
            assert_int_equal(info.order, 0);
            page_free(&world.pages, pfn(block.value + (first + i) % count), 0);
        }
        page_drain(&world.pages);
        assert_int_equal(page_free_count(&world.pages), before);
    }
    pfn_t block;
    assert_int_equal(page_alloc(&world.pages, 3, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block), PAGE_OK);
    assert_true(page_watch_start(&world.pages, &watch));
    assert_false(page_split(&world.pages, block, 3));
    page_watch_stop(&world.pages);
    assert_false(page_split(&world.pages, pfn(GIB / PAGE_SIZE * 64), 3));
    assert_false(page_split(&world.pages, pfn(2 * GIB / PAGE_SIZE), 3));
    page_free(&world.pages, block, 3);
}

static void another_order_is_caught(void **state) {
    (void)state;
    pfn_t block;
    assert_int_equal(page_alloc(&world.pages, 3, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block), PAGE_OK);
    assert_true(PANICS((void)page_split(&world.pages, block, 2)));
    assert_non_null(strstr(host_panic_message, "page_split: frame"));
    lock_innermost[0] = NULL;
    world_destroy(&world);
    setup(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(grows_into_what_is_free), TEST(changes_nothing_when_it_refuses),
        TEST(knows_its_limits),        TEST(reserves_are_kept),
        TEST(another_count_is_caught), TEST(lengths_at_random),
        TEST(a_block_becomes_frames),  TEST(another_order_is_caught),
    };
    return cmocka_run_group_tests_name("page_resize", tests, NULL, NULL);
}
