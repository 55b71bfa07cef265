// SPDX-License-Identifier: MIT
// Watching the page allocator: requests that are made to fail. (Callers: test_sites.c; events:
// test_trace.c.)
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watched.h"
#include <string.h>

static void stacks_stay_empty(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch, second;
    struct page_census census;
    pfn_t frame, block;
    world_create(&world, gibibytes, 2);
    uint64_t free = page_free_count(&world.pages);
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    assert_int_equal(page_alloc(&world.pages, 9, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block), PAGE_OK);
    page_free(&world.pages, block, 9);
    page_census(&world.pages, &census);
    assert_int_not_equal(census.cached_pages, 0);
    assert_true(page_watch_start(&world.pages, &watch));
    assert_false(page_watch_start(&world.pages, &second));
    page_free(&world.pages, frame, 0);
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    page_free(&world.pages, frame, 0);
    page_drain(&world.pages);
    page_census(&world.pages, &census);
    assert_int_equal(census.cached_pages, 0);
    assert_null(page_check(&world.pages));
    page_watch_stop(&world.pages);
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    page_free(&world.pages, frame, 0);
    page_census(&world.pages, &census);
    assert_int_not_equal(census.cached_pages, 0); // the stacks are in use again
    page_drain(&world.pages);
    assert_true(page_free_count(&world.pages) >= free - 2 * 80); // metadata of two sections
    assert_null(page_check(&world.pages));
    world_destroy(&world);
}

// Which of the first ten requests fail, as bits.
static unsigned failing_of_ten(struct world *world) {
    unsigned failed = 0;
    for (unsigned i = 0; i < 10; i++) {
        pfn_t frame;
        if (page_alloc(&world->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame) == PAGE_OK) {
            page_free(&world->pages, frame, 0);
        } else {
            failed |= 1u << i;
        }
    }
    return failed;
}

static void fails_what_was_asked(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    watched(&world, &watch);
    assert_int_equal(failing_of_ten(&world), 0);
    page_fail(&watch, PAGE_FAIL_NTH, 3, 0);
    assert_int_equal(failing_of_ten(&world), 1 << 2);
    assert_int_equal(watch.failures.requests, 10);
    assert_int_equal(watch.failures.injected, 1);
    page_fail(&watch, PAGE_FAIL_EVERY, 3, 0);
    assert_int_equal(failing_of_ten(&world), 1 << 2 | 1 << 5 | 1 << 8);
    assert_int_equal(watch.failures.injected, 3);
    page_fail(&watch, PAGE_FAIL_EVERY, 1, 0);
    assert_int_equal(failing_of_ten(&world), 1023);
    page_fail(&watch, PAGE_FAIL_NEVER, 1, 0);
    assert_int_equal(failing_of_ten(&world), 0);
    assert_string_equal(page_failing_name(PAGE_FAIL_RANDOM), "random");
    unwatched(&world);
}

static void random_failures_repeat(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    watched(&world, &watch);
    page_fail(&watch, PAGE_FAIL_RANDOM, 3, 7);
    unsigned first = failing_of_ten(&world), second = failing_of_ten(&world);
    page_fail(&watch, PAGE_FAIL_RANDOM, 3, 7);
    assert_int_equal(failing_of_ten(&world), first);
    assert_int_equal(failing_of_ten(&world), second);
    page_fail(&watch, PAGE_FAIL_RANDOM, 10, 1);
    for (unsigned i = 0; i < 1000; i++) {
        failing_of_ten(&world);
    }
    assert_in_range(watch.failures.injected, 900, 1100);
    unwatched(&world);
}

// All that can be seen of an allocator: what it says of its memory, and its census.
struct picture {
    struct page_census census;
    struct section_report sections[4];
    uint64_t metadata_bytes;
};

static void take_picture(struct world *world, struct picture *picture) {
    memset(picture, 0, sizeof(*picture));
    page_census(&world->pages, &picture->census);
    picture->metadata_bytes = world->pages.metadata_bytes;
    for (uint64_t i = 0; i < 4; i++) {
        page_section_report(&world->pages, i, &picture->sections[i]);
    }
}

// Fails the first request, the second, and so on, until the path runs through; each time nothing
// may have changed.
static unsigned fail_each(const struct path *path) {
    struct world world;
    struct page_watch watch;
    struct picture before, after;
    watched(&world, &watch);
    for (unsigned n = 1;; n++) {
        take_picture(&world, &before);
        page_fail(&watch, PAGE_FAIL_NTH, n, 0);
        enum page_status status = path->step(&world.pages);
        assert_null(page_check(&world.pages));
        if (status == PAGE_OK) {
            assert_int_equal(watch.failures.injected, 0);
            path->undo(&world.pages);
            assert_null(page_check(&world.pages));
            unwatched(&world);
            return n - 1;
        }
        assert_int_equal(status, PAGE_NO_MEMORY);
        assert_int_equal(watch.failures.injected, 1);
        take_picture(&world, &after);
        assert_memory_equal(&before, &after, sizeof(before));
    }
}

static void failing_changes_nothing(void **state) {
    (void)state;
    static const unsigned requests[] = {1, 1, 1, 2, 1, 1, 1};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(fail_each(&paths[i]), requests[i]);
    }
}

// What every failure leaves alone is not leaked either: random calls with one request in three
// failing, then all given back.
static void nothing_leaks(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    struct page_census census;
    pfn_t blocks[256];
    uint64_t counts[256], random = 99;
    watched(&world, &watch);
    page_fail(&watch, PAGE_FAIL_RANDOM, 3, 5);
    size_t count = 0;
    for (unsigned i = 0; i < 4000; i++) {
        if (count == 256 || (count != 0 && world_random(&random) % 2 == 0)) {
            size_t at = world_random(&random) % count;
            page_free_contig(&world.pages, blocks[at], counts[at]);
            blocks[at] = blocks[--count];
            counts[at] = counts[count];
        } else {
            counts[count] = world_random(&random) % 3000 + 1;
            count += page_alloc_contig(&world.pages, counts[count], 0, PAGE_ANYWHERE, 0,
                                       PAGE_OWNER_TEST, &blocks[count], NULL) == PAGE_OK;
        }
    }
    while (count-- != 0) {
        page_free_contig(&world.pages, blocks[count], counts[count]);
    }
    page_census(&world.pages, &census);
    assert_int_equal(census.owned_pages[PAGE_OWNER_TEST], 0);
    assert_true(watch.failures.injected > 500);
    unwatched(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_stay_empty),      cmocka_unit_test(fails_what_was_asked),
        cmocka_unit_test(random_failures_repeat), cmocka_unit_test(failing_changes_nothing),
        cmocka_unit_test(nothing_leaks),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
