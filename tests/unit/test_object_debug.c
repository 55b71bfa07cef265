// SPDX-License-Identifier: MIT
// The option debug, and frees that go wrong, one by one: what the defect matrix
// (test_object_defects.c) does not play because nothing of the heap can be used afterwards, because
// two CPUs have a part in it, or because it is no misuse.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "object_world.h"
#include <host/host.h>
#include <mm/object_debug.h>
#include <object/debug.h>
#include <stdio.h>
#include <string.h>

static uint8_t *object; // the one that is misused

static void open_with(bool debug) {
    const struct object_options options = {.debug = debug, .seed = 7};
    object_world_open(256 * MIB, &options);
}

static bool says(const char *word, const void *address) {
    return panic_says(word, address, object_inspect(&kmalloc.heap, object).cache);
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
        object_world_close();
    }
}

// With the option a slab has bytes before its first object. They are no object's, and least of all
// the first one's.
static void the_beginning_of_a_slab_is_no_object(void **state) {
    (void)state;
    open_with(true);
    struct slab *slab;
    do {
        object = kmalloc_alloc(&kmalloc, 64, 0);
        slab = object_find(&kmalloc.heap, object);
    } while (object != slab->base);
    assert_true(slab_block(slab) < object);
    assert_true(PANICS(kmalloc_free(&kmalloc, slab_block(slab))));
    assert_true(PANICS(kmalloc_free(&kmalloc, object - 8)));
    kmalloc_free(&kmalloc, object);
    object_world_close();
}

// Two CPUs free one object in the same instant: played by a byte that is set back between.
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
    object_world_leave();
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
    object_world_leave();
}

// With debug the second free is caught at once: the first has settled what the object is.
static void two_frees_at_once_with_debug(void **state) {
    (void)state;
    static struct object_cache cache;
    open_with(true);
    assert_true(object_cache_init(&cache, &kmalloc.heap, "shared", 64, 0, NULL));
    for (unsigned i = 0; i < 2; i++) {
        object = i == 0 ? kmalloc_alloc(&kmalloc, 64, 0) : object_alloc(&cache, 0);
        struct slab *slab = object_find(&kmalloc.heap, object);
        uint64_t index;
        assert_true(slab_index(slab, object, &index));
        for (unsigned turn = 0; turn < 2; turn++) {
            handed_write(&slab->handed[index], HANDED_OUT); // as the other CPU has read it
            bool panicked = i == 0 ? PANICS(kmalloc_free(&kmalloc, object))
                                   : PANICS(object_free(&cache, object));
            assert_int_equal(panicked, turn);
        }
        assert_true(says("double free", object));
        assert_non_null(strstr(host_panic_message, i == 0 ? "kmalloc_free: " : "object_free: "));
        assert_non_null(strstr(host_panic_message, "freed by culprit"));
        handed_write(&slab->handed[index], QUARANTINED);
    }
    object_heap_shrink(&kmalloc.heap);
    object_world_close();
}

// Another CPU has taken an object out of its magazine, and not yet written what lies around it: a
// look at everything finds nothing, and nobody has it.
static void half_a_change_is_no_defect(void **state) {
    (void)state;
    struct object_defect defect;
    struct object_site site;
    open_with(true);
    object = kmalloc_alloc(&kmalloc, 100, 0);
    struct slab *slab = object_find(&kmalloc.heap, object);
    uint64_t index;
    assert_true(slab_index(slab, object, &index));
    kmalloc_free(&kmalloc, object);
    object_debug_drain(&kmalloc.heap);
    void *before[64];
    unsigned count = 0;
    struct object_cpu *part = slab->home;
    do {
        before[count++] = object_take(part, 0);
    } while (before[count - 1] != object && count < 64);
    assert_ptr_equal(before[count - 1], object);
    assert_int_equal(slab->handed[index], HANDED_OUT);
    assert_int_equal(object[100], OBJECT_POISON); // which is no red
    assert_false(object_debug_find(&kmalloc.heap, &defect));
    assert_int_equal(object_sites(&kmalloc.heap, &site, 1), 0);
    object[112 + 3] ^= 1; // what is red all the time is looked at even so, by the neighbours
    assert_true(object_debug_find(&kmalloc.heap, &defect));
    object[112 + 3] ^= 1;
    while (count != 0) {
        uint8_t *one = before[--count];
        struct slab *its = object_find(&kmalloc.heap, one);
        assert_true(slab_index(its, one, &index));
        object_put(part, its, one, &its->handed[index]);
    }
    object_world_close();
}

// Takes objects until the freed one is handed out again, and frees the others.
static void take_it_again(void) {
    void *others[OBJECT_QUARANTINE + 64];
    unsigned count = 0;
    for (unsigned i = 0; i < OBJECT_QUARANTINE; i++) {
        others[i] = kmalloc_alloc(&kmalloc, 8, 0);
    }
    for (unsigned i = 0; i < OBJECT_QUARANTINE; i++) {
        kmalloc_free(&kmalloc, others[i]); // it leaves the quarantine
    }
    do {
        others[count++] = kmalloc_alloc(&kmalloc, 100, 0);
    } while (others[count - 1] != object && count < 64);
    assert_ptr_equal(others[count - 1], object);
    while (--count != 0) {
        kmalloc_free(&kmalloc, others[count - 1]);
    }
}

static uint32_t freed_by(void) {
    struct slab *slab = object_find(&kmalloc.heap, object);
    uint64_t index;
    assert_true(slab_index(slab, object, &index));
    return object_debug_trace(slab, index).freed_by;
}

static __attribute__((noinline)) void old_owner_frees(void) {
    kmalloc_free(&kmalloc, object);
    host_cpu_set(0); // so that the free is a call, and not the last jump
}

// The place has a new owner when the old one frees it again. Nothing tells that from the new
// owner's free; who frees it then is stopped, and told who has freed it before.
static void a_free_after_reuse_is_named_by_the_next(void **state) {
    (void)state;
    char site[32];
    open_with(true);
    host_code_name = NULL;
    object = kmalloc_alloc(&kmalloc, 100, 0);
    kmalloc_free(&kmalloc, object);
    uint32_t first = freed_by();
    take_it_again();
    assert_int_equal(freed_by(), 0);
    old_owner_frees();
    assert_int_not_equal(freed_by(), first);
    assert_true(PANICS(kmalloc_free(&kmalloc, object)) && says("double free", object));
    snprintf(site, sizeof(site), ", freed by text+0x%x", freed_by());
    assert_non_null(strstr(host_panic_message, site));
    assert_non_null(strstr(host_panic_message, ", allocated by text+0x"));
    object_world_close();
}

// What is written through an old pointer while the place is nobody's is seen; what is written into
// a place that somebody else has is that one's as far as red zones and poison go. Guarded objects
// are for that (test_object_guard_pages.c).
static void a_write_after_reuse_is_the_new_owners(void **state) {
    (void)state;
    struct object_defect defect;
    open_with(true);
    object = kmalloc_alloc(&kmalloc, 100, 0);
    kmalloc_free(&kmalloc, object);
    object[40] ^= 1;
    assert_true(object_debug_find(&kmalloc.heap, &defect) && defect.address == object + 40);
    object[40] ^= 1;
    take_it_again();
    object[40] ^= 1;
    assert_false(object_debug_find(&kmalloc.heap, &defect));
    kmalloc_free(&kmalloc, object);
    object_heap_shrink(&kmalloc.heap);
    object_world_close();
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

static void construct(void *memory) {
    *(uint8_t *)memory = 0xc0;
}

// Frees an object, writes to it, and drains the quarantine: the end of this world.
static void write_in_quarantine(struct object_cache *cache, size_t size, size_t at) {
    object = cache != NULL ? object_alloc(cache, 0) : kmalloc_alloc(&kmalloc, size, 0);
    if (cache != NULL) {
        object_free(cache, object);
    } else {
        kmalloc_free(&kmalloc, object);
    }
    object[at] ^= 4;
    const void *named = cache != NULL ? object : object + at; // of a constructed one: somewhere
    assert_true(PANICS(object_heap_shrink(&kmalloc.heap)) && says("use after free", named));
    assert_int_equal(strstr(host_panic_message, "somewhere") != NULL, cache != NULL);
    assert_non_null(strstr(host_panic_message, "freed by culprit"));
    object_world_leave();
}

// Every class, large objects, and objects with a constructor; the first, a middle, the last byte.
static void all_that_leaves_the_quarantine_is_looked_at(void **state) {
    (void)state;
    static struct object_cache made;
    static const size_t large[] = {65537, 69632, 100000, MIB - 1, MIB, 3 * MIB + 5};
    const unsigned count = KMALLOC_CLASSES + sizeof(large) / sizeof(large[0]);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned third = 0; third < 3; third++) {
            open_with(true);
            bool class = i < KMALLOC_CLASSES;
            size_t size = class ? kmalloc.classes[i].wanted : large[i - KMALLOC_CLASSES];
            size_t at = third * (size - 1) / 2;
            write_in_quarantine(NULL, size, at);
            if (class) {
                open_with(true);
                assert_true(object_cache_init(&made, &kmalloc.heap, "made", size, 0, construct));
                write_in_quarantine(&made, size, at);
            }
        }
    }
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
    object_world_close();
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
        cmocka_unit_test(foreign_addresses_are_caught),
        cmocka_unit_test(the_beginning_of_a_slab_is_no_object),
        cmocka_unit_test(two_frees_at_once_are_caught_at_the_flush),
        cmocka_unit_test(two_frees_at_once_are_caught_at_the_harvest),
        cmocka_unit_test(two_frees_at_once_with_debug),
        cmocka_unit_test(half_a_change_is_no_defect),
        cmocka_unit_test(a_free_after_reuse_is_named_by_the_next),
        cmocka_unit_test(a_write_after_reuse_is_the_new_owners),
        cmocka_unit_test(quarantine_is_looked_at),
        cmocka_unit_test(all_that_leaves_the_quarantine_is_looked_at),
        cmocka_unit_test(free_objects_are_looked_at),
        cmocka_unit_test(leaks_are_listed_by_call_site),
        cmocka_unit_test(the_option_changes_nothing_else),
    };
    return cmocka_run_group_tests_name("object_debug", tests, NULL, NULL);
}
