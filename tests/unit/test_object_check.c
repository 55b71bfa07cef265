// SPDX-License-Identifier: MIT
// object_check names what is broken: each invariant is broken by hand, one after the other. And
// what an interrupt does that finds its CPU's gate held.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <mm/report.h>
#include <object/internal.h>
#include <string.h>

static struct world world;
static struct kmalloc kmalloc;
static struct object_cache *cache;
static struct object_cpu *part;
static struct slab *slab;
static uint8_t *object; // handed out, of `slab`

// Several slabs that are half full.
static int setup(void **state) {
    (void)state;
    const struct world_range range = {MIB, 64 * MIB, EFI_CONVENTIONAL};
    void *objects[600];
    host_cpu_set(0);
    world_create(&world, &range, 1);
    assert_true(kmalloc_init(&kmalloc, &world.pages, NULL));
    for (unsigned i = 0; i < 600; i++) {
        objects[i] = kmalloc_alloc(&kmalloc, 96, 0);
        assert_non_null(objects[i]);
    }
    for (unsigned i = 0; i < 600; i += 2) {
        kmalloc_free(&kmalloc, objects[i]);
    }
    object_heap_shrink(&kmalloc.heap);
    object = kmalloc_alloc(&kmalloc, 96, 0);
    cache = object_find(&kmalloc.heap, object)->cache;
    part = cache->cpus[0];
    slab = cache->slabs;
    while (slab->trimmed != 0) {
        slab = slab->list_next;
    }
    object = slab->base;
    while (slab->handed[(object - slab->base) / 96] != HANDED_OUT) {
        object += 96;
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_null(object_check(&kmalloc.heap));
    world_destroy(&world);
    return 0;
}

static void expect(const char *words) {
    const char *broken = object_check(&kmalloc.heap);
    assert_non_null(broken);
    if (strstr(broken, words) == NULL) {
        print_error("%s, but not: %s\n", broken, words);
    }
    assert_non_null(strstr(broken, words));
}

// Changes a place, looks, and changes it back.
#define BROKEN(place, value, words)                                                                \
    do {                                                                                           \
        __typeof__(place) before = (place);                                                        \
        (place) = (value);                                                                         \
        expect(words);                                                                             \
        (place) = before;                                                                          \
        assert_null(object_check(&kmalloc.heap));                                                  \
    } while (0)

static void slabs_are_looked_at(void **state) {
    (void)state;
    uint64_t index;
    assert_true(slab_index(slab, object, &index));
    BROKEN(slab->stock, (uint16_t)(slab->stock + 1), "count of objects in stock");
    BROKEN(slab_bits(slab)[index / 64], slab_bits(slab)[index / 64] | UINT64_C(1) << index % 64,
           "handed out and in its slab");
    BROKEN(slab->handed[slab->count], HANDED_OUT, "what is no object");
    BROKEN(slab->handed[index], IN_STOCK, "neither in its slab");
    unsigned last = slab->words - 1u;
    if (slab->count % 64 != 0) {
        BROKEN(slab_bits(slab)[last], slab_bits(slab)[last] | UINT64_C(1) << 63,
               "behind its last one");
    }
    BROKEN(cache->slab_count, cache->slab_count + 1, "counts of slabs");
    BROKEN(kmalloc.heap.large_count, 1, "large objects");
}

static void the_directory_is_looked_at(void **state) {
    (void)state;
    directory_set(&kmalloc.heap, slab_block(slab), PAGE_SIZE, &slab_none);
    expect("does not know a frame");
    directory_set(&kmalloc.heap, slab_block(slab), PAGE_SIZE, slab);
    uint8_t *elsewhere = host_ram + 60 * MIB;
    assert_true(directory_prepare(&kmalloc.heap, elsewhere, PAGE_SIZE, 0));
    assert_int_equal(object_find(&kmalloc.heap, elsewhere)->kind, SLAB_NONE);
    directory_set(&kmalloc.heap, elsewhere, PAGE_SIZE, slab);
    expect("frame of no slab");
    directory_set(&kmalloc.heap, elsewhere, PAGE_SIZE, &slab_none);
}

static void magazines_are_looked_at(void **state) {
    (void)state;
    struct magazine *magazine = &part->magazine;
    kmalloc_free(&kmalloc, object);
    uint64_t top = magazine->count - 1;
    BROKEN(magazine->count, part->capacity + 1, "more objects than fit");
    BROKEN(magazine->objects[top], object + 1, "no object of its cache");
    BROKEN(*magazine->handed[top], HANDED_OUT, "elsewhere as well");
}

static void heaps_are_looked_at(void **state) {
    (void)state;
    struct slab *root = part->heap;
    BROKEN(root->home, object_nobody(), "where it does not belong");
    BROKEN(part->current, (struct slab *)&slab_none, "is not in its heap");
    part->current = NULL;
    part->heap = NULL;
    expect("in no heap");
    part->heap = root;
    assert_non_null(root->child);
    BROKEN(root->child->before, NULL, "out of order");
}

// An interrupt in the middle of a call: it goes around the magazine, to the slabs.
static void who_finds_the_gate_held_goes_around(void **state) {
    (void)state;
    uint64_t before = cache->around, count = part->magazine.count;
    *port_cpu_gate() = GATE_QUICK;
    void *mine = kmalloc_alloc(&kmalloc, 96, OBJECT_ATOMIC);
    void *zero = kmalloc_alloc(&kmalloc, 96, OBJECT_ZERO);
    assert_true(mine != NULL && zero != NULL && mine != zero);
    kmalloc_free(&kmalloc, object);
    kmalloc_free(&kmalloc, mine);
    object_heap_shrink(&kmalloc.heap); // passes the held one over
    assert_int_equal(part->magazine.count, count);
    assert_int_equal(*port_cpu_gate(), GATE_QUICK);
    *port_cpu_gate() = port_cpu();
    assert_int_equal(cache->around - before, 4);
    kmalloc_free(&kmalloc, zero);
    assert_null(object_check(&kmalloc.heap));
}

static void refusals_are_told_without_a_free(void **state) {
    (void)state;
    struct object_heap *heap = &kmalloc.heap;
    uint8_t *large = kmalloc_alloc(&kmalloc, MIB, 0);
    assert_null(object_refusal(heap, NULL, object));
    assert_null(object_refusal(heap, cache, object));
    assert_null(object_refusal(heap, NULL, large));
    assert_string_equal(object_refusal(heap, cache, large), "wrong cache");
    assert_string_equal(object_refusal(heap, NULL, large + 8), "interior");
    assert_string_equal(object_refusal(heap, NULL, large + MIB / 2), "interior");
    assert_string_equal(object_refusal(heap, &kmalloc.classes[0], object), "wrong cache");
    assert_string_equal(object_refusal(heap, NULL, object + 1), "interior");
    uint8_t *end = slab_block(slab) + (PAGE_SIZE << slab->order) - 1;
    assert_string_equal(object_refusal(heap, NULL, end), "no object");
    assert_string_equal(object_refusal(heap, NULL, &heap), "foreign");
    kmalloc_free(&kmalloc, large);
}

static void reports_and_records_say_it(void **state) {
    (void)state;
    static char bytes[16384];
    struct text_buffer text;
    text_buffer_init(&text, bytes, sizeof(bytes));
    report_slabs(&text.text, &kmalloc.heap);
    record_slabs(&text.text, &kmalloc.heap);
    assert_non_null(strstr(bytes, "kmalloc-96"));
    assert_non_null(strstr(bytes, "{\"record\":\"slab\",\"class\":\"96\",\"object_size\":96,"));
    assert_non_null(strstr(bytes, "\"record\":\"slab-heap\""));
    text_buffer_init(&text, bytes, sizeof(bytes));
    struct object_info info = object_inspect(&kmalloc.heap, object);
    report_object(&text.text, &info);
    void *free = kmalloc_alloc(&kmalloc, 96, 0);
    kmalloc_free(&kmalloc, free);
    info = object_inspect(&kmalloc.heap, free);
    report_object(&text.text, &info);
    info = object_inspect(&kmalloc.heap, slab_block(slab) + (PAGE_SIZE << slab->order) - 1);
    report_object(&text.text, &info);
    info = object_inspect(&kmalloc.heap, &info);
    report_object(&text.text, &info);
    uint8_t *large = kmalloc_alloc(&kmalloc, MIB, 0);
    assert_int_equal(object_inspect(&kmalloc.heap, large - 1).kind == OBJECT_LARGE, false);
    info = object_inspect(&kmalloc.heap, large);
    report_object(&text.text, &info);
    kmalloc_free(&kmalloc, large);
    const char *const words[] = {"of kmalloc-96 at", "in use", "free",
                                 "behind the last",  "none",   "a large one"};
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_non_null(strstr(bytes, words[i]));
    }
    const struct object_defect defect = {.what = "the freed object", .cache = "kmalloc-96"};
    const struct object_site site = {.cache = "kmalloc-96", .objects = 3, .bytes = 100};
    text_buffer_init(&text, bytes, sizeof(bytes));
    report_defect(&text.text, &defect);
    report_object_sites(&text.text, &site, 1);
    assert_non_null(strstr(bytes, "was written to, the freed object"));
    assert_non_null(strstr(bytes, "3 objects"));
}

// Slow ways hold their part only: what comes in between uses other parts, and leaves all as it was.
static void who_finds_the_part_held_goes_around(void **state) {
    (void)state;
    uint64_t before = cache->around, count = part->magazine.count;
    *port_cpu_gate() = GATE_SLOW;
    part->held = true;
    void *mine = kmalloc_alloc(&kmalloc, 96, 0), *other = kmalloc_alloc(&kmalloc, 32, 0);
    assert_true(mine != NULL && other != NULL);
    kmalloc_free(&kmalloc, mine);
    kmalloc_free(&kmalloc, other);
    object_heap_shrink(&kmalloc.heap); // passes the held one over
    assert_int_equal(part->magazine.count, count);
    assert_int_equal(*port_cpu_gate(), GATE_SLOW);
    assert_int_equal(cache->around - before, 2);
    assert_int_equal(kmalloc.classes[3].around, 0);
    part->held = false;
    *port_cpu_gate() = port_cpu();
    assert_null(object_check(&kmalloc.heap));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(slabs_are_looked_at),
        TEST(the_directory_is_looked_at),
        TEST(magazines_are_looked_at),
        TEST(heaps_are_looked_at),
        TEST(who_finds_the_gate_held_goes_around),
        TEST(who_finds_the_part_held_goes_around),
        TEST(refusals_are_told_without_a_free),
        TEST(reports_and_records_say_it),
    };
    return cmocka_run_group_tests_name("object_check", tests, NULL, NULL);
}
