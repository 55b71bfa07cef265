// SPDX-License-Identifier: MIT
// ACPI memory given back: what is copied, what is pinned, what is kept when something is in the
// way; and every byte of the tables flipped. (The walk: test_acpi.c.)
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_board.h"
#include <string.h>

static void a_table_in_usable_memory_is_kept_there(void **state) {
    struct board *board = *state;
    board_table(BOARD_MORE + 0x2100, "SSDT", 600);
    board_add_entry(BOARD_XSDT, BOARD_MORE + 0x2100);
    board_run(board);
    assert_int_equal(board_findings(board, FINDING_TABLE_IN_USABLE_MEMORY), 1);
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_MORE + 0x2000))->class, MEMORY_KERNEL);
    assert_int_equal(board_page(board, BOARD_MORE + 0x2000), PAGE_STATE_UNMANAGED);
    assert_int_equal(board->acpi.copied_count, 11);
}

static void tables_in_boot_services_memory_are_copied(void **state) {
    struct board *board = *state;
    board_table(BOARD_BOOTSVC + 0x1ff0, "SSDT", 600);
    board_add_entry(BOARD_XSDT, BOARD_BOOTSVC + 0x1ff0);
    board_run(board);
    struct acpi_pin pin;
    assert_false(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
    assert_int_equal(board->acpi.copied_count, 11);
}

static void tables_in_boot_services_memory_are_pinned(void **state) {
    struct board *board = *state;
    board->input.keep = true;
    board_table(BOARD_BOOTSVC + 0x1ff0, "SSDT", 600);
    board_table(BOARD_BOOTSVC + 0x5000, "SSDT", 60);
    board_put(BOARD_BOOTSVC + 0x5009, 0, 1);
    board_put(BOARD_BOOTSVC + 0x5030, 1, 1);
    board_add_entry(BOARD_XSDT, BOARD_BOOTSVC + 0x1ff0);
    board_add_entry(BOARD_XSDT, BOARD_BOOTSVC + 0x5000);
    board_run(board);
    struct acpi_pin pin;
    assert_true(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
    assert_int_equal(pin.begin.value, BOARD_BOOTSVC + 0x1000);
    assert_int_equal(pin.end.value, BOARD_BOOTSVC + 0x3000);
    assert_string_equal(pin.reason, "SSDT: not copied");
    assert_true(acpi_next_pin(&board->acpi, pin.end, paddr(BOARD_ACPI), &pin));
    assert_int_equal(pin.begin.value, BOARD_BOOTSVC + 0x5000);
    assert_string_equal(pin.reason, "SSDT: bad checksum");
    assert_false(acpi_next_pin(&board->acpi, pin.end, paddr(BOARD_ACPI), &pin));
    // A range that begins inside what is pinned.
    paddr_t inside = paddr(BOARD_BOOTSVC + 0x2000);
    assert_true(acpi_next_pin(&board->acpi, inside, paddr(BOARD_ACPI), &pin));
    assert_int_equal(pin.begin.value, inside.value);
    assert_int_equal(pin.end.value, BOARD_BOOTSVC + 0x3000);
}

static void an_rsdp_in_the_bios_area(void **state) {
    struct board *board = *state;
    memcpy(board_at(BOARD_BIOS + 0x60), board_at(BOARD_RSDP), 36);
    memset(board_at(BOARD_RSDP), 0, 36);
    board->input.rsdp = paddr(BOARD_BIOS + 0x60);
    board_run(board);
    assert_null(board->acpi.defect);
    assert_int_equal(board->acpi.tables[0].lies_in, MEMORY_CLASS_COUNT_);
}

// As U-Boot has it: the map names the BIOS area, and calls it reserved.
static void an_rsdp_in_a_reserved_bios_area(void **state) {
    struct board *board = *state;
    board->descriptors[board->descriptor_count++] =
        (struct efi_descriptor){EFI_RESERVED, 0, BOARD_BIOS, 0, 32, EFI_ATTRIBUTE_UC};
    memcpy(board_at(BOARD_BIOS + 0x1fff0), board_at(BOARD_RSDP), 16);
    memcpy(board_at(BOARD_BIOS + 0x10060), board_at(BOARD_RSDP), 36);
    board->input.rsdp = paddr(BOARD_BIOS + 0x10060);
    board_run(board);
    assert_null(board->acpi.defect);
    assert_int_equal(board->acpi.tables[0].lies_in, MEMORY_RESERVED);
}

static void the_facs_in_reclaim_memory_is_pinned(void **state) {
    struct board *board = *state;
    memcpy(board_at(BOARD_SECOND + 0x40), board_at(BOARD_FACS), 64);
    board_put(BOARD_FADT + 36, BOARD_SECOND + 0x40, 4);
    board_seal(BOARD_FADT);
    board_run(board);
    assert_string_equal(board_summary(board),
                        "acpi: 20 pages: 15 reclaimed, 5 pinned (BGRT image, FACS), tables copied "
                        "10 (9.2 KiB)");
    assert_int_equal(board_page(board, BOARD_SECOND), PAGE_STATE_UNMANAGED);
    assert_int_equal(board_page(board, BOARD_SECOND + PAGE_SIZE), PAGE_STATE_FREE);
    uint64_t fadt = board_known(board, BOARD_FADT)->copy.value;
    assert_int_equal(board_number(fadt + 36, 4), BOARD_SECOND + 0x40);
}

static void shared_pages_are_pinned(void **state) {
    struct board *board = *state;
    // The image begins in the SSDT's page, and a bad table lies in the SRAT's.
    board_put(BOARD_BGRT + 40, BOARD_SSDT + 0xff0, 8);
    board_seal(BOARD_BGRT);
    memcpy(board_at(BOARD_SSDT + 0xff0), "BM\x20\x00\x00\x00", 6);
    board_table(BOARD_SRAT + 0x200, "OEM1", 64);
    board_put(BOARD_SRAT + 0x230, 0, 1);
    board_put(BOARD_SRAT + 0x209, 0, 1);
    board_add_entry(BOARD_XSDT, BOARD_SRAT + 0x200);
    board_run(board);
    assert_int_equal(board_page(board, BOARD_SSDT), PAGE_STATE_UNMANAGED);
    assert_int_equal(board_page(board, BOARD_SSDT + PAGE_SIZE), PAGE_STATE_UNMANAGED);
    assert_int_equal(board_page(board, BOARD_SRAT), PAGE_STATE_UNMANAGED);
    assert_int_equal(board->acpi.kind_pages[ACPI_PAGE_PINNED], 3);
    assert_int_equal(board->acpi.copied_count, 10);
}

static void an_image_without_a_header_pins_a_page(void **state) {
    struct board *board = *state;
    board_put(BOARD_IMAGE, 0, 2);
    board_run(board);
    assert_int_equal(board->acpi.kind_pages[ACPI_PAGE_PINNED], 1);
    assert_true(board->acpi.data[1].guessed);
}

static void no_memory_keeps_everything(void **state) {
    struct board *board = *state;
    board_find(board);
    // All that is free is taken, and one page of it given back: not enough.
    pfn_t block = pfn(0);
    while (page_alloc(&board->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) == PAGE_OK) {
    }
    page_free(&board->pages, block, 0);
    uint64_t before = page_free_count(&board->pages);
    board_reclaim(board);
    assert_int_equal(page_free_count(&board->pages), before);
    assert_string_equal(board_summary(board),
                        "acpi: 20 pages: 0 reclaimed, 20 kept (no memory for the copies), tables "
                        "copied 0 (0 bytes)");
    uint32_t length = 0;
    assert_ptr_equal(acpi_table(&board->acpi, "DSDT", 0, &length), board_at(BOARD_DSDT));
    const struct acpi_table *xsdt = board_known(board, BOARD_XSDT);
    assert_int_equal(xsdt->length, xsdt->held);
}

// Once there is memory it can be asked again.
static void what_had_no_memory_goes_later(void **state) {
    struct board *board = *state;
    board_find(board);
    pfn_t blocks[512];
    size_t count = 0;
    while (page_alloc(&board->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &blocks[count]) ==
           PAGE_OK) {
        count++;
    }
    board_reclaim(board);
    assert_string_equal(board->acpi.kept, "no memory for the copies");
    while (count != 0) {
        page_free(&board->pages, blocks[--count], 0);
    }
    board_reclaim(board);
    assert_string_equal(board_summary(board),
                        "acpi: 20 pages: 16 reclaimed, 4 pinned (BGRT image), tables copied 10 "
                        "(9.2 KiB)");
}

// Two pages in a row and a single one are all that is free, and all that the copies need.
static void scattered_memory_serves(void **state) {
    struct board *board = *state;
    board_find(board);
    pfn_t blocks[512];
    size_t count = 0;
    while (page_alloc(&board->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &blocks[count]) ==
           PAGE_OK) {
        count++;
    }
    page_free(&board->pages, pfn(BOARD_MORE / PAGE_SIZE), 0);
    page_free(&board->pages, pfn(BOARD_MORE / PAGE_SIZE + 1), 0);
    page_free(&board->pages, pfn(BOARD_MORE / PAGE_SIZE + 8), 0);
    board_reclaim(board);
    assert_null(board->acpi.kept);
    assert_int_equal(board->acpi.buffer_count, 2);
    assert_int_equal(page_free_count(&board->pages), board->acpi.reclaimed_pages);
}

// A machine with one more table, in usable memory, and as many single pages free as are named.
static void with_one_table(struct board *board, uint32_t bytes) {
    board_table(BOARD_SSDT, "SSDT", bytes);
    board_put(BOARD_XSDT + 4, 36, 4);
    board_add_entry(BOARD_XSDT, BOARD_SSDT);
    board_find(board);
    pfn_t block;
    while (page_alloc(&board->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) == PAGE_OK) {
    }
    page_free(&board->pages, pfn(BOARD_MORE / PAGE_SIZE), 0);
    board_reclaim(board);
    assert_string_equal(board->acpi.kept, "no memory for the copies");
    assert_int_equal(page_free_count(&board->pages), 1);
    assert_int_equal(board_known(board, BOARD_XSDT)->length, 44);
}

static void no_room_for_the_new_xsdt(void **state) {
    with_one_table(*state, 4096);
}

static void no_room_for_the_new_rsdp(void **state) {
    with_one_table(*state, 4096 - 48);
}

// Sixteen blocks of a page each are not enough for seventeen pages of tables.
static void more_blocks_than_fit(void **state) {
    struct board *board = *state;
    board_put(BOARD_FADT + 40, 0, 4);
    board_put(BOARD_FADT + 140, 0, 8);
    board_seal(BOARD_FADT);
    for (unsigned i = 0; i < 16; i++) {
        board_table(BOARD_BOOTSVC + i * PAGE_SIZE, "SSDT", 4096);
        board_add_entry(BOARD_XSDT, BOARD_BOOTSVC + i * PAGE_SIZE);
    }
    board_find(board);
    pfn_t block;
    while (page_alloc(&board->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) == PAGE_OK) {
    }
    for (unsigned i = 0; i < 20; i++) {
        page_free(&board->pages, pfn(BOARD_USABLE / PAGE_SIZE + 2 * i), 0);
    }
    board_reclaim(board);
    assert_string_equal(board->acpi.kept, "no memory for the copies");
    assert_int_equal(page_free_count(&board->pages), 20);
}

// Every other page of a region pinned: more runs than the audit lists, and more pieces than the map
// has room for.
static void more_runs_than_fit_are_kept(void **state) {
    struct board *board = *state;
    board->descriptors[0].type = EFI_ACPI_RECLAIM;
    for (unsigned i = 0; i < 128; i++) {
        board_add_entry(BOARD_XSDT, BOARD_USABLE + (2 * i + 1) * PAGE_SIZE);
    }
    board_run(board);
    assert_int_equal(board->acpi.run_count, ACPI_RUN_MAX);
    assert_int_equal(board->acpi.unlisted_pages, 20);
    assert_true(board->acpi.reclaimed_pages > 30);
    assert_true(board->acpi.reclaimed_pages < 128);
    assert_non_null(strstr(board_summary(board), " kept for want of room in lists"));
    static char text[65536];
    struct text_buffer report;
    text_buffer_init(&report, text, sizeof(text));
    acpi_report(&report.text, &board->acpi);
    assert_non_null(strstr(text, "and 20 pages more, kept\n"));
}

// Somebody else gave a page of it to the allocator: its run stays as it is.
static void what_the_allocator_refuses_is_kept(void **state) {
    struct board *board = *state;
    board_find(board);
    pfn_t page = pfn(BOARD_SECOND / PAGE_SIZE);
    assert_int_equal(page_release(&board->pages, page, pfn(page.value + 1), NULL), PAGE_OK);
    acpi_reclaim(&board->acpi, &board->pages);
    assert_int_equal(board->acpi.reclaimed_pages, 14);
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_SECOND))->class, MEMORY_ACPI);
    assert_non_null(strstr(board_summary(board), "2 kept for want of room in lists"));
}

static void memory_beyond_the_direct_map_is_not_read(void **state) {
    struct board *board = *state;
    board->input.direct_map_bytes = BOARD_SECOND + 64;
    board_table(BOARD_SECOND, "SSDT", 64);
    board_table(BOARD_SECOND + 64, "SSDT", 64);
    board_add_entry(BOARD_XSDT, BOARD_SECOND);
    board_add_entry(BOARD_XSDT, BOARD_SECOND + 64);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_SECOND), ACPI_TABLE_GOOD);
    assert_int_equal(board_state(board, BOARD_SECOND + 64), ACPI_TABLE_UNREADABLE);
}

// Reserved memory is read where it can be cached; not persistent memory that overlaps it.
static void reserved_memory_that_is_not_mapped(void **state) {
    struct board *board = *state;
    board->descriptors[board->descriptor_count++] =
        (struct efi_descriptor){EFI_PERSISTENT, 0, BOARD_UNCACHED, 0, 1, EFI_ATTRIBUTE_UC};
    board_add_entry(BOARD_XSDT, BOARD_UNCACHED);
    board_table(BOARD_RESERVED + 64, "SSDT", 64);
    board_add_entry(BOARD_XSDT, BOARD_RESERVED + 64);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_UNCACHED), ACPI_TABLE_UNREADABLE);
    assert_int_equal(board_state(board, BOARD_RESERVED + 64), ACPI_TABLE_GOOD);
}

static void a_table_that_changes_keeps_everything(void **state) {
    struct board *board = *state;
    board_find(board);
    board_put(BOARD_SSDT + 100, board_number(BOARD_SSDT + 100, 1) + 1, 1);
    board_reclaim(board);
    assert_string_equal(board->acpi.kept, "a table changed after it was found");
    assert_int_equal(board->acpi.reclaimed_pages, 0);
}

static void pages_of_no_region_are_nothing_to_do(void **state) {
    struct board *board = *state;
    for (size_t i = 0; i < board->descriptor_count; i++) {
        if (board->descriptors[i].type == EFI_ACPI_RECLAIM) {
            board->descriptors[i].type = EFI_ACPI_NVS;
        }
    }
    board_run(board);
    assert_string_equal(board_summary(board),
                        "acpi: 0 pages: 0 reclaimed, 0 pinned, tables copied 0 (0 bytes)");
}

static void windows_in_memory_win(void **state) {
    struct board *board = *state;
    board_put(BOARD_HPET + 44, BOARD_MORE + 0x4000, 8);
    board_seal(BOARD_HPET);
    board_put(BOARD_MADT + 36, BOARD_MORE + 0x8000, 4);
    board_seal(BOARD_MADT);
    board_put(BOARD_MCFG + 44, UINT64_MAX - 4096, 8); // wraps: no window
    board_seal(BOARD_MCFG);
    board_run(board);
    assert_int_equal(board_findings(board, FINDING_WINDOW_IN_RAM), 2);
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_MORE + 0x4000))->class, MEMORY_MMIO);
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_MORE + 0x5000))->class, MEMORY_USABLE);
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_MORE + 0x8000))->class, MEMORY_MMIO);
}

static void an_ecam_window_in_memory_wins(void **state) {
    struct board *board = *state;
    board_put(BOARD_MCFG + 44, BOARD_USABLE, 8);
    board_put(BOARD_MCFG + 52, 0x00000000, 4); // bus 0 alone: 1 MiB
    board_seal(BOARD_MCFG);
    board_run(board);
    assert_int_equal(board_findings(board, FINDING_WINDOW_IN_RAM), 1);
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_USABLE))->class, MEMORY_MMIO);
}

static void runs_cover_the_regions(void **state) {
    struct board *board = *state;
    board_run(board);
    uint64_t at = BOARD_ACPI;
    uint64_t pages = 0;
    for (size_t i = 0; i < board->acpi.run_count; i++) {
        const struct acpi_run *run = &board->acpi.runs[i];
        if (run->begin.value != at) {
            assert_int_equal(at, BOARD_ACPI_END);
            assert_int_equal(run->begin.value, BOARD_SECOND);
        }
        at = run->end.value;
        pages += (run->end.value - run->begin.value) / PAGE_SIZE;
    }
    assert_int_equal(pages, 20);
}

// What a flip may change: nothing, or it is found. Whatever it is, board_reclaim's checks hold and
// nothing outside named
// memory is read.
static void flip(struct board *board, uint64_t address, uint8_t bits) {
    board_destroy(board);
    board_create(board);
    board_tables(board);
    *(uint8_t *)board_at(address) ^= bits;
    board_run(board);
    bool noticed = board->map.finding_count != 0 || board->acpi.defect != NULL;
    bool same = board->acpi.reclaimed_pages == 16 && board->acpi.copied_count == 10;
    if (!noticed && !same) {
        fail_msg("0x%lx ^ 0x%x: %s", address, bits, board_summary(board));
    }
}

static void each_flipped_byte_is_noticed(void **state) {
    struct board *board = *state;
    static const struct {
        uint64_t address;
        uint32_t bytes;
    } parts[] = {
        {BOARD_RSDP, 36}, {BOARD_XSDT, 92},  {BOARD_RSDT, 64}, {BOARD_FADT, 244},
        {BOARD_DSDT, 40}, {BOARD_MADT, 120}, {BOARD_HPET, 56}, {BOARD_MCFG, 60},
        {BOARD_SSDT, 40}, {BOARD_SRAT, 88},  {BOARD_BGRT, 56}, {BOARD_FACS, 64},
    };
    static const uint8_t bits[] = {0x01, 0x10, 0x80, 0xff};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (uint32_t j = 0; j < parts[i].bytes; j++) {
            for (size_t k = 0; k < sizeof(bits); k++) {
                flip(board, parts[i].address + j, bits[k]);
            }
        }
    }
}

// As above, with the checksum made good again: the value itself must be coped with.
static void each_sealed_value_is_survived(void **state) {
    struct board *board = *state;
    static const uint64_t tables[] = {BOARD_XSDT, BOARD_FADT, BOARD_MADT, BOARD_HPET,
                                      BOARD_MCFG, BOARD_SRAT, BOARD_BGRT};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (uint32_t j = 36; j < 60; j++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                board_destroy(board);
                board_create(board);
                board_tables(board);
                *(uint8_t *)board_at(tables[i] + j) ^= (uint8_t)(1u << bit);
                board_seal(tables[i]);
                board_run(board);
            }
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_table_in_usable_memory_is_kept_there),
        TEST(tables_in_boot_services_memory_are_copied),
        TEST(tables_in_boot_services_memory_are_pinned),
        TEST(an_rsdp_in_the_bios_area),
        TEST(an_rsdp_in_a_reserved_bios_area),
        TEST(the_facs_in_reclaim_memory_is_pinned),
        TEST(shared_pages_are_pinned),
        TEST(an_image_without_a_header_pins_a_page),
        TEST(no_memory_keeps_everything),
        TEST(what_had_no_memory_goes_later),
        TEST(scattered_memory_serves),
        TEST(no_room_for_the_new_xsdt),
        TEST(no_room_for_the_new_rsdp),
        TEST(more_blocks_than_fit),
        TEST(more_runs_than_fit_are_kept),
        TEST(what_the_allocator_refuses_is_kept),
        TEST(memory_beyond_the_direct_map_is_not_read),
        TEST(reserved_memory_that_is_not_mapped),
        TEST(a_table_that_changes_keeps_everything),
        TEST(pages_of_no_region_are_nothing_to_do),
        TEST(windows_in_memory_win),
        TEST(an_ecam_window_in_memory_wins),
        TEST(runs_cover_the_regions),
        TEST(each_flipped_byte_is_noticed),
        TEST(each_sealed_value_is_survived),
    };
    return cmocka_run_group_tests_name("acpi_reclaim", tests, NULL, NULL);
}
