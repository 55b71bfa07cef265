// SPDX-License-Identifier: MIT
// Who asked for memory: callers are kept, added up and named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watched.h"
#include <host/host.h>
#include <mm/ledger.h>
#include <mm/report.h>

#define NEVER_INLINE __attribute__((noinline))

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

// The allocation that makes a section's table finds that an interrupt in its middle has made it:
// played by the shrinker, which is asked for the table's pages.
struct interrupted {
    struct world *world;
    pfn_t blocks[4]; // of 1 MiB, for two tables and more
    pfn_t own;
    unsigned interrupts;
};

static uint64_t allocate_too(void *context) {
    struct interrupted *interrupted = context;
    if (interrupted->interrupts++ != 0) {
        return 0;
    }
    for (unsigned i = 0; i < 4; i++) {
        page_free(&interrupted->world->pages, interrupted->blocks[i], 8);
    }
    interrupted->own = first_place(&interrupted->world->pages, 0);
    return 4 << 8;
}

static void a_table_that_an_interrupt_made(void **state) {
    (void)state;
    struct world world;
    struct page_watch watch;
    struct interrupted interrupted = {.world = &world};
    static pfn_t frames[64 * MIB / PAGE_SIZE];
    size_t count = 0;
    const struct world_range range = {MIB, 64 * MIB, EFI_CONVENTIONAL};
    world_create(&world, &range, 1);
    assert_true(page_watch_start(&world.pages, &watch));
    for (unsigned i = 0; i < 4; i++) {
        interrupted.blocks[i] = first_place(&world.pages, 8);
    }
    while (page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &frames[count]) == PAGE_OK) {
        count++;
    }
    for (unsigned i = 0; i < 2; i++) {
        page_free(&world.pages, frames[--count], 0);
    }
    uint64_t metadata = world.pages.metadata_bytes;
    assert_true(page_sites_start(&world.pages));
    page_set_shrinker(&world.pages, allocate_too, &interrupted);
    pfn_t frame = first_place(&world.pages, 0);
    assert_int_equal(interrupted.interrupts, 1);
    assert_int_equal(world.pages.metadata_bytes, metadata + PAGE_SIZE + MIB);
    assert_true(is_within(page_site_of(&world.pages, frame), (const void *)first_place));
    assert_true(is_within(page_site_of(&world.pages, interrupted.own), (const void *)first_place));
    assert_null(page_check(&world.pages));
    page_free(&world.pages, frame, 0);
    page_free(&world.pages, interrupted.own, 0);
    while (count != 0) {
        page_free(&world.pages, frames[--count], 0);
    }
    page_watch_stop(&world.pages);
    world_destroy(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_are_kept),
        cmocka_unit_test(sites_add_up),
        cmocka_unit_test(callers_cost_nobody_memory),
        cmocka_unit_test(sites_are_said_by_name),
        cmocka_unit_test(a_table_that_an_interrupt_made),
    };
    return cmocka_run_group_tests_name("sites", tests, NULL, NULL);
}
