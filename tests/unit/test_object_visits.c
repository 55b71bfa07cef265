// SPDX-License-Identifier: MIT
// A CPU that frees many objects of another CPU's slab visits it (mm/object/returns.c).
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

static void shrink_all(void) {
    for (unsigned cpu = 4; cpu-- != 0;) {
        host_cpu_set(cpu);
        object_heap_shrink(&kmalloc.heap);
    }
}

static struct slab *slab_at(const void *memory) {
    return object_find(&kmalloc.heap, memory);
}

static void free_some(void **memory, unsigned begin, unsigned end) {
    for (unsigned i = begin; i < end; i++) {
        kmalloc_free(&kmalloc, memory[i]);
    }
}

// CPU 0 allocates.
static void take(void **memory, unsigned count) {
    host_cpu_set(0);
    for (unsigned i = 0; i < count; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
    }
}

// CPU 0 has allocated all of some slabs, and CPU 1 frees that many objects of one. Half a magazine
// of them stays with it; then it visits the slab, and the others go straight back. Returns where
// the slab's objects are, in the order of allocation.
static void **visit(unsigned count) {
    static void *memory[SLAB * 6];
    take(memory, SLAB * 6);
    while (cache->cpus[0]->magazine.count != 0 || cache->cpus[0]->heap != NULL) {
        kmalloc_alloc(&kmalloc, 64, 0); // and nothing is left there
    }
    host_cpu_set(1);
    kmalloc_free(&kmalloc, kmalloc_alloc(&kmalloc, 64, 0)); // a full magazine of its own
    unsigned first = SLAB * 2;
    while (slab_at(memory[first]) == slab_at(memory[first - 1])) {
        first++;
    }
    free_some(memory, first, first + count);
    assert_ptr_equal(cache->cpus[1]->visited, slab_at(memory[first]));
    assert_null(broken());
    return memory + first;
}

// All of a slab is freed elsewhere: nothing of it lies in a magazine but half of one, and the slabs
// that have everything back are gone at once, but for those that are visited or a reserve.
static void a_consumer_brings_everything_home(void **state) {
    (void)state;
    enum { COUNT = 64 * SLAB };
    static void *memory[COUNT];
    take(memory, COUNT);
    host_cpu_set(1);
    uint64_t full = cache->bytes;
    free_some(memory, 0, COUNT / 2);
    assert_non_null(cache->cpus[1]->visited);
    assert_in_range(cache->cpus[1]->brought, 1, SLAB);
    assert_in_range(cache->bytes, full / 2 - 4 * 32 * KIB, full / 2 + 4 * 32 * KIB);
    assert_null(broken());
    free_some(memory, COUNT / 2, COUNT);
    assert_in_range(cache->bytes, 0, 4 * 32 * KIB);
    assert_null(broken());
    shrink_all();
    assert_int_equal(cache->bytes, 0);
}

// Objects that come back one here, one there are no reason for a visit.
static void mixed_objects_are_flushed(void **state) {
    (void)state;
    enum { COUNT = 64 * SLAB };
    static void *memory[COUNT];
    take(memory, COUNT);
    host_cpu_set(1);
    for (unsigned i = 0; i < COUNT; i++) {
        kmalloc_free(&kmalloc, memory[(i * 5 * SLAB + i / 64) % COUNT]);
    }
    assert_null(cache->cpus[1]->visited);
    assert_null(broken());
    shrink_all();
    assert_int_equal(cache->bytes, 0);
}

// The home takes what a visitor has brought before it makes another slab.
static void the_home_looks_at_visited_slabs(void **state) {
    (void)state;
    void **memory = visit(400);
    uint64_t bytes = cache->bytes;
    uint32_t brought = cache->cpus[1]->brought;
    assert_in_range(brought, 200, 400);
    host_cpu_set(0);
    for (unsigned i = 0; i < brought; i++) {
        memory[i] = kmalloc_alloc(&kmalloc, 64, 0);
        assert_ptr_equal(slab_at(memory[i]), cache->cpus[1]->visited);
    }
    assert_int_equal(cache->bytes, bytes);
    assert_null(broken());
    host_cpu_set(1);
    free_some(memory, 0, brought); // still the same visit
    assert_int_equal(cache->cpus[1]->brought, brought * 2);
    assert_null(broken());
}

// A visited slab stays, even when nothing is missing; who leaves it gives it back.
static void a_visited_slab_stays(void **state) {
    (void)state;
    void **memory = visit(SLAB - 1);
    struct slab *slab = cache->cpus[1]->visited;
    host_cpu_set(2);
    kmalloc_free(&kmalloc, memory[SLAB - 1]);
    object_heap_shrink(&kmalloc.heap); // flushes it, claims the others, and the visitor has some
    host_cpu_set(1);
    unsigned mine = 0;
    void *held[64];
    while (cache->cpus[1]->magazine.count != 0) {
        held[mine++] = kmalloc_alloc(&kmalloc, 64, 0);
    }
    for (unsigned i = 0; i < mine; i++) {
        if (slab_at(held[i]) == slab) {
            host_cpu_set(2);
        }
        kmalloc_free(&kmalloc, held[i]);
        host_cpu_set(1);
    }
    host_cpu_set(2);
    object_heap_shrink(&kmalloc.heap);
    assert_int_equal(slab->stock, slab_objects(slab));
    assert_ptr_equal(slab_at(memory[0]), slab);
    assert_null(broken());
    host_cpu_set(1);
    object_heap_shrink(&kmalloc.heap);
    assert_ptr_equal(slab_at(memory[0]), &slab_none);
    assert_null(broken());
}

// The home returns the rest of a slab that is visited: its list knows the slab too. Whoever looks
// last finds it empty: the visitor, who leaves, or the home.
static void home_and_visitor_return_together(void **state) {
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        void **memory = visit(400);
        struct slab *slab = cache->cpus[1]->visited;
        host_cpu_set(0);
        free_some(memory - 64, 0, 64); // fill the magazine
        free_some(memory, 400, SLAB);
        assert_true(slab->returned_and_room != 0);
        assert_null(broken());
        host_cpu_set(first);
        object_heap_shrink(&kmalloc.heap);
        assert_int_equal(slab->visitors, first == 0);
        assert_null(broken());
        host_cpu_set(1 - first);
        object_heap_shrink(&kmalloc.heap);
        assert_ptr_equal(slab_at(memory[0]), &slab_none);
        assert_null(broken());
    }
}

// A visitor and the home both find an object handed out: told when the visitor leaves, or before.
static void freed_at_once_is_told(void **state) {
    (void)state;
    void **memory = visit(400);
    struct slab *slab = cache->cpus[1]->visited;
    uint64_t index;
    assert_true(slab_index(slab, memory[399], &index));
    assert_int_equal(slab->handed[index], RETURNED);
    handed_write(&slab->handed[index], HANDED_OUT); // as the other CPU has read it
    kmalloc_free(&kmalloc, memory[399]);
    assert_true(PANICS(object_heap_shrink(&kmalloc.heap)));
    assert_true(panic_says("in the same instant", slab_block(slab), "kmalloc-64"));
    object_world_leave();
}

// The same when the visitor has left, and the home finds more back than there can be.
static void freed_at_once_is_told_later(void **state) {
    (void)state;
    void **a = visit(SLAB), **b = a + SLAB, **c = b + SLAB;
    free_some(b, 0, SLAB - 2);
    object_heap_shrink(&kmalloc.heap); // nothing of b is in a magazine
    free_some(c, 0, 200);              // now the next one is visited at once
    kmalloc_free(&kmalloc, b[SLAB - 2]);
    struct slab *slab = cache->cpus[1]->visited;
    uint64_t index;
    assert_ptr_equal(slab, slab_at(b[SLAB - 1]));
    assert_true(slab_index(slab, b[SLAB - 2], &index));
    handed_write(&slab->handed[index], HANDED_OUT); // as the other CPU has read it
    host_cpu_set(0);
    free_some(a - 64, 0, 64); // fill the magazine
    kmalloc_free(&kmalloc, b[SLAB - 2]);
    host_cpu_set(1);
    kmalloc_free(&kmalloc, c[200]);
    assert_ptr_equal(cache->cpus[1]->visited, slab_at(c[200]));
    host_cpu_set(0);
    assert_true(PANICS(kmalloc_free(&kmalloc, b[SLAB - 1])));
    assert_true(panic_says("3 came back, 2 are there", slab_block(slab), "kmalloc-64"));
    object_world_leave();
}

// Long runs of frees on whatever CPU, of what whatever CPU has allocated, again and again.
static void runs_of_frees_hold_together(void **state) {
    (void)state;
    enum { COUNT = 24 * SLAB, ROUNDS = 3000 };
    static void *memory[COUNT];
    static const size_t sizes[] = {64, 64, 64, 1024, 96};
    uint64_t seed = 7;
    for (unsigned round = 0; round < ROUNDS; round++) {
        host_cpu_set(object_random(&seed) % 4);
        unsigned begin = object_random(&seed) % COUNT,
                 run = object_random(&seed) % (round % 8 == 0 ? 2000 : 300);
        bool free = object_random(&seed) % 2 == 0;
        for (unsigned i = begin; i < begin + run && i < COUNT; i++) {
            if (free || memory[i] != NULL) {
                kmalloc_free(&kmalloc, memory[i]);
                memory[i] = NULL;
            } else {
                memory[i] = kmalloc_alloc(&kmalloc, sizes[object_random(&seed) % 5], 0);
                assert_non_null(memory[i]);
            }
        }
        if (object_random(&seed) % 64 == 0) {
            object_heap_shrink(&kmalloc.heap);
        }
        assert_null(round % 16 == 0 ? broken() : NULL);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        host_cpu_set(i / 1000 % 4);
        kmalloc_free(&kmalloc, memory[i]);
    }
    assert_null(broken());
    shrink_all();
    shrink_all();
    assert_int_equal(cache->bytes, 0);
    host_cpu_set(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, object_world_setup, object_world_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_consumer_brings_everything_home),
        TEST(mixed_objects_are_flushed),
        TEST(the_home_looks_at_visited_slabs),
        TEST(a_visited_slab_stays),
        TEST(home_and_visitor_return_together),
        cmocka_unit_test_setup(freed_at_once_is_told, object_world_setup),
        cmocka_unit_test_setup(freed_at_once_is_told_later, object_world_setup),
        TEST(runs_of_frees_hold_together),
    };
    return cmocka_run_group_tests_name("object_visits", tests, NULL, NULL);
}
