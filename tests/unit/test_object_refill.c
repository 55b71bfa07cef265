// SPDX-License-Identifier: MIT
// What a refill takes, and where the descriptors that it looks at lie.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "object_world.h"
#include <host/host.h>
#include <object/internal.h>

#define SLAB 512 // objects of 64 bytes

static struct object_cache *const cache = &kmalloc.classes[7];

static struct slab *slab_at(const void *memory) {
    return object_find(&kmalloc.heap, memory);
}

static void *take(void) {
    void *memory = kmalloc_alloc(&kmalloc, 64, 0);
    assert_non_null(memory);
    return memory;
}

static void free_from(struct slab *slab, unsigned first) {
    for (unsigned i = first; i < slab->count; i++) {
        kmalloc_free(&kmalloc, slab->base + (size_t)i * 64);
    }
}

// Slabs whose objects are all handed out; the part has nothing else.
static void take_slabs(struct slab **slabs, unsigned count) {
    struct slab *slab = slab_at(take());
    for (unsigned i = 0; i < count;) {
        slab = slab_at(take());
        if (slab->count == SLAB && slab->stock == SLAB - 64) {
            slabs[i++] = slab;
        }
        while (cache->cpus[0]->magazine.count != 0) {
            take();
        }
    }
    while (cache->cpus[0]->heap != NULL || cache->cpus[0]->magazine.count != 0) {
        take();
    }
}

// What another CPU brings home lies higher, and has to wait until the slab that is being emptied
// has nothing left.
static void one_slab_is_emptied_before_the_next(void **state) {
    (void)state;
    struct slab *slabs[4];
    take_slabs(slabs, 4);
    unsigned low = slabs[0]->base < slabs[1]->base ? 0 : 1;
    struct slab *first = slabs[low], *high = slabs[1 - low], *kept = slabs[2];
    host_cpu_set(1);
    free_from(kept, 1);
    free_from(first, 1);
    kmalloc_free(&kmalloc, high->base); // leaves the first
    host_cpu_set(0);
    while (cache->cpus[0]->current != first) {
        take();
    }
    host_cpu_set(1);
    free_from(high, 2);
    kmalloc_free(&kmalloc, slabs[3]->base); // leaves it
    host_cpu_set(0);
    assert_true(first->base < high->base && first->stock > 128 && high->stock > 128);
    assert_ptr_equal(cache->cpus[0]->heap, high);
    while (first->stock != 0) {
        assert_ptr_equal(cache->cpus[0]->current, first);
        take();
    }
    assert_null(broken());
}

// Six words have all their objects and two have half of them: no magazine has parts of two.
static void whole_words_are_taken_whole(void **state) {
    (void)state;
    struct slab *slabs[2];
    take_slabs(slabs, 2);
    const struct magazine *magazine = &cache->cpus[0]->magazine;
    free_from(slabs[0], 0); // the first of them fill the magazine
    for (unsigned i = 0; i < SLAB; i++) {
        if (i / 64 % 3 != 0 || i / 64 == 0 || i % 2 == 0) {
            kmalloc_free(&kmalloc, slabs[1]->base + (size_t)i * 64);
        }
    }
    unsigned halves = 0;
    for (unsigned refill = 0; refill < 16; refill++) {
        while (magazine->count != 0) {
            take();
        }
        take();
        assert_true(magazine->count == 63 || magazine->count == 31);
        halves += magazine->count == 31;
        for (unsigned i = 0; i < magazine->count; i++) {
            uint64_t apart = (uint64_t)magazine->handed[i] ^ (uint64_t)magazine->handed[0];
            assert_true(apart < 64);
        }
    }
    assert_int_equal(halves, 2);
    assert_null(broken());
}

// No byte lies behind the last of so many objects, and nothing of the slab.
static void the_fullest_slab_ends_with_its_objects(void **state) {
    (void)state;
    struct slab *slab;
    take_slabs(&slab, 1);
    assert_int_equal(slab->count, SLAB_OBJECTS);
    assert_ptr_equal(slab_bits(slab), slab->handed + SLAB);
    assert_int_equal(slab_bytes(SLAB), 704);
    assert_ptr_equal(slab_at(slab->base + (size_t)SLAB * 64 - 1), slab);
    assert_ptr_not_equal(slab_at(slab->base + (size_t)SLAB * 64), slab);
    assert_int_equal(slab_bits_begin(SLAB - 1), slab_bits_begin(SLAB)); // the byte that stays 0
    assert_null(broken());
}

// A page of records holds five such descriptors and has nine places to begin with them.
static void descriptors_begin_in_different_lines(void **state) {
    (void)state;
    enum { COUNT = 45 };
    struct slab *slabs[COUNT + 6];
    uint64_t lines = 0;
    take_slabs(slabs, COUNT + 6);
    for (unsigned i = 6; i < COUNT + 6; i++) {
        lines |= UINT64_C(1) << (uint64_t)slabs[i] % PAGE_SIZE / 64;
    }
    assert_true(__builtin_popcountll(lines) >= 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, object_world_setup, object_world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_slab_is_emptied_before_the_next),
        TEST(whole_words_are_taken_whole),
        TEST(the_fullest_slab_ends_with_its_objects),
        TEST(descriptors_begin_in_different_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
