// SPDX-License-Identifier: MIT
// Watching the page allocator: requests that are made to fail, callers, events.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/ledger.h>
#include <mm/report.h>
#include <stdlib.h>
#include <string.h>

#define NEVER_INLINE __attribute__((noinline))

// Section 0 in parts, 1 whole, 2 absent, 3 whole.
static const struct world_range gibibytes[] = {
    {0x100000, 2 * GIB, EFI_CONVENTIONAL},
    {3 * GIB, 4 * GIB, EFI_CONVENTIONAL},
};

static void watched(struct world *world, struct page_watch *watch) {
    world_create(world, gibibytes, 2);
    assert_true(page_watch_start(&world->pages, watch));
}

static void unwatched(struct world *world) {
    page_watch_stop(&world->pages);
    assert_null(page_check(&world->pages));
    world_destroy(world);
}

static void stacks_stay_empty(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch, second;
    struct page_census census;
    pfn_t frame, block;
    world_create(&world, gibibytes, 2);
    uint64_t free = page_free_count(&world.pages);
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    assert_int_equal(page_alloc(&world.pages, 9, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block), PAGE_OK);
    page_free(&world.pages, block, 9);
    page_census(&world.pages, &census);
    assert_int_not_equal(census.cached_pages, 0);
    assert_true(page_watch_start(&world.pages, &watch));
    assert_false(page_watch_start(&world.pages, &second));
    page_free(&world.pages, frame, 0);
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    page_free(&world.pages, frame, 0);
    page_drain(&world.pages);
    page_census(&world.pages, &census);
    assert_int_equal(census.cached_pages, 0);
    assert_null(page_check(&world.pages));
    page_watch_stop(&world.pages);
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    page_free(&world.pages, frame, 0);
    page_census(&world.pages, &census);
    assert_int_not_equal(census.cached_pages, 0); // the stacks are in use again
    page_drain(&world.pages);
    assert_true(page_free_count(&world.pages) >= free - 2 * 80); // metadata of two sections
    assert_null(page_check(&world.pages));
    world_destroy(&world);
}

// Which of the first ten requests fail, as bits.
static unsigned failing_of_ten(struct world *world) {
    unsigned failed = 0;
    for (unsigned i = 0; i < 10; i++) {
        pfn_t frame;
        if (page_alloc(&world->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame) == PAGE_OK) {
            page_free(&world->pages, frame, 0);
        } else {
            failed |= 1u << i;
        }
    }
    return failed;
}

static void fails_what_was_asked(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    watched(&world, &watch);
    assert_int_equal(failing_of_ten(&world), 0);
    page_fail(&watch, PAGE_FAIL_NTH, 3, 0);
    assert_int_equal(failing_of_ten(&world), 1 << 2);
    assert_int_equal(watch.failures.requests, 10);
    assert_int_equal(watch.failures.injected, 1);
    page_fail(&watch, PAGE_FAIL_EVERY, 3, 0);
    assert_int_equal(failing_of_ten(&world), 1 << 2 | 1 << 5 | 1 << 8);
    assert_int_equal(watch.failures.injected, 3);
    page_fail(&watch, PAGE_FAIL_EVERY, 1, 0);
    assert_int_equal(failing_of_ten(&world), 1023);
    page_fail(&watch, PAGE_FAIL_NEVER, 1, 0);
    assert_int_equal(failing_of_ten(&world), 0);
    assert_string_equal(page_failing_name(PAGE_FAIL_RANDOM), "random");
    unwatched(&world);
}

static void random_failures_repeat(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    watched(&world, &watch);
    page_fail(&watch, PAGE_FAIL_RANDOM, 3, 7);
    unsigned first = failing_of_ten(&world), second = failing_of_ten(&world);
    page_fail(&watch, PAGE_FAIL_RANDOM, 3, 7);
    assert_int_equal(failing_of_ten(&world), first);
    assert_int_equal(failing_of_ten(&world), second);
    page_fail(&watch, PAGE_FAIL_RANDOM, 10, 1);
    for (unsigned i = 0; i < 1000; i++) {
        failing_of_ten(&world);
    }
    assert_in_range(watch.failures.injected, 900, 1100);
    unwatched(&world);
}

// All that can be seen of an allocator: what it says of its memory, and its census.
struct picture {
    struct page_census census;
    struct section_report sections[4];
    uint64_t metadata_bytes;
};

static void take_picture(struct world *world, struct picture *picture) {
    memset(picture, 0, sizeof(*picture));
    page_census(&world->pages, &picture->census);
    picture->metadata_bytes = world->pages.metadata_bytes;
    for (uint64_t i = 0; i < 4; i++) {
        page_section_report(&world->pages, i, &picture->sections[i]);
    }
}

// A path through the allocator that asks for memory on its way. `step` is undone by `undo`.
struct path {
    enum page_status (*step)(struct page_allocator *allocator);
    void (*undo)(struct page_allocator *allocator);
};

static pfn_t held;

static enum page_status alloc_one(struct page_allocator *allocator) {
    return page_alloc(allocator, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &held);
}

static void free_one(struct page_allocator *allocator) {
    page_free(allocator, held, 0);
}

static enum page_status alloc_large(struct page_allocator *allocator) {
    return page_alloc_atomic(allocator, 9, paddr(2 * GIB), PAGE_OWNER_TEST, &held);
}

static void free_large(struct page_allocator *allocator) {
    page_free(allocator, held, 9);
}

static enum page_status contig(struct page_allocator *allocator) {
    struct page_refusal refusal;
    return page_alloc_contig(allocator, 700, 0, PAGE_ANYWHERE, 4 * MIB, PAGE_OWNER_TEST, &held,
                             &refusal);
}

static void free_contig(struct page_allocator *allocator) {
    page_free_contig(allocator, held, 700);
}

// All but two frames of a whole section: its metadata has to come from elsewhere.
static enum page_status contig_most(struct page_allocator *allocator) {
    return page_alloc_contig(allocator, SECTION_FRAMES - 2, 0, PAGE_ANYWHERE, 0, PAGE_OWNER_TEST,
                             &held, NULL);
}

static void free_most(struct page_allocator *allocator) {
    page_free_contig(allocator, held, SECTION_FRAMES - 2);
}

// The same, reserved.
static enum page_status reserve_wide(struct page_allocator *allocator) {
    uint64_t base = 3 * SECTION_FRAMES;
    return page_reserve(allocator, pfn(base + 1), pfn(base + SECTION_FRAMES - 1), NULL);
}

static void release_wide(struct page_allocator *allocator) {
    uint64_t base = 3 * SECTION_FRAMES;
    assert_int_equal(page_release(allocator, pfn(base + 1), pfn(base + SECTION_FRAMES - 1), NULL),
                     PAGE_OK);
}

// Memory that was never there, in an absent section.
static enum page_status release_new(struct page_allocator *allocator) {
    uint64_t base = 2 * SECTION_FRAMES;
    return page_release(allocator, pfn(base + 5), pfn(base + 5000), NULL);
}

static void reserve_new(struct page_allocator *allocator) {
    uint64_t base = 2 * SECTION_FRAMES;
    assert_int_equal(page_reserve(allocator, pfn(base + 5), pfn(base + 5000), NULL), PAGE_OK);
}

static enum page_status retire_wide(struct page_allocator *allocator) {
    uint64_t base = 3 * SECTION_FRAMES;
    return page_retire(allocator, pfn(base + 1), pfn(base + SECTION_FRAMES - 1), NULL);
}

static void nothing(struct page_allocator *allocator) {
    (void)allocator;
}

static const struct path paths[] = {
    {alloc_one, free_one},    {alloc_large, free_large},    {contig, free_contig},
    {contig_most, free_most}, {reserve_wide, release_wide}, {release_new, reserve_new},
    {retire_wide, nothing},
};

// Fails the first request, the second, and so on, until the path runs through; each time nothing
// may have changed.
static unsigned fail_each(const struct path *path) {
    struct world world;
    struct page_watch watch;
    struct picture before, after;
    watched(&world, &watch);
    for (unsigned n = 1;; n++) {
        take_picture(&world, &before);
        page_fail(&watch, PAGE_FAIL_NTH, n, 0);
        enum page_status status = path->step(&world.pages);
        assert_null(page_check(&world.pages));
        if (status == PAGE_OK) {
            assert_int_equal(watch.failures.injected, 0);
            path->undo(&world.pages);
            assert_null(page_check(&world.pages));
            unwatched(&world);
            return n - 1;
        }
        assert_int_equal(status, PAGE_NO_MEMORY);
        assert_int_equal(watch.failures.injected, 1);
        take_picture(&world, &after);
        assert_memory_equal(&before, &after, sizeof(before));
    }
}

static void failing_changes_nothing(void **state) {
    (void)state;
    static const unsigned requests[] = {1, 1, 1, 2, 1, 1, 1};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(fail_each(&paths[i]), requests[i]);
    }
}

// What every failure leaves alone is not leaked either: random calls with one request in three
// failing, then all given back.
static void nothing_leaks(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    struct page_census census;
    pfn_t blocks[256];
    uint64_t counts[256], random = 99;
    watched(&world, &watch);
    page_fail(&watch, PAGE_FAIL_RANDOM, 3, 5);
    size_t count = 0;
    for (unsigned i = 0; i < 4000; i++) {
        if (count == 256 || (count != 0 && world_random(&random) % 2 == 0)) {
            size_t at = world_random(&random) % count;
            page_free_contig(&world.pages, blocks[at], counts[at]);
            blocks[at] = blocks[--count];
            counts[at] = counts[count];
        } else {
            counts[count] = world_random(&random) % 3000 + 1;
            count += page_alloc_contig(&world.pages, counts[count], 0, PAGE_ANYWHERE, 0,
                                       PAGE_OWNER_TEST, &blocks[count], NULL) == PAGE_OK;
        }
    }
    while (count-- != 0) {
        page_free_contig(&world.pages, blocks[count], counts[count]);
    }
    page_census(&world.pages, &census);
    assert_int_equal(census.owned_pages[PAGE_OWNER_TEST], 0);
    assert_true(watch.failures.injected > 500);
    unwatched(&world);
}

static NEVER_INLINE pfn_t first_place(struct page_allocator *allocator, unsigned order) {
    pfn_t block;
    assert_int_equal(page_alloc(allocator, order, PAGE_ANYWHERE, PAGE_OWNER_SLAB, &block), PAGE_OK);
    return block;
}

static NEVER_INLINE pfn_t second_place(struct page_allocator *allocator, uint64_t count) {
    pfn_t first;
    assert_int_equal(
        page_alloc_contig(allocator, count, 0, PAGE_ANYWHERE, 0, PAGE_OWNER_DMA, &first, NULL),
        PAGE_OK);
    return first;
}

static bool is_within(uint32_t caller, const void *function) {
    uint64_t at = (uint64_t)function - (uint64_t)port_text();
    return caller > at && caller < at + 400;
}

static void callers_are_kept(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    struct page_site sites[8], rest;
    watched(&world, &watch);
    pfn_t before = first_place(&world.pages, 0);
    assert_int_equal(page_site_of(&world.pages, before), 0);
    assert_true(page_sites_start(&world.pages));
    assert_true(page_sites_start(&world.pages)); // again is no harm
    for (unsigned i = 0; i < 10; i++) {
        first_place(&world.pages, 3);
    }
    pfn_t range = second_place(&world.pages, 100);
    assert_true(is_within(page_site_of(&world.pages, range), (const void *)second_place));
    size_t count = page_sites(&world.pages, PAGE_OWNER_COUNT_, sites, 8, &rest);
    assert_int_equal(count, 3);
    assert_int_equal(sites[0].pages, 100);
    assert_int_equal(sites[0].owner, PAGE_OWNER_DMA);
    assert_int_equal(sites[1].pages, 80);
    assert_int_equal(sites[1].blocks, 10);
    assert_true(is_within(sites[1].caller, (const void *)first_place));
    assert_int_equal(sites[2].caller, 0);
    assert_int_equal(sites[2].pages, 1);
    assert_int_equal(rest.blocks, 0);
    count = page_sites(&world.pages, PAGE_OWNER_SLAB, sites, 1, &rest);
    assert_int_equal(count, 1);
    assert_int_equal(sites[0].pages + rest.pages, 81);
    page_free_contig(&world.pages, range, 100);
    assert_int_equal(page_sites(&world.pages, PAGE_OWNER_DMA, sites, 8, NULL), 0);
    unwatched(&world);
}

static void sites_add_up(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    struct page_census census;
    struct page_site sites[64];
    struct ledger ledger;
    uint64_t random = 4;
    watched(&world, &watch);
    uint64_t metadata = world.pages.metadata_bytes;
    assert_true(page_sites_start(&world.pages));
    pfn_t gibibyte = first_place(&world.pages, PAGE_ORDER_MAX); // a taken section
    assert_int_not_equal(page_site_of(&world.pages, gibibyte), 0);
    for (unsigned i = 0; i < 200; i++) {
        first_place(&world.pages, world_random(&random) % 8);
        second_place(&world.pages, world_random(&random) % 900 + 1);
    }
    page_census(&world.pages, &census);
    uint64_t pages[PAGE_OWNER_COUNT_] = {0};
    size_t count = page_sites(&world.pages, PAGE_OWNER_COUNT_, sites, 64, NULL);
    for (size_t i = 0; i < count; i++) {
        pages[sites[i].owner] += sites[i].pages;
        assert_int_not_equal(sites[i].caller, 0);
    }
    assert_memory_equal(pages, census.owned_pages, sizeof(pages));
    assert_true(world.pages.metadata_bytes > metadata + 2 * MIB);
    ledger_compute(&ledger, &world.map, &world.pages);
    assert_int_equal(ledger.unaccounted, 0);
    assert_null(ledger.mismatch);
    page_watch_stop(&world.pages);
    ledger_compute(&ledger, &world.map, &world.pages);
    assert_int_equal(ledger.unaccounted, 0);
    assert_null(ledger.mismatch);
    assert_null(page_check(&world.pages));
    world_destroy(&world);
}

// Without memory for a table, allocations go on, their callers unknown.
static void callers_cost_nobody_memory(void **state) {
    (void)state;
    static const struct world_range little[] = {{0x100000, 0x180000, EFI_CONVENTIONAL}};
    struct world world;
    struct page_watch watch;
    pfn_t frame;
    world_create(&world, little, 1);
    assert_true(page_watch_start(&world.pages, &watch));
    assert_true(page_sites_start(&world.pages));
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    assert_int_equal(page_site_of(&world.pages, frame), 0);
    while (page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame) == PAGE_OK) {
    }
    assert_int_equal(page_free_count(&world.pages), 0);
    page_watch_stop(&world.pages);
    assert_true(page_watch_start(&world.pages, &watch));
    page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame);
    assert_false(page_sites_start(&world.pages));
    unwatched(&world);
}

static struct page_event *event_of(struct page_watch *watch, uint64_t sequence) {
    struct page_event *event = &watch->trace.events[(sequence - 1) % watch->trace.capacity];
    assert_int_equal(event->sequence, sequence);
    return event;
}

static void every_call_is_one_event(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    uint64_t events = 100;
    watched(&world, &watch);
    uint64_t bytes = page_trace_bytes(&world.pages, events);
    void *storage = aligned_alloc(16, bytes);
    assert_false(page_trace_start(&world.pages, storage, 1000, &events));
    assert_true(page_trace_start(&world.pages, storage, bytes, &events));
    assert_true(events >= 100);
    for (size_t i = 0; i + 1 < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_int_equal(paths[i].step(&world.pages), PAGE_OK);
        paths[i].undo(&world.pages);
    }
    static const enum page_operation expected[] = {
        PAGE_OPERATION_ALLOC,   PAGE_OPERATION_FREE,        PAGE_OPERATION_ALLOC,
        PAGE_OPERATION_FREE,    PAGE_OPERATION_CONTIG,      PAGE_OPERATION_FREE_CONTIG,
        PAGE_OPERATION_CONTIG,  PAGE_OPERATION_FREE_CONTIG, PAGE_OPERATION_RESERVE,
        PAGE_OPERATION_RELEASE, PAGE_OPERATION_RELEASE,     PAGE_OPERATION_RESERVE,
    };
    assert_int_equal(watch.trace.recorded, 12);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(event_of(&watch, i + 1)->operation, expected[i]);
        assert_int_equal(event_of(&watch, i + 1)->status, PAGE_OK);
        assert_false(event_of(&watch, i + 1)->injected);
    }
    assert_true(is_within(event_of(&watch, 1)->caller, (const void *)alloc_one));
    assert_int_equal(event_of(&watch, 1)->owner, PAGE_OWNER_TEST);
    assert_true(event_of(&watch, 3)->atomic);
    assert_int_equal(event_of(&watch, 3)->order, 9);
    assert_int_equal(event_of(&watch, 4)->owner, PAGE_OWNER_TEST);
    assert_int_equal(event_of(&watch, 5)->count, 700);
    assert_int_equal(event_of(&watch, 5)->boundary_log, 22);
    assert_int_equal(event_of(&watch, 6)->first.value, event_of(&watch, 5)->first.value);
    page_fail(&watch, PAGE_FAIL_NTH, 1, 0);
    assert_int_equal(reserve_wide(&world.pages), PAGE_OK); // its section was split above
    assert_int_equal(alloc_one(&world.pages), PAGE_NO_MEMORY);
    assert_true(event_of(&watch, 14)->injected);
    assert_int_equal(event_of(&watch, 14)->status, PAGE_NO_MEMORY);
    assert_int_equal(page_alloc(&world.pages, 40, PAGE_ANYWHERE, PAGE_OWNER_TEST, &held),
                     PAGE_BAD_REQUEST);
    page_trace_stop(&world.pages);
    assert_int_equal(alloc_one(&world.pages), PAGE_OK);
    assert_int_equal(watch.trace.recorded, 14);
    unwatched(&world);
    free(storage);
}

// The start names every frame that is the allocator's, once, as page_inspect does.
static void the_start_is_all_there_is(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    uint64_t events = 1, random = 8;
    watched(&world, &watch);
    for (unsigned i = 0; i < 300; i++) {
        pfn_t block = first_place(&world.pages, world_random(&random) % 10);
        if (i % 3 == 0) {
            page_retire(&world.pages, pfn(block.value + 512), pfn(block.value + 513), NULL);
        }
    }
    first_place(&world.pages, PAGE_ORDER_MAX);
    uint64_t bytes = page_trace_bytes(&world.pages, events);
    void *storage = aligned_alloc(16, bytes);
    assert_true(page_trace_start(&world.pages, storage, bytes, &events));
    const struct page_trace *trace = &watch.trace;
    struct page_census census, counted = {0};
    page_census(&world.pages, &census);
    for (uint64_t i = 0; i < trace->run_count; i++) {
        const struct page_start_run *run = &trace->runs[i];
        uint64_t pages = (uint64_t)run->count << run->order;
        counted.free_pages += run->state == PAGE_STATE_FREE ? pages : 0;
        counted.bad_pages += run->state == PAGE_STATE_BAD ? pages : 0;
        counted.metadata_pages += run->state == PAGE_STATE_METADATA ? pages : 0;
        if (run->state == PAGE_STATE_ALLOCATED) {
            counted.owned_pages[run->owner] += pages;
        }
        struct page_info info = page_inspect(&world.pages, run->first);
        assert_int_equal(info.state, run->state);
        assert_true(i == 0 || run->first.value > run[-1].first.value);
    }
    for (uint64_t i = 0; i < trace->start_section_count; i++) {
        const struct page_start_section *section = &trace->sections[i];
        counted.free_pages += section->kind == SECTION_WHOLE ? SECTION_FRAMES : 0;
        counted.owned_pages[PAGE_OWNER_SLAB] +=
            section->kind == SECTION_TAKEN && section->owner == PAGE_OWNER_SLAB ? SECTION_FRAMES
                                                                                : 0;
    }
    assert_memory_equal(&counted, &census, sizeof(census));
    unwatched(&world);
    free(storage);
}

static void the_last_events_stay(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    uint64_t events = 8;
    watched(&world, &watch);
    uint64_t bytes = page_trace_bytes(&world.pages, events);
    void *storage = aligned_alloc(16, bytes);
    assert_true(page_trace_start(&world.pages, storage, bytes, &events));
    for (uint64_t i = 0; i < events + 3; i++) {
        alloc_one(&world.pages);
    }
    assert_int_equal(watch.trace.recorded, events + 3);
    assert_int_equal(watch.trace.capacity, events);
    for (uint64_t i = 4; i <= events + 3; i++) {
        event_of(&watch, i);
    }
    unwatched(&world);
    free(storage);
}

static void says(void (*report)(struct text *out, const struct page_watch *watch),
                 const struct page_watch *watch, const char *expected) {
    char bytes[4096];
    struct text_buffer text;
    text_buffer_init(&text, bytes, sizeof(bytes));
    report(&text.text, watch);
    assert_string_equal(bytes, expected);
}

static void reports_say_how_it_stands(void **state) {
    (void)state;
    struct page_watch watch = {.sites = NULL};
    says(report_failures, NULL, "no request is made to fail\n");
    says(report_failures, &watch, "no request is made to fail\n");
    watch.failures = (struct page_failures){PAGE_FAIL_EVERY, 7, 0, 20, 2};
    says(report_failures, &watch, "made to fail: every:7; 2 of 20 requests so far\n");
    watch.failures = (struct page_failures){PAGE_FAIL_RANDOM, 7, 0x1f, 20, 3};
    says(report_failures, &watch, "made to fail: random:7:0x1f; 3 of 20 requests so far\n");
    says(report_trace, NULL, "nothing is recorded\n");
    says(report_trace, &watch, "nothing is recorded\n");
    watch.trace = (struct page_trace){.recording = true, .capacity = 10, .recorded = 3};
    says(report_trace, &watch, "recording: 3 events, of which the last 3 are kept; room for 10\n");
    watch.trace = (struct page_trace){.capacity = 10, .recorded = 30};
    says(report_trace, &watch, "recorded: 30 events, of which the last 10 are kept; room for 10\n");
}

static void sites_are_said_by_name(void **state) {
    (void)state;
    char bytes[1024];
    struct text_buffer text;
    const struct page_site sites[] = {{0x1234, PAGE_OWNER_SLAB, 2, 16}, {0, PAGE_OWNER_DMA, 1, 1}};
    const struct page_site rest = {0, 0, 5, 6}, none = {0};
    text_buffer_init(&text, bytes, sizeof(bytes));
    report_sites(&text.text, sites, 2, &rest);
    assert_string_equal(bytes, "allocated and not freed, by who asked for it (2 places)\n"
                               "         16 pages in       2 blocks  slab        text+0x1234\n"
                               "          1 pages in       1 blocks  dma         unknown\n"
                               "          6 pages in       5 blocks              others\n");
    host_code_name = "somebody";
    text_buffer_init(&text, bytes, sizeof(bytes));
    report_sites(&text.text, sites, 1, &none);
    host_code_name = NULL;
    assert_string_equal(bytes, "allocated and not freed, by who asked for it (1 places)\n"
                               "         16 pages in       2 blocks  slab        somebody+0x11\n");
}

// A recording's records are those that report.h describes.
static void records_are_as_described(void **state) {
    (void)state;
    static char bytes[8192];
    struct world world;
    struct page_watch watch;
    struct text_buffer text;
    uint64_t events = 1;
    watched(&world, &watch);
    first_place(&world.pages, PAGE_ORDER_MAX);
    first_place(&world.pages, 4);
    uint64_t need = page_trace_bytes(&world.pages, events);
    void *storage = aligned_alloc(16, need);
    assert_true(page_trace_start(&world.pages, storage, need, &events));
    contig(&world.pages);
    page_fail(&watch, PAGE_FAIL_NTH, 1, 0);
    alloc_large(&world.pages);
    page_trace_stop(&world.pages);
    text_buffer_init(&text, bytes, sizeof(bytes));
    record_trace(&text.text, &watch);
    static const char *const lines[] = {
        "{\"record\":\"trace\",\"sections\":4,\"recorded\":2,\"kept\":2,\"below_16m\":0,"
        "\"below_4g\":0,\"atomic\":0}\n",
        "{\"record\":\"trace-section\",\"index\":0,\"state\":\"split\",\"span\":262144,"
        "\"own_metadata\":false}\n",
        "{\"record\":\"trace-section\",\"index\":3,\"state\":\"taken\",\"as\":\"allocated\","
        "\"owner\":\"slab\"}\n",
        "\"state\":\"allocated\",\"order\":4,\"owner\":\"slab\"}\n",
        "{\"record\":\"trace-event\",\"sequence\":1,\"operation\":\"contig\",\"status\":\"ok\",",
        "\"pages\":700,\"owner\":\"test\",\"ceiling\":\"0xffffffffffffffff\",\"align\":\"0x0\","
        "\"boundary\":\"0x400000\",\"cpu\":0,\"caller\":\"text+0x",
        "\"operation\":\"alloc\",\"status\":\"no memory\",\"start\":\"0x0\",\"pages\":512,"
        "\"order\":9,\"owner\":\"test\",\"ceiling\":\"0x80000000\",\"atomic\":true,"
        "\"injected\":true,\"cpu\":0,",
        "{\"record\":\"trace-end\",\"events\":2}\n",
    };
    const char *at = bytes;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        at = strstr(at, lines[i]);
        assert_non_null(at);
    }
    unwatched(&world);
    free(storage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_stay_empty),
        cmocka_unit_test(fails_what_was_asked),
        cmocka_unit_test(random_failures_repeat),
        cmocka_unit_test(failing_changes_nothing),
        cmocka_unit_test(nothing_leaks),
        cmocka_unit_test(callers_are_kept),
        cmocka_unit_test(sites_add_up),
        cmocka_unit_test(callers_cost_nobody_memory),
        cmocka_unit_test(every_call_is_one_event),
        cmocka_unit_test(the_start_is_all_there_is),
        cmocka_unit_test(the_last_events_stay),
        cmocka_unit_test(reports_say_how_it_stands),
        cmocka_unit_test(sites_are_said_by_name),
        cmocka_unit_test(records_are_as_described),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
