// SPDX-License-Identifier: MIT
// Counts of shared frames against an array of counts; running out at every frame that the tree asks
// for; two threads that share and let go of the same frames.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/shares.h>
#include <pthread.h>
#include <string.h>

#define FRAMES 4096

static struct world world;
static struct shares shares;

static int begin(void **state) {
    (void)state;
    const struct world_range ranges[] = {{MIB, 9 * MIB, EFI_CONVENTIONAL}};
    world_create(&world, ranges, 1);
    return 0;
}

static int end(void **state) {
    (void)state;
    world_destroy(&world);
    return 0;
}

// Spread over the address space so that every level of the tree has more than one entry.
static pfn_t frame_of(uint64_t index, uint64_t memory_end) {
    return pfn(index * 2654435761u % (memory_end >> PAGE_SHIFT));
}

static void random_counts(void **state) {
    (void)state;
    static const uint64_t ends[] = {MIB, 8 * MIB, 9 * MIB, 4 * GIB, 5 * GIB, UINT64_C(1) << 52};
    static uint32_t users[FRAMES];
    uint64_t seed = 0x9e3779b97f4a7c15;
    for (size_t e = 0; e < sizeof(ends) / sizeof(ends[0]); e++) {
        uint64_t before = page_free_count(&world.pages), shared = 0;
        uint64_t count = ends[e] < 8 * MIB ? ends[e] / PAGE_SIZE : e < 4 ? 400 : 40;
        shares_init(&shares, &world.pages, paddr(ends[e]));
        memset(users, 0, sizeof(users));
        for (uint64_t step = 0; step < 20000; step++) {
            uint64_t i = world_random(&seed) % count;
            pfn_t frame = frame_of(i, ends[e]);
            assert_int_equal(shares_users(&shares, frame), users[i] + 1);
            if (world_random(&seed) % 2 == 0) {
                assert_true(shares_add(&shares, frame));
                shared += users[i]++ == 0;
            } else {
                assert_int_equal(shares_drop(&shares, frame), users[i] == 0);
                shared -= users[i] == 1;
                users[i] -= users[i] != 0;
            }
            assert_int_equal(shares.shared, shared);
            if (step % 256 == 0) {
                assert_null(shares_check(&shares));
                assert_int_equal(before - page_free_count(&world.pages), shares.frames);
            }
        }
        for (uint64_t i = 0; i < count; i++) {
            while (users[i] != 0) {
                assert_false(shares_drop(&shares, frame_of(i, ends[e])));
                users[i]--;
            }
        }
        assert_null(shares_check(&shares));
        assert_int_equal(shares.root, 0);
        assert_int_equal(page_free_count(&world.pages), before);
    }
}

static void running_out_changes_nothing(void **state) {
    (void)state;
    static pfn_t frames[2100];
    size_t count = 0;
    shares_init(&shares, &world.pages, paddr(UINT64_C(1) << 52));
    while ((frames[count] = page_alloc_frame(&world.pages, PAGE_OWNER_TEST)).value !=
           PAGE_NO_FRAME.value) {
        count++;
    }
    for (unsigned given = 0; given < 5; given++) { // four levels of tables and a leaf
        struct shares before = shares;
        assert_false(shares_add(&shares, pfn(123456789)));
        assert_memory_equal(&before, &shares, sizeof(before));
        assert_int_equal(page_free_count(&world.pages), given);
        page_free_frame(&world.pages, frames[--count]);
    }
    assert_true(shares_add(&shares, pfn(123456789)));
    assert_false(shares_add(&shares, pfn(123456789 + 2048)));
    assert_true(shares_add(&shares, pfn(123456788)));
    assert_null(shares_check(&shares));
    assert_false(shares_drop(&shares, pfn(123456789)));
    assert_false(shares_drop(&shares, pfn(123456788)));
    assert_int_equal(page_free_count(&world.pages), 5);
    while (count != 0) {
        page_free_frame(&world.pages, frames[--count]);
    }
}

// Many at a time: all or none are added; the last users are told apart.
static void many_at_a_time(void **state) {
    (void)state;
    static pfn_t frames[3000], all[3000], kept[2100];
    uint64_t before = page_free_count(&world.pages);
    size_t count = 0;
    shares_init(&shares, &world.pages, paddr(64 * GIB));
    for (uint64_t i = 0; i < 3000; i++) {
        frames[i] = pfn(i * 700);
    }
    assert_true(shares_add_all(&shares, frames, 3000));
    assert_true(shares_add_all(&shares, frames, 1000));
    assert_null(shares_check(&shares));
    assert_int_equal(shares.shared, 3000);
    // Without memory: what would need a leaf fails, and nothing of it stays.
    while ((kept[count] = page_alloc_frame(&world.pages, PAGE_OWNER_TEST)).value !=
           PAGE_NO_FRAME.value) {
        count++;
    }
    struct shares as_it_was = shares;
    frames[2000] = pfn(15000000);
    assert_false(shares_add_all(&shares, frames, 3000));
    assert_memory_equal(&as_it_was, &shares, sizeof(shares));
    assert_int_equal(shares_users(&shares, frames[0]), 3);
    assert_int_equal(shares_users(&shares, frames[1999]), 2);
    while (count != 0) {
        page_free_frame(&world.pages, kept[--count]);
    }
    frames[2000] = pfn(2000 * 700);
    memcpy(all, frames, sizeof(all));
    assert_int_equal(shares_drop_all(&shares, all, 3000), 0);
    assert_int_equal(shares.shared, 1000);
    memcpy(all, frames, sizeof(all));
    assert_int_equal(shares_drop_all(&shares, all, 3000), 2000);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_int_equal(all[i].value, frames[i + 1000].value);
    }
    assert_int_equal(shares.shared, 0);
    assert_int_equal(page_free_count(&world.pages), before);
    assert_int_equal(shares_drop_all(&shares, frames, 3000), 3000);
}

static void a_count_has_an_end(void **state) {
    (void)state;
    shares_init(&shares, &world.pages, paddr(GIB));
    for (unsigned i = 1; i < SHARES_USERS_MAX; i++) {
        assert_true(shares_add(&shares, pfn(5)));
    }
    assert_int_equal(shares_users(&shares, pfn(5)), SHARES_USERS_MAX);
    assert_false(shares_add(&shares, pfn(5)));
    assert_int_equal(shares_users(&shares, pfn(5)), SHARES_USERS_MAX);
    for (unsigned i = 1; i < SHARES_USERS_MAX; i++) {
        assert_false(shares_drop(&shares, pfn(5)));
    }
    assert_true(shares_drop(&shares, pfn(5)));
    assert_int_equal(shares.frames, 0);
}

static void damage_is_found(void **state) {
    (void)state;
    shares_init(&shares, &world.pages, paddr(GIB));
    assert_true(shares_add(&shares, pfn(5)));
    shares.shared++;
    assert_string_equal(shares_check(&shares),
                        "there are not as many shared frames, or tables of them, as are counted");
    shares.shared--;
    shares.root++;
    assert_string_equal(shares_check(&shares),
                        "a table of shared frames does not hold as many entries as it says");
    shares.root--;
    assert_null(shares_check(&shares));
    assert_false(shares_drop(&shares, pfn(5)));
}

// Each frame has as many users as threads. A thread lets go, and takes again while somebody else
// still has it; whoever was the last sees it, once.
#define THREADS 3
static uint32_t last[64];

static void *let_go(void *argument) {
    host_cpu_set((unsigned)(uintptr_t)argument);
    for (uint64_t i = 0; i < 64; i++) {
        for (unsigned turn = 0; turn < 200; turn++) {
            if (shares_add(&shares, pfn(i * 1000))) {
                assert_false(shares_drop(&shares, pfn(i * 1000)));
            }
        }
        if (shares_drop(&shares, pfn(i * 1000))) {
            __atomic_fetch_add(&last[i], 1, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void threads_agree_on_the_last(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    uint64_t before = page_free_count(&world.pages);
    shares_init(&shares, &world.pages, paddr(GIB));
    for (uint64_t i = 0; i < 64; i++) {
        for (unsigned user = 1; user < THREADS; user++) {
            assert_true(shares_add(&shares, pfn(i * 1000)));
        }
    }
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, let_go, (void *)i), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (uint64_t i = 0; i < 64; i++) {
        assert_int_equal(last[i], 1);
    }
    assert_null(shares_check(&shares));
    assert_int_equal(page_free_count(&world.pages), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_counts, begin, end),
        cmocka_unit_test_setup_teardown(running_out_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(many_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(a_count_has_an_end, begin, end),
        cmocka_unit_test_setup_teardown(damage_is_found, begin, end),
        cmocka_unit_test_setup_teardown(threads_agree_on_the_last, begin, end),
    };
    return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
