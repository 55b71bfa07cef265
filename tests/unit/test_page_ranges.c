// SPDX-License-Identifier: MIT
// A range of frames changes while another CPU is at work: between the preparation of its sections
// and the change a whole gibibyte is taken or given back. A shrinker plays the other CPU: it is
// called when there is no memory for a section's metadata, so just in between.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <page/search.h>

static struct world world;
static pfn_t gibibyte; // what the shrinker takes, or gives back
static unsigned calls;

// Sections 0 in part, 1 and 2 whole.
static int set_up(void **state) {
    (void)state;
    const struct world_range ranges[] = {{MIB, 512 * MIB, EFI_CONVENTIONAL},
                                         {GIB, 3 * GIB, EFI_CONVENTIONAL}};
    host_cpu_set(0);
    calls = 0;
    world_create(&world, ranges, 2);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bool sound = page_check(&world.pages) == NULL;
    world_destroy(&world);
    return sound ? 0 : -1;
}

// Nobody but atomic requests gets anything, until the shrinker has run.
static void shrink_with(page_shrinker *shrinker) {
    const struct page_reserves all = {.atomic = UINT64_C(1) << 40};
    page_set_reserves(&world.pages, &all);
    page_set_shrinker(&world.pages, shrinker, NULL);
}

static uint64_t let_go(void) {
    const struct page_reserves none = {.atomic = 0};
    page_set_reserves(&world.pages, &none);
    calls++;
    return 1;
}

// Section 2 goes to somebody else, as a whole, while metadata for a part of it is looked for.
static uint64_t take_section_2(void *context) {
    const struct page_reserves none = {.atomic = 0};
    (void)context;
    page_set_reserves(&world.pages, &none);
    assert_int_equal(
        page_alloc(&world.pages, PAGE_ORDER_MAX, PAGE_ANYWHERE, PAGE_OWNER_USER, &gibibyte),
        PAGE_OK);
    assert_int_equal(gibibyte.value, 2 * SECTION_FRAMES);
    return let_go();
}

static void a_section_is_taken_meanwhile(void **state) {
    (void)state;
    pfn_t begin = pfn(2 * SECTION_FRAMES + 1), end = pfn(3 * SECTION_FRAMES - 1), obstacle;
    shrink_with(take_section_2);
    assert_int_equal(page_reserve(&world.pages, begin, end, &obstacle), PAGE_NOT_FREE);
    assert_int_equal(calls, 1);
    assert_int_equal(obstacle.value, begin.value);
    assert_null(page_check(&world.pages));
    page_free(&world.pages, gibibyte, PAGE_ORDER_MAX);
}

static uint64_t give_section_1(void *context) {
    (void)context;
    page_free(&world.pages, gibibyte, PAGE_ORDER_MAX);
    return let_go();
}

// Section 1 is somebody's when the range is prepared, and free when it is about to change.
static void a_section_is_given_back_meanwhile(void **state) {
    (void)state;
    pfn_t begin = pfn(SECTION_FRAMES + 1), end = pfn(3 * SECTION_FRAMES - 1);
    assert_int_equal(
        page_alloc(&world.pages, PAGE_ORDER_MAX, paddr(2 * GIB), PAGE_OWNER_USER, &gibibyte),
        PAGE_OK);
    assert_int_equal(gibibyte.value, SECTION_FRAMES);
    // Where the metadata of section 2 would be: it has to come from elsewhere.
    pfn_t first = pfn(2 * SECTION_FRAMES), last = end;
    shrink_with(give_section_1);
    assert_int_equal(page_reserve(&world.pages, begin, last, NULL), PAGE_OK);
    assert_int_equal(calls, 1);
    assert_null(page_check(&world.pages));
    assert_int_equal(page_inspect(&world.pages, first).state, PAGE_STATE_RESERVED);
    assert_int_equal(page_inspect(&world.pages, begin).state, PAGE_STATE_RESERVED);
    assert_int_equal(page_inspect(&world.pages, end).state, PAGE_STATE_FREE);
}

// Metadata may end where its section does; what lies behind is not looked at.
static void metadata_at_the_end_of_memory(void **state) {
    (void)state;
    const struct world_range ranges[] = {{256 * MIB, 768 * MIB, EFI_CONVENTIONAL},
                                         {GIB - 4 * MIB, GIB, EFI_BOOT_SERVICES_DATA}};
    world_destroy(&world);
    world_create(&world, ranges, 2);
    struct page_allocator *pages = &world.pages;
    assert_int_equal(pages->section_count, 1);
    assert_int_equal(page_reserve(pages, pfn_of(paddr(256 * MIB)), pfn_of(paddr(512 * MIB)), NULL),
                     PAGE_OK);
    assert_int_equal(page_release(pages, pfn_of(paddr(GIB - 4 * MIB)), pfn_of(paddr(GIB)), NULL),
                     PAGE_OK);
    pages->hints[1] = 0x5555; // of no section
    pfn_t first;
    assert_true(page_take_metadata(pages, 512, &first));
    assert_int_equal(first.value, SECTION_FRAMES - 512);
    assert_int_equal(pages->hints[1], 0x5555);
    assert_null(page_check(pages));
    page_return_metadata(pages, first, 512);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_section_is_taken_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_section_is_given_back_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metadata_at_the_end_of_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("page_ranges", tests, NULL, NULL);
}
