// SPDX-License-Identifier: MIT
// The ledger and what is printed of it: each frame's account, sums, counters that disagree, the
// buddy, the ledger and the tiles as text and as records.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/report.h>
#include <page/section.h>
#include <string.h>

static struct world world;
static char text[1 << 16];
static struct text_buffer out;

// A section with holes, one that is not there, four that are whole, and something of each class.
static const struct world_range machine[] = {
    {0, 0xa0000, EFI_CONVENTIONAL},
    {MIB, 32 * MIB, EFI_CONVENTIONAL},
    {32 * MIB, 33 * MIB, EFI_BOOT_SERVICES_DATA},
    {33 * MIB, 34 * MIB, EFI_LOADER_DATA},
    {34 * MIB, 35 * MIB, EFI_ACPI_RECLAIM},
    {35 * MIB, 36 * MIB, EFI_ACPI_NVS},
    {36 * MIB, 38 * MIB, EFI_RUNTIME_SERVICES_DATA},
    {38 * MIB, 39 * MIB, EFI_UNUSABLE},
    {39 * MIB, 40 * MIB, EFI_UNACCEPTED},
    {40 * MIB, 41 * MIB, EFI_RESERVED},
    {2 * GIB, 3 * GIB, EFI_CONVENTIONAL},
    {4 * GIB, 7 * GIB, EFI_CONVENTIONAL},
};

static int set_up(void **state) {
    (void)state;
    host_cpu_set(0);
    world_create(&world, machine, sizeof(machine) / sizeof(machine[0]));
    text_buffer_init(&out, text, sizeof(text));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    const char *broken = page_check(&world.pages);
    world_destroy(&world);
    return broken == NULL ? 0 : -1;
}

static struct ledger computed(void) {
    struct ledger ledger;
    ledger_compute(&ledger, &world.map, &world.pages);
    return ledger;
}

// What is printed, which all has room.
static void expect_printed(const char *words) {
    assert_int_equal(out.dropped, 0);
    if (strstr(text, words) == NULL) {
        fail_msg("not printed: %s\n%s", words, text);
    }
}

static void accounts_have_names(void **state) {
    (void)state;
    for (unsigned i = 0; i < ACCOUNT_COUNT_; i++) {
        const char *name = account_name((enum account)i);
        assert_true(strlen(name) > 2);
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(name, account_name((enum account)j));
        }
    }
    assert_string_equal(account_name(ACCOUNT_FREE), "free");
    assert_string_equal(account_name((enum account)(ACCOUNT_OWNER_FIRST + PAGE_OWNER_DMA)), "dma");
    assert_string_equal(account_name(ACCOUNT_BAD), "bad");
    assert_string_equal(account_name(ACCOUNT_COUNT_), "?");
}

static void add_frames(uint64_t bytes[ACCOUNT_COUNT_ + 1]) {
    uint64_t end = memmap_ram_end(&world.map).value >> PAGE_SHIFT, frames;
    for (uint64_t frame = 0; frame < end; frame += frames) {
        enum account account = ledger_account_of(&world.map, &world.pages, pfn(frame), &frames);
        assert_true(frames != 0);
        bytes[account] += (frames < end - frame ? frames : end - frame) * PAGE_SIZE;
    }
}

// Frame by frame it is the same as in sum.
static void frames_add_up_to_the_ledger(void **state) {
    (void)state;
    struct page_allocator *pages = &world.pages;
    pfn_t single, block, first = pfn(2 * SECTION_FRAMES), section = pfn(4 * SECTION_FRAMES);
    assert_int_equal(page_reserve(pages, first, pfn(first.value + SECTION_FRAMES), NULL), PAGE_OK);
    assert_int_equal(page_retire(pages, section, pfn(5 * SECTION_FRAMES), NULL), PAGE_OK);
    first = pfn_of(paddr(8 * MIB));
    assert_int_equal(page_reserve(pages, first, pfn(first.value + 5), NULL), PAGE_OK);
    assert_int_equal(page_retire(pages, pfn(first.value + 1), pfn(first.value + 2), NULL), PAGE_OK);
    assert_int_equal(page_alloc(pages, 0, PAGE_ANYWHERE, PAGE_OWNER_DMA, &single), PAGE_OK);
    assert_int_equal(page_alloc(pages, 4, PAGE_ANYWHERE, PAGE_OWNER_SLAB, &block), PAGE_OK);
    struct ledger ledger = computed();
    assert_null(ledger.mismatch);
    assert_int_equal(ledger.unaccounted, 0);
    assert_true(ledger.bytes[ACCOUNT_CACHED] != 0);
    assert_int_equal(ledger.bytes[ACCOUNT_RESERVED_RANGES], GIB + 4 * PAGE_SIZE);
    assert_int_equal(ledger.bytes[ACCOUNT_OWNER_FIRST + PAGE_OWNER_SLAB], 16 * PAGE_SIZE);
    assert_int_equal(ledger.bytes[ACCOUNT_BAD], GIB + MIB + PAGE_SIZE);
    uint64_t bytes[ACCOUNT_COUNT_ + 1] = {0};
    add_frames(bytes);
    assert_memory_equal(bytes, ledger.bytes, sizeof(ledger.bytes));
    page_free(pages, single, 0);
    page_free(pages, block, 4);
}

// Where the map and the allocator disagree a frame is nobody's.
static void a_frame_that_only_the_map_knows(void **state) {
    (void)state;
    uint64_t frames;
    pfn_t frame = pfn_of(paddr(8 * MIB));
    assert_int_equal(page_reserve(&world.pages, frame, pfn(frame.value + 1), NULL), PAGE_OK);
    uint8_t *byte = &world.pages.sections[0].state[frame.value];
    uint8_t healthy = *byte;
    *byte = STATE_UNMANAGED;
    assert_int_equal(ledger_account_of(&world.map, &world.pages, frame, &frames), ACCOUNT_COUNT_);
    assert_int_equal(computed().unaccounted, PAGE_SIZE);
    *byte = healthy;
    assert_int_equal(computed().unaccounted, 0);
}

static void expect_mismatch(const char *words) {
    struct ledger ledger = computed();
    assert_non_null(ledger.mismatch);
    assert_non_null(strstr(ledger.mismatch, words));
    text_buffer_init(&out, text, sizeof(text));
    report_ledger(&out.text, &ledger);
    expect_printed("  MISMATCH: ");
    expect_printed(words);
}

static void counters_that_disagree_are_named(void **state) {
    (void)state;
    world.pages.sections[0].free_pages++;
    expect_mismatch("the counts of free pages");
    world.pages.sections[0].free_pages--;
    world.pages.metadata_bytes += PAGE_SIZE;
    expect_mismatch("count of its metadata");
    world.pages.metadata_bytes -= PAGE_SIZE;
    world.map.described_bytes++;
    expect_mismatch("what the firmware described");
    world.map.described_bytes--;
    assert_null(computed().mismatch);
}

static void the_ledger_is_printed(void **state) {
    (void)state;
    struct ledger ledger = computed();
    report_ledger(&out.text, &ledger);
    expect_printed("  nvs                        1024 KiB");
    expect_printed("  runtime                    2048 KiB");
    expect_printed("  unaccounted 0\n");
    expect_printed("  it also describes 1024 KiB that is not RAM");
    expect_printed("the firmware keeps 4096 KiB for itself;");
    text_buffer_init(&out, text, sizeof(text));
    record_ledger(&out.text, &ledger);
    expect_printed("{\"record\":\"ledger\",\"account\":\"nvs\",\"bytes\":\"0x100000\"}\n");
    expect_printed("{\"record\":\"ledger\",\"account\":\"unaccounted\",\"bytes\":\"0x0\"}\n");
}

// Shares of more than 2^64 / 10000 bytes, and of nothing.
static void shares_of_any_size(void **state) {
    (void)state;
    struct ledger ledger = {.total = UINT64_C(1) << 60, .left = 0};
    ledger.bytes[ACCOUNT_FREE] = UINT64_C(1) << 58;
    report_ledger(&out.text, &ledger);
    expect_printed("   25.00 %\n");
    expect_printed("  100.00 %\n");
    expect_printed(", 0.00 % is free");
}

static void the_buddy_is_printed(void **state) {
    (void)state;
    struct page_reserves reserves = {.below_16m = 16, .below_4g = 256, .atomic = 512};
    page_set_reserves(&world.pages, &reserves);
    report_buddy(&out.text, &world.pages);
    expect_printed("  [0x0000000000, 0x0040000000)  split ");
    expect_printed("  [0x0080000000, 0x00c0000000)  whole      262144 ");
    expect_printed("  [0x0100000000, 0x01c0000000)  ");
    expect_printed("  reserve below 16 MiB: 64 KiB of ");
    expect_printed("  reserve for atomic requests: 2 MiB of ");
    assert_null(strstr(text, "absent"));
    text_buffer_init(&out, text, sizeof(text));
    record_buddy(&out.text, &world.pages);
    expect_printed(
        "{\"record\":\"section\",\"index\":2,\"start\":\"0x80000000\",\"state\":\"whole\","
        "\"free\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}\n");
    assert_null(strstr(text, "\"index\":1,"));
}

static void memory_is_drawn_to_scale(void **state) {
    (void)state;
    pfn_t whole;
    assert_int_equal(
        page_alloc(&world.pages, PAGE_ORDER_MAX, PAGE_ANYWHERE, PAGE_OWNER_DMA, &whole), PAGE_OK);
    struct ledger ledger = computed();
    report_tiles(&out.text, &world.map, &world.pages, &ledger, 64);
    expect_printed("memory to scale: a tile is 8 MiB\n");
    expect_printed("  no RAM for 1.5 GiB\n");
    expect_printed("D dma 1 GiB");
    expect_printed("  . free ");
    char tiles[65] = {0};
    memset(tiles, 'D', 64);
    expect_printed(tiles);
    memset(tiles, '.', 64);
    expect_printed(tiles);
    expect_printed("  a small letter: others share the tile\n");
    page_free(&world.pages, whole, PAGE_ORDER_MAX);
}

// A line for each account, though there are fewer rows.
static void the_legend_is_longer_than_the_picture(void **state) {
    (void)state;
    struct ledger ledger = computed();
    report_tiles(&out.text, &world.map, &world.pages, &ledger, 1024);
    for (unsigned i = 0; i < ACCOUNT_COUNT_; i++) {
        if (ledger.bytes[i] != 0) {
            expect_printed(account_name((enum account)i));
        }
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(accounts_have_names),
        TEST(frames_add_up_to_the_ledger),
        TEST(a_frame_that_only_the_map_knows),
        TEST(counters_that_disagree_are_named),
        TEST(the_ledger_is_printed),
        TEST(shares_of_any_size),
        TEST(the_buddy_is_printed),
        TEST(memory_is_drawn_to_scale),
        TEST(the_legend_is_longer_than_the_picture),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
