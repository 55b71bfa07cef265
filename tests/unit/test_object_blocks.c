// SPDX-License-Identifier: MIT
// Where slabs and objects are: every block is found once, in order of its address, and says of each
// of its objects what object_inspect says; the records are right to the letter, and what they leave
// out is counted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_guard.h"
#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <mm/object_debug.h>
#include <mm/report.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE  3000
#define LIMIT 4096 // of blocks, and of guarded objects, that are listed

static struct world world;
static struct kmalloc kmalloc;
static struct object_guard guard;
static struct host_guard host;
static char text[4 << 20];
static struct text_buffer out;

static void open_with(bool debug) {
    const struct world_range range = {MIB, GIB, EFI_CONVENTIONAL};
    const struct object_options options = {.debug = debug, .seed = 7};
    host_cpu_set(0);
    world_create(&world, &range, 1);
    assert_true(kmalloc_init(&kmalloc, &world.pages, &options));
    text_buffer_init(&out, text, sizeof(text));
    host_code_name = "someone";
}

static int setup(void **state) {
    (void)state;
    open_with(false);
    return 0;
}

static int setup_debug(void **state) {
    (void)state;
    open_with(true);
    const struct object_guard_pages pages = host_guard_pages(&host);
    assert_true(object_guard_start(&guard, &kmalloc.heap, &pages));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_null(object_check(&kmalloc.heap));
    assert_true(kmalloc.heap.guard == NULL || object_guard_end(&guard));
    world_destroy(&world);
    return 0;
}

static uint64_t physical(const void *address) {
    return (uint64_t)address - (uint64_t)port_direct_map(paddr(0));
}

static bool is_set(const struct object_block *block, unsigned index) {
    return (block->in_use[index / 64] >> index % 64 & 1) != 0;
}

// What is in use of a slab; each byte of it is what object_inspect says of it.
static uint64_t agree_on_slab(const struct object_block *block) {
    const struct object_info *first = &block->info;
    const uint8_t *object = first->object, *slab = first->slab;
    uint64_t in_use = 0;
    for (unsigned i = 0; i < OBJECT_BLOCK_WORDS * 64; i++) {
        if (i >= block->objects) {
            assert_false(is_set(block, i));
            continue;
        }
        const uint8_t *last = object + (i + 1) * first->size - 1;
        struct object_info info = object_inspect(&kmalloc.heap, last);
        assert_int_equal(info.kind, is_set(block, i) ? OBJECT_IN_USE : OBJECT_FREE);
        assert_ptr_equal(info.object, object + i * first->size);
        assert_int_equal(info.index, i);
        assert_true(info.slab == slab && info.cpu == first->cpu && info.cache == first->cache);
        in_use += is_set(block, i);
    }
    const uint8_t *end = object + block->objects * first->size;
    assert_true(object >= slab && end <= slab + first->slab_bytes);
    if (end < slab + first->slab_bytes) {
        struct object_info info = object_inspect(&kmalloc.heap, end);
        assert_int_equal(info.kind, OBJECT_NO_OBJECT);
        assert_int_equal(info.index, block->objects);
    }
    if (object > slab) {
        struct object_info info = object_inspect(&kmalloc.heap, object - 1);
        assert_int_equal(info.kind, OBJECT_NO_OBJECT);
        assert_int_equal(info.index, 0);
    }
    return in_use;
}

// All blocks, from below; their sums are the heap's own.
static void agree(void) {
    struct object_block block;
    uint64_t slabs = 0, objects = 0, in_use = 0, bytes = 0, large = 0, pages = 0, reached = 0;
    for (paddr_t at = paddr(0); object_block_next(&kmalloc.heap, &at, &block);) {
        uint64_t begin = physical(block.info.slab);
        assert_true(begin >= reached);
        reached = begin + block.info.slab_bytes;
        assert_int_equal(at.value, reached);
        if (block.info.kind == OBJECT_LARGE) {
            large++;
            pages += block.info.size / PAGE_SIZE;
            assert_int_equal(block.objects, 0);
            continue;
        }
        slabs++;
        bytes += block.info.slab_bytes;
        objects += block.objects;
        in_use += agree_on_slab(&block);
    }
    assert_int_equal(large, kmalloc.heap.large_count);
    assert_int_equal(pages, kmalloc.heap.large_pages);
    for (struct object_cache *cache = kmalloc.heap.caches; cache != NULL; cache = cache->next) {
        struct object_statistics one;
        object_cache_statistics(cache, &one);
        slabs -= one.slabs;
        objects -= one.objects;
        in_use -= one.in_use;
        bytes -= one.bytes;
    }
    assert_true(slabs == 0 && objects == 0 && in_use == 0 && bytes == 0);
}

static void oracle_agrees(void **state) {
    (void)state;
    static void *live[LIVE];
    uint64_t seed = 88172645463325252u;
    memset(live, 0, sizeof(live));
    agree();
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)(world_random(&seed) % LIVE);
        uint64_t kind = world_random(&seed) % 16, random = world_random(&seed);
        size_t size = kind < 13 ? random % 1000 : kind < 15 ? random % (64 * KIB) : random % MIB;
        host_cpu_set((unsigned)(random >> 32) % 3);
        if (live[i] == NULL) {
            live[i] = kmalloc_alloc(&kmalloc, size + 1, 0);
        } else {
            kmalloc_free(&kmalloc, live[i]);
            live[i] = NULL;
        }
        if (step % 2000 == 1999) {
            agree();
        }
    }
    for (unsigned i = 0; i < LIVE; i++) {
        kmalloc_free(&kmalloc, live[i]);
    }
    agree();
}

// A walk that begins in the middle of a block goes on with the next one.
static void the_middle_of_a_block_is_none(void **state) {
    (void)state;
    struct object_block block;
    uint8_t *large = kmalloc_alloc(&kmalloc, 100000, 0), *small = kmalloc_alloc(&kmalloc, 65536, 0);
    struct object_info info = object_inspect(&kmalloc.heap, small);
    assert_true(info.slab_bytes > PAGE_SIZE);
    const void *const begins[] = {large, info.slab};
    for (unsigned i = 0; i < 2; i++) {
        paddr_t at = paddr(physical(begins[i]) + 1);
        while (object_block_next(&kmalloc.heap, &at, &block)) {
            assert_ptr_not_equal(block.info.slab, begins[i]);
        }
        at = paddr(physical(begins[i]));
        assert_true(object_block_next(&kmalloc.heap, &at, &block));
        assert_ptr_equal(block.info.slab, begins[i]);
    }
    paddr_t at = paddr(GIB);
    assert_false(object_block_next(&kmalloc.heap, &at, &block));
    kmalloc_free(&kmalloc, large);
    kmalloc_free(&kmalloc, small);
}

static size_t count_of(const char *needle) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++) {
        count++;
    }
    return count;
}

// `line` is one of the records, once.
static void expect_record(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (count_of(line) != 1) {
        print_error("not there once: %s%s", line, text);
    }
    assert_int_equal(count_of(line), 1);
}

// Of the free ones some are in the magazine, the others in the slab: nobody has them.
static void a_slab_to_the_letter(void **state) {
    (void)state;
    static struct object_cache cache;
    assert_true(object_cache_init(&cache, &kmalloc.heap, "odd \"one\"", 600, 0, NULL));
    void *objects[6];
    for (unsigned i = 0; i < 6; i++) {
        objects[i] = object_alloc(&cache, 0);
    }
    struct object_info info = object_inspect(&kmalloc.heap, objects[0]);
    assert_int_equal(info.slab_bytes, PAGE_SIZE);
    unsigned bits = 0;
    for (unsigned i = 0; i < 6; i++) {
        if (i % 2 == 0) {
            object_free(&cache, objects[i]);
        } else {
            bits |= 1u << object_inspect(&kmalloc.heap, objects[i]).index;
        }
    }
    record_objects(&out.text, &kmalloc.heap);
    expect_record("{\"record\":\"slab-block\",\"cache\":\"odd \\\"one\\\"\",\"start\":\"0x%lx\","
                  "\"bytes\":\"0x1000\",\"first\":0,\"stride\":600,\"objects\":6,"
                  "\"in_use\":\"0x%02x\",\"cpu\":0}\n",
                  physical(info.slab), bits);
    assert_int_equal(count_of("\n"), 1);
    for (unsigned i = 1; i < 6; i += 2) {
        object_free(&cache, objects[i]);
    }
    assert_true(object_cache_destroy(&cache, NULL));
    text_buffer_init(&out, text, sizeof(text));
    record_objects(&out.text, &kmalloc.heap);
    assert_string_equal(text, "");
}

static void a_full_bitmap(void **state) {
    (void)state;
    void *objects[512];
    for (unsigned i = 0; i < 512; i++) {
        objects[i] = kmalloc_alloc(&kmalloc, 8, 0);
    }
    record_objects(&out.text, &kmalloc.heap);
    char digits[129];
    memset(digits, 'f', 128);
    digits[128] = '\0';
    expect_record("\"objects\":512,\"in_use\":\"0x%s\",\"cpu\":0}\n", digits);
    for (unsigned i = 0; i < 512; i++) {
        kmalloc_free(&kmalloc, objects[i]);
    }
}

static void large_objects_to_the_letter(void **state) {
    (void)state;
    uint8_t *large = kmalloc_alloc(&kmalloc, 100000, 0);
    record_objects(&out.text, &kmalloc.heap);
    expect_record("{\"record\":\"large-object\",\"start\":\"0x%lx\",\"bytes\":\"0x19000\","
                  "\"wanted\":\"0x186a0\",\"in_use\":true,\"allocated_by\":null,"
                  "\"freed_by\":null}\n",
                  physical(large));
    kmalloc_free(&kmalloc, large);
}

// The option debug knows who did it, and keeps what was freed for a while.
static void what_waits_is_free(void **state) {
    (void)state;
    uint8_t *large = kmalloc_alloc(&kmalloc, 100000, 0), *small = kmalloc_alloc(&kmalloc, 100, 0);
    struct object_info info = object_inspect(&kmalloc.heap, small);
    uint64_t first =
        (uint64_t)((uint8_t *)info.object - info.index * info.size) - (uint64_t)info.slab;
    assert_int_equal(first, PAGE_SIZE);
    record_objects(&out.text, &kmalloc.heap);
    expect_record(",\"wanted\":\"0x186a0\",\"in_use\":true,\"allocated_by\":\"someone+0x11\","
                  "\"freed_by\":null}\n");
    expect_record("\"start\":\"0x%lx\",\"bytes\":\"0x%lx\",\"first\":4096,\"stride\":%lu,",
                  physical(info.slab), info.slab_bytes, info.size);
    kmalloc_free(&kmalloc, large);
    kmalloc_free(&kmalloc, small);
    text_buffer_init(&out, text, sizeof(text));
    record_objects(&out.text, &kmalloc.heap);
    expect_record("\"in_use\":false,\"allocated_by\":\"someone+0x11\","
                  "\"freed_by\":\"someone+0x11\"}\n");
    assert_int_equal(strspn(strstr(text, "\"in_use\":\"0x") + 12, "0"),
                     strcspn(strstr(text, "\"in_use\":\"0x") + 12, "\""));
    agree();
}

// What is said of an address, to the letter.
static void expect_said(const uint8_t *address, const char *format, ...) {
    char expected[512], said[512];
    struct text_buffer buffer;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(expected, sizeof(expected), format, arguments);
    va_end(arguments);
    text_buffer_init(&buffer, said, sizeof(said));
    struct object_info info = object_inspect(&kmalloc.heap, address);
    report_object_at(&buffer.text, &info, address);
    assert_string_equal(said, expected);
}

static void an_address_is_told(void **state) {
    (void)state;
    uint8_t *large = kmalloc_alloc(&kmalloc, 100000, 0), *small = kmalloc_alloc(&kmalloc, 96, 0);
    uint64_t at = (uint64_t)large, object = (uint64_t)small;
    const char form[] = "a large one at 0x%lx, 102400 bytes, 100000 asked for, in use; the address "
                        "is %s";
    expect_said(large, form, at, "its byte 0x0");
    expect_said(large + 0x1869f, form, at, "its byte 0x1869f");
    expect_said(large + 102399, form, at, "0x95f bytes behind it");
    struct object_info info = object_inspect(&kmalloc.heap, small);
    const char slot[] = "%u of kmalloc-96 at 0x%lx, 96 bytes, %s; the address is its byte 0x%x; "
                        "slab at 0x%lx, %lu bytes, of CPU 0";
    uint64_t slab = (uint64_t)info.slab;
    expect_said(small, slot, info.index, object, "in use", 0, slab, info.slab_bytes);
    expect_said(small + 95, slot, info.index, object, "in use", 95, slab, info.slab_bytes);
    kmalloc_free(&kmalloc, small);
    expect_said(small + 5, slot, info.index, object, "free", 5, slab, info.slab_bytes);
    expect_said((uint8_t *)info.slab + info.slab_bytes - 1,
                "none, it lies behind the last; slab at 0x%lx, %lu bytes, of CPU 0", slab,
                info.slab_bytes);
    kmalloc_free(&kmalloc, large);
    expect_said(large, "none");
}

static void with_the_option_debug_who_did_it(void **state) {
    (void)state;
    uint8_t *large = kmalloc_alloc(&kmalloc, 100000, 0), *small = kmalloc_alloc(&kmalloc, 96, 0);
    struct object_info info = object_inspect(&kmalloc.heap, small);
    expect_said(info.slab, "none, it lies before the first; slab at 0x%lx, %lu bytes, of CPU 0",
                (uint64_t)info.slab, info.slab_bytes);
    const char form[] = "a large one at 0x%lx, 106496 bytes, 100000 asked for, %s, allocated by "
                        "someone+0x11%s; the address is its byte 0x1";
    expect_said(large + 1, form, (uint64_t)large, "in use", "");
    kmalloc_free(&kmalloc, large);
    expect_said(large + 1, form, (uint64_t)large, "freed", ", freed by someone+0x11");
    kmalloc_free(&kmalloc, small);
    assert_true(object_guard_choose(&guard, "kmalloc-96", true));
    small = kmalloc_alloc(&kmalloc, 96, 0);
    expect_said(small + 100,
                "0x%lx of kmalloc-96, 96 bytes, in use, with pages of its own at "
                "0x%lx; the address is 0x4 bytes behind it",
                (uint64_t)small, (uint64_t)small);
    kmalloc_free(&kmalloc, small);
}

static void guarded_objects_to_the_letter(void **state) {
    (void)state;
    struct object_guarded at = {.begin = NULL};
    assert_true(object_guard_choose(&guard, "kmalloc-112", true));
    assert_false(object_guard_next(&kmalloc.heap, &at));
    uint8_t *kept = kmalloc_alloc(&kmalloc, 100, 0), *freed = kmalloc_alloc(&kmalloc, 112, 0);
    kmalloc_free(&kmalloc, freed);
    record_objects(&out.text, &kmalloc.heap);
    const char form[] = "{\"record\":\"guarded-object\",\"cache\":\"kmalloc-112\",\"start\":"
                        "\"0x%lx\",\"bytes\":\"0x1000\",\"object\":\"0x%lx\",\"object_size\":%u,"
                        "\"in_use\":%s,\"allocated_by\":\"someone+0x11\",\"freed_by\":%s}\n";
    expect_record(form, (uint64_t)kept, (uint64_t)kept, 100, "true", "null");
    expect_record(form, (uint64_t)freed, (uint64_t)freed, 112, "false", "\"someone+0x11\"");
    assert_int_equal(count_of("\n"), 2);
    kmalloc_free(&kmalloc, kept);
}

static int by_number(const void *a, const void *b) {
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

// Each once, whatever shares a bucket; and those too many are counted.
static void guarded_objects_are_all_seen(void **state) {
    (void)state;
    static uint64_t objects[LIMIT + 100], seen[LIMIT + 200];
    const size_t count = sizeof(objects) / sizeof(objects[0]);
    assert_true(object_guard_choose(&guard, "kmalloc-64", true));
    for (size_t i = 0; i < count; i++) {
        objects[i] = (uint64_t)kmalloc_alloc(&kmalloc, 64, 0);
    }
    struct object_guarded at = {.begin = NULL};
    size_t found = 0;
    while (object_guard_next(&kmalloc.heap, &at)) {
        seen[found++] = (uint64_t)at.object;
    }
    assert_int_equal(found, count);
    qsort(seen, found, sizeof(seen[0]), by_number);
    record_objects(&out.text, &kmalloc.heap);
    assert_int_equal(out.dropped, 0);
    assert_int_equal(count_of("\"record\":\"guarded-object\""), LIMIT);
    expect_record("{\"record\":\"objects-not-listed\",\"slabs\":0,\"large\":0,\"guarded\":100,"
                  "\"start\":null}\n");
    for (size_t i = 0; i < count; i++) {
        kmalloc_free(&kmalloc, (void *)objects[i]);
    }
    qsort(objects, count, sizeof(objects[0]), by_number);
    assert_memory_equal(objects, seen, sizeof(objects));
}

// More blocks than are listed; above them are slabs, or large objects.
static void leave_out(size_t size, unsigned count) {
    static void *objects[40000];
    struct object_block block;
    uint64_t blocks = 0, start = 0, left[2] = {0, 0};
    for (unsigned i = 0; i < count; i++) {
        objects[i] = kmalloc_alloc(&kmalloc, size, 0);
        assert_non_null(objects[i]);
    }
    for (paddr_t at = paddr(0); object_block_next(&kmalloc.heap, &at, &block); blocks++) {
        start = blocks == LIMIT ? physical(block.info.slab) : start;
        left[block.info.kind == OBJECT_LARGE] += blocks >= LIMIT;
    }
    assert_int_not_equal(left[size > 64 * KIB], 0);
    text_buffer_init(&out, text, sizeof(text));
    record_objects(&out.text, &kmalloc.heap);
    assert_int_equal(out.dropped, 0);
    assert_int_equal(count_of("\"slab-block\"") + count_of("\"large-object\""), LIMIT);
    expect_record("{\"record\":\"objects-not-listed\",\"slabs\":%lu,\"large\":%lu,\"guarded\":0,"
                  "\"start\":\"0x%lx\"}\n",
                  left[0], left[1], start);
    for (unsigned i = 0; i < count; i++) {
        kmalloc_free(&kmalloc, objects[i]);
    }
}

static void what_is_too_much_is_counted(void **state) {
    (void)state;
    leave_out(4 * KIB, 40000);
    leave_out(64 * KIB + 1, 4500);
}

int main(void) {
#define TEST(name)       cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_DEBUG(name) cmocka_unit_test_setup_teardown(name, setup_debug, teardown)
    const struct CMUnitTest tests[] = {
        TEST(oracle_agrees),
        TEST_DEBUG(oracle_agrees),
        TEST(the_middle_of_a_block_is_none),
        TEST(a_slab_to_the_letter),
        TEST(a_full_bitmap),
        TEST(large_objects_to_the_letter),
        TEST_DEBUG(what_waits_is_free),
        TEST(an_address_is_told),
        TEST_DEBUG(with_the_option_debug_who_did_it),
        TEST_DEBUG(guarded_objects_to_the_letter),
        TEST_DEBUG(guarded_objects_are_all_seen),
        TEST(what_is_too_much_is_counted),
    };
    return cmocka_run_group_tests_name("object_blocks", tests, NULL, NULL);
}
