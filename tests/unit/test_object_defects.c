// SPDX-License-Identifier: MIT
// The defect matrix: every kind of misuse, for every class of kmalloc, in the first, the middle and
// the last slot of a slab. With the option debug all of it is caught, with the address, the class,
// who allocated and who freed. Always caught is what the second table has.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <mm/object_debug.h>
#include <object/internal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS_MAX 1200
#define SLOTS       3

static struct world world;
static struct kmalloc kmalloc;
static size_t size;               // of the class
static uint8_t *object;           // the one that is misused
static unsigned caught, tried;    // of the whole matrix
static struct object_cache *from; // the cache that objects come from; NULL: kmalloc

static void *take(void) {
    return from != NULL ? object_alloc(from, 0) : kmalloc_alloc(&kmalloc, size, 0);
}

static void give(void *memory) {
    if (from != NULL) {
        object_free(from, memory);
    } else {
        kmalloc_free(&kmalloc, memory);
    }
}

static void open_with(bool debug) {
    const struct world_range range = {MIB, 256 * MIB, EFI_CONVENTIONAL};
    const struct object_options options = {.debug = debug, .seed = 7};
    world_create(&world, &range, 1);
    assert_true(kmalloc_init(&kmalloc, &world.pages, &options));
    host_code_name = "culprit";
}

static void close_world(void) {
    assert_null(object_check(&kmalloc.heap));
    world_destroy(&world);
}

// Allocates until one slab has its first, middle and last object among them (a slab of one or two
// has fewer); frees all others.
static void take_slots(uint8_t *slots[SLOTS]) {
    static uint8_t *all[OBJECTS_MAX];
    unsigned count = 0, found = 0;
    void *slab = NULL;
    while (found < SLOTS) {
        assert_true(count < OBJECTS_MAX);
        all[count] = take();
        struct object_info info = object_inspect(&kmalloc.heap, all[count++]);
        slab = slab == NULL ? info.slab : slab;
        struct object_info last = info;
        unsigned objects = 0;
        for (uint8_t *at = info.object; last.kind == OBJECT_IN_USE || last.kind == OBJECT_FREE;) {
            objects = last.index + 1;
            at += info.size;
            last = object_inspect(&kmalloc.heap, at);
            if (last.slab != info.slab) {
                break;
            }
        }
        const unsigned wanted[SLOTS] = {0, objects / 2, objects - 1};
        for (unsigned i = 0; i < SLOTS && info.slab == slab; i++) {
            if (info.index == wanted[i] && slots[i] == NULL) {
                slots[i] = all[count - 1];
                found++;
            }
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (all[i] != slots[0] && all[i] != slots[1] && all[i] != slots[2]) {
            give(all[i]);
        }
    }
}

// Whether the call panics, and says all of these.
#define PANICS(call) (HOST_EXPECT_PANIC() ? ((call), host_panic_end(), false) : true)

static bool says(const char *word, const void *address) {
    char hexadecimal[32];
    snprintf(hexadecimal, sizeof(hexadecimal), "0x%lx", (uint64_t)address);
    struct object_info info = object_inspect(&kmalloc.heap, object);
    bool all = strstr(host_panic_message, word) != NULL &&
               strstr(host_panic_message, hexadecimal) != NULL &&
               strstr(host_panic_message, info.cache) != NULL;
    if (!all) {
        print_error("%s: %s\n", word, host_panic_message);
    }
    return all;
}

static void expect(const char *what, bool is_caught) {
    tried++;
    caught += is_caught;
    if (!is_caught) {
        print_error("%lu bytes, object %p: not caught: %s\n", size, (void *)object, what);
    }
}

// A byte at `at` is changed; the object's free notices.
static void out_of_bounds(const char *what, uint8_t *at) {
    *at ^= 0xff;
    expect(what, PANICS(give(object)) && says("out of bounds", at) &&
                     strstr(host_panic_message, "allocated by culprit") != NULL);
    *at ^= 0xff;
}

// A byte far away; a look at everything notices.
static void far_out_of_bounds(const char *what, uint8_t *at) {
    struct object_defect defect = {.address = NULL};
    *at ^= 0xff;
    bool found = object_debug_find(&kmalloc.heap, &defect);
    expect(what, found && defect.address == at &&
                     strcmp(defect.cache, object_inspect(&kmalloc.heap, object).cache) == 0);
    *at ^= 0xff;
}

static void written_after_free(const char *what, uint8_t *at) {
    struct object_defect defect = {.address = NULL};
    *at ^= 1;
    expect(what, object_debug_find(&kmalloc.heap, &defect) && defect.address == at &&
                     defect.object == object && defect.size == size && !defect.in_use &&
                     defect.allocated_by != 0 && defect.freed_by != 0);
    *at ^= 1;
}

static bool reads_poison(void) {
    for (size_t i = 0; i < size; i++) {
        if (object[i] != OBJECT_POISON) {
            return false;
        }
    }
    return true;
}

static void interior_frees(void) {
    const size_t offsets[] = {1, 4, 8, size / 2, size - 1};
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        if (offsets[i] < size) {
            uint8_t *inside = object + offsets[i];
            expect("interior", PANICS(give(inside)) && says("interior", inside));
        }
    }
}

static void wrong_frees(bool debug) {
    static struct object_cache cache;
    assert_true(object_cache_init(&cache, &kmalloc.heap, "other", 64, 0, NULL));
    void *other = object_alloc(&cache, 0);
    expect("wrong cache", PANICS(object_free(&cache, object)) && says("wrong cache", object));
    expect("cache's object to kmalloc", PANICS(kmalloc_free(&kmalloc, other)) &&
                                            strstr(host_panic_message, "wrong cache") != NULL);
    object_free(&cache, other);
    assert_true(object_cache_destroy(&cache, NULL));
    expect("wrong size", PANICS(kmalloc_free_sized(&kmalloc, object, 2 * size)) &&
                             strstr(host_panic_message, "wrong size") != NULL);
    if (debug) {
        expect("wrong size by 1", PANICS(kmalloc_free_sized(&kmalloc, object, size - 1)) &&
                                      strstr(host_panic_message, "wrong size") != NULL);
    }
}

static void double_frees(bool debug) {
    give(object);
    expect("double free",
           PANICS(give(object)) && says("double free", object) &&
               (!debug || (strstr(host_panic_message, "allocated by culprit") != NULL &&
                           strstr(host_panic_message, "freed by culprit") != NULL)));
    void *others[40];
    for (unsigned i = 0; i < 40; i++) {
        others[i] = kmalloc_alloc(&kmalloc, size == 8 ? 4096 : 8, 0);
    }
    for (unsigned i = 0; i < 40; i++) {
        kmalloc_free(&kmalloc, others[i]);
    }
    expect("delayed double free", PANICS(give(object)) && says("double free", object));
    expect("kmalloc_size of a freed one", PANICS(kmalloc_size(&kmalloc, object)));
}

// All but the object. A slab of one or two has one of them twice.
static void free_others(uint8_t *const slots[SLOTS]) {
    for (unsigned other = 0; other < SLOTS; other++) {
        bool same = other != 0 && slots[other] == slots[other - 1];
        if (slots[other] != object && !same) {
            give(slots[other]);
        }
    }
}

// By a byte, by eight, by a page, on both sides; `far` writes a page away.
static void runs_over(void (*far)(const char *what, uint8_t *at)) {
    out_of_bounds("+1", object + size);
    out_of_bounds("+8", object + size + 7);
    out_of_bounds("-1", object - 1);
    out_of_bounds("-8", object - 8);
    far("+page", object + size - 1 + PAGE_SIZE);
    far("-page", object - PAGE_SIZE);
}

static void misuse_slot(bool debug) {
    interior_frees();
    wrong_frees(debug);
    if (debug) {
        runs_over(far_out_of_bounds);
    }
    double_frees(debug);
    if (debug) {
        expect("read after free", reads_poison());
        written_after_free("write after free, first byte", object);
        written_after_free("write after free, last byte", object + size - 1);
        uint8_t *again = kmalloc_alloc(&kmalloc, size, 0);
        assert_ptr_not_equal(again, object);
        written_after_free("write after reuse", object + size / 2);
        kmalloc_free(&kmalloc, again);
    }
    for (size_t below = 0; below < 64; below += 7) {
        expect("wrapping size", kmalloc_alloc(&kmalloc, SIZE_MAX - size - below, 0) == NULL);
    }
}

static void matrix(bool debug) {
    caught = tried = 0;
    for (unsigned class = 0; class < KMALLOC_CLASSES; class ++) {
        for (unsigned i = 0; i < SLOTS; i++) {
            open_with(debug);
            uint8_t *slots[SLOTS] = {NULL};
            size = kmalloc.classes[class].wanted;
            take_slots(slots);
            object = slots[i];
            free_others(slots);
            misuse_slot(debug);
            close_world();
        }
    }
    print_message("%u of %u defects caught\n", caught, tried);
    assert_int_equal(caught, tried);
    assert_true(tried > (debug ? 4000 : 2000));
}

// A large object: what a class's object has to stand, and in debug mode the same of its pages.
static void misuse_large(bool debug) {
    interior_frees();
    wrong_frees(debug);
    if (debug) {
        out_of_bounds("+1", object + size);
        out_of_bounds("+8", object + size + 7);
        out_of_bounds("+page", object + size - 1 + PAGE_SIZE);
        out_of_bounds("-1", object - 1);
        out_of_bounds("-8", object - 8);
        out_of_bounds("-page", object - PAGE_SIZE);
    }
    give(object);
    if (!debug) { // while its page is free
        expect("double free",
               PANICS(give(object)) && strstr(host_panic_message, "double free") != NULL);
        return;
    }
    expect("double free", PANICS(give(object)) && says("double free", object) &&
                              strstr(host_panic_message, "allocated by culprit") != NULL &&
                              strstr(host_panic_message, "freed by culprit") != NULL);
    expect("kmalloc_size of a freed one", PANICS(kmalloc_size(&kmalloc, object)));
    expect("read after free", reads_poison());
    written_after_free("write after free, first byte", object);
    written_after_free("write after free, last byte", object + size - 1);
    uint8_t *again = take();
    assert_ptr_not_equal(again, object);
    written_after_free("write after reuse", object + size / 2);
    give(again);
    expect("delayed double free", PANICS(give(object)) && says("double free", object));
    object[7] ^= 1;
    expect("use after free, when it leaves the quarantine",
           PANICS(object_heap_shrink(&kmalloc.heap)) && says("use after free", object + 7));
}

static void large_matrix(bool debug) {
    const size_t sizes[] = {65537,   69632, 100000,  128 * KIB,      128 * KIB + 1, 300001,
                            MIB - 1, MIB,   MIB + 1, 2 * MIB - 4096, 2 * MIB,       3 * MIB + 5};
    caught = tried = 0;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        open_with(debug);
        size = sizes[i];
        object = take();
        assert_non_null(object);
        assert_int_equal(kmalloc_size(&kmalloc, object), debug ? size : align_up(size, PAGE_SIZE));
        misuse_large(debug);
        lock_innermost[0] = NULL;
        world_destroy(&world);
    }
    print_message("large objects: %u of %u defects caught\n", caught, tried);
    assert_int_equal(caught, tried);
    assert_int_equal(tried, sizeof(sizes) / sizeof(sizes[0]) * (debug ? 23 : 9));
}

static void large_objects_join_the_matrix(void **state) {
    (void)state;
    large_matrix(true);
    large_matrix(false);
}

static void construct(void *memory) {
    memset(memory, 0xc0, from->wanted);
}

// A byte far away, which may be one of a free object: then it is known which.
static void far_from_constructed(const char *what, uint8_t *at) {
    struct object_defect defect = {.address = NULL};
    *at ^= 0xff;
    bool found = object_debug_find(&kmalloc.heap, &defect);
    const uint8_t *begin = defect.object;
    expect(what, found && (defect.somewhere ? at >= begin && at < begin + from->size
                                            : defect.address == at));
    *at ^= 0xff;
}

// An object that keeps what it holds: every byte of it is watched by its sum.
static void misuse_constructed(bool debug) {
    static struct object_cache other;
    interior_frees();
    assert_true(object_cache_init(&other, &kmalloc.heap, "other", size, 0, construct));
    expect("wrong cache", PANICS(object_free(&other, object)) && says("wrong cache", object));
    expect("to kmalloc", PANICS(kmalloc_free(&kmalloc, object)) && says("wrong cache", object));
    assert_true(object_cache_destroy(&other, NULL));
    if (debug) {
        runs_over(far_from_constructed);
    }
    give(object);
    expect("double free", PANICS(give(object)) && says("double free", object));
    expect("delayed double free", PANICS(give(object)) && says("double free", object));
    const size_t places[] = {0, size / 2, size - 1};
    for (unsigned i = 0; debug && i < 3; i++) {
        struct object_defect defect = {.address = NULL};
        object[places[i]] ^= 1;
        expect("write after free", object_debug_find(&kmalloc.heap, &defect) &&
                                       defect.object == object && defect.somewhere &&
                                       !defect.in_use && defect.freed_by != 0);
        object[places[i]] ^= 1;
    }
    port_memory_show(object, size); // to look at it though it is nobody's
    expect("what it held", object[0] == 0xc0 && object[size - 1] == 0xc0);
    if (debug) {
        object[size / 3] ^= 4;
        expect("use after free, when it leaves the quarantine",
               PANICS(object_heap_shrink(&kmalloc.heap)) && says("use after free", object) &&
                   strstr(host_panic_message, "somewhere") != NULL);
    }
}

static void constructed_matrix(bool debug) {
    static struct object_cache cache;
    const size_t sizes[] = {8, 24, 40, 64, 100, 256, 1000, 4096, 5000, 20000, 65536};
    caught = tried = 0;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            uint8_t *slots[SLOTS] = {NULL};
            open_with(debug);
            size = sizes[i];
            from = &cache;
            assert_true(object_cache_init(&cache, &kmalloc.heap, "made", size, 0, construct));
            take_slots(slots);
            object = slots[slot];
            free_others(slots);
            misuse_constructed(debug);
            from = NULL;
            lock_innermost[0] = NULL;
            world_destroy(&world);
        }
    }
    print_message("objects with a constructor: %u of %u defects caught\n", caught, tried);
    assert_int_equal(caught, tried);
    assert_true(tried > (debug ? 500 : 250));
}

static void constructed_objects_join_the_matrix(void **state) {
    (void)state;
    constructed_matrix(true);
    constructed_matrix(false);
}

static void all_is_caught_with_debug(void **state) {
    (void)state;
    matrix(true);
}

static void what_is_promised_is_caught_always(void **state) {
    (void)state;
    matrix(false);
}

static void foreign_addresses_are_caught(void **state) {
    (void)state;
    static uint8_t not_ours[64];
    for (unsigned debug = 0; debug < 2; debug++) {
        open_with(debug != 0);
        pfn_t frame;
        assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame),
                         PAGE_OK);
        uint8_t *page = port_direct_map(paddr_of(frame));
        uint8_t *large = kmalloc_alloc(&kmalloc, MIB, 0);
        const struct {
            void *address;
            const char *word;
        } cases[] = {
            {not_ours, "foreign"},       {&frame, "foreign"},     {page, "owner test"},
            {page + 8, "foreign"},       {large + 8, "interior"}, {large + 8192, "interior"},
            {host_ram + MIB, "foreign"}, {(void *)8, "foreign"},  {host_ram + 2 * GIB, "foreign"},
        };
        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            assert_true(PANICS(kmalloc_free(&kmalloc, cases[i].address)));
            assert_non_null(strstr(host_panic_message, cases[i].word));
        }
        kmalloc_free(&kmalloc, large);
        assert_true(PANICS(kmalloc_free(&kmalloc, large)));
        page_free(&world.pages, frame, 0);
        assert_true(PANICS(kmalloc_free(&kmalloc, page)));
        assert_non_null(strstr(host_panic_message, "double free or foreign"));
        static struct object_cache cache;
        assert_true(object_cache_init(&cache, &kmalloc.heap, "cache", 64, 0, NULL));
        large = kmalloc_alloc(&kmalloc, MIB, 0);
        assert_true(PANICS(object_free(&cache, large)));
        assert_non_null(strstr(host_panic_message, "wrong cache"));
        assert_true(PANICS(object_free(&cache, not_ours)));
        kmalloc_free(&kmalloc, large);
        close_world();
    }
}

// Two CPUs free one object in the same instant: played by a byte that is set back between. The
// panic comes with locks held; nothing of this world is used again.
static void two_frees_at_once_are_caught_at_the_flush(void **state) {
    (void)state;
    open_with(false);
    object = kmalloc_alloc(&kmalloc, 64, 0);
    kmalloc_free(&kmalloc, object);
    struct slab *slab = object_find(&kmalloc.heap, object);
    uint64_t index;
    assert_true(slab_index(slab, object, &index));
    slab->handed[index] = HANDED_OUT;
    kmalloc_free(&kmalloc, object);
    assert_non_null(object_check(&kmalloc.heap));
    assert_true(PANICS(object_heap_shrink(&kmalloc.heap)) && says("double free", object));
    lock_innermost[0] = NULL;
    world_destroy(&world);
}

// The same, when the object has gone straight back to its slab.
static void two_frees_at_once_are_caught_at_the_harvest(void **state) {
    (void)state;
    static void *memory[200];
    open_with(false);
    for (unsigned i = 0; i < 200; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    for (unsigned i = 0; i < 100; i++) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    object = memory[99];
    struct slab *slab = object_find(&kmalloc.heap, object);
    uint64_t index;
    assert_true(slab_index(slab, object, &index));
    assert_int_equal(slab->handed[index], RETURNED);
    assert_true(PANICS(kmalloc_free(&kmalloc, object)) && says("double free", object));
    slab->handed[index] = HANDED_OUT;
    kmalloc_free(&kmalloc, object);
    assert_non_null(object_check(&kmalloc.heap));
    assert_true(PANICS(object_heap_shrink(&kmalloc.heap)));
    assert_non_null(strstr(host_panic_message, "double free: two CPUs have freed"));
    lock_innermost[0] = NULL;
    world_destroy(&world);
}

// What was written to after it was freed is noticed when it leaves the quarantine.
static void quarantine_is_looked_at(void **state) {
    (void)state;
    open_with(true);
    void *others[OBJECT_QUARANTINE];
    object = kmalloc_alloc(&kmalloc, 100, 0);
    for (unsigned i = 0; i < OBJECT_QUARANTINE; i++) {
        others[i] = kmalloc_alloc(&kmalloc, 100, 0);
    }
    kmalloc_free(&kmalloc, object);
    object[50] = 1;
    unsigned freed = 0;
    while (freed < OBJECT_QUARANTINE && !PANICS(kmalloc_free(&kmalloc, others[freed]))) {
        freed++;
    }
    assert_int_equal(freed, OBJECT_QUARANTINE - 1);
    assert_true(says("use after free", object + 50));
    assert_non_null(strstr(host_panic_message, "freed by culprit"));
    world_destroy(&world);
}

// Written into an object that was never handed out: noticed when it is.
static void free_objects_are_looked_at(void **state) {
    (void)state;
    open_with(true);
    object = kmalloc_alloc(&kmalloc, 100, 0);
    struct slab *slab = object_find(&kmalloc.heap, object);
    uint8_t *never = slab->base + (object == slab->base ? slab->cache->size : 0);
    never[3] ^= 1;
    bool noticed = false;
    for (unsigned i = 0; i < slab->count && !noticed; i++) {
        noticed = PANICS((void)kmalloc_alloc(&kmalloc, 100, 0));
    }
    assert_true(noticed && says("use after free", never + 3));
    assert_non_null(strstr(host_panic_message, "allocated by nobody+0x0, freed by nobody+0x0"));
    world_destroy(&world);
}

static __attribute__((noinline)) void *one_site(void) {
    return kmalloc_alloc(&kmalloc, 100, 0);
}

static __attribute__((noinline)) void *another_site(void) {
    return kmalloc_alloc(&kmalloc, 500, 0);
}

static void leaks_are_listed_by_call_site(void **state) {
    (void)state;
    open_with(true);
    struct object_site sites[8];
    void *memory[30];
    for (unsigned i = 0; i < 30; i++) {
        memory[i] = i < 20 ? one_site() : another_site();
    }
    assert_int_equal(object_sites(&kmalloc.heap, sites, 8), 2);
    assert_int_equal(sites[0].objects, 10);
    assert_int_equal(sites[0].bytes, 5000);
    assert_int_equal(sites[1].objects, 20);
    assert_int_not_equal(sites[0].caller, sites[1].caller);
    assert_int_equal(object_sites(&kmalloc.heap, sites, 1), 1);
    void *large = kmalloc_alloc(&kmalloc, 100001, 0);
    assert_int_equal(object_sites(&kmalloc.heap, sites, 8), 3);
    assert_string_equal(sites[0].cache, "large");
    assert_int_equal(sites[0].bytes, 100001);
    kmalloc_free(&kmalloc, large);
    assert_int_equal(object_sites(&kmalloc.heap, sites, 8), 2);
    for (unsigned i = 0; i < 30; i++) {
        kmalloc_free_sized(&kmalloc, memory[i], i < 20 ? 100 : 500);
    }
    assert_int_equal(object_sites(&kmalloc.heap, sites, 8), 0);
    object_heap_shrink(&kmalloc.heap);
    close_world();
}

// Everything works as without the option: sizes, zeros, constructors, realloc, giving back.
static void the_option_changes_nothing_else(void **state) {
    (void)state;
    open_with(true);
    for (size_t wanted = 1; wanted < 70000; wanted += wanted / 3 + 1) {
        uint8_t *memory = kmalloc_alloc(&kmalloc, wanted, OBJECT_ZERO);
        assert_int_equal(memory[0] + memory[wanted - 1], 0);
        memset(memory, 1, wanted);
        assert_true(wanted > KMALLOC_CLASS_MAX || kmalloc_size(&kmalloc, memory) == wanted);
        memory = kmalloc_realloc(&kmalloc, memory, wanted + 3, 0);
        assert_int_equal(memory[wanted - 1], 1);
        kmalloc_free_sized(&kmalloc, memory, wanted + 3);
    }
    for (size_t align = 1; align <= 16 * MIB; align *= 2) {
        for (size_t wanted = 1; wanted < 300000; wanted += wanted / 2 + 1) {
            uint8_t *memory = kmalloc_alloc_aligned(&kmalloc, wanted, align, 0);
            assert_int_equal((uint64_t)memory % align, 0);
            kmalloc_free(&kmalloc, memory);
        }
    }
    struct object_defect defect;
    assert_false(object_debug_find(&kmalloc.heap, &defect));
    object_heap_shrink(&kmalloc.heap);
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        assert_int_equal(kmalloc.classes[i].slab_count, 0);
        assert_true(object_cache_destroy(&kmalloc.classes[i], NULL));
    }
    assert_true(object_heap_destroy(&kmalloc.heap));
    world_destroy(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_caught_with_debug),
        cmocka_unit_test(what_is_promised_is_caught_always),
        cmocka_unit_test(large_objects_join_the_matrix),
        cmocka_unit_test(constructed_objects_join_the_matrix),
        cmocka_unit_test(foreign_addresses_are_caught),
        cmocka_unit_test(two_frees_at_once_are_caught_at_the_flush),
        cmocka_unit_test(two_frees_at_once_are_caught_at_the_harvest),
        cmocka_unit_test(quarantine_is_looked_at),
        cmocka_unit_test(free_objects_are_looked_at),
        cmocka_unit_test(leaks_are_listed_by_call_site),
        cmocka_unit_test(the_option_changes_nothing_else),
    };
    return cmocka_run_group_tests_name("object_defects", tests, NULL, NULL);
}
