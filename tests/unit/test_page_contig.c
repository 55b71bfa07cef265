// SPDX-License-Identifier: MIT
// page_alloc_contig against brute force: in a small window of frames that crosses a section border,
// over random patterns of free frames, every count, alignment, boundary and ceiling; then the
// requests of real devices; then explanations.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW 48
#define BASE   (SECTION_FRAMES - WINDOW / 2) // the first frame of the window

static struct world world;
static uint64_t seed = 0x2545f4914f6cdd1d;

// Everything but the window is taken, so that only the window can serve.
static int set_up(void **state) {
    (void)state;
    const struct world_range ranges[] = {
        {16 * MIB, 18 * MIB, EFI_CONVENTIONAL},
        {BASE * PAGE_SIZE, (BASE + WINDOW) * PAGE_SIZE, EFI_BOOT_SERVICES_DATA},
        {GIB + MIB, GIB + MIB + 3 * PAGE_SIZE,
         EFI_CONVENTIONAL}, // makes the second section's metadata
        {3 * GIB, 3 * GIB + PAGE_SIZE, EFI_BOOT_SERVICES_DATA}};
    world_create(&world, ranges, sizeof(ranges) / sizeof(ranges[0]));
    for (size_t i = 0; i < world.map.region_count; i++) {
        const struct memory_region *region = &world.map.regions[i];
        if (region->class == MEMORY_USABLE) {
            assert_int_equal(
                page_reserve(&world.pages, pfn_of(region->begin), pfn_of(region->end), NULL),
                PAGE_OK);
        }
    }
    assert_int_equal(page_free_count(&world.pages), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_destroy(&world);
    return 0;
}

static bool run_free(uint64_t free, uint64_t at, uint64_t count) {
    uint64_t bits = (count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1) << at;
    return (free & bits) == bits;
}

static bool possible(uint64_t free, uint64_t count, uint64_t align, uint64_t limit,
                     uint64_t boundary) {
    for (uint64_t at = 0; at + count <= WINDOW; at++) {
        uint64_t frame = BASE + at;
        if (run_free(free, at, count) && frame % align == 0 && frame + count <= limit &&
            (boundary == 0 || frame / boundary == (frame + count - 1) / boundary)) {
            return true;
        }
    }
    return false;
}

static void check_request(uint64_t free, uint64_t count, uint64_t align, uint64_t limit,
                          uint64_t boundary) {
    pfn_t first = pfn(0);
    enum page_status status =
        page_alloc_contig(&world.pages, count, align * PAGE_SIZE, paddr(limit * PAGE_SIZE),
                          boundary * PAGE_SIZE, PAGE_OWNER_DMA, &first, NULL);
    if (boundary != 0 && count > boundary) {
        assert_int_equal(status, PAGE_BAD_REQUEST);
        return;
    }
    if ((status == PAGE_OK) != possible(free, count, align, limit, boundary)) {
        fail_msg(
            "free 0x%lx, count %lu, align %lu, limit 0x%lx, boundary %lu: status %d, frame 0x%lx",
            free, count, align, limit, boundary, (int)status, first.value);
    }
    if (status == PAGE_OK) {
        assert_true(first.value >= BASE && run_free(free, first.value - BASE, count));
        assert_true(first.value % align == 0 && first.value + count <= limit);
        assert_true(boundary == 0 ||
                    first.value / boundary == (first.value + count - 1) / boundary);
        struct page_info info = page_inspect(&world.pages, pfn(first.value + count - 1));
        assert_int_equal(info.owner, PAGE_OWNER_DMA);
        page_free_contig(&world.pages, first, count);
    }
}

static void check_all_requests(uint64_t free) {
    for (uint64_t count = 1; count <= WINDOW + 1; count += 1 + world_random(&seed) % 3) {
        for (uint64_t align = 1; align <= 32; align *= 2) {
            for (uint64_t boundary = 0; boundary <= 64;
                 boundary = boundary == 0 ? 1 : boundary * 2) {
                uint64_t limit = BASE + world_random(&seed) % (WINDOW + 1);
                check_request(free, count, align, limit, boundary);
                check_request(free, count, align, 4 * SECTION_FRAMES, boundary);
            }
        }
    }
}

static void release_or_reserve(enum page_status (*change)(struct page_allocator *, pfn_t, pfn_t,
                                                          pfn_t *),
                               uint64_t at) {
    assert_int_equal(change(&world.pages, pfn(BASE + at), pfn(BASE + at + 1), NULL), PAGE_OK);
}

static void never_refused_wrongly(void **state) {
    (void)state;
    const char *more = getenv("STRATA_STEPS");
    unsigned patterns = more != NULL ? (unsigned)strtoul(more, NULL, 0) : 60;
    uint64_t tests = 0;
    for (unsigned pattern = 0; pattern < patterns; pattern++) {
        uint64_t free = (UINT64_C(1) << WINDOW) - 1;
        // Sparse holes, so that long runs are left.
        for (uint64_t holes = world_random(&seed) % 8; holes != 0; holes--) {
            free &= ~(UINT64_C(1) << world_random(&seed) % WINDOW);
        }
        for (uint64_t at = 0; at < WINDOW; at++) {
            if ((free >> at & 1) != 0) {
                release_or_reserve(page_release, at);
            }
        }
        check_all_requests(free);
        assert_null(page_check(&world.pages));
        for (uint64_t at = 0; at < WINDOW; at++) {
            if ((free >> at & 1) != 0) {
                release_or_reserve(page_reserve, at);
            }
        }
        tests++;
    }
    assert_int_equal(tests, patterns);
}

static pfn_t contig(uint64_t count, uint64_t align, paddr_t ceiling, uint64_t boundary) {
    pfn_t first;
    assert_int_equal(page_alloc_contig(&world.pages, count, align, ceiling, boundary,
                                       PAGE_OWNER_DMA, &first, NULL),
                     PAGE_OK);
    return first;
}

// 6 GiB with a hole, as PCs have it.
static int set_up_pc(void **state) {
    (void)state;
    const struct world_range ranges[] = {{0, 0xa0000, EFI_CONVENTIONAL},
                                         {MIB, 3 * GIB, EFI_CONVENTIONAL},
                                         {4 * GIB, 7 * GIB, EFI_CONVENTIONAL}};
    world_create(&world, ranges, 3);
    return 0;
}

static void what_devices_ask_for(void **state) {
    (void)state;
    uint64_t before = page_free_count(&world.pages);
    // UHCI: a contiguous frame list and schedule, 32-bit.
    pfn_t uhci = contig(7, PAGE_SIZE, paddr(4 * GIB), 0);
    assert_true(uhci.value + 7 <= 4 * GIB / PAGE_SIZE);
    // xHCI: a ring that must not cross 64 KiB.
    pfn_t xhci = contig(5, 64, PAGE_ANYWHERE, 64 * KIB);
    assert_int_equal(xhci.value / 16, (xhci.value + 4) / 16);
    // ISA DMA: below 16 MiB, within 128 KiB.
    pfn_t isa = contig(16, PAGE_SIZE, paddr(16 * MIB), 128 * KIB);
    assert_true(isa.value + 16 <= 16 * MIB / PAGE_SIZE);
    // A capture buffer larger than a section: 1.5 GiB and a page.
    uint64_t large = 3 * SECTION_FRAMES / 2 + 1;
    pfn_t capture = contig(large, 2 * MIB, PAGE_ANYWHERE, 0);
    assert_true(capture.value >= 4 * SECTION_FRAMES && capture.value % 512 == 0);
    assert_null(page_check(&world.pages));
    page_free_contig(&world.pages, uhci, 7);
    page_free_contig(&world.pages, xhci, 5);
    page_free_contig(&world.pages, isa, 16);
    page_free_contig(&world.pages, capture, large);
    assert_null(page_check(&world.pages));
    uint64_t metadata = before - page_free_count(&world.pages);
    assert_true(metadata <= 3 * 81); // of the sections that were cut into
}

static void a_whole_section_and_more(void **state) {
    (void)state;
    pfn_t two = contig(2 * SECTION_FRAMES, GIB, PAGE_ANYWHERE, 0);
    assert_int_equal(two.value, 5 * SECTION_FRAMES);
    struct section_report report;
    page_section_report(&world.pages, 5, &report);
    assert_int_equal(report.kind, SECTION_TAKEN);
    assert_int_equal(page_inspect(&world.pages, pfn(two.value + 5)).owner, PAGE_OWNER_DMA);
    page_free_contig(&world.pages, two, 2 * SECTION_FRAMES);
    page_section_report(&world.pages, 5, &report);
    assert_int_equal(report.kind, SECTION_WHOLE);
}

// Frames in this CPU's stack are free: more than a block can hold does not have to go around them.
static void what_the_stack_keeps_is_free(void **state) {
    (void)state;
    pfn_t frame;
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frame), PAGE_OK);
    page_free(&world.pages, frame, 0);
    assert_int_equal(page_inspect(&world.pages, frame).state, PAGE_STATE_CACHED);
    // Sections 4, 5 and what the metadata of section 6 leaves of it.
    uint64_t count = 3 * SECTION_FRAMES - 81;
    pfn_t all = contig(count, 0, PAGE_ANYWHERE, 0);
    assert_int_equal(all.value, 4 * SECTION_FRAMES);
    page_free_contig(&world.pages, all, count);
    assert_null(page_check(&world.pages));
}

// A place that begins below 16 MiB or 4 GiB and ends above takes from these reserves as well.
static void reserves_are_kept_across_their_ends(void **state) {
    (void)state;
    static const struct {
        struct world_range range; // all of it but the allocator's metadata at its end is one run
        struct page_reserves reserves;
    } machines[] = {
        {{2 * MIB, 512 * MIB, EFI_CONVENTIONAL}, {.below_16m = 300}},
        {{3 * GIB, 5 * GIB, EFI_CONVENTIONAL}, {.below_4g = 300}},
    };
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        world_create(&world, &machines[i].range, 1);
        page_set_reserves(&world.pages, &machines[i].reserves);
        uint64_t count = page_free_count(&world.pages) - 300;
        pfn_t first;
        assert_int_equal(page_alloc_contig(&world.pages, count + 1, 0, PAGE_ANYWHERE, 0,
                                           PAGE_OWNER_DMA, &first, NULL),
                         PAGE_NO_MEMORY);
        first = contig(count, 0, PAGE_ANYWHERE, 0);
        assert_int_equal(paddr_of(first).value, machines[i].range.begin + 300 * PAGE_SIZE);
        assert_null(page_check(&world.pages));
        world_destroy(&world);
    }
}

static void a_refusal_is_explained(void **state) {
    (void)state;
    struct page_refusal refusal;
    pfn_t first = pfn(42);
    assert_int_equal(page_alloc_contig(&world.pages, 4 * SECTION_FRAMES, 0, PAGE_ANYWHERE, 0,
                                       PAGE_OWNER_DMA, &first, &refusal),
                     PAGE_NO_MEMORY);
    assert_int_equal(first.value, 42);
    assert_int_equal(refusal.long_enough, 0);
    assert_int_equal(refusal.nearest.value, 4 * SECTION_FRAMES);
    assert_int_equal(refusal.nearest_pages, 3 * SECTION_FRAMES);
    assert_int_equal(refusal.in_the_way.state, PAGE_STATE_UNMANAGED);
    // Below 16 MiB there are 15: an owner stands in the middle.
    pfn_t middle;
    assert_int_equal(page_alloc_contig(&world.pages, 1, 4 * MIB, paddr(8 * MIB + PAGE_SIZE), 0,
                                       PAGE_OWNER_SLAB, &middle, NULL),
                     PAGE_OK);
    assert_int_equal(middle.value, 4 * MIB / PAGE_SIZE);
    assert_int_equal(page_alloc_contig(&world.pages, 12 * MIB / PAGE_SIZE, 0, paddr(16 * MIB), 0,
                                       PAGE_OWNER_DMA, &first, &refusal),
                     PAGE_NO_MEMORY);
    assert_true(refusal.beyond_ceiling >= 1);
    assert_int_equal(refusal.nearest.value, middle.value + 1);
    assert_int_equal(refusal.obstacle.value, middle.value);
    assert_int_equal(refusal.in_the_way.owner, PAGE_OWNER_SLAB);
    page_free(&world.pages, middle, 0);
}

static void impossible_requests(void **state) {
    (void)state;
    struct page_allocator *pages = &world.pages;
    pfn_t first;
    enum page_owner dma = PAGE_OWNER_DMA;
    assert_int_equal(page_alloc_contig(pages, 0, 0, PAGE_ANYWHERE, 0, dma, &first, NULL),
                     PAGE_BAD_REQUEST);
    assert_int_equal(page_alloc_contig(pages, 1, 3, PAGE_ANYWHERE, 0, dma, &first, NULL),
                     PAGE_BAD_REQUEST);
    assert_int_equal(page_alloc_contig(pages, 1, 0, PAGE_ANYWHERE, 48, dma, &first, NULL),
                     PAGE_BAD_REQUEST);
    assert_int_equal(page_alloc_contig(pages, 17, 0, PAGE_ANYWHERE, 64 * KIB, dma, &first, NULL),
                     PAGE_BAD_REQUEST);
    assert_int_equal(page_alloc_contig(pages, ~UINT64_C(0), 0, PAGE_ANYWHERE, 0, dma, &first, NULL),
                     PAGE_NO_MEMORY);
}

static void freed_wrongly(void (*free)(struct page_allocator *, pfn_t, uint64_t), pfn_t first,
                          const char *message) {
    if (HOST_EXPECT_PANIC()) {
        free(&world.pages, first, 1);
        host_panic_end();
        fail_msg("frame 0x%lx was freed", first.value);
    }
    assert_string_equal(host_panic_message, message);
}

// Not even the frame whose end has no number.
static void freeing_nothing_is_caught(void **state) {
    (void)state;
    const char *last = "page_free: frame 0xffffffffffffffff, order 0: it is not the allocator's "
                       "memory";
    freed_wrongly(page_free_contig, PAGE_NO_FRAME, last);
    freed_wrongly(page_free_run, PAGE_NO_FRAME, last);
    freed_wrongly(page_free_contig, pfn(3 * SECTION_FRAMES),
                  "page_free: frame 0xc0000, order 0: it is not the allocator's memory");
}

// A run ends where its last block does.
static void freeing_half_a_block_is_caught(void **state) {
    (void)state;
    pfn_t block;
    assert_int_equal(page_alloc(&world.pages, 3, paddr(16 * MIB), PAGE_OWNER_TEST, &block),
                     PAGE_OK);
    assert_int_equal(block.value, 0x1f8);
    freed_wrongly(page_free_run, block,
                  "page_free_run: frame 0x1f8: the block of order 3 reaches beyond the end, "
                  "frame 0x1f9");
    page_free_run(&world.pages, block, 8);
    assert_null(page_check(&world.pages));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(never_refused_wrongly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_devices_ask_for, set_up_pc, tear_down),
        cmocka_unit_test_setup_teardown(a_whole_section_and_more, set_up_pc, tear_down),
        cmocka_unit_test_setup_teardown(what_the_stack_keeps_is_free, set_up_pc, tear_down),
        cmocka_unit_test(reserves_are_kept_across_their_ends),
        cmocka_unit_test_setup_teardown(a_refusal_is_explained, set_up_pc, tear_down),
        cmocka_unit_test_setup_teardown(impossible_requests, set_up_pc, tear_down),
        cmocka_unit_test_setup_teardown(freeing_nothing_is_caught, set_up_pc, tear_down),
        cmocka_unit_test_setup_teardown(freeing_half_a_block_is_caught, set_up_pc, tear_down),
    };
    return cmocka_run_group_tests_name("page_contig", tests, NULL, NULL);
}
