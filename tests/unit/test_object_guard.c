// SPDX-License-Identifier: MIT
// Guarded objects: every class, at both ends of its pages. What runs over the guarded end, and what
// touches a freed object, really faults at that byte; the rest is noticed when the object is freed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_guard.h"
#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <mm/mempool.h>
#include <mm/object_debug.h>
#include <mm/report.h>
#include <mm/watch.h>
#include <stdio.h>
#include <string.h>

#define LIVE 200

static struct world world;
static struct kmalloc kmalloc;
static struct object_guard guard;
static struct host_guard host;
static uint64_t free_before;

static int setup(void **state) {
    (void)state;
    const struct world_range range = {MIB, 256 * MIB, EFI_CONVENTIONAL};
    const struct object_options options = {.debug = true, .seed = 7};
    world_create(&world, &range, 1);
    free_before = page_free_count(&world.pages);
    assert_true(kmalloc_init(&kmalloc, &world.pages, &options));
    const struct object_guard_pages pages = host_guard_pages(&host);
    assert_true(object_guard_start(&guard, &kmalloc.heap, &pages));
    host_code_name = "culprit";
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_null(object_check(&kmalloc.heap));
    assert_true(object_guard_end(&guard));
    assert_int_equal(host.open_pages + host.hidden_pages, 0);
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        assert_true(object_cache_destroy(&kmalloc.classes[i], NULL));
    }
    assert_true(object_heap_destroy(&kmalloc.heap));
    page_drain(&world.pages);
    assert_int_equal(page_free_count(&world.pages), free_before);
    world_destroy(&world);
    return 0;
}

#define PANICS(call) (HOST_EXPECT_PANIC() ? ((call), host_panic_end(), false) : true)

static bool says(const char *word, const void *address, const char *cache) {
    char hexadecimal[32];
    snprintf(hexadecimal, sizeof(hexadecimal), "0x%lx", (uint64_t)address);
    bool all = strstr(host_panic_message, word) != NULL &&
               strstr(host_panic_message, hexadecimal) != NULL &&
               strstr(host_panic_message, cache) != NULL &&
               strstr(host_panic_message, "allocated by culprit") != NULL;
    if (!all) {
        print_error("%s: %s\n", word, host_panic_message);
    }
    return all;
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
                    guard.quarantined <= OBJECT_GUARD_QUARANTINE);
        assert_true(step % 100 != 0 || object_check(&kmalloc.heap) == NULL);
    }
    assert_int_equal(guard.quarantined, OBJECT_GUARD_QUARANTINE);
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
    static const struct object_guard_pages pages = {take_neighbour, leave, leave, NULL};
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

static void damage_is_found(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-64", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 64, 0);
    guard.in_use++;
    assert_non_null(object_check(&kmalloc.heap));
    guard.in_use--;
    unsigned at = 0;
    while (guard.buckets[at] == NULL) {
        at++;
    }
    struct guarded *record = guard.buckets[at];
    guard.buckets[at] = NULL;
    guard.buckets[(at + 1) % OBJECT_GUARD_BUCKETS] = record;
    assert_non_null(object_check(&kmalloc.heap));
    guard.buckets[(at + 1) % OBJECT_GUARD_BUCKETS] = NULL;
    guard.buckets[at] = record;
    kmalloc_free(&kmalloc, object);
}

// The addresses of a freed object come back when so many others were freed, and not before.
static void quarantine_keeps_addresses(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-32", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 32, 0);
    kmalloc_free(&kmalloc, object);
    for (unsigned i = 0; i < OBJECT_GUARD_QUARANTINE; i++) {
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
    const struct object_guard_pages pages = {take_next, keep, keep, &next};
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

static void a_wrong_bucket_is_found(void **state) {
    (void)state;
    assert_true(object_guard_choose(&guard, "kmalloc-64", false));
    uint8_t *object = kmalloc_alloc(&kmalloc, 64, 0);
    unsigned i = 0;
    while (guard.buckets[i] == NULL) {
        i++;
    }
    struct guarded **other = &guard.buckets[(i + 1) % OBJECT_GUARD_BUCKETS], *record = *other;
    *other = guard.buckets[i];
    guard.buckets[i] = record;
    const char *broken = object_check(&kmalloc.heap);
    guard.buckets[i] = *other;
    *other = record;
    assert_string_equal(broken, "the record of a guarded object is in the wrong bucket");
    assert_null(object_check(&kmalloc.heap));
    kmalloc_free(&kmalloc, object);
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
        TEST(oracle_agrees),
        TEST(quarantine_keeps_addresses),
        TEST(a_guard_between_two),
        TEST(damage_is_found),
        TEST(without_memory_it_is_ordinary),
        TEST(caches_are_guarded_too),
        TEST(a_pool_may_be_guarded),
        TEST(options_hold),
        TEST(what_is_known_is_said),
        TEST(the_nearer_object_is_named),
        TEST(a_wrong_bucket_is_found),
    };
    return cmocka_run_group_tests_name("object_guard", tests, NULL, NULL);
}
