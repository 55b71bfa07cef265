// SPDX-License-Identifier: MIT
// SMBIOS' memory sizes and SRAT's ranges, read from a machine's memory: right, wrong, and hostile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_board.h"
#include <string.h>

#define ENTRY BOARD_RESERVED
#define TABLE (BOARD_RESERVED + PAGE_SIZE)
#define END   (BOARD_RESERVED + 2 * PAGE_SIZE) // and nothing readable behind it

static uint64_t table_end; // where the next structure goes

// A structure without strings: `length` bytes, the rest of which is zero.
static uint64_t add(unsigned type, unsigned length, unsigned handle) {
    uint64_t at = table_end;
    memset(board_at(at), 0, length + 2);
    board_put(at, type, 1);
    board_put(at + 1, length, 1);
    board_put(at + 2, handle, 2);
    table_end = at + length + 2;
    return at;
}

static void add_array(unsigned handle, unsigned use) {
    board_put(add(16, 23, handle) + 5, use, 1);
}

static uint64_t add_device(unsigned array, unsigned size) {
    uint64_t at = add(17, 84, 0x1100);
    board_put(at + 4, array, 2);
    board_put(at + 12, size, 2);
    board_put(at + 18, 0x1a, 1); // DDR4
    return at;
}

static void add_range(unsigned array, uint32_t begin_kib, uint32_t last_kib) {
    uint64_t at = add(19, 31, 0x1300);
    board_put(at + 4, begin_kib, 4);
    board_put(at + 8, last_kib, 4);
    board_put(at + 12, array, 2);
}

static void seal(uint64_t at, unsigned length, unsigned offset) {
    uint8_t sum = 0;
    board_put(at + offset, 0, 1);
    for (unsigned i = 0; i < length; i++) {
        sum = (uint8_t)(sum + board_number(at + i, 1));
    }
    board_put(at + offset, (uint8_t)-sum, 1);
}

static void put_entry_3(uint32_t bytes) {
    memset(board_at(ENTRY), 0, 32);
    memcpy(board_at(ENTRY), "_SM3_", 5);
    board_put(ENTRY + 6, 24, 1);
    board_put(ENTRY + 12, bytes, 4);
    board_put(ENTRY + 16, TABLE, 8);
    seal(ENTRY, 24, 5);
}

static void put_entry_2(unsigned length) {
    memset(board_at(ENTRY), 0, 32);
    memcpy(board_at(ENTRY), "_SM_", 4);
    board_put(ENTRY + 5, length, 1);
    board_put(ENTRY + 22, table_end - TABLE, 2);
    board_put(ENTRY + 24, TABLE, 4);
    seal(ENTRY, length, 4);
}

static int set_up(void **state) {
    table_end = TABLE;
    return board_set_up(state);
}

static const struct smbios_memory *read(struct board *board) {
    board_find(board);
    acpi_compare_memory(&board->acpi, paddr(ENTRY));
    return &board->acpi.smbios;
}

static const struct smbios_memory *read_3(struct board *board) {
    add(127, 4, 0xfeff);
    put_entry_3((uint32_t)(table_end - TABLE));
    return read(board);
}

static void devices_are_added_up(void **state) {
    add_array(0x1000, 3);
    memcpy(board_at(table_end), "\x01\x04\x01\x00maker\0model\0", 17); // strings are passed over
    table_end += 17;
    add_device(0x1000, 1);
    add_device(0x1000, 0x8000 | 512);
    add_device(0x1000, 0); // an empty slot
    board_put(add_device(0x1000, 0x7fff) + 28, 3, 4);
    add_range(0x1000, 0, 1023);
    const struct smbios_memory *memory = read_3(*state);
    assert_null(memory->defect);
    assert_int_equal(memory->slots, 4);
    assert_int_equal(memory->devices, 3);
    assert_int_equal(memory->installed, 4 * MIB + 512 * KIB);
    assert_int_equal(memory->mapped, MIB);
}

static void the_old_entry_point_does_as_well(void **state) {
    for (unsigned length = 30; length <= 31; length++) {
        table_end = TABLE;
        add_array(0x1000, 3);
        add_device(0x1000, 2);
        put_entry_2(length);
        board_find(*state);
        struct board *board = *state;
        acpi_compare_memory(&board->acpi, paddr(ENTRY));
        assert_null(board->acpi.smbios.defect);
        assert_int_equal(board->acpi.smbios.installed, 2 * MIB);
        board_tear_down(state);
        board_set_up(state);
    }
}

static void only_system_memory_counts(void **state) {
    add_array(0x1000, 3);
    add_array(0x1001, 4); // of a graphics device
    add_device(0x1000, 2);
    add_device(0x1001, 64);
    add_range(0x1001, 0, 65535);
    board_put(add_device(0x1000, 8) + 18, 0x09, 1); // flash
    uint64_t module = add_device(0x1000, 16);
    board_put(module + 60, 15 * MIB, 8); // that keeps most of what it holds
    board_put(module + 68, MIB, 8);
    const struct smbios_memory *memory = read_3(*state);
    assert_int_equal(memory->installed, 3 * MIB);
    assert_int_equal(memory->mapped, 0);
}

static void large_ranges_are_in_bytes(void **state) {
    add_device(0x1000, 1);
    uint64_t at = add(19, 31, 0x1300);
    board_put(at + 4, UINT32_MAX, 4);
    board_put(at + 15, 4 * TIB, 8);
    board_put(at + 23, 5 * TIB - 1, 8);
    assert_int_equal(read_3(*state)->mapped, TIB);
}

static void an_unknown_size_says_nothing(void **state) {
    struct board *board = *state;
    add_device(0x1000, 1024);
    add_device(0x1000, 0xffff);
    assert_string_equal(read_3(board)->defect, "a memory device's size is unknown");
    assert_int_equal(board_findings(board, FINDING_MEMORY_SIZE), 0);
}

static void no_devices_say_nothing(void **state) {
    add_array(0x1000, 3);
    assert_string_equal(read_3(*state)->defect, "it lists no memory devices");
}

static void what_is_no_entry_point(void **state) {
    struct board *board = *state;
    board_find(board);
    acpi_compare_memory(&board->acpi, paddr(0));
    assert_string_equal(board->acpi.smbios.defect, "the firmware names none");
    acpi_compare_memory(&board->acpi, paddr(BOARD_MMIO)); // not read
    assert_string_equal(board->acpi.smbios.defect,
                        "there is no entry point where the firmware says");
    acpi_compare_memory(&board->acpi, paddr(BOARD_RSDP));
    assert_string_equal(board->acpi.smbios.defect,
                        "there is no entry point where the firmware says");
    put_entry_3(64);
    board_put(ENTRY + 6, 23, 1);
    acpi_compare_memory(&board->acpi, paddr(ENTRY));
    assert_string_equal(board->acpi.smbios.defect, "its entry point has an impossible length");
    put_entry_3(64);
    board_put(ENTRY + 10, 1, 1);
    acpi_compare_memory(&board->acpi, paddr(ENTRY));
    assert_string_equal(board->acpi.smbios.defect, "its entry point has a wrong checksum");
    assert_int_equal(board_findings(board, FINDING_BAD_CHECKSUM), 1);
    put_entry_3(64);
    board_put(ENTRY + 16, BOARD_MMIO, 8);
    seal(ENTRY, 24, 5);
    acpi_compare_memory(&board->acpi, paddr(ENTRY));
    assert_string_equal(board->acpi.smbios.defect,
                        "its structures are not in memory that the map names");
}

static void too_many_arrays_are_not_guessed_at(void **state) {
    add_device(0x1000, 1);
    for (unsigned i = 0; i < 33; i++) {
        add_array(0x2000 + i, 4);
    }
    assert_string_equal(read_3(*state)->defect, "it has more memory arrays than Strata looks at");
}

// What lies behind the page of structures is poisoned: a read of it is a report.
static void hostile_tables_are_survived(void **state) {
    struct board *board = *state;
    uint32_t random = 1;
    put_entry_3(UINT32_MAX);
    board_find(board);
    for (unsigned round = 0; round < 20000; round++) {
        uint64_t at = TABLE;
        while (at + 16 < END) { // structures whose lengths and strings are anything
            random = random * 1664525 + 1013904223;
            unsigned type = (random >> 28) < 12 ? 16 + (random >> 26) % 4 : random >> 24;
            board_put(at, type, 1);
            board_put(at + 1, (random >> 16 & 7) == 0 ? random >> 8 & 0xff : 15 + (random & 63), 1);
            board_put(at + 2, random, 8);
            at += 4 + (random >> 12 & 127);
        }
        board_put(END - 8, random, 8);
        acpi_compare_memory(&board->acpi, paddr(ENTRY));
        assert_true(board->acpi.smbios.slots <= PAGE_SIZE / 21);
        assert_true(board->acpi.smbios.devices <= board->acpi.smbios.slots);
    }
    for (unsigned cut = 1; cut < 200; cut++) { // a last structure that goes on behind the end
        table_end = END - cut;
        put_entry_3((uint32_t)PAGE_SIZE);
        memset(board_at(TABLE), 0xaa, PAGE_SIZE - cut);
        board_put(TABLE, 0x0401, 4);
        memset(board_at(TABLE + 4), 'x', PAGE_SIZE - cut - 6);
        board_put(END - cut - 2, 0, 2);
        for (unsigned i = 0; i < cut; i++) {
            board_put(END - cut + i, i == 0 ? 17 : i == 1 ? 84 : 1, 1);
        }
        acpi_compare_memory(&board->acpi, paddr(ENTRY));
        assert_int_equal(board->acpi.smbios.slots, cut >= 84);
    }
}

// The standard machine has some 2 MiB of RAM.
static void a_wrong_size_is_a_finding(void **state) {
    struct board *board = *state;
    add_device(0x1000, 1024);
    add_range(0x1000, 0, 2 * 1024 * 1024 - 1);
    read_3(board);
    assert_int_equal(board_findings(board, FINDING_MEMORY_SIZE), 2);
}

static void less_installed_than_described(void **state) {
    struct board *board = *state;
    add_device(0x1000, 1);
    read_3(board);
    assert_int_equal(board_findings(board, FINDING_MEMORY_SIZE), 1);
    assert_int_equal(board->map.findings[0].severity, FINDING_WARNING);
}

static void put_node(unsigned index, uint32_t node, uint64_t begin, uint64_t bytes,
                     uint32_t flags) {
    uint64_t at = BOARD_SRAT + 48 + index * 40;
    memset(board_at(at), 0, 40);
    board_put(at, 0x2801, 2);
    board_put(at + 2, node, 4);
    board_put(at + 8, begin, 8);
    board_put(at + 16, bytes, 8);
    board_put(at + 28, flags, 4);
    board_put(BOARD_SRAT + 4, 48 + (index + 1) * 40, 4);
    board_seal(BOARD_SRAT);
}

// What the ranges left out hold nobody knows, so no memory is said to be in none.
static void more_ranges_than_are_compared(void **state) {
    struct board *board = *state;
    put_node(0, 0, 3 * GIB, 8 * GIB, 1); // more than there is
    for (unsigned i = 1; i < 129; i++) {
        put_node(i, 1, (100 + i) * GIB, GIB, 3);
    }
    read(board);
    assert_int_equal(board_findings(board, FINDING_RAM_OUTSIDE_NODES), 0);
    assert_int_equal(board_findings(board, FINDING_NODE_OUTSIDE_RAM), 1);
    board_put(BOARD_SRAT + 48 + 128 * 40 + 28, 0, 4); // disabled: that is as many as are
    acpi_compare_memory(&board->acpi, paddr(ENTRY));
    assert_in_range(board_findings(board, FINDING_RAM_OUTSIDE_NODES), 1, 8);
}

static void nodes_are_compared(void **state) {
    struct board *board = *state;
    put_node(0, 0, MIB, 0, 1);              // of no length
    put_node(1, 0, MIB, 16 * MIB, 0);       // disabled
    put_node(2, 0, 0, 0x240000, 1);         // without the last pages
    put_node(3, 1, GIB, GIB, 3);            // may be plugged in
    put_node(4, 1, 2 * GIB, GIB, 5);        // persistent
    put_node(5, 2, 3 * GIB, UINT64_MAX, 1); // wraps
    read(board);
    assert_int_equal(board_findings(board, FINDING_RAM_OUTSIDE_NODES), 2);
    assert_int_equal(board_findings(board, FINDING_NODE_OUTSIDE_RAM), 1);
    const struct finding *last = &board->map.findings[board->map.finding_count - 1];
    assert_int_equal(last->begin, 3 * GIB);
    assert_int_equal(last->end, UINT64_MAX);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, board_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(devices_are_added_up),          TEST(the_old_entry_point_does_as_well),
        TEST(only_system_memory_counts),     TEST(large_ranges_are_in_bytes),
        TEST(an_unknown_size_says_nothing),  TEST(no_devices_say_nothing),
        TEST(what_is_no_entry_point),        TEST(too_many_arrays_are_not_guessed_at),
        TEST(hostile_tables_are_survived),   TEST(a_wrong_size_is_a_finding),
        TEST(less_installed_than_described), TEST(nodes_are_compared),
        TEST(more_ranges_than_are_compared),
    };
    return cmocka_run_group_tests_name("smbios", tests, NULL, NULL);
}
