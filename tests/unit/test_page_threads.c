// SPDX-License-Identifier: MIT
// Threads as CPUs on one page allocator: built with ThreadSanitizer too. Each allocates and frees
// at random, hands blocks to the others to free, drains now and then; another one checks every
// invariant while they run, and all of them, the counters too, when they have stopped.
//   STRATA_STEPS=n: how many operations each thread does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "post.h"
#include "world.h"
#include <host/host.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS  4
#define LIVE_MAX 512

static struct post post; // blocks on their way: the first frame, the order
static struct world world;
static uint64_t steps = 100000;
static unsigned running;
static const char *broken;

static void give_back(struct parcel block) {
    page_free(&world.pages, pfn(block.place), (unsigned)block.size);
}

static void *work(void *argument) {
    unsigned cpu = (unsigned)(uintptr_t)argument;
    struct parcel live[LIVE_MAX];
    size_t count = 0;
    uint64_t seed = 88172645463325252u + cpu;
    host_cpu_set(cpu);
    for (uint64_t step = 0; step < steps; step++) {
        uint64_t what = world_random(&seed) % 100;
        if (what < 50 && count < LIVE_MAX) {
            unsigned order = world_random(&seed) % 8 == 0 ? world_random(&seed) % 12 : 0;
            pfn_t block;
            if (page_alloc(&world.pages, order, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) ==
                PAGE_OK) {
                live[count++] = (struct parcel){block.value, order};
            }
        } else if (what < 85 && count != 0) {
            size_t i = world_random(&seed) % count;
            struct parcel block = live[i];
            live[i] = live[--count];
            if (what >= 65 || !post_put(&post, block)) {
                give_back(block);
            }
        } else if (what < 99) {
            struct parcel block;
            if (post_get(&post, &block)) {
                give_back(block);
            }
        } else {
            page_drain(&world.pages);
        }
    }
    while (count != 0) {
        give_back(live[--count]);
    }
    page_drain(&world.pages);
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void *watch(void *argument) {
    (void)argument;
    host_cpu_set(WORKERS);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0 && broken == NULL) {
        broken = page_check_running(&world.pages);
        (void)page_free_count(&world.pages);
        usleep(50000); // the walker holds every lock: let the others get somewhere
    }
    return NULL;
}

static void threads_keep_every_invariant(void **state) {
    (void)state;
    const struct world_range ranges[] = {{16 * MIB, 24 * MIB, EFI_CONVENTIONAL},
                                         {GIB, GIB + 8 * MIB, EFI_CONVENTIONAL}};
    world_create(&world, ranges, 2);
    uint64_t before = page_free_count(&world.pages);
    pthread_t threads[WORKERS + 1];
    const char *more = getenv("STRATA_STEPS");
    steps = more != NULL ? strtoull(more, NULL, 0) : steps;
    running = WORKERS;
    for (uintptr_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    }
    assert_int_equal(pthread_create(&threads[WORKERS], NULL, watch, NULL), 0);
    for (unsigned i = 0; i < WORKERS + 1; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_null(broken);
    struct parcel block;
    while (post_get(&post, &block)) {
        give_back(block);
    }
    assert_null(page_check(&world.pages));
    assert_int_equal(page_free_count(&world.pages), before);
    world_destroy(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_keep_every_invariant),
    };
    return cmocka_run_group_tests_name("page_threads", tests, NULL, NULL);
}
