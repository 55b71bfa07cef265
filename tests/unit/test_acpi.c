// SPDX-License-Identifier: MIT
// The walk over the ACPI tables: RSDP, roots and tables that are right, and wrong in each way.
// (What becomes of their memory: test_acpi_reclaim.c.)
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_board.h"
#include <string.h>

static void the_standard_machine_is_reclaimed(void **state) {
    struct board *board = *state;
    board_run(board);
    assert_string_equal(board_summary(board),
                        "acpi: 20 pages: 16 reclaimed, 4 pinned (BGRT image), tables copied 10 "
                        "(9.2 KiB)");
    assert_int_equal(board->map.finding_count, 0);
    assert_int_equal(board->acpi.kind_pages[ACPI_PAGE_TABLE], 11);
    assert_int_equal(board->acpi.kind_pages[ACPI_PAGE_UNREFERENCED], 5);
    assert_int_equal(board_page(board, BOARD_IMAGE), PAGE_STATE_UNMANAGED);
    assert_int_equal(board_page(board, BOARD_IMAGE + 3 * PAGE_SIZE), PAGE_STATE_UNMANAGED);
    assert_int_equal(board_page(board, BOARD_IMAGE + 4 * PAGE_SIZE), PAGE_STATE_FREE);
}

// The firmware's tables are gone: readers find all they need from the new RSDP.
static void readers_follow_the_new_pointers(void **state) {
    struct board *board = *state;
    board_run(board);
    memset(board_at(BOARD_ACPI), 0xcc, BOARD_ACPI_END - BOARD_ACPI);
    uint64_t rsdp = board->acpi.rsdp.value;
    assert_memory_equal(board_at(rsdp), "RSD PTR ", 8);
    assert_int_equal(board_number(rsdp + 15, 1), 2);
    assert_int_equal(board_number(rsdp + 16, 4), 0);
    uint64_t xsdt = board_number(rsdp + 24, 8);
    assert_memory_equal(board_at(xsdt), "XSDT", 4);
    assert_int_equal(board_number(xsdt + 4, 4), 36 + 7 * 8);
    uint64_t fadt = board_number(xsdt + 36, 8);
    assert_memory_equal(board_at(fadt), "FACP", 4);
    assert_int_equal(board_number(fadt + 36, 4), BOARD_FACS);
    uint64_t dsdt = board_number(fadt + 140, 8);
    assert_int_equal(board_number(fadt + 40, 4), dsdt);
    assert_memory_equal(board_at(dsdt), "DSDT", 4);
    uint32_t length = 0;
    assert_ptr_equal(acpi_table(&board->acpi, "DSDT", 0, &length), board_at(dsdt));
    assert_int_equal(length, 8180);
    assert_null(acpi_table(&board->acpi, "DSDT", 1, &length));
    assert_memory_equal(board_at(board_number(xsdt + 36 + 6 * 8, 8)), "BGRT", 4);
}

struct windows {
    struct acpi_window list[8];
    size_t count;
};

static void note_window(void *context, const struct acpi_window *window) {
    struct windows *windows = context;
    assert_true(windows->count < 8);
    windows->list[windows->count++] = *window;
}

static void windows_are_told(void **state) {
    struct board *board = *state;
    struct windows windows = {.count = 0};
    board_put(BOARD_MADT + 54, 7, 1);            // the I/O APIC's ID
    board_put(BOARD_MADT + 64, 0x0c05, 2);       // a local APIC elsewhere
    board_put(BOARD_MADT + 68, 0x1234567000, 8); // than where the header says
    board_put(BOARD_MCFG + 52, 0x20100003, 4);   // segment 3, buses 0x10 to 0x20
    board_put(BOARD_HPET + 52, 2, 1);
    board_seal(BOARD_MADT);
    board_seal(BOARD_MCFG);
    board_seal(BOARD_HPET);
    board_run(board);
    acpi_windows(&board->acpi, note_window, &windows);
    const struct acpi_window expected[] = {
        {ACPI_WINDOW_IO_APIC, 0xfec00000, 0xfec01000, 7, 0, 0},
        {ACPI_WINDOW_LOCAL_APIC, 0x1234567000, 0x1234568000, 0, 0, 0},
        {ACPI_WINDOW_ECAM, 0xb1000000, 0xb2100000, 3, 0x10, 0x20},
        {ACPI_WINDOW_HPET, 0xfed00000, 0xfed00400, 2, 0, 0},
    };
    assert_int_equal(windows.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(windows.list[i].kind, expected[i].kind);
        assert_int_equal(windows.list[i].begin, expected[i].begin);
        assert_int_equal(windows.list[i].end, expected[i].end);
        assert_int_equal(windows.list[i].number, expected[i].number);
        assert_int_equal(windows.list[i].first_bus, expected[i].first_bus);
        assert_int_equal(windows.list[i].last_bus, expected[i].last_bus);
    }
}

static void windows_that_cannot_be_are_none(void **state) {
    struct board *board = *state;
    struct windows windows = {.count = 0};
    board_put(BOARD_MADT + 36, 0, 4);
    board_put(BOARD_MADT + 56, 0, 4);
    board_put(BOARD_MCFG + 52, 0x01020000, 4); // buses 2 to 1
    board_put(BOARD_HPET + 44, UINT64_MAX - 512, 8);
    board_seal(BOARD_MADT);
    board_seal(BOARD_MCFG);
    board_seal(BOARD_HPET);
    board_run(board);
    acpi_windows(&board->acpi, note_window, &windows);
    assert_int_equal(windows.count, 0);
}

static void keep_keeps_everything(void **state) {
    struct board *board = *state;
    board->input.keep = true;
    board_run(board);
    assert_string_equal(board_summary(board), "acpi: 20 pages: 0 reclaimed, 20 kept (acpi=keep), "
                                              "tables copied 0 (0 bytes)");
    assert_int_equal(board->acpi.rsdp.value, BOARD_RSDP);
    uint32_t length = 0;
    assert_ptr_equal(acpi_table(&board->acpi, "APIC", 0, &length), board_at(BOARD_MADT));
}

static void expect_kept(struct board *board, const char *reason) {
    board_run(board);
    assert_string_equal(board->acpi.kept, reason);
    assert_int_equal(board->acpi.reclaimed_pages, 0);
    assert_int_equal(board->acpi.copied_count, 0);
}

static void no_rsdp_keeps_everything(void **state) {
    struct board *board = *state;
    board->input.rsdp = paddr(0);
    expect_kept(board, "the firmware names no RSDP");
}

static void an_rsdp_elsewhere_keeps_everything(void **state) {
    struct board *board = *state;
    board->input.rsdp = paddr(BOARD_SSDT);
    expect_kept(board, "there is no RSDP where the firmware says");
    board_destroy(board);
    board_create(board);
    board_tables(board);
    board->input.rsdp = paddr(BOARD_ACPI_END + 0x100);
    expect_kept(board, "the RSDP is not in memory that the firmware's map names");
}

static void a_bad_rsdp_keeps_everything(void **state) {
    struct board *board = *state;
    board_put(BOARD_RSDP + 9, 'X', 1);
    board_put(BOARD_RSDP + 8, board_number(BOARD_RSDP + 8, 1) + 1, 1);
    expect_kept(board, "the RSDP's checksum is wrong");
    assert_int_equal(board_findings(board, FINDING_BAD_CHECKSUM), 1);
}

static void the_other_rsdp_is_tried(void **state) {
    struct board *board = *state;
    static const struct efi_guid acpi_1 = {
        0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
    memcpy(board_at(BOARD_RSDP + 0x100), board_at(BOARD_RSDP), 36);
    board_put(BOARD_RSDP, 0, 1);
    board_configuration(board, acpi_1, BOARD_RSDP + 0x100);
    board_run(board);
    assert_null(board->acpi.defect);
    assert_int_equal(board->acpi.reclaimed_pages, 16);
}

// Firmware publishes it under the GUID of ACPI 2.0 all the same.
static void revision_0_uses_the_rsdt(void **state) {
    struct board *board = *state;
    board_put(BOARD_RSDP + 15, 0, 1);
    board_put(BOARD_RSDP + 20, 0xdeadbeef, 4); // not the length yet, in this revision
    board_seal_rsdp(BOARD_RSDP);
    board_run(board);
    assert_int_equal(board->acpi.revision, 0);
    assert_null(board_known(board, BOARD_XSDT));
    assert_int_equal(board->acpi.copied_count, 10);
    assert_int_equal(board->acpi.reclaimed_pages, 16);
    uint64_t xsdt = board_number(board->acpi.rsdp.value + 24, 8);
    assert_memory_equal(board_at(xsdt), "XSDT", 4);
    assert_int_equal(board_number(xsdt + 4, 4), 36 + 7 * 8);
}

static void a_bad_extended_checksum_leaves_the_rsdt(void **state) {
    struct board *board = *state;
    board_put(BOARD_RSDP + 33, 1, 1);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_RSDP), ACPI_TABLE_BAD_CHECKSUM);
    assert_int_equal(board_findings(board, FINDING_BAD_CHECKSUM), 1);
    assert_int_equal(board->acpi.reclaimed_pages, 15);
    assert_string_equal(board_summary(board),
                        "acpi: 20 pages: 15 reclaimed, 5 pinned (BGRT image, RSDP: bad checksum), "
                        "tables copied 10 (9.2 KiB)");
}

static void an_rsdp_of_odd_length(void **state) {
    struct board *board = *state;
    static const uint32_t lengths[] = {0, 20, 35, 4097, 0xffffffff};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        board_destroy(board);
        board_create(board);
        board_tables(board);
        board_put(BOARD_RSDP + 20, lengths[i], 4);
        board_seal_rsdp(BOARD_RSDP);
        board_run(board);
        assert_int_equal(board_state(board, BOARD_RSDP), ACPI_TABLE_BAD_LENGTH);
        assert_int_equal(board_findings(board, FINDING_BAD_TABLE), 1);
        assert_int_equal(board->acpi.copied_count, 10);
    }
}

static void a_bad_xsdt_leaves_the_rsdt(void **state) {
    struct board *board = *state;
    board_put(BOARD_XSDT + 9, board_number(BOARD_XSDT + 9, 1) + 1, 1);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_XSDT), ACPI_TABLE_BAD_CHECKSUM);
    assert_int_equal(board_findings(board, FINDING_BAD_CHECKSUM), 1);
    assert_int_equal(board->acpi.copied_count, 10);
    assert_int_equal(board_page(board, BOARD_XSDT), PAGE_STATE_UNMANAGED);
    assert_int_equal(board->acpi.reclaimed_pages, 15);
}

static void two_bad_roots_keep_everything(void **state) {
    struct board *board = *state;
    board_put(BOARD_XSDT + 9, board_number(BOARD_XSDT + 9, 1) + 1, 1);
    memcpy(board_at(BOARD_RSDT), "TSDR", 4); // a good checksum, but no RSDT
    expect_kept(board, "neither XSDT nor RSDT can be trusted");
}

static void bad_tables_stay_and_are_not_trusted(void **state) {
    struct board *board = *state;
    static const uint64_t tables[] = {BOARD_FADT, BOARD_MADT, BOARD_HPET, BOARD_MCFG,
                                      BOARD_SSDT, BOARD_SRAT, BOARD_BGRT};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        board_destroy(board);
        board_create(board);
        board_tables(board);
        char signature[5] = {0};
        memcpy(signature, board_at(tables[i]), 4);
        board_put(tables[i] + 30, board_number(tables[i] + 30, 1) ^ 0x10, 1);
        board_run(board);
        uint32_t length = 0;
        assert_null(acpi_table(&board->acpi, signature, 0, &length));
        assert_int_equal(board_findings(board, FINDING_BAD_CHECKSUM), 1);
        assert_int_equal(board_page(board, tables[i]), PAGE_STATE_UNMANAGED);
        assert_non_null(strstr(board_summary(board), "bad checksum"));
    }
}

static void a_bad_dsdt_stays_and_the_fadt_points_to_it(void **state) {
    struct board *board = *state;
    board_put(BOARD_DSDT + 5000, board_number(BOARD_DSDT + 5000, 1) ^ 1, 1);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_DSDT), ACPI_TABLE_BAD_CHECKSUM);
    assert_int_equal(board->acpi.reclaimed_pages, 14);
    uint64_t fadt = board_known(board, BOARD_FADT)->copy.value;
    assert_int_equal(board_number(fadt + 140, 8), BOARD_DSDT);
}

// X_DSDT leads nowhere; the old field is right.
static void the_old_dsdt_pointer_is_the_second_choice(void **state) {
    struct board *board = *state;
    board_put(BOARD_FADT + 140, BOARD_ACPI_END + 64, 8);
    board_seal(BOARD_FADT);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_DSDT), ACPI_TABLE_GOOD);
    uint64_t fadt = board_known(board, BOARD_FADT)->copy.value;
    assert_int_equal(board_number(fadt + 140, 8), board_known(board, BOARD_DSDT)->copy.value);
}

static void a_short_fadt_gets_a_low_dsdt(void **state) {
    struct board *board = *state;
    board_put(BOARD_FADT + 4, 116, 4);
    board_seal(BOARD_FADT);
    board_run(board);
    uint64_t fadt = board_known(board, BOARD_FADT)->copy.value;
    assert_int_equal(board_number(fadt + 4, 4), 116);
    assert_int_equal(board_number(fadt + 40, 4), board_known(board, BOARD_DSDT)->copy.value);
    assert_int_equal(board->acpi.reclaimed_pages, 16);
}

static void expect_bad_table(struct board *board, uint64_t address, enum acpi_table_state wrong,
                             size_t findings) {
    board_run(board);
    assert_int_equal(board_state(board, address), wrong);
    assert_int_equal(board_findings(board, FINDING_BAD_TABLE), findings);
    assert_int_equal(board_known(board, address)->copy.value, 0);
}

static void a_table_shorter_than_its_header(void **state) {
    struct board *board = *state;
    board_put(BOARD_SSDT + 4, 35, 4);
    expect_bad_table(board, BOARD_SSDT, ACPI_TABLE_BAD_LENGTH, 1);
}

static void a_table_of_absurd_length(void **state) {
    struct board *board = *state;
    board_put(BOARD_SSDT + 4, 0xfffffff0, 4);
    expect_bad_table(board, BOARD_SSDT, ACPI_TABLE_BAD_LENGTH, 1);
    assert_int_equal(board->acpi.reclaimed_pages, 15);
}

static void a_table_across_the_end_of_its_region(void **state) {
    struct board *board = *state;
    board_table(BOARD_ACPI_END - 100, "SSDT", 100);
    board_put(BOARD_ACPI_END - 96, 101, 4);
    board_add_entry(BOARD_XSDT, BOARD_ACPI_END - 100);
    expect_bad_table(board, BOARD_ACPI_END - 100, ACPI_TABLE_BAD_LENGTH, 1);
    assert_int_equal(board_known(board, BOARD_ACPI_END - 100)->held, 100);
}

static void a_header_across_the_end_of_its_region(void **state) {
    struct board *board = *state;
    board_add_entry(BOARD_XSDT, BOARD_ACPI_END - 20);
    expect_bad_table(board, BOARD_ACPI_END - 20, ACPI_TABLE_UNREADABLE, 1);
    assert_int_equal(board_page(board, BOARD_ACPI_END - 20), PAGE_STATE_UNMANAGED);
}

static void a_table_that_ends_with_its_region(void **state) {
    struct board *board = *state;
    board_table(BOARD_ACPI_END - 100, "SSDT", 100);
    board_add_entry(BOARD_XSDT, BOARD_ACPI_END - 100);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_ACPI_END - 100), ACPI_TABLE_GOOD);
    assert_int_equal(board->acpi.copied_count, 11);
}

// A region's end is no table's end: NVS follows without a gap.
static void a_table_across_two_regions(void **state) {
    struct board *board = *state;
    uint64_t address = BOARD_RESERVED - 64;
    board_table(address, "SSDT", 128);
    board_add_entry(BOARD_XSDT, address);
    board_run(board);
    assert_int_equal(board_state(board, address), ACPI_TABLE_GOOD);
}

static void unnamed_memory_is_not_read(void **state) {
    struct board *board = *state;
    static const uint64_t nowhere[] = {
        BOARD_ACPI_END,    BOARD_UNCACHED,
        BOARD_MMIO,        BOARD_END,
        BOARD_END - 1,     0x1000,
        0xa0000,           BOARD_BIOS + 128 * KIB - 1 - PAGE_SIZE * 32,
        UINT64_MAX,        UINT64_MAX - 3,
        UINT64_MAX << 12,  UINT64_C(1) << 63,
        UINT64_C(1) << 52,
    };
    size_t count = sizeof(nowhere) / sizeof(nowhere[0]);
    for (size_t i = 0; i < count; i++) {
        board_add_entry(BOARD_XSDT, nowhere[i]);
    }
    board_run(board);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(board_state(board, nowhere[i]), ACPI_TABLE_UNREADABLE);
    }
    assert_int_equal(board_findings(board, FINDING_BAD_TABLE), count);
    assert_int_equal(board->acpi.reclaimed_pages, 16);
}

static void overlapping_tables_are_both_copied(void **state) {
    struct board *board = *state;
    // The second table is the body of the first.
    board_table(BOARD_SSDT + 64, "SSDT", 300);
    board_seal(BOARD_SSDT);
    board_add_entry(BOARD_XSDT, BOARD_SSDT + 64);
    board_run(board);
    assert_int_equal(board->acpi.copied_count, 11);
    assert_int_equal(board->acpi.reclaimed_pages, 16);
}

static void an_xsdt_of_odd_length(void **state) {
    struct board *board = *state;
    board_put(BOARD_XSDT + 4, board_number(BOARD_XSDT + 4, 4) + 5, 4);
    board_seal(BOARD_XSDT);
    board_run(board);
    assert_int_equal(board->acpi.copied_count, 10);
}

static void an_empty_xsdt(void **state) {
    struct board *board = *state;
    board_put(BOARD_XSDT + 4, 36, 4);
    board_seal(BOARD_XSDT);
    board_run(board);
    assert_null(board->acpi.defect);
    assert_int_equal(board->acpi.copied_count, 2);
    assert_int_equal(board->acpi.reclaimed_pages, 20);
}

static void a_root_that_names_itself(void **state) {
    struct board *board = *state;
    board_add_entry(BOARD_XSDT, BOARD_XSDT);
    board_add_entry(BOARD_XSDT, BOARD_RSDT);
    board_add_entry(BOARD_XSDT, BOARD_RSDP);
    board_run(board);
    assert_int_equal(board->acpi.duplicate_entries, 3);
    assert_int_equal(board->acpi.copied_count, 10);
}

static void duplicates_and_zeros_are_skipped(void **state) {
    struct board *board = *state;
    for (unsigned i = 0; i < 3; i++) {
        board_add_entry(BOARD_XSDT, BOARD_MADT);
        board_add_entry(BOARD_XSDT, 0);
    }
    board_run(board);
    assert_int_equal(board->acpi.duplicate_entries, 3);
    assert_int_equal(board->acpi.zero_entries, 3);
    assert_int_equal(board->acpi.copied_count, 10);
}

static void misaligned_tables_are_read(void **state) {
    struct board *board = *state;
    board_table(BOARD_SECOND + 0x123, "SSDT", 77);
    board_add_entry(BOARD_XSDT, BOARD_SECOND + 0x123);
    board_run(board);
    assert_int_equal(board_state(board, BOARD_SECOND + 0x123), ACPI_TABLE_GOOD);
    assert_int_equal(board->acpi.copied_count, 11);
}

static void tables_by_hundreds(void **state) {
    struct board *board = *state;
    for (unsigned i = 0; i < 240; i++) {
        uint64_t address = BOARD_BOOTSVC + i * 64;
        board_table(address, "SSDT", 36 + i % 20);
        board_add_entry(BOARD_XSDT, address);
    }
    board_run(board);
    assert_int_equal(board->acpi.copied_count, 250);
    assert_null(board->acpi.kept);
    struct acpi_pin pin;
    assert_false(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
}

static void more_tables_than_fit_keep_everything(void **state) {
    struct board *board = *state;
    for (unsigned i = 0; i < ACPI_TABLE_MAX; i++) {
        uint64_t address = BOARD_BOOTSVC + i * 64;
        board_table(address, "SSDT", 40);
        board_add_entry(BOARD_XSDT, address);
    }
    expect_kept(board, "more tables than can be known");
    struct acpi_pin pin;
    assert_true(acpi_next_pin(&board->acpi, paddr(BOARD_LOADER), paddr(BOARD_MORE), &pin));
    assert_int_equal(pin.begin.value, BOARD_LOADER);
    assert_int_equal(pin.end.value, BOARD_MORE);
    assert_string_equal(pin.reason, "more tables than can be known");
    assert_false(acpi_next_pin(&board->acpi, paddr(BOARD_LOADER), paddr(BOARD_LOADER), &pin));
}

// 4,096 entries, all the same table; and one more entry than that.
static void entries_by_thousands(void **state) {
    struct board *board = *state;
    for (unsigned more = 0; more < 2; more++) {
        board_destroy(board);
        board_create(board);
        board_tables(board);
        board_table(BOARD_BOOTSVC, "XSDT", 36 + (ACPI_ENTRY_MAX + more) * 8);
        for (unsigned i = 0; i < ACPI_ENTRY_MAX + more; i++) {
            board_put(BOARD_BOOTSVC + 36 + i * 8, BOARD_FADT, 8);
        }
        board_seal(BOARD_BOOTSVC);
        board_put(BOARD_RSDP + 24, BOARD_BOOTSVC, 8);
        board_seal_rsdp(BOARD_RSDP);
        board_run(board);
        assert_int_equal(board->acpi.duplicate_entries, ACPI_ENTRY_MAX - 1);
        assert_int_equal(board->acpi.kept != NULL, more == 1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_standard_machine_is_reclaimed),
        TEST(readers_follow_the_new_pointers),
        TEST(windows_are_told),
        TEST(windows_that_cannot_be_are_none),
        TEST(keep_keeps_everything),
        TEST(no_rsdp_keeps_everything),
        TEST(an_rsdp_elsewhere_keeps_everything),
        TEST(a_bad_rsdp_keeps_everything),
        TEST(the_other_rsdp_is_tried),
        TEST(revision_0_uses_the_rsdt),
        TEST(a_bad_extended_checksum_leaves_the_rsdt),
        TEST(an_rsdp_of_odd_length),
        TEST(a_bad_xsdt_leaves_the_rsdt),
        TEST(two_bad_roots_keep_everything),
        TEST(bad_tables_stay_and_are_not_trusted),
        TEST(a_bad_dsdt_stays_and_the_fadt_points_to_it),
        TEST(the_old_dsdt_pointer_is_the_second_choice),
        TEST(a_short_fadt_gets_a_low_dsdt),
        TEST(a_table_shorter_than_its_header),
        TEST(a_table_of_absurd_length),
        TEST(a_table_across_the_end_of_its_region),
        TEST(a_header_across_the_end_of_its_region),
        TEST(a_table_that_ends_with_its_region),
        TEST(a_table_across_two_regions),
        TEST(unnamed_memory_is_not_read),
        TEST(overlapping_tables_are_both_copied),
        TEST(an_xsdt_of_odd_length),
        TEST(an_empty_xsdt),
        TEST(a_root_that_names_itself),
        TEST(duplicates_and_zeros_are_skipped),
        TEST(misaligned_tables_are_read),
        TEST(tables_by_hundreds),
        TEST(more_tables_than_fit_keep_everything),
        TEST(entries_by_thousands),
    };
    return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
