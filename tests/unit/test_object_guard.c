// SPDX-License-Identifier: MIT
// Guarded objects: every class, at both ends of its pages. What runs over the guarded end, and what
// touches a freed object, really faults at that byte; the rest is noticed when the object is freed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_guard.h"
#include "object_world.h"
#include <host/host.h>
#include <mm/mempool.h>
#include <mm/object_debug.h>
#include <mm/report.h>
#include <string.h>

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

static bool says(const char *word, const void *address, const char *cache) {
    return panic_says(word, address, cache) &&
           strstr(host_panic_message, "allocated by culprit") != NULL;
}

// What a fault there would be reported as.
static void assert_known(const void *address, const uint8_t *object, size_t size,
                         const struct object_cache *cache, bool in_use) {
    struct object_guarded found;
    assert_true(object_guard_look(&kmalloc.heap, address, &found));
    assert_ptr_equal(found.object, object);
    assert_int_equal(found.size, size);
    assert_ptr_equal(found.cache, cache);
    assert_int_equal(found.in_use, in_use);
    assert_int_not_equal(found.allocated_by, 0);
    assert_int_equal(found.freed_by != 0, !in_use);
}

// One object of a class, misused in each way.
static unsigned misuse(struct object_cache *cache, size_t size, bool at_begin) {
    uint8_t value, *object = kmalloc_alloc(&kmalloc, size, 0);
    uint64_t align = cache->align < PAGE_SIZE ? cache->align : PAGE_SIZE;
    uint8_t *end = object + align_up(size, align);
    uint8_t *over = at_begin ? object - 1 : end; // the first byte that faults
    assert_int_equal((uint64_t)object % cache->align, 0);
    assert_int_equal(kmalloc_size(&kmalloc, object), size);
    memset(object, 0x33, size);
    assert_true(host_write_faults(over, 1) && host_read_faults(over, &value));
    assert_known(over, object, size, cache, true);
    uint8_t *far = at_begin ? object - PAGE_SIZE : end + PAGE_SIZE - 1;
    assert_true(host_write_faults(far, 1));
    assert_known(far, object, size, cache, true);
    uint8_t *other = at_begin ? object + size : object - 1; // the end that is not guarded
    uint8_t *pages_begin = (uint8_t *)align_down((uint64_t)object, PAGE_SIZE);
    uint8_t *pages_end = (uint8_t *)align_up((uint64_t)object + size, PAGE_SIZE);
    if (other >= pages_begin && other < pages_end) {
        value = *other;
        assert_int_equal(value, OBJECT_RED);
        *other = 0;
        struct object_defect defect;
        assert_true(object_debug_find(&kmalloc.heap, &defect));
        assert_ptr_equal(defect.address, other);
        assert_true(PANICS(kmalloc_free(&kmalloc, object)));
        assert_true(says("out of bounds", other, cache->name));
        *other = value;
    } else {
        assert_true(host_write_faults(other, 1));
    }
    kmalloc_free_sized(&kmalloc, object, size);
    const size_t places[] = {0, size / 2, size - 1};
    for (unsigned i = 0; i < 3; i++) {
        assert_true(host_read_faults(object + places[i], &value));
        assert_true(host_write_faults(object + places[i], 1));
        assert_known(object + places[i], object, size, cache, false);
    }
    assert_true(PANICS(kmalloc_free(&kmalloc, object)));
    assert_true(says("double free", object, cache->name));
    return 1;
}

// Every class, every size of the small ones, both ends.
static void the_instruction_faults(void **state) {
    (void)state;
    unsigned objects = 0;
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        struct object_cache *cache = &kmalloc.classes[i];
        size_t least = i == 0 ? 1 : kmalloc.classes[i - 1].wanted + 1u;
        size_t step = cache->wanted <= 128 ? 1 : (cache->wanted - least) / 3;
        for (unsigned begin = 0; begin < 2; begin++) {
            assert_true(object_guard_choose(&guard, cache->name, begin != 0));
            for (size_t size = least; size <= cache->wanted; size += step) {
                objects += misuse(cache, size, begin != 0);
            }
            objects += misuse(cache, cache->wanted, begin != 0);
        }
    }
    print_message("%u objects, every misuse stopped\n", objects);
    assert_true(objects > 500);
}

// Behind what was asked for lies what its alignment leaves: not more than that, and it is red.
static void slack_is_red(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-64", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 60, 0); // aligned to 64, as powers of two are
    for (unsigned i = 60; i < 64; i++) {
        object[i] ^= 1;
        assert_true(PANICS(kmalloc_free(&kmalloc, object)));
        assert_true(says("out of bounds", object + i, "kmalloc-64"));
        object[i] ^= 1;
    }
    assert_true(host_write_faults(object + 64, 1));
    kmalloc_free(&kmalloc, object);
}

static void frees_are_looked_at(void **state) {
    (void)state;
    static struct object_cache cache;
    assert_true(object_cache_init(&cache, &kmalloc.heap, "other", 100, 0, NULL));
    assert_false(object_guard_choose(&guard, "third", false));
    assert_true(object_guard_choose(&guard, "kmalloc-112", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 100, 0);
    assert_true(PANICS(kmalloc_free(&kmalloc, object + 8)));
    assert_true(says("interior", object + 8, "kmalloc-112"));
    assert_true(PANICS(kmalloc_free(&kmalloc, object - 8)));
    assert_true(says("interior", object - 8, "kmalloc-112"));
    assert_true(PANICS(object_free(&cache, object)));
    assert_true(says("wrong cache", object, "other"));
    assert_true(PANICS(kmalloc_free_sized(&kmalloc, object, 99)));
    assert_non_null(strstr(host_panic_message, "wrong size"));
    assert_true(PANICS(kmalloc_size(&kmalloc, object + 1)));
    assert_true(PANICS(kmalloc_free(&kmalloc, object + PAGE_SIZE)));
    assert_string_equal(object_refusal(&kmalloc.heap, NULL, object + 1), "interior");
    assert_string_equal(object_refusal(&kmalloc.heap, &cache, object), "wrong cache");
    assert_null(object_refusal(&kmalloc.heap, NULL, object));
    struct object_info info = object_inspect(&kmalloc.heap, object + 50);
    assert_true(info.guarded && info.kind == OBJECT_IN_USE && info.object == object);
    assert_int_equal(info.size, 100);
    uint8_t *moved = kmalloc_realloc(&kmalloc, object, 5000, 0);
    assert_string_equal(object_refusal(&kmalloc.heap, NULL, object), "double free");
    assert_int_equal(object_inspect(&kmalloc.heap, object).kind, OBJECT_FREE);
    kmalloc_free(&kmalloc, moved);
    assert_true(object_cache_destroy(&cache, NULL));
}

static uint8_t area[7 * PAGE_SIZE];
static unsigned given;

// Every other page of the area: nothing is protected.
static void *take_neighbour(void *context, uint64_t pages, uint64_t align) {
    (void)context, (void)pages, (void)align;
    uint8_t *begin = (uint8_t *)align_up((uint64_t)area, PAGE_SIZE);
    return begin + (1 + 2 * given++) * PAGE_SIZE;
}

static void leave(void *context, void *begin, uint64_t pages) {
    (void)context, (void)begin, (void)pages;
}

// One page between two objects: it is the nearer one's.
static void a_guard_between_two(void **state) {
    (void)state;
    static const struct object_guard_pages pages = {take_neighbour, leave, leave, NULL, 0};
    for (unsigned begin = 0; begin < 2; begin++) {
        struct object_guarded found;
        given = 0;
        assert_true(object_guard_end(&guard));
        assert_true(object_guard_start(&guard, &kmalloc.heap, &pages));
        assert_true(object_guard_choose(&guard, "kmalloc-64", begin != 0));
        uint8_t *low = kmalloc_alloc(&kmalloc, 64, 0), *high = kmalloc_alloc(&kmalloc, 64, 0);
        assert_int_equal(high - low, 2 * PAGE_SIZE);
        const uint8_t *between = begin != 0 ? high - 1 : low + 64;
        assert_true(object_guard_look(&kmalloc.heap, between, &found));
        assert_ptr_equal(found.object, begin != 0 ? high : low);
        assert_true(object_guard_look(&kmalloc.heap, begin != 0 ? low - 1 : high + 64, &found));
        assert_ptr_equal(found.object, begin != 0 ? low : high);
        guard.lock.held = 1; // by whoever faulted
        assert_false(object_guard_look(&kmalloc.heap, low, &found));
        guard.lock.held = 0;
        kmalloc_free(&kmalloc, low);
        kmalloc_free(&kmalloc, high);
    }
}

static unsigned constructed;

static void construct(void *object) {
    memset(object, 0xc0, 40);
    constructed++;
}

// A cache that is made after it was chosen: constructed, named when it leaks, given back.
static void caches_are_guarded_too(void **state) {
    (void)state;
    static struct object_cache cache;
    struct object_leaks leaks;
    constructed = 0;
    assert_false(object_guard_choose(&guard, "late", false));
    assert_true(object_cache_init(&cache, &kmalloc.heap, "late", 40, 16, construct));
    uint8_t *object = object_alloc(&cache, OBJECT_ZERO);
    assert_int_equal(constructed, 1);
    assert_true(object[0] == 0xc0 && object[39] == 0xc0 && (uint64_t)object % 16 == 0);
    assert_true(host_write_faults(object + 48, 1));
    assert_false(object_cache_destroy(&cache, &leaks));
    assert_int_equal(leaks.objects, 1);
    assert_ptr_equal(leaks.first[0], object);
    assert_true(PANICS(kmalloc_free(&kmalloc, object)));
    assert_true(says("wrong cache", object, "late"));
    object_free(&cache, object);
    assert_true(object_cache_destroy(&cache, NULL));
    assert_int_equal(host.hidden_pages, 0);
}

static void a_pool_may_be_guarded(void **state) {
    (void)state;
    static struct object_cache cache;
    static struct mempool pool;
    void *stock[4];
    object_guard_choose(&guard, "packet", false);
    assert_true(object_cache_init(&cache, &kmalloc.heap, "packet", 200, 0, NULL));
    assert_true(mempool_init(&pool, &cache, stock, 4, 4));
    uint8_t *object = mempool_alloc(&pool);
    assert_true(host_write_faults(object + 200, 1));
    mempool_free(&pool, object);
    assert_true(mempool_destroy(&pool));
    assert_true(object_cache_destroy(&cache, NULL));
}

static void expect_said(const uint8_t *object, const void *address, const char *words) {
    char bytes[1024];
    struct text_buffer text;
    struct object_guarded found;
    assert_true(object_guard_look(&kmalloc.heap, address, &found));
    assert_ptr_equal(found.object, object);
    text_buffer_init(&text, bytes, sizeof(bytes));
    report_guarded(&text.text, &found, address);
    if (strstr(bytes, words) == NULL) {
        fail_msg("not said: %s: %s", words, bytes);
    }
}

static void what_is_known_is_said(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-64", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 64, 0);
    expect_said(object, object + 5,
                "64 bytes, in use, allocated by culprit+0x11; the address is "
                "its byte 0x5");
    expect_said(object, object - 3, "; the address is 0x3 bytes before it");
    expect_said(object, object + 64 + 7, "; the address is 0x7 bytes behind it");
    char bytes[1024];
    struct text_buffer text;
    text_buffer_init(&text, bytes, sizeof(bytes));
    struct object_info info = object_inspect(&kmalloc.heap, object);
    report_object(&text.text, &info);
    assert_non_null(strstr(bytes, "of kmalloc-64, 64 bytes, in use, with pages of its own at 0x"));
    kmalloc_free(&kmalloc, object);
    expect_said(object, object, ", freed, allocated by culprit+0x11, freed by culprit+0x11;");
}

// Pages that follow one another with one guard page between, as the kernel's do.
static void *take_next(void *context, uint64_t pages, uint64_t align) {
    uint8_t **next = context, *begin = *next;
    *next += (pages + 1) * PAGE_SIZE;
    return align <= PAGE_SIZE ? begin : NULL;
}

static void keep(void *context, void *begin, uint64_t pages) {
    (void)context, (void)begin, (void)pages;
}

// An address between two objects is told of the nearer one.
static void the_nearer_object_is_named(void **state) {
    (void)state;
    static _Alignas(PAGE_SIZE) uint8_t arena[16 * PAGE_SIZE];
    static struct kmalloc other;
    static struct object_guard near;
    uint8_t *next = arena + PAGE_SIZE;
    const struct object_guard_pages pages = {take_next, keep, keep, &next, 0};
    const struct object_options options = {.debug = true};
    struct object_guarded found;
    assert_true(kmalloc_init(&other, &world.pages, &options));
    assert_true(object_guard_start(&near, &other.heap, &pages));
    assert_true(object_guard_choose(&near, "kmalloc-64", false));
    uint8_t *low = kmalloc_alloc(&other, 64, 0), *high = kmalloc_alloc(&other, 64, 0);
    assert_int_equal(high - low, 2 * PAGE_SIZE);
    assert_true(object_guard_look(&other.heap, low + 64, &found));
    assert_ptr_equal(found.object, low);
    assert_true(object_guard_look(&other.heap, low + 64 + PAGE_SIZE - 1, &found));
    assert_ptr_equal(found.object, high);
    assert_true(object_guard_look(&other.heap, high - PAGE_SIZE + 8, &found));
    assert_ptr_equal(found.object, low);
    assert_false(object_guard_look(&other.heap, arena + 15 * PAGE_SIZE, &found));
    kmalloc_free(&other, low);
    kmalloc_free(&other, high);
    assert_true(object_guard_end(&near));
    object_heap_shrink(&other.heap);
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        assert_true(object_cache_destroy(&other.classes[i], NULL));
    }
    assert_true(object_heap_destroy(&other.heap));
}

// Zeros when asked for; clearing as an option as well; only with the option debug.
static void options_hold(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-128", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 128, OBJECT_ZERO);
    assert_int_equal(object[0] + object[127], 0);
    kmalloc_free(&kmalloc, object);
    object = kmalloc_alloc(&kmalloc, 128, 0);
    assert_int_equal(object[0], OBJECT_FRESH);
    kmalloc_free(&kmalloc, object);
    static struct kmalloc plain;
    static struct object_guard another;
    const struct object_guard_pages pages = host_guard_pages(&(struct host_guard){0});
    assert_true(kmalloc_init(&plain, &world.pages, NULL));
    assert_false(object_guard_start(&another, &plain.heap, &pages));
    struct object_guarded found;
    assert_false(object_guard_look(&plain.heap, object, &found));
    assert_false(object_guard_start(&another, &kmalloc.heap, &pages));
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        assert_true(object_cache_destroy(&plain.classes[i], NULL));
    }
    assert_true(object_heap_destroy(&plain.heap));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_instruction_faults),
        TEST(slack_is_red),
        TEST(frees_are_looked_at),
        TEST(a_guard_between_two),
        TEST(caches_are_guarded_too),
        TEST(a_pool_may_be_guarded),
        TEST(options_hold),
        TEST(what_is_known_is_said),
        TEST(the_nearer_object_is_named),
    };
    return cmocka_run_group_tests_name("object_guard", tests, NULL, NULL);
}
