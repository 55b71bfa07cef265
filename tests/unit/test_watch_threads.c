// SPDX-License-Identifier: MIT
// Threads as CPUs on a watched page allocator: requests fail at random, callers are kept, and the
// recording of all of it can be done again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <host/strata-replay/replay.h>
#include <host/strata-replay/start.h>
#include <mm/report.h>
#include <pthread.h>
#include <stdlib.h>

#define WORKERS    4
#define STEPS      3000
#define LIVE_MAX   200
#define TEXT_BYTES (8 * MIB)

static struct world world;

struct held {
    pfn_t first;
    uint64_t count;
};

static void *work(void *argument) {
    unsigned cpu = (unsigned)(uintptr_t)argument;
    struct held live[LIVE_MAX];
    size_t count = 0;
    uint64_t random = 1234567 + cpu;
    host_cpu_set(cpu);
    for (unsigned step = 0; step < STEPS; step++) {
        struct held one = {pfn(0), 1 + world_random(&random) % 20};
        if (count == LIVE_MAX || (count != 0 && world_random(&random) % 2 == 0)) {
            size_t at = world_random(&random) % count;
            page_free_contig(&world.pages, live[at].first, live[at].count);
            live[at] = live[--count];
        } else if (step % 16 == 0) {
            one.first = pfn(world_random(&random) % SECTION_FRAMES);
            if (page_reserve(&world.pages, one.first, pfn(one.first.value + 3), NULL) == PAGE_OK) {
                page_release(&world.pages, one.first, pfn(one.first.value + 3), NULL);
            }
        } else if (page_alloc_contig(&world.pages, one.count, 0, PAGE_ANYWHERE, 0, PAGE_OWNER_TEST,
                                     &one.first, NULL) == PAGE_OK) {
            live[count++] = one;
        }
    }
    while (count-- != 0) {
        page_free_contig(&world.pages, live[count].first, live[count].count);
    }
    return NULL;
}

static void run_threads(void) {
    pthread_t threads[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void replay_text(char *bytes, size_t length) {
    static struct page_allocator allocator;
    static struct page_watch watch;
    struct recording recording;
    size_t line;
    FILE *text = fmemopen(bytes, length, "r");
    recording_read(&recording, text);
    fclose(text);
    assert_true(recording.complete);
    assert_null(start_build(&allocator, &recording, &line));
    assert_true(page_watch_start(&allocator, &watch));
    struct replay replay = {.allocator = &allocator};
    for (size_t i = 0; i < recording.event_count; i++) {
        if (!replay_event(&replay, &recording.events[i].is)) {
            fail_msg("event %zu: expected %s, found %s", i + 1, replay.expected, replay.found);
        }
    }
    assert_null(page_check(&allocator));
    start_free(&allocator);
    recording_free(&recording);
}

static void watched_threads(void **state) {
    (void)state;
    const struct world_range ranges[] = {{16 * MIB, 32 * MIB, EFI_CONVENTIONAL},
                                         {GIB, GIB + 8 * MIB, EFI_CONVENTIONAL}};
    struct page_watch watch;
    struct page_site sites[8];
    uint64_t events = WORKERS * STEPS * 2;
    world_create(&world, ranges, 2);
    uint64_t free_before = page_free_count(&world.pages);
    assert_true(page_watch_start(&world.pages, &watch));
    assert_true(page_sites_start(&world.pages));
    page_fail(&watch, PAGE_FAIL_RANDOM, 7, 3);
    uint64_t bytes = page_trace_bytes(&world.pages, events);
    void *storage = aligned_alloc(16, bytes);
    assert_true(page_trace_start(&world.pages, storage, bytes, &events));
    run_threads();
    assert_null(page_check(&world.pages));
    assert_int_equal(page_sites(&world.pages, PAGE_OWNER_TEST, sites, 8, NULL), 0);
    assert_true(watch.failures.injected > watch.failures.requests / 10);
    assert_true(watch.trace.recorded <= watch.trace.capacity);
    char *bytes_of_text = malloc(TEXT_BYTES);
    struct text_buffer text;
    text_buffer_init(&text, bytes_of_text, TEXT_BYTES);
    record_trace(&text.text, &watch);
    assert_int_equal(text.dropped, 0);
    page_watch_stop(&world.pages);
    assert_int_equal(page_free_count(&world.pages), free_before);
    assert_null(page_check(&world.pages));
    world_destroy(&world);
    free(storage);
    replay_text(bytes_of_text, text.length);
    free(bytes_of_text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watched_threads),
    };
    return cmocka_run_group_tests_name("watch_threads", tests, NULL, NULL);
}
