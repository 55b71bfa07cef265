// SPDX-License-Identifier: MIT
// CPUs of the MADT and their nodes in the SRAT.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_board.h"
#include <string.h>

#define MORE_MADT (BOARD_ACPI + 0x6000)
#define MORE_SRAT (BOARD_ACPI + 0x5000)

// A table of its own in the place of the standard one, with these bytes behind the header.
static void put_table(const char *signature, uint64_t address, unsigned revision, size_t skipped,
                      const void *bytes, size_t count) {
    board_table(address, signature, (uint32_t)(36 + skipped + count));
    memset((uint8_t *)board_at(address) + 36, 0, skipped);
    memcpy((uint8_t *)board_at(address) + 36 + skipped, bytes, count);
    board_put(address + 8, revision, 1);
    board_seal(address);
}

// Makes the standard tables name these instead of MADT and SRAT.
static void use_tables(struct board *board, const void *madt, size_t madt_bytes, unsigned revision,
                       const void *srat, size_t srat_bytes) {
    put_table("APIC", MORE_MADT, 3, 8, madt, madt_bytes);
    put_table("SRAT", MORE_SRAT, revision, 12, srat, srat_bytes);
    for (unsigned i = 0; i < 7; i++) {
        uint64_t entry = BOARD_XSDT + 36 + 8 * i;
        uint64_t named = board_number(entry, 8);
        board_put(entry,
                  named == BOARD_MADT   ? MORE_MADT
                  : named == BOARD_SRAT ? MORE_SRAT
                                        : named,
                  8);
    }
    board_seal(BOARD_XSDT);
    board_run(board);
}

static size_t cpus_of(const struct board *board, struct acpi_cpu *cpus, size_t most) {
    size_t count = 0;
    for (uint64_t at = 0; count < most && acpi_next_cpu(&board->acpi, &at, &cpus[count]);) {
        count++;
    }
    return count;
}

static void expect(const struct acpi_cpu *cpu, uint32_t apic_id, bool enabled, bool can_be_enabled,
                   bool has_node, uint32_t node) {
    assert_int_equal(cpu->apic_id, apic_id);
    assert_int_equal(cpu->enabled, enabled);
    assert_int_equal(cpu->can_be_enabled, can_be_enabled);
    assert_int_equal(cpu->has_node, has_node);
    assert_int_equal(cpu->node, node);
}

static const uint8_t madt[] = {
    0, 8,  0, 4,   1, 0, 0, 0,                          // enabled
    1, 12, 0, 0,   0, 0, 0, 0, 0, 0, 0, 0,              // an I/O APIC
    0, 8,  1, 5,   3, 0, 0, 0,                          // enabled, and the other bit as well
    0, 8,  2, 6,   2, 0, 0, 0,                          // can be plugged in
    0, 8,  3, 255, 0, 0, 0, 0,                          // no CPU
    9, 16, 0, 0,   0, 1, 2, 0, 1, 0, 0, 0, 9,  0, 0, 0, // x2APIC ID 0x20100, enabled
    9, 16, 0, 0,   1, 1, 2, 0, 2, 0, 0, 0, 10, 0, 0, 0, // x2APIC ID 0x20101, to be plugged in
};

static const uint8_t srat[] = {
    1, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // memory
    0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0, 16, 7, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,             // APIC 4: not enabled
    0, 16, 2, 4, 1, 0, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0,             // APIC 4: node 0x03020102
    0, 16, 1, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,             // APIC 5: node 1
    2, 24, 0, 0, 8, 7, 6, 5, 0, 1, 2, 0, 1, 0, 0, 0,             // x2APIC 0x20100: node 0x05060708
    0, 0,  0, 0, 0, 0, 0, 0,                                     //
    2, 24, 0, 0, 3, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0,             // x2APIC 0x20101: not enabled
    0, 0,  0, 0, 0, 0, 0, 0,                                     //
};

static void cpus_and_nodes(void **state) {
    struct board *board = *state;
    struct acpi_cpu cpus[8];
    use_tables(board, madt, sizeof(madt), 3, srat, sizeof(srat));
    assert_int_equal(cpus_of(board, cpus, 8), 6);
    expect(&cpus[0], 4, true, false, true, 0x03020102);
    expect(&cpus[1], 5, true, false, true, 1);
    expect(&cpus[2], 6, false, true, false, 0);
    expect(&cpus[3], 255, false, false, false, 0);
    expect(&cpus[4], 0x20100, true, false, true, 0x05060708);
    expect(&cpus[5], 0x20101, false, true, false, 0);
    char said[4096];
    struct text_buffer buffer;
    text_buffer_init(&buffer, said, sizeof(said));
    acpi_report(&buffer.text, &board->acpi);
    assert_non_null(strstr(said, "MADT: 3 CPUs, 2 more can be plugged in, 1 I/O APICs\n"));
}

// The upper bits of a node's number were reserved then.
static void an_old_srat_has_nodes_of_eight_bits(void **state) {
    struct board *board = *state;
    struct acpi_cpu cpus[8];
    use_tables(board, madt, sizeof(madt), 1, srat, sizeof(srat));
    assert_int_equal(cpus_of(board, cpus, 8), 6);
    expect(&cpus[0], 4, true, false, true, 2);
}

static void the_standard_machine_has_one(void **state) {
    struct board *board = *state;
    struct acpi_cpu cpus[8];
    board_run(board);
    assert_int_equal(cpus_of(board, cpus, 8), 1);
    expect(&cpus[0], 0, true, false, false, 0);
}

static void no_tables_no_cpus(void **state) {
    struct board *board = *state;
    struct acpi_cpu cpu;
    uint64_t at = 0;
    board->input.rsdp = paddr(0);
    board_run(board);
    assert_false(acpi_next_cpu(&board->acpi, &at, &cpu));
}

// An entry that is cut off, or says that it has no bytes, is the last.
static void a_short_entry_ends_them(void **state) {
    struct board *board = *state;
    struct acpi_cpu cpus[8];
    static const uint8_t cut[] = {0, 8, 0, 4, 1, 0, 0, 0, 0, 8, 1, 5};
    use_tables(board, cut, sizeof(cut), 3, srat, 1);
    assert_int_equal(cpus_of(board, cpus, 8), 1);
    expect(&cpus[0], 4, true, false, false, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(cpus_and_nodes),
        TEST(an_old_srat_has_nodes_of_eight_bits),
        TEST(the_standard_machine_has_one),
        TEST(no_tables_no_cpus),
        TEST(a_short_entry_ends_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
