// SPDX-License-Identifier: MIT
// Guarded objects' pages and addresses: when they come and go, what is used again and when, what
// happens when there are none. And large objects, which are nothing but pages.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_guard.h"
#include "object_world.h"
#include <host/host.h>
#include <mm/object_debug.h>
#include <mm/watch.h>
#include <string.h>

#define LIVE 200

static struct object_guard guard;
static struct host_guard host;

static int setup(void **state) {
    (void)state;
    host_guard_open(&host, &guard);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    host_guard_close(&host, &guard);
    return 0;
}

// Random sizes: what is of the chosen class has pages of its own and nothing else has; contents
// stay; as many pages are open as there are objects.
static void oracle_agrees(void **state) {
    (void)state;
    static struct {
        uint8_t *memory;
        size_t size;
    } live[LIVE];
    uint64_t seed = 88172645463325252u, guarded = 0;
    memset(live, 0, sizeof(live));
    assert_true(object_guard_choose(&guard, "kmalloc-80", true));
    for (unsigned step = 0; step < 40000; step++) {
        unsigned i = (unsigned)(world_random(&seed) % LIVE);
        if (live[i].memory == NULL) {
            live[i].size = 1 + world_random(&seed) % 100;
            live[i].memory = kmalloc_alloc(&kmalloc, live[i].size, 0);
            bool is = live[i].size > 64 && live[i].size <= 80;
            assert_int_equal(object_inspect(&kmalloc.heap, live[i].memory).guarded, is);
            guarded += is;
            memset(live[i].memory, (int)i, live[i].size);
        } else {
            bool is = live[i].size > 64 && live[i].size <= 80;
            assert_int_equal(live[i].memory[0], i & 0xff);
            assert_int_equal(live[i].memory[live[i].size - 1], i & 0xff);
            kmalloc_free(&kmalloc, live[i].memory);
            live[i].memory = NULL;
            guarded -= is;
        }
        assert_int_equal(host.open_pages, guarded);
        assert_int_equal(guard.in_use, guarded);
        assert_true(host.hidden_pages == guard.quarantined &&
                    guard.quarantined <= HOST_GUARD_WINDOW);
        assert_true(step % 100 != 0 || object_check(&kmalloc.heap) == NULL);
    }
    assert_int_equal(guard.quarantined, HOST_GUARD_WINDOW);
    assert_true(guarded != 0);
    struct object_statistics statistics;
    object_cache_statistics(&kmalloc.classes[8], &statistics);
    assert_string_equal(statistics.name, "kmalloc-80");
    assert_int_equal(statistics.guarded, guarded);
    assert_int_equal(statistics.guarded_bytes, guarded * PAGE_SIZE);
    struct object_site sites[32];
    uint64_t counted = 0;
    for (size_t i = 0, found = object_sites(&kmalloc.heap, sites, 32); i < found; i++) {
        counted += strcmp(sites[i].cache, "kmalloc-80") == 0 ? sites[i].objects : 0;
    }
    assert_int_equal(counted, guarded);
    assert_false(object_guard_end(&guard));
    for (unsigned i = 0; i < LIVE; i++) {
        kmalloc_free(&kmalloc, live[i].memory);
    }
}

static void damage_is_found(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-64", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 64, 0);
    guard.in_use++;
    assert_non_null(object_check(&kmalloc.heap));
    guard.in_use--;
    guard.objects.root->height++;
    assert_non_null(object_check(&kmalloc.heap));
    guard.objects.root->height--;
    kmalloc_free(&kmalloc, object);
}

// The addresses of a freed object come back when so many others were freed, and not before.
static void quarantine_keeps_addresses(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-32", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 32, 0);
    kmalloc_free(&kmalloc, object);
    for (unsigned i = 0; i < HOST_GUARD_WINDOW; i++) {
        assert_string_equal(object_refusal(&kmalloc.heap, NULL, object), "double free");
        kmalloc_free(&kmalloc, kmalloc_alloc(&kmalloc, 32, 0));
    }
    struct object_guarded found;
    assert_true(!object_guard_look(&kmalloc.heap, object, &found) || found.object != object);
}

// Without pages, or without memory for the record, it is an object like any other.
static void without_memory_it_is_ordinary(void **state) {
    (void)state;
    static struct page_watch watch;
    assert_true(object_guard_choose(&guard, "kmalloc-32", false));
    host.refuse = true;
    uint8_t *object = kmalloc_alloc(&kmalloc, 32, OBJECT_ZERO);
    host.refuse = false;
    assert_non_null(object);
    assert_false(object_inspect(&kmalloc.heap, object).guarded);
    assert_int_equal(guard.refused, 1);
    uint8_t *others[40], *guarded = kmalloc_alloc(&kmalloc, 32, 0); // there is room for its like
    assert_true(page_watch_start(&world.pages, &watch));
    page_fail(&watch, PAGE_FAIL_EVERY, 1, 0);
    for (unsigned i = 0; i < 40; i++) {
        others[i] = kmalloc_alloc(&kmalloc, 32, 0);
        assert_non_null(others[i]);
    }
    page_watch_stop(&world.pages);
    assert_true(guard.refused > 1 && guard.in_use > 1);
    for (unsigned i = 0; i < 40; i++) {
        kmalloc_free(&kmalloc, others[i]);
    }
    kmalloc_free(&kmalloc, guarded);
    kmalloc_free(&kmalloc, object);
}

// Pages of a row of places, in the order in which they came back; nothing is protected.
#define PLACES 64

static struct {
    uint8_t *free[PLACES + 1], *back[2000];
    unsigned first, end, gone; // of `free`, a ring; of `back`
} row;

static void *take_place(void *context, uint64_t pages, uint64_t align) {
    (void)context, (void)align;
    if (row.first == row.end || pages != 1) {
        return NULL;
    }
    uint8_t *place = row.free[row.first];
    row.first = (row.first + 1) % (PLACES + 1);
    return place;
}

static void leave(void *context, void *begin, uint64_t pages) {
    (void)context, (void)begin, (void)pages;
}

static void give_place(void *context, void *begin, uint64_t pages) {
    (void)context, (void)pages;
    row.free[row.end] = begin;
    row.end = (row.end + 1) % (PLACES + 1);
    row.back[row.gone++] = begin;
}

static const uint8_t *page_of(const uint8_t *object) {
    return (const uint8_t *)align_down((uint64_t)object, PAGE_SIZE);
}

// No address is used again while there is one that was not; then the one that was freed first. With
// all of them in use an object comes from a slab.
static void addresses_go_in_turn(void **state) {
    (void)state;
    static _Alignas(PAGE_SIZE) uint8_t places[PLACES][PAGE_SIZE];
    static const uint8_t *freed[1000];
    static const struct object_guard_pages pages = {take_place, leave, give_place, NULL, 1000};
    uint8_t *held[PLACES / 2], *all[PLACES];
    uint64_t seed = 88172645463325252u;
    row.first = row.end = row.gone = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        give_place(NULL, places[i], 1);
    }
    row.gone = 0;
    assert_true(object_guard_end(&guard));
    assert_true(object_guard_start(&guard, &kmalloc.heap, &pages));
    assert_true(object_guard_choose(&guard, "kmalloc-64", false));
    for (unsigned i = 0; i < PLACES / 2; i++) {
        held[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    for (unsigned i = 0; i < 1000; i++) {
        unsigned at = (unsigned)(world_random(&seed) % (PLACES / 2));
        freed[i] = page_of(held[at]);
        kmalloc_free(&kmalloc, held[at]);
        held[at] = kmalloc_alloc(&kmalloc, 64, 0);
        assert_int_equal(row.gone, i < PLACES / 2 ? 0 : i - PLACES / 2 + 1);
        for (unsigned k = row.gone; k <= i; k++) { // nobody else has those
            assert_string_equal(object_refusal(&kmalloc.heap, NULL, freed[k] + PAGE_SIZE - 64),
                                "double free");
        }
    }
    assert_memory_equal(row.back, freed, row.gone * sizeof(freed[0]));
    assert_int_equal(guard.refused, 0);
    for (unsigned i = 0; i < PLACES / 2; i++) {
        all[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    assert_int_equal(guard.quarantined + guard.refused, 0);
    all[PLACES / 2] = kmalloc_alloc(&kmalloc, 64, 0);
    assert_false(object_inspect(&kmalloc.heap, all[PLACES / 2]).guarded);
    assert_int_equal(guard.refused, 1);
    kmalloc_free(&kmalloc, all[PLACES / 2]);
    for (unsigned i = 0; i < PLACES / 2; i++) {
        kmalloc_free(&kmalloc, held[i]);
        kmalloc_free(&kmalloc, all[i]);
    }
}

// Its place and its pages have long been others': whoever had it still stops, and is known.
static void use_after_reuse_faults(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-192", false));
    uint8_t value, *object = kmalloc_alloc(&kmalloc, 180, 0), *others[10];
    kmalloc_free(&kmalloc, object);
    for (unsigned i = 0; i < HOST_GUARD_WINDOW - 20; i++) {
        uint8_t *other = kmalloc_alloc(&kmalloc, 180, 0);
        assert_ptr_not_equal(other, object);
        kmalloc_free(&kmalloc, other);
    }
    for (unsigned i = 0; i < 10; i++) {
        others[i] = kmalloc_alloc(&kmalloc, 180, 0);
    }
    for (unsigned at = 0; at < 180; at++) {
        struct object_guarded found;
        assert_true(host_write_faults(object + at, 1) && host_read_faults(object + at, &value));
        assert_true(object_guard_look(&kmalloc.heap, object + at, &found));
        assert_true(found.object == object && !found.in_use && found.freed_by != 0);
    }
    assert_true(PANICS(kmalloc_free(&kmalloc, object)));
    assert_true(panic_says("double free", object, "kmalloc-192"));
    for (unsigned i = 0; i < 10; i++) {
        kmalloc_free(&kmalloc, others[i]);
    }
}

// Large ones: at either end, as aligned as asked for, moved, freed, named; without pages like any.
static void large_objects_are_guarded(void **state) {
    (void)state;
    static const size_t sizes[] = {65537, 100000, 128 * KIB, 300001, MIB, 3 * MIB + 5};
    uint8_t value;
    for (unsigned i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = sizes[i / 2];
        assert_true(object_guard_choose(&guard, OBJECT_GUARD_LARGE, i % 2 != 0));
        uint8_t *object = kmalloc_alloc(&kmalloc, size, OBJECT_ZERO);
        struct object_info info = object_inspect(&kmalloc.heap, object + size / 2);
        assert_true(info.guarded && info.object == object && info.size == size);
        assert_int_equal(object[0] + object[size - 1], 0);
        assert_int_equal((uint64_t)object % ((size & (size - 1)) == 0 ? size : 8), 0);
        assert_true(host_write_faults(i % 2 != 0 ? object - 1 : object + align_up(size, 8), 1));
        object = kmalloc_realloc(&kmalloc, object, size + 100, 0);
        assert_int_equal(kmalloc_size(&kmalloc, object), size + 100);
        assert_true(PANICS(kmalloc_free_sized(&kmalloc, object, size)));
        kmalloc_free_sized(&kmalloc, object, size + 100);
        assert_true(host_read_faults(object + size, &value));
        assert_true(PANICS(kmalloc_free(&kmalloc, object)));
        assert_true(panic_says("double free", object, OBJECT_GUARD_LARGE));
    }
    uint8_t *aligned = kmalloc_alloc_aligned(&kmalloc, 100000, MIB, 0);
    uint8_t *odd = kmalloc_alloc_aligned(&kmalloc, 100001, 1, 0);
    assert_int_equal((uint64_t)aligned % MIB + (uint64_t)odd % 8, 0);
    uint8_t *low = kmalloc_alloc(&kmalloc, 100000, OBJECT_BELOW_4G);
    assert_false(object_inspect(&kmalloc.heap, low).guarded);
    host.refuse = true;
    uint8_t *ordinary = kmalloc_alloc(&kmalloc, 100000, 0);
    assert_false(object_inspect(&kmalloc.heap, ordinary).guarded);
    host.refuse = false;
    struct object_site sites[4];
    assert_int_equal(object_sites(&kmalloc.heap, sites, 4), 4);
    assert_string_equal(sites[0].cache, OBJECT_GUARD_LARGE);
    kmalloc_free(&kmalloc, aligned);
    kmalloc_free(&kmalloc, odd);
    kmalloc_free(&kmalloc, low);
    kmalloc_free(&kmalloc, ordinary);
    assert_true(object_guard_choose(&guard, "kmalloc-64", false));
    uint8_t *other = kmalloc_alloc(&kmalloc, 100000, 0);
    assert_false(object_inspect(&kmalloc.heap, other).guarded);
    kmalloc_free(&kmalloc, other);
    object_heap_shrink(&kmalloc.heap);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(oracle_agrees),
        TEST(quarantine_keeps_addresses),
        TEST(addresses_go_in_turn),
        TEST(use_after_reuse_faults),
        TEST(large_objects_are_guarded),
        TEST(damage_is_found),
        TEST(without_memory_it_is_ordinary),
    };
    return cmocka_run_group_tests_name("object_guard_pages", tests, NULL, NULL);
}
