// SPDX-License-Identifier: MIT
// Memory for devices: what UHCI, 32-bit, xHCI and ISA devices ask for, and refusals in words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/dma.h>
#include <mm/report.h>
#include <string.h>

static struct world world;

// A PC with 7 GiB and a hole below 4 GiB.
static int set_up(void **state) {
    (void)state;
    const struct world_range ranges[] = {{0, 0xa0000, EFI_CONVENTIONAL},
                                         {MIB, 3 * GIB, EFI_CONVENTIONAL},
                                         {4 * GIB, 8 * GIB, EFI_CONVENTIONAL}};
    world_create(&world, ranges, 3);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_null(page_check(&world.pages));
    world_destroy(&world);
    return 0;
}

struct request {
    uint64_t bytes, align;
    paddr_t ceiling;
    uint64_t boundary;
};

static enum page_status ask(const struct request *request, struct dma_buffer *buffer,
                            struct page_refusal *refusal) {
    return dma_alloc(&world.pages, request->bytes, request->align, request->ceiling,
                     request->boundary, buffer, refusal);
}

static void assert_satisfies(const struct request *request, const struct dma_buffer *buffer) {
    uint64_t at = buffer->address.value, last = at + request->bytes - 1;
    assert_int_equal(at % PAGE_SIZE, 0);
    assert_true(request->align == 0 || at % request->align == 0);
    assert_true(last < request->ceiling.value);
    assert_true(request->boundary == 0 || at / request->boundary == last / request->boundary);
    assert_int_equal(buffer->bytes, request->bytes);
    assert_ptr_equal(buffer->pointer, port_direct_map(buffer->address));
    for (uint64_t page = 0; page * PAGE_SIZE < request->bytes; page++) {
        struct page_info info =
            page_inspect(&world.pages, pfn(pfn_of(buffer->address).value + page));
        assert_int_equal(info.state, PAGE_STATE_ALLOCATED);
        assert_int_equal(info.owner, PAGE_OWNER_DMA);
    }
}

// Twice each, the memory dirtied in between: what is freed comes again, and comes cleared.
static void what_devices_ask_for(void **state) {
    (void)state;
    static const struct request requests[] = {
        {28 * KIB, 4 * KIB, DMA_BELOW_4G, 0},           // UHCI: frame list and schedule
        {1, 0, DMA_BELOW_4G, 0},                        // 32-bit: the smallest
        {3 * MIB + 5, 0, DMA_BELOW_4G, 0},              // and an odd one
        {64 * KIB, 64, PAGE_ANYWHERE, 64 * KIB},        // xHCI: a ring as large as can be
        {20 * KIB, 64, PAGE_ANYWHERE, 64 * KIB},        // and an odd one
        {2 * KIB, 64, PAGE_ANYWHERE, 2 * KIB},          // a boundary within a page
        {64 * KIB, 0, DMA_BELOW_16M, 64 * KIB},         // ISA, 8 bits
        {128 * KIB, 0, DMA_BELOW_16M, 128 * KIB},       // ISA, 16 bits
        {24 * KIB, 8 * KIB, DMA_BELOW_16M, 64 * KIB},   // a sound card's
        {GIB + GIB / 2 + 1, 2 * MIB, PAGE_ANYWHERE, 0}, // a capture card's, beyond a section
    };
    for (unsigned i = 0; i < 2 * sizeof(requests) / sizeof(requests[0]); i++) {
        const struct request *request = &requests[i / 2];
        uint64_t pages = (request->bytes + PAGE_SIZE - 1) / PAGE_SIZE;
        uint64_t begin = page_free_count(&world.pages);
        struct dma_buffer buffer;
        assert_int_equal(ask(request, &buffer, NULL), PAGE_OK);
        assert_satisfies(request, &buffer);
        if (pages < 1024) { // the whole pages are cleared
            const uint8_t *bytes = buffer.pointer;
            for (uint64_t at = 0; at < pages * PAGE_SIZE; at++) {
                assert_int_equal(bytes[at], 0);
            }
            memset(buffer.pointer, 0xa5, pages * PAGE_SIZE);
        }
        uint64_t after = page_free_count(&world.pages);
        dma_free(&world.pages, &buffer);
        assert_null(buffer.pointer);
        assert_int_equal(buffer.bytes, 0);
        // A section that was cut into keeps its metadata: 81 pages.
        assert_true(begin - page_free_count(&world.pages) <= 2 * 81);
        assert_int_equal(page_free_count(&world.pages) - after, pages);
    }
}

// Many at once, until the low memory is gone: no two overlap, all constraints hold, all comes back.
static void isa_memory_to_the_last(void **state) {
    (void)state;
    static struct dma_buffer buffers[512];
    const struct request request = {24 * KIB, 0, DMA_BELOW_16M, 64 * KIB};
    uint64_t before = page_free_count(&world.pages);
    size_t count = 0;
    while (ask(&request, &buffers[count], NULL) == PAGE_OK) {
        assert_satisfies(&request, &buffers[count]);
        memset(buffers[count].pointer, 0xff, buffers[count].bytes); // later ones must come cleared
        assert_true(++count < 512);
    }
    // Each 64 KiB between 1 and 16 MiB holds two of six pages.
    assert_int_equal(count, 2 * 15 * 16);
    for (size_t i = 0; i < count; i++) {
        dma_free(&world.pages, &buffers[i]);
    }
    assert_int_equal(page_free_count(&world.pages), before);
}

static void impossible_requests(void **state) {
    (void)state;
    static const struct request requests[] = {
        {0, 0, PAGE_ANYWHERE, 0},
        {PAGE_SIZE, 3, PAGE_ANYWHERE, 0},
        {PAGE_SIZE, 0, PAGE_ANYWHERE, 96 * KIB},
        {512, 0, PAGE_ANYWHERE, 768},
        {513, 0, PAGE_ANYWHERE, 512},
        {64 * KIB + 1, 0, PAGE_ANYWHERE, 64 * KIB},
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct dma_buffer buffer = {.bytes = 42};
        assert_int_equal(ask(&requests[i], &buffer, NULL), PAGE_BAD_REQUEST);
        assert_int_equal(buffer.bytes, 42);
    }
    struct dma_buffer buffer = {.bytes = 42};
    const struct request huge = {UINT64_MAX, 0, PAGE_ANYWHERE, 0};
    enum port_level level = host_log_level;
    host_log_level = PORT_ERROR; // the refusal is a warning
    assert_int_equal(ask(&huge, &buffer, NULL), PAGE_NO_MEMORY);
    host_log_level = level;
    assert_int_equal(buffer.bytes, 42);
}

static void freeing_something_else_is_caught(void **state) {
    (void)state;
    struct dma_buffer buffer;
    const struct request request = {16 * KIB, 0, DMA_BELOW_4G, 0};
    assert_int_equal(ask(&request, &buffer, NULL), PAGE_OK);
    struct dma_buffer again = buffer;
    dma_free(&world.pages, &buffer);
    if (HOST_EXPECT_PANIC()) {
        dma_free(&world.pages, &again);
        host_panic_end();
        fail();
    }
    assert_non_null(strstr(host_panic_message, "double free"));
}

static void refusal_reads(const struct request *request, const char *expected) {
    char bytes[512];
    struct text_buffer text;
    struct dma_buffer buffer;
    struct page_refusal refusal;
    text_buffer_init(&text, bytes, sizeof(bytes));
    assert_int_equal(ask(request, &buffer, &refusal), PAGE_NO_MEMORY);
    report_refusal(&text.text, &refusal);
    assert_string_equal(bytes, expected);
}

// Little memory, so that everything can be foreseen: [1 MiB + 8 KiB, 1 MiB + 64 KiB) with a frame
// taken out of it, and 4 frames at 32 MiB.
static void refusals_in_words(void **state) {
    (void)state;
    uint64_t at = MIB + 2 * PAGE_SIZE, end = MIB + 16 * PAGE_SIZE;
    for (size_t i = 0; i < world.map.region_count; i++) {
        const struct memory_region *region = &world.map.regions[i];
        if (region->class == MEMORY_USABLE) {
            assert_int_equal(
                page_reserve(&world.pages, pfn_of(region->begin), pfn_of(region->end), NULL),
                PAGE_OK);
        }
    }
    assert_int_equal(page_free_count(&world.pages), 0);
    const struct request one = {PAGE_SIZE, 0, PAGE_ANYWHERE, 0};
    refusal_reads(&one, "nothing is free.");
    pfn_t begin = pfn_of(paddr(at));
    assert_int_equal(page_release(&world.pages, begin, pfn_of(paddr(end)), NULL), PAGE_OK);
    assert_int_equal(page_release(&world.pages, pfn(8192), pfn(8196), NULL), PAGE_OK);
    const struct request long_one = {15 * PAGE_SIZE, 0, PAGE_ANYWHERE, 0};
    refusal_reads(&long_one, "free runs: 2; long enough: 0. The nearest miss is [0x102000, "
                             "0x110000), 56 KiB; above it 0x110000 is reserved.");
    const struct request low = {4 * PAGE_SIZE, 0, paddr(MIB), 0};
    refusal_reads(&low, "free runs: 2; long enough: 2; of these too short below the ceiling: 2. "
                        "Nothing is free below the ceiling.");
    const struct request aligned = {8 * PAGE_SIZE, 64 * KIB, PAGE_ANYWHERE, 0};
    refusal_reads(&aligned, "free runs: 2; long enough: 1; without an aligned place: 1. The "
                            "nearest miss is [0x102000, 0x110000), 56 KiB; above it 0x110000 is "
                            "reserved.");
    const struct request crossing = {7 * PAGE_SIZE, 0, paddr(end - 2 * PAGE_SIZE), 32 * KIB};
    refusal_reads(&crossing, "free runs: 2; long enough: 1; crossing a boundary at each aligned "
                             "place: 1. The nearest miss is [0x102000, 0x10e000), 48 KiB; below "
                             "it 0x101000 is reserved.");
    const struct request upper = {8 * PAGE_SIZE, 32 * KIB, PAGE_ANYWHERE, 0};
    struct dma_buffer buffer;
    assert_int_equal(ask(&upper, &buffer, NULL), PAGE_OK); // [0x108000, 0x110000)
    refusal_reads(&upper, "free runs: 2; long enough: 0. The nearest miss is [0x102000, 0x108000), "
                          "24 KiB; above it 0x108000 is allocated, in a block of order 3 at "
                          "0x108000, owner dma.");
    dma_free(&world.pages, &buffer);
    const struct page_reserves reserves = {.below_16m = 14};
    page_set_reserves(&world.pages, &reserves);
    page_drain(&world.pages); // reserves are held against what the sections have
    const struct request kept = {5 * PAGE_SIZE, 0, PAGE_ANYWHERE, 0};
    refusal_reads(&kept, "free runs: 2; long enough: 1; with a place for it: 1. A reserve keeps "
                         "it, or the request was made to fail.");
}

static void words_for_every_frame(void **state) {
    (void)state;
    static const struct {
        struct page_info info;
        const char *words;
    } frames[] = {
        {{.state = PAGE_STATE_UNMANAGED}, "not the page allocator's"},
        {{.state = PAGE_STATE_FREE, .block = {0x200}, .order = 9},
         "free, in a block of order 9 at 0x200000"},
        {{.state = PAGE_STATE_ALLOCATED, .block = {5}, .owner = PAGE_OWNER_ACPI},
         "allocated, in a block of order 0 at 0x5000, owner acpi"},
        {{.state = PAGE_STATE_CACHED}, "free, in a CPU's stack"},
        {{.state = PAGE_STATE_RESERVED}, "reserved"},
        {{.state = PAGE_STATE_BAD}, "bad, taken out for good"},
        {{.state = PAGE_STATE_METADATA}, "the page allocator's own metadata"},
    };
    char bytes[512];
    struct text_buffer text;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        text_buffer_init(&text, bytes, sizeof(bytes));
        report_frame(&text.text, &frames[i].info);
        assert_string_equal(bytes, frames[i].words);
    }
    const struct page_refusal refusal = {.runs = 1,
                                         .long_enough = 1,
                                         .beyond_ceiling = 1,
                                         .nearest_pages = 2,
                                         .obstacle = {2},
                                         .in_the_way = {.state = PAGE_STATE_FREE}};
    text_buffer_init(&text, bytes, sizeof(bytes));
    report_refusal(&text.text, &refusal);
    assert_string_equal(bytes,
                        "free runs: 1; long enough: 1; of these too short below the ceiling: "
                        "1. The nearest miss is [0x0, 0x2000), 8 KiB, which the ceiling "
                        "ends.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_devices_ask_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(isa_memory_to_the_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impossible_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freeing_something_else_is_caught, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_in_words, set_up, tear_down),
        cmocka_unit_test(words_for_every_frame),
    };
    return cmocka_run_group_tests_name("dma", tests, NULL, NULL);
}
