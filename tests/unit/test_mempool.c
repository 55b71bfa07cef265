// SPDX-License-Identifier: MIT
// Pools: what they guarantee when there is no memory, what they count, what they say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/mempool.h>
#include <mm/report.h>
#include <mm/watch.h>
#include <stdio.h>
#include <string.h>

#define KEPT 10

static struct world world;
static struct object_heap heap;
static struct object_cache cache;
static struct page_watch watch;
static struct mempool pool;
static void *stock[KEPT];

static int setup(void **state) {
    (void)state;
    const struct world_range range = {MIB, 64 * MIB, EFI_CONVENTIONAL};
    world_create(&world, &range, 1);
    assert_true(object_heap_init(&heap, &world.pages, NULL));
    assert_true(object_cache_init(&cache, &heap, "packet", 2000, 0, NULL));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_true(mempool_destroy(&pool));
    assert_null(object_check(&heap));
    assert_true(object_cache_destroy(&cache, NULL));
    assert_true(object_heap_destroy(&heap));
    world_destroy(&world);
    return 0;
}

static void no_more_memory(bool none) {
    if (none) {
        assert_true(page_watch_start(&world.pages, &watch));
        page_fail(&watch, PAGE_FAIL_EVERY, 1, 0);
    } else {
        page_watch_stop(&world.pages);
    }
}

// Random takers and givers with no memory: as long as fewer than KEPT are out, nobody is refused.
static void a_pool_keeps_its_word(void **state) {
    (void)state;
    void *out[200];
    uint32_t count = 0;
    uint64_t seed = 88172645463325252u, refused = 0;
    assert_true(mempool_init(&pool, &cache, stock, KEPT, KEPT));
    assert_int_equal(mempool_verdict(&pool), MEMPOOL_GUARANTEED);
    no_more_memory(true);
    for (unsigned step = 0; step < 20000; step++) {
        if (world_random(&seed) % 64 < 33 && count < 200) {
            void *object = mempool_alloc(&pool);
            assert_true(object != NULL || count >= KEPT);
            refused += object == NULL;
            if (object != NULL) {
                out[count++] = object;
            }
        } else if (count != 0) {
            uint32_t i = (uint32_t)(world_random(&seed) % count);
            mempool_free(&pool, out[i]);
            out[i] = out[--count];
        }
        assert_true(pool.stocked + pool.out >= KEPT);
        assert_int_equal(pool.out, count);
    }
    assert_int_equal(pool.refused, refused);
    assert_true(refused != 0 && pool.served_from_stock != 0 && pool.most_out >= KEPT);
    assert_int_equal(mempool_verdict(&pool), MEMPOOL_EXCEEDED);
    assert_false(count != 0 && mempool_destroy(&pool));
    while (count != 0) {
        mempool_free(&pool, out[--count]);
    }
    no_more_memory(false);
}

static void verdicts_have_names(void **state) {
    (void)state;
    assert_true(mempool_init(&pool, &cache, stock, KEPT, KEPT + 1));
    assert_int_equal(mempool_verdict(&pool), MEMPOOL_NOT_GUARANTEED);
    assert_string_equal(mempool_verdict_name(MEMPOOL_GUARANTEED), "guaranteed");
    assert_string_equal(mempool_verdict_name(MEMPOOL_NOT_GUARANTEED), "not guaranteed");
    assert_string_equal(mempool_verdict_name((enum mempool_verdict)9), "?");
    mempool_free(&pool, NULL);
}

// Both of two pools are found from the heap; a destroyed one is no more.
static void pools_are_listed(void **state) {
    (void)state;
    static struct mempool other;
    void *others[3];
    struct mempool_statistics one;
    assert_true(mempool_init(&pool, &cache, stock, KEPT, KEPT));
    assert_true(mempool_init(&other, &cache, others, 3, 5));
    assert_true(heap.pools == &other && other.next == &pool && pool.next == NULL);
    void *object = mempool_alloc(&other);
    mempool_statistics(&other, &one);
    assert_string_equal(one.name, "packet");
    assert_int_equal(one.size, 2000);
    assert_true(one.guaranteed == 3 && one.worst_case == 5 && one.available == 3);
    assert_true(one.out == 1 && one.most_out == 1 && one.refused == 0);
    assert_int_equal(one.verdict, MEMPOOL_NOT_GUARANTEED);
    assert_false(mempool_destroy(&other));
    mempool_free(&other, object);
    assert_true(mempool_destroy(&other));
    assert_true(heap.pools == &pool && pool.next == NULL && pool.link == &heap.pools);
    assert_true(mempool_init(&other, &cache, others, 3, 3));
    assert_true(mempool_destroy(&pool) && heap.pools == &other && other.next == NULL);
    assert_true(mempool_init(&pool, &cache, stock, KEPT, KEPT));
    assert_true(mempool_destroy(&other) && heap.pools == &pool);
}

static void a_pool_is_made_whole_or_not_at_all(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        assert_true(page_watch_start(&world.pages, &watch));
        page_fail(&watch, PAGE_FAIL_NTH, n, 0);
        bool made = mempool_init(&pool, &cache, stock, KEPT, KEPT);
        page_watch_stop(&world.pages);
        assert_int_equal(pool.stocked, made ? KEPT : 0);
        if (made) {
            break;
        }
        object_heap_shrink(&heap);
    }
}

static void misuse_is_caught(void **state) {
    (void)state;
    static uint8_t not_ours[8];
    assert_true(mempool_init(&pool, &cache, stock, KEPT, KEPT));
    no_more_memory(true);
    void *object, *out[200];
    unsigned count = 0;
    while ((object = mempool_alloc(&pool)) != NULL && pool.served_from_stock == 0) {
        out[count++] = object; // what the cache has comes first
    }
    mempool_free(&pool, object);
    void *const wrong[] = {object, not_ours, (uint8_t *)object + 8};
    const char *const words[] = {"double free", "foreign", "interior"};
    uint32_t still_out = pool.out;
    for (unsigned i = 0; i < 3; i++) {
        if (HOST_EXPECT_PANIC()) {
            mempool_free(&pool, wrong[i]);
            host_panic_end();
            fail();
        }
        assert_non_null(strstr(host_panic_message, words[i]));
        assert_memory_equal(host_panic_message, "mempool_free: 0x", 16);
        // What is known of it: whose, and where it lies.
        assert_true(i == 1 || strstr(host_panic_message, " of packet, 2000 bytes each, in the slab "
                                                         "at 0x") != NULL);
        assert_int_equal(pool.out, still_out);
    }
    no_more_memory(false);
    while (count != 0) {
        mempool_free(&pool, out[--count]);
    }
    object = object_alloc(&cache, 0); // of the cache, but not by the pool
    if (HOST_EXPECT_PANIC()) {
        mempool_free(&pool, object);
        host_panic_end();
        fail();
    }
    assert_non_null(strstr(host_panic_message, "none of this pool is out"));
    object_free(&cache, object);
}

static void pools_are_reported(void **state) {
    (void)state;
    char bytes[2048], expected[512];
    struct text_buffer text;
    struct mempool_statistics one;
    assert_true(mempool_init(&pool, &cache, stock, KEPT, 2 * KEPT));
    void *object = mempool_alloc(&pool);
    text_buffer_init(&text, bytes, sizeof(bytes));
    report_pools(&text.text, &heap);
    assert_non_null(strstr(bytes, "  packet                     2000          10     20 "));
    text_buffer_init(&text, bytes, sizeof(bytes));
    record_pools(&text.text, &heap);
    mempool_statistics(&pool, &one);
    snprintf(expected, sizeof(expected),
             "{\"record\":\"pool\",\"name\":\"packet\",\"object_size\":2000,\"guaranteed\":10,"
             "\"worst_case\":20,\"available\":%u,\"out\":1,\"out_most\":1,\"from_stock\":0,"
             "\"refused\":0,\"verdict\":\"%s\"}\n",
             one.available, mempool_verdict_name(MEMPOOL_NOT_GUARANTEED));
    assert_string_equal(bytes, expected);
    mempool_free(&pool, object);
}

// The options that clear memory hold for what a pool keeps, too.
static void what_is_kept_is_cleared(void **state) {
    (void)state;
    uint8_t *out[200], *kept;
    unsigned count = 0;
    heap.options.zero_on_alloc = heap.options.zero_on_free = true;
    assert_true(mempool_init(&pool, &cache, stock, KEPT, KEPT));
    no_more_memory(true);
    do {
        assert_in_range(count, 0, 199);
        kept = mempool_alloc(&pool);
        out[count++] = kept;
    } while (pool.stocked == KEPT);
    count--;
    memset(kept, 0xee, 2000);
    mempool_free(&pool, kept);
    assert_int_equal(pool.stocked, KEPT);
    assert_int_equal(kept[0] + kept[1999], 0);
    memset(kept, 0xee, 2000); // as if it was not
    assert_ptr_equal(mempool_alloc(&pool), kept);
    assert_int_equal(kept[0] + kept[1999], 0);
    no_more_memory(false);
    mempool_free(&pool, kept);
    while (count != 0) {
        mempool_free(&pool, out[--count]);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept_is_cleared),
        TEST(a_pool_keeps_its_word),
        TEST(verdicts_have_names),
        TEST(pools_are_listed),
        TEST(a_pool_is_made_whole_or_not_at_all),
        TEST(misuse_is_caught),
        TEST(pools_are_reported),
    };
    return cmocka_run_group_tests_name("mempool", tests, NULL, NULL);
}
