// SPDX-License-Identifier: MIT
// The records of frames: to the letter, and in their sums.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"
#include <cmocka.h>
#include <mm/report.h>
#include <string.h>

static struct world world;
static char text[1 << 20];
static struct text_buffer out;

static const struct world_range ranges[] = {
    {MIB, 8 * MIB, EFI_CONVENTIONAL},
    {12 * MIB, 64 * MIB, EFI_CONVENTIONAL},
    {2 * GIB, 4 * GIB, EFI_CONVENTIONAL},
};

static int create(void **state) {
    (void)state;
    world_create(&world, ranges, sizeof(ranges) / sizeof(ranges[0]));
    text_buffer_init(&out, text, sizeof(text));
    return 0;
}

static int destroy(void **state) {
    (void)state;
    world_destroy(&world);
    return 0;
}

static size_t count_of(const char *needle) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++) {
        count++;
    }
    return count;
}

static void sections_without_metadata_are_one_run(void **state) {
    (void)state;
    record_frames(&out.text, &world.pages);
    assert_non_null(strstr(text, "{\"record\":\"frames\",\"start\":\"0x80000000\",\"end\":"
                                 "\"0x100000000\",\"state\":\"free\"}\n"));
}

static void allocated_runs_have_order_and_owner(void **state) {
    (void)state;
    pfn_t begin = pfn_of(paddr(13 * MIB)), block;
    assert_int_equal(page_reserve(&world.pages, begin, pfn(begin.value + 3), NULL), PAGE_OK);
    assert_int_equal(page_alloc(&world.pages, 2, paddr(16 * MIB), PAGE_OWNER_DMA, &block), PAGE_OK);
    record_frames(&out.text, &world.pages);
    assert_non_null(strstr(text, "\"start\":\"0xd00000\",\"end\":\"0xd03000\",\"state\":"
                                 "\"reserved\"}\n"));
    assert_int_equal(count_of("\"state\":\"allocated\",\"order\":2,\"owner\":\"dma\"}\n"), 1);
    page_free(&world.pages, block, 2);
}

static void what_is_too_much_is_one_run(void **state) {
    (void)state;
    pfn_t frames[10000];
    for (size_t i = 0; i < 10000; i++) {
        enum page_owner owner = i % 2 == 0 ? PAGE_OWNER_SLAB : PAGE_OWNER_USER;
        assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, owner, &frames[i]), PAGE_OK);
    }
    record_frames(&out.text, &world.pages);
    assert_int_equal(out.dropped, 0);
    assert_int_equal(count_of("\n"), 4097);
    assert_int_equal(count_of("\"state\":\"not-listed\"}\n"), 1);
    assert_non_null(strstr(text, "\"end\":\"0x100000000\",\"state\":\"not-listed\"}\n"));
    for (size_t i = 0; i < 10000; i++) {
        page_free(&world.pages, frames[i], 0);
    }
}

// What is drawn to scale goes over them.
static void holes_are_one_step(void **state) {
    (void)state;
    uint64_t frames = 0;
    pfn_t hole = pfn_of(paddr(9 * MIB));
    assert_int_equal(ledger_account_of(&world.map, &world.pages, hole, &frames), ACCOUNT_COUNT_);
    assert_int_equal(frames, 3 * MIB / PAGE_SIZE);
    hole = pfn_of(paddr(4 * GIB));
    assert_int_equal(ledger_account_of(&world.map, &world.pages, hole, &frames), ACCOUNT_COUNT_);
    assert_true(frames > TIB / PAGE_SIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sections_without_metadata_are_one_run, create, destroy),
        cmocka_unit_test_setup_teardown(allocated_runs_have_order_and_owner, create, destroy),
        cmocka_unit_test_setup_teardown(what_is_too_much_is_one_run, create, destroy),
        cmocka_unit_test_setup_teardown(holes_are_one_step, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
