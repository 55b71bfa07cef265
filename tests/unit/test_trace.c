// SPDX-License-Identifier: MIT
// Recording what the page allocator does: the start, the events, the records. (They are done again
// in test_replay.c.)
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watched.h"
#include <mm/report.h>
#include <stdlib.h>
#include <string.h>

static pfn_t first_place(struct page_allocator *allocator, unsigned order) {
    pfn_t block;
    assert_int_equal(page_alloc(allocator, order, PAGE_ANYWHERE, PAGE_OWNER_SLAB, &block), PAGE_OK);
    return block;
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
        cmocka_unit_test(every_call_is_one_event),  cmocka_unit_test(the_start_is_all_there_is),
        cmocka_unit_test(the_last_events_stay),     cmocka_unit_test(reports_say_how_it_stands),
        cmocka_unit_test(records_are_as_described),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
