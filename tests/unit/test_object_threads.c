// SPDX-License-Identifier: MIT
// Threads as CPUs on one kmalloc: built with ThreadSanitizer too. Each allocates and frees at
// random, hands objects to the others to free, shrinks now and then, and now and then frees all it
// has. Either every other request for pages fails, so that they take what lies in others' slabs, or
// slabs give back pages while others use them; or one allocates and another frees. One looks at the
// statistics, at every slab, and for defects meanwhile. What was written is found again; when they
// have stopped every invariant holds.
//   STRATA_STEPS=n: how many operations each thread does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "post.h"
#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <mm/object_debug.h>
#include <mm/watch.h>
#include <object/kmalloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS  3
#define LIVE_MAX 400

struct object {
    uint8_t *memory;
    size_t size;
};

static struct post post; // objects on their way to whoever frees them
static struct world world;
static struct kmalloc kmalloc;
static uint64_t steps = 60000;
static unsigned running;
static bool trimming; // sizes of which slabs are trimmed, and no watch, which would forbid it
static uint64_t trimmed_slabs;
static uint64_t visits; // objects that began one

static struct object opened(struct parcel parcel) {
    return (struct object){(uint8_t *)parcel.place, parcel.size};
}

// The first and the last byte say the size: nobody else has written there.
static void give_back(struct object object) {
    assert_int_equal(object.memory[0], (uint8_t)object.size);
    assert_int_equal(object.memory[object.size - 1], (uint8_t)object.size);
    kmalloc_free(&kmalloc, object.memory);
}

// Two in three are of one class, of which a magazine is soon full.
static bool take(uint64_t *seed, struct object *object) {
    uint64_t kind = world_random(seed) % 64;
    size_t size = kind == 0   ? 1 + world_random(seed) % 100000
                  : kind < 20 ? 1 + world_random(seed) % 600
                  : !trimming ? 97 + world_random(seed) % 16
                  : kind < 45 ? 1793 + world_random(seed) % 256
                              : 641 + world_random(seed) % 128;
    *object = (struct object){kmalloc_alloc(&kmalloc, size, 0), size};
    if (object->memory == NULL) {
        return false;
    }
    object->memory[0] = object->memory[size - 1] = (uint8_t)size;
    return true;
}

static uint64_t count_trimmed(struct object_cache *cache) {
    uint64_t count = 0;
    unsigned long irq = lock_acquire(&cache->lock);
    for (const struct slab *slab = cache->slabs; slab != NULL; slab = slab->list_next) {
        count += slab->trimmed != 0;
    }
    lock_release(&cache->lock, irq);
    return count;
}

static void shrink(void) {
    object_heap_shrink(&kmalloc.heap);
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        __atomic_fetch_add(&trimmed_slabs, count_trimmed(&kmalloc.classes[i]), __ATOMIC_RELAXED);
    }
}

static void *work(void *argument) {
    unsigned cpu = (unsigned)(uintptr_t)argument;
    struct object live[LIVE_MAX];
    struct parcel posted;
    size_t count = 0;
    uint64_t seed = 88172645463325252u + cpu;
    host_cpu_set(cpu);
    for (uint64_t step = 0; step < steps; step++) {
        uint64_t what = world_random(&seed) % 1000;
        while (step % 5000 == 4999 && count != 0) {
            give_back(live[--count]);
        }
        if (what < 500 && count < LIVE_MAX) {
            count += take(&seed, &live[count]);
        } else if (what < 850 && count != 0) {
            size_t i = world_random(&seed) % count;
            struct object object = live[i];
            live[i] = live[--count];
            if (what >= 650 ||
                !post_put(&post, (struct parcel){(uint64_t)object.memory, object.size})) {
                give_back(object);
            }
        } else if (what < 999 && post_get(&post, &posted)) {
            give_back(opened(posted));
        } else if (what == 999) {
            shrink();
        }
    }
    while (count != 0) {
        give_back(live[--count]);
    }
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
    return NULL;
}

// They come and go, but lie one behind the other.
static void look_at_blocks(void) {
    struct object_block block;
    const uint8_t *reached = NULL;
    for (paddr_t at = paddr(0); object_block_next(&kmalloc.heap, &at, &block);) {
        const uint8_t *slab = block.info.slab, *objects = block.info.object;
        assert_true(slab >= reached && objects >= slab && block.info.slab_bytes % PAGE_SIZE == 0);
        reached = slab + block.info.slab_bytes;
        assert_true(objects + block.objects * block.info.size <= reached);
        struct object_info info = object_inspect(&kmalloc.heap, objects);
        assert_true(info.kind == OBJECT_FOREIGN || info.size != 0);
    }
}

static void *watch(void *argument) {
    (void)argument;
    host_cpu_set(WORKERS);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0) {
        for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
            struct object_statistics statistics;
            object_cache_statistics(&kmalloc.classes[i], &statistics);
            assert_true(statistics.in_use <= statistics.objects);
            assert_true(statistics.objects * statistics.size <= statistics.bytes);
        }
        look_at_blocks();
        struct object_defect defect;
        assert_false(object_debug_find(&kmalloc.heap, &defect)); // nobody's half a change is one
        usleep(10000);
    }
    return NULL;
}

// Allocates, and keeps one in eight for a while.
static void produce(void) {
    static struct object kept[LIVE_MAX];
    size_t count = 0;
    for (uint64_t step = 0; step < steps; step++) {
        struct object object = {kmalloc_alloc(&kmalloc, 100, 0), 100};
        assert_non_null(object.memory);
        object.memory[0] = object.memory[99] = 100;
        if (step % 8 == 0) {
            kept[count++] = object;
        }
        while (step % 8 != 0 &&
               !post_put(&post, (struct parcel){(uint64_t)object.memory, object.size})) {
            sched_yield();
        }
        while (count == LIVE_MAX || (step + 1 == steps && count != 0)) {
            give_back(kept[--count]);
        }
    }
}

// CPU 0 allocates, 1 frees, in runs of one slab, and 2 shrinks.
static void *pass(void *argument) {
    unsigned cpu = (unsigned)(uintptr_t)argument;
    struct object_cache *cache = &kmalloc.classes[kmalloc_class_for(100)];
    struct parcel posted;
    host_cpu_set(cpu);
    if (cpu == 0) {
        produce();
        __atomic_store_n(&running, 0, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0) {
        if (cpu == 2) {
            shrink();
            usleep(100);
        } else if (post_get(&post, &posted)) {
            give_back(opened(posted));
            visits += cache->cpus[1]->brought == 1;
        }
    }
    return NULL;
}

static void run_threads(const struct object_options *options, void *(*body)(void *)) {
    const struct world_range range = {16 * MIB, GIB, EFI_CONVENTIONAL};
    pthread_t threads[WORKERS + 1];
    world_create(&world, &range, 1);
    assert_true(kmalloc_init(&kmalloc, &world.pages, options));
    static struct page_watch watched;
    if (!trimming) {
        assert_true(page_watch_start(&world.pages, &watched));
        page_fail(&watched, PAGE_FAIL_EVERY, 2, 0);
    }
    running = WORKERS;
    for (uintptr_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
    }
    assert_int_equal(pthread_create(&threads[WORKERS], NULL, watch, NULL), 0);
    for (unsigned i = 0; i < WORKERS + 1; i++) {
        pthread_join(threads[i], NULL);
    }
    if (!trimming) {
        page_watch_stop(&world.pages);
    }
    struct parcel posted;
    while (post_get(&post, &posted)) {
        give_back(opened(posted));
    }
    assert_null(object_check(&kmalloc.heap));
    for (unsigned cpu = 0; cpu < WORKERS; cpu++) {
        host_cpu_set(cpu);
        object_heap_shrink(&kmalloc.heap);
    }
    host_cpu_set(0);
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        assert_int_equal(kmalloc.classes[i].slab_count, 0);
    }
    assert_null(page_check(&world.pages));
    world_destroy(&world);
}

static void threads_keep_every_invariant(void **state) {
    (void)state;
    const char *more = getenv("STRATA_STEPS");
    steps = more != NULL ? strtoull(more, NULL, 0) : steps;
    run_threads(NULL, work);
}

// Pages of slabs go while other CPUs have objects of them.
static void threads_while_slabs_are_trimmed(void **state) {
    (void)state;
    trimming = true;
    run_threads(NULL, work);
    trimming = false;
    assert_true(trimmed_slabs != 0);
}

// Slabs are visited while their home takes from them and returns to them.
static void threads_visit_slabs(void **state) {
    (void)state;
    trimming = true;
    run_threads(NULL, pass);
    trimming = false;
    assert_true(visits != 0);
}

// Nobody spoils another's red zones, poison and quarantine.
static void threads_with_the_option_debug(void **state) {
    (void)state;
    steps /= 4;
    run_threads(&(struct object_options){.debug = true, .seed = 5}, work);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_keep_every_invariant),
        cmocka_unit_test(threads_while_slabs_are_trimmed),
        cmocka_unit_test(threads_visit_slabs),
        cmocka_unit_test(threads_with_the_option_debug),
    };
    return cmocka_run_group_tests_name("object_threads", tests, NULL, NULL);
}
