// SPDX-License-Identifier: MIT
// Object caches and kmalloc: random operations against an oracle, every invariant checked; what
// each call promises.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "object_world.h"
#include <host/host.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_MAX 2048

static struct live {
    uint8_t *memory;
    size_t size;
    uint8_t pattern;
} live[LIVE_MAX];
static size_t live_count;

static void fill(struct live *one) {
    memset(one->memory, one->pattern, one->size);
}

static void expect_filled(const struct live *one, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(one->memory[i], one->pattern);
    }
}

static size_t random_size(uint64_t *seed) {
    uint64_t what = world_random(seed) % 16, random = world_random(seed);
    return what < 12    ? random % 2048
           : what < 14  ? random % (64 * KIB)
           : what == 14 ? random % MIB
                        : (size_t)8 << random % 14;
}

static void step(uint64_t *seed, uint64_t what) {
    if (what < 50 && live_count < LIVE_MAX) {
        struct live one = {.size = random_size(seed), .pattern = (uint8_t)world_random(seed)};
        bool zero = world_random(seed) % 8 == 0;
        one.memory = kmalloc_alloc(&kmalloc, one.size, zero ? OBJECT_ZERO : 0);
        assert_non_null(one.memory);
        for (size_t i = 0; zero && i < one.size; i++) {
            assert_int_equal(one.memory[i], 0);
        }
        if ((one.size & (one.size - 1)) == 0 && one.size >= 8) {
            assert_int_equal((uint64_t)one.memory % one.size, 0);
        }
        assert_true(one.size == 0 || kmalloc_size(&kmalloc, one.memory) >= one.size);
        fill(&one);
        live[live_count++] = one;
    } else if (what < 90 && live_count != 0) {
        size_t at = world_random(seed) % live_count;
        expect_filled(&live[at], live[at].size);
        if (what % 4 == 0) {
            kmalloc_free_sized(&kmalloc, live[at].memory, live[at].size);
        } else {
            kmalloc_free(&kmalloc, live[at].memory);
        }
        live[at] = live[--live_count];
    } else if (what < 98 && live_count != 0) {
        struct live *one = &live[world_random(seed) % live_count];
        size_t size = random_size(seed) + 1;
        one->memory = kmalloc_realloc(&kmalloc, one->memory, size, 0);
        assert_non_null(one->memory);
        expect_filled(one, size < one->size ? size : one->size);
        one->size = size;
        fill(one);
    } else if (what == 98) {
        object_heap_shrink(&kmalloc.heap);
    } else {
        host_cpu_set((unsigned)(world_random(seed) % 3)); // another CPU frees what one allocated
    }
}

static void oracle_agrees(void **state) {
    (void)state;
    const char *seed_text = getenv("STRATA_SEED"), *steps_text = getenv("STRATA_STEPS");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : 88172645463325252u;
    uint64_t steps = steps_text != NULL ? strtoull(steps_text, NULL, 0) : 20000;
    live_count = 0;
    for (uint64_t i = 0; i < steps; i++) {
        step(&seed, world_random(&seed) % 100);
        if (i % 256 == 0) {
            assert_null(broken());
        }
    }
    assert_null(broken());
    while (live_count != 0) {
        kmalloc_free(&kmalloc, live[--live_count].memory);
    }
    host_cpu_set(0);
}

static void free_memory_is_not_touched(void **state) {
    (void)state;
    for (size_t size = 8; size <= 64 * KIB; size = size * 2 + 8) {
        uint8_t *memory = kmalloc_alloc(&kmalloc, size, 0);
        memset(memory, 0x5a, size);
        kmalloc_free(&kmalloc, memory);
        object_heap_shrink(&kmalloc.heap);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(memory[i], 0x5a);
        }
    }
}

static void sizes_and_classes(void **state) {
    (void)state;
    assert_ptr_equal(kmalloc_alloc(&kmalloc, 0, 0), KMALLOC_NOTHING);
    kmalloc_free(&kmalloc, KMALLOC_NOTHING);
    kmalloc_free(&kmalloc, NULL);
    assert_int_equal(kmalloc_size(&kmalloc, NULL) + kmalloc_size(&kmalloc, KMALLOC_NOTHING), 0);
    for (size_t power = 8; power <= MIB; power *= 2) {
        for (size_t size = power > 64 ? power - 64 : 1; size <= power + 64; size++) {
            void *memory = kmalloc_alloc(&kmalloc, size, 0);
            size_t there = kmalloc_size(&kmalloc, memory);
            assert_true(there >= size && there == kmalloc_class_size(&kmalloc, size));
            assert_true(there - size < 8 || (there - size) * 5 < there || there % PAGE_SIZE == 0);
            kmalloc_free_sized(&kmalloc, memory, size);
        }
    }
    for (size_t below = 0; below <= 4096; below++) {
        assert_null(kmalloc_alloc(&kmalloc, SIZE_MAX - below, 0));
        assert_null(kmalloc_alloc_array(&kmalloc, 2, SIZE_MAX / 2 - below, 0));
        assert_null(kmalloc_alloc_array(&kmalloc, SIZE_MAX - below, 3, 0));
    }
    assert_int_equal(kmalloc_class_size(&kmalloc, SIZE_MAX), 0);
    assert_int_equal(kmalloc_class_size(&kmalloc, 0), 0);
}

static void alignment_is_kept(void **state) {
    (void)state;
    const size_t sizes[] = {1, 8, 24, 100, 1000, 3000, 4097, 40000, 70000, 300000};
    for (size_t align = 1; align <= 16 * MIB; align *= 2) {
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            void *memory = kmalloc_alloc_aligned(&kmalloc, sizes[i], align, 0);
            assert_non_null(memory);
            assert_int_equal((uint64_t)memory % align, 0);
            kmalloc_free(&kmalloc, memory);
        }
    }
    assert_null(kmalloc_alloc_aligned(&kmalloc, 8, 0, 0));
    assert_null(kmalloc_alloc_aligned(&kmalloc, 8, 24, 0));
    assert_null(kmalloc_alloc_aligned(&kmalloc, 8, 2 * GIB, 0));
    assert_ptr_equal(kmalloc_alloc_aligned(&kmalloc, 0, 8, 0), KMALLOC_NOTHING);
}

static void ceilings_are_kept(void **state) {
    (void)state;
    uint8_t *low = kmalloc_alloc(&kmalloc, 100, OBJECT_BELOW_16M | OBJECT_ZERO);
    assert_true((uint64_t)(low - host_ram) + PAGE_SIZE <= 16 * MIB);
    assert_int_equal(low[0] + low[99], 0);
    uint8_t *below =
        kmalloc_alloc_aligned(&kmalloc, 100, 64 * KIB, OBJECT_BELOW_4G | OBJECT_ATOMIC);
    assert_non_null(below);
    kmalloc_free(&kmalloc, low);
    kmalloc_free(&kmalloc, below);
}

// Beyond the classes nothing moves as long as what lies behind is free and the place is aligned.
static void large_objects_grow_in_place(void **state) {
    (void)state;
    uint8_t *memory = kmalloc_alloc(&kmalloc, 64 * KIB, 0);
    memset(memory, 1, 64 * KIB);
    uint8_t *grown = kmalloc_realloc(&kmalloc, memory, 128 * KIB, 0);
    assert_ptr_not_equal(grown, memory);
    memset(grown + 64 * KIB, 0xff, 64 * KIB);
    uint64_t before = page_free_count(&world.pages);
    for (size_t size = 256 * KIB; size <= MIB; size *= 2) {
        assert_ptr_equal(kmalloc_realloc(&kmalloc, grown, size, OBJECT_ZERO), grown);
        assert_int_equal(kmalloc_size(&kmalloc, grown), size);
        assert_int_equal(grown[size / 2] + grown[size - 1], 0);
        grown[size - 1] = 0xff;
    }
    assert_int_equal(grown[64 * KIB - 1], 1);
    assert_int_equal(grown[128 * KIB - 1], 0xff);
    assert_int_equal(before - page_free_count(&world.pages), (MIB - 128 * KIB) / PAGE_SIZE);
    // Shorter, and one page more than what is free behind it.
    assert_ptr_equal(kmalloc_realloc(&kmalloc, grown, 100 * KIB, 0), grown);
    assert_int_equal(page_free_count(&world.pages), before + 7);
    assert_string_equal(object_refusal(&kmalloc.heap, NULL, grown + 50 * KIB), "interior");
    assert_string_equal(object_refusal(&kmalloc.heap, NULL, grown + 200 * KIB), "foreign");
    pfn_t behind = pfn_of(paddr((uint64_t)(grown - host_ram) + 512 * KIB));
    assert_int_equal(page_reserve(&world.pages, behind, pfn(behind.value + 1), NULL), PAGE_OK);
    memory = kmalloc_realloc(&kmalloc, grown, 516 * KIB, 0);
    assert_ptr_not_equal(memory, grown);
    assert_int_equal(memory[64 * KIB - 1], 1);
    assert_int_equal(page_release(&world.pages, behind, pfn(behind.value + 1), NULL), PAGE_OK);
    kmalloc_free_sized(&kmalloc, memory, 516 * KIB);
}

static void realloc_keeps_what_is_there(void **state) {
    (void)state;
    uint8_t *memory = kmalloc_realloc(&kmalloc, NULL, 10, 0);
    memset(memory, 7, 10);
    assert_ptr_equal(kmalloc_realloc(&kmalloc, memory, 16, 0), memory); // the same class
    uint8_t *more = kmalloc_realloc(&kmalloc, memory, 1000, OBJECT_ZERO);
    assert_int_equal(more[9], 7);
    assert_int_equal(more[16] + more[999], 0);
    uint8_t *less = kmalloc_realloc(&kmalloc, more, 10, 0);
    assert_ptr_not_equal(less, more);
    assert_int_equal(less[9], 7);
    assert_null(kmalloc_realloc(&kmalloc, less, GIB, 0));
    assert_null(kmalloc_realloc(&kmalloc, less, SIZE_MAX - 8, 0));
    assert_int_equal(less[9], 7);
    assert_ptr_equal(kmalloc_realloc(&kmalloc, less, 0, 0), KMALLOC_NOTHING);
    kmalloc_free(&kmalloc, kmalloc_realloc(&kmalloc, KMALLOC_NOTHING, 5, 0));
}

// Every fresh slab: not in the order of addresses, and not the same order twice.
static void fresh_slabs_are_in_random_order(void **state) {
    (void)state;
    uint64_t steps[2][32];
    for (unsigned turn = 0; turn < 2; turn++) {
        void *memory[33];
        for (unsigned i = 0; i < 33; i++) {
            memory[i] = kmalloc_alloc(&kmalloc, turn == 0 ? 64 : 32, 0);
        }
        unsigned neighbours = 0;
        for (unsigned i = 0; i < 32; i++) {
            steps[turn][i] =
                ((uint64_t)memory[i + 1] - (uint64_t)memory[i]) / (turn == 0 ? 64 : 32);
            neighbours += steps[turn][i] == 1;
        }
        assert_true(neighbours < 12);
    }
    assert_memory_not_equal(steps[0], steps[1], sizeof(steps[0]));
}

// Slabs of fewer objects than a word has bits, too.
static void short_slabs_are_in_random_order(void **state) {
    (void)state;
    for (size_t size = 128; size <= 4096; size *= 2) {
        uint8_t *memory[96];
        unsigned neighbours = 0;
        for (unsigned i = 0; i < 96; i++) {
            memory[i] = kmalloc_alloc(&kmalloc, size, 0);
            neighbours += i != 0 && memory[i] == memory[i - 1] + size;
        }
        assert_in_range(neighbours, 0, 48); // a quarter by chance, in slabs of four
        for (unsigned i = 0; i < 96; i++) {
            kmalloc_free(&kmalloc, memory[i]);
        }
    }
}

// What realloc adds is clear however often, and lies below the ceiling.
static void realloc_clears_and_keeps_below(void **state) {
    (void)state;
    uint8_t *memory[64];
    for (unsigned i = 0; i < 64; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 160, 0);
        memset(memory[i], 0xee, 160);
    }
    for (unsigned i = 0; i < 64; i++) {
        kmalloc_free(&kmalloc, memory[i]);
    }
    uint8_t *grown = kmalloc_alloc(&kmalloc, 100, OBJECT_ZERO);
    grown = kmalloc_realloc(&kmalloc, grown, 130, OBJECT_ZERO);
    grown = kmalloc_realloc(&kmalloc, grown, 160, OBJECT_ZERO);
    for (unsigned i = 0; i < 160; i++) {
        assert_int_equal(grown[i], 0);
    }
    uint8_t *low = kmalloc_realloc(&kmalloc, grown, 160, OBJECT_BELOW_16M);
    assert_true((uint64_t)(low - host_ram) < 16 * MIB);
    kmalloc_free(&kmalloc, low);
}

static unsigned constructed;

static void construct(void *object) {
    memset(object, 0xc0, 40);
    constructed++;
}

static void caches_construct_and_name_leaks(void **state) {
    (void)state;
    static struct object_cache cache;
    struct object_leaks leaks;
    assert_false(object_cache_init(&cache, &kmalloc.heap, "none", 0, 0, NULL));
    assert_false(object_cache_init(&cache, &kmalloc.heap, "large", 64 * KIB + 1, 0, NULL));
    assert_false(object_cache_init(&cache, &kmalloc.heap, "odd", 8, 24, NULL));
    assert_false(object_cache_init(&cache, &kmalloc.heap, "odd", 8, 128 * KIB, NULL));
    assert_true(object_cache_init(&cache, &kmalloc.heap, "a name that is too long for it", 40, 32,
                                  construct));
    assert_int_equal(strlen(cache.name), OBJECT_NAME_MAX - 1);
    uint8_t *first = object_alloc(&cache, OBJECT_ZERO), *second = object_alloc(&cache, 0);
    assert_true((uint64_t)first % 32 == 0 && first[0] == 0xc0 && second[39] == 0xc0);
    assert_int_equal(constructed, PAGE_SIZE / 64);
    object_free(&cache, first);
    object_free(&cache, NULL);
    assert_false(object_cache_destroy(&cache, &leaks));
    assert_false(object_cache_destroy(&cache, NULL));
    assert_int_equal(leaks.objects, 1);
    assert_ptr_equal(leaks.first[0], second);
    struct object_info info = object_inspect(&kmalloc.heap, second + 3);
    assert_int_equal(info.kind, OBJECT_IN_USE);
    assert_ptr_equal(info.object, second);
    object_free(&cache, second);
    assert_int_equal(object_inspect(&kmalloc.heap, second).kind, OBJECT_FREE);
    assert_true(object_cache_destroy(&cache, &leaks));
    assert_int_equal(object_inspect(&kmalloc.heap, second).kind, OBJECT_FOREIGN);
}

static void addresses_are_explained(void **state) {
    (void)state;
    uint8_t *large = kmalloc_alloc(&kmalloc, 3 * MIB, 0);
    struct object_info info = object_inspect(&kmalloc.heap, large + 2 * MIB);
    assert_int_equal(info.kind, OBJECT_LARGE);
    assert_ptr_equal(info.object, large);
    assert_int_equal(info.size, 3 * MIB);
    assert_int_equal(object_inspect(&kmalloc.heap, large).kind, OBJECT_LARGE);
    kmalloc_free(&kmalloc, large);
    uint8_t *tail = kmalloc_alloc(&kmalloc, 96, 0);
    info = object_inspect(&kmalloc.heap, tail);
    info = object_inspect(&kmalloc.heap, (uint8_t *)info.slab + info.slab_bytes - 1);
    assert_int_equal(info.kind, OBJECT_NO_OBJECT);
    assert_int_equal(object_inspect(&kmalloc.heap, &info).kind, OBJECT_FOREIGN);
    kmalloc_free(&kmalloc, tail);
}

static void options_clear_memory(void **state) {
    (void)state;
    const struct object_options options = {.zero_on_alloc = true, .zero_on_free = true, .seed = 1};
    world_destroy(&world);
    object_world_open(GIB, &options);
    const size_t sizes[] = {8, 1000, 65536, 70000};
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *memory = kmalloc_alloc(&kmalloc, sizes[i], 0);
        memset(memory, 0xff, sizes[i]);
        kmalloc_free(&kmalloc, memory);
        port_memory_show(memory, sizes[i]); // to look at it though it is nobody's
        assert_int_equal(memory[0] + memory[sizes[i] - 1], 0);
        memset(memory, 0xff, sizes[i]);
        uint8_t *again = kmalloc_alloc(&kmalloc, sizes[i], 0);
        assert_int_equal(again[0] + again[sizes[i] - 1], 0);
        kmalloc_free(&kmalloc, again);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, object_world_setup, object_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(oracle_agrees),
        TEST(free_memory_is_not_touched),
        TEST(sizes_and_classes),
        TEST(alignment_is_kept),
        TEST(ceilings_are_kept),
        TEST(large_objects_grow_in_place),
        TEST(realloc_keeps_what_is_there),
        TEST(fresh_slabs_are_in_random_order),
        TEST(short_slabs_are_in_random_order),
        TEST(realloc_clears_and_keeps_below),
        TEST(caches_construct_and_name_leaks),
        TEST(addresses_are_explained),
        TEST(options_clear_memory),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
