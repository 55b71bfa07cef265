// SPDX-License-Identifier: MIT
// Power off and reset: the search for S5's package in AML, and what the plans say for each kind of
// FADT.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_board.h"
#include <stdlib.h>
#include <string.h>

// Searches a copy on the heap of exactly that length, so that AddressSanitizer sees a read beyond
// it.
static bool search(const void *aml, uint32_t length, uint8_t types[2]) {
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, aml, length);
    bool found = acpi_aml_s5(copy, length, types);
    free(copy);
    return found;
}

static void expect(const void *aml, uint32_t length, int a, int b) {
    uint8_t types[2] = {0xee, 0xee};
    assert_true(search(aml, length, types));
    assert_int_equal(types[0], a);
    assert_int_equal(types[1], b);
}

static void expect_none(const void *aml, uint32_t length) {
    uint8_t types[2];
    assert_false(search(aml, length, types));
}

#define EXPECT(aml, a, b) expect(aml, sizeof(aml) - 1, a, b)
#define EXPECT_NONE(aml)  expect_none(aml, sizeof(aml) - 1)

static void encodings_of_s5(void **state) {
    (void)state;
    EXPECT("\x08_S5_\x12\x06\x04\x00\x00\x00\x00", 0, 0); // as in QEMU
    EXPECT("\x08_S5_\x12\x08\x04\x0a\x05\x0a\x03\x00\x00", 5, 3);
    EXPECT("\x08\\_S5_\x12\x06\x04\x01\xff\x00\x00", 1, 7);
    EXPECT("\x08_S5_\x12\x0a\x04\x0b\x06\x00\x0b\x02\x00\x00\x00", 6, 2);
    EXPECT("\x08_S5_\x12\x09\x02\x0c\x07\x00\x00\x00\x0a\x04", 7, 4);
    EXPECT("\x08_S5_\x12\x0d\x02\x0e\x05\x00\x00\x00\x00\x00\x00\x00\x0a\x05", 5, 5);
    EXPECT("\x08_S5_\x12\x05\x01\x0b\x05\x07", 5, 7); // one element for both
    EXPECT("\x08_S5_\x12\x47\x00\x04\x00\x00\x00\x00", 0, 0);
    EXPECT("\x08_S5_\x12\x88\x00\x00\x04\x00\x00\x00\x00", 0, 0);
    EXPECT("\x08_S5_\x12\xc9\x00\x00\x00\x04\x00\x00\x00\x00", 0, 0);
    EXPECT("zz\x08\x08_S4_\x12\x08_S5_\x12\x06\x04\x01\x01\x00\x00zz", 1, 1);
}

static void what_is_no_s5(void **state) {
    (void)state;
    EXPECT_NONE("");
    EXPECT_NONE("_S5_\x12\x06\x04\x00\x00\x00\x00");
    EXPECT_NONE("\x08_S4_\x12\x06\x04\x00\x00\x00\x00");
    EXPECT_NONE("\x08_S5_\x11\x06\x04\x00\x00\x00\x00"); // a buffer
    EXPECT_NONE("\x08_S5_\x12\x05\x00\x00\x00\x00\x00"); // no elements
    EXPECT_NONE("\x08_S5_\x12\x06\x04_ABC");             // a name
    EXPECT_NONE("\x08_S5_\x12\x03\x04\x01\x01\x00\x00"); // the second element lies outside
    EXPECT_NONE("\x08_S5_\x12\x02\x04\x01\x01\x00\x00");
    EXPECT_NONE("\x08_S5_\x12\x00\x04\x01\x01\x00\x00");
    EXPECT_NONE("\x08_S5_\x12\x3f\x04\x01\x01\x00\x00"); // longer than the table
    EXPECT_NONE("\x08_S5_\x12\xcf\xff\xff\xff\x04\x01\x01\x00\x00");
    EXPECT_NONE("\x08_S5_\x12\xc0");
    EXPECT_NONE("\x08_S5_\x12\x04\x04\x0a\x05"); // cut off
    EXPECT_NONE("\x08_S5_\x12\x05\x04\x0a\x05\x0b\x05");
}

// Every prefix and every flipped byte of a good one: in bounds, whatever is found.
static void damaged_aml_is_survived(void **state) {
    (void)state;
    static const char good[] = "\x10\x20\x08\\_S5_\x12\x8b\x00\x00\x04\x0b\x05\x00\x0a\x03\x00\x00";
    uint8_t types[2];
    for (uint32_t length = 0; length < sizeof(good); length++) {
        search(good, length, types);
    }
    for (uint32_t i = 0; i < sizeof(good); i++) {
        for (unsigned value = 0; value < 256; value++) {
            char bad[sizeof(good)];
            memcpy(bad, good, sizeof(good));
            bad[i] = (char)value;
            search(bad, sizeof(bad), types);
        }
    }
}

static struct acpi_poweroff_plan power_off(struct board *board) {
    struct acpi_poweroff_plan plan;
    board_seal(BOARD_FADT);
    board_run(board);
    acpi_poweroff_plan(&board->acpi, &plan);
    return plan;
}

static void a_pc_powers_off(void **state) {
    struct board *board = *state;
    board_put(BOARD_FADT + 68, 0x704, 4);
    struct acpi_poweroff_plan plan = power_off(board);
    assert_null(plan.missing);
    assert_int_equal(plan.enable_port, 0xb2);
    assert_int_equal(plan.enable, 2);
    assert_int_equal(plan.control[0].space, ACPI_SPACE_IO);
    assert_int_equal(plan.control[0].address, 0x604);
    assert_int_equal(plan.control[0].bytes, 2);
    assert_int_equal(plan.control[1].address, 0x704);
    assert_int_equal(plan.value[0], 5 << 10);
    assert_int_equal(plan.value[1], 0);
    assert_int_equal(plan.mask, 0x3c00);
    assert_int_equal(plan.go, 0x2000);
}

static void extended_registers_come_first(void **state) {
    struct board *board = *state;
    board_put(BOARD_FADT + 172, 0x02001001, 4);
    board_put(BOARD_FADT + 176, 0xe404, 8);
    struct acpi_poweroff_plan plan = power_off(board);
    assert_int_equal(plan.control[0].address, 0xe404);
    assert_int_equal(plan.control[1].space, ACPI_SPACE_NONE);
}

static void no_legacy_mode(void **state) {
    struct board *board = *state;
    board_put(BOARD_FADT + 48, 0, 4);
    assert_int_equal(power_off(board).enable_port, 0);
}

static void an_ssdt_may_hold_s5(void **state) {
    struct board *board = *state;
    board_put(BOARD_DSDT + 4000, 0, 8);
    board_seal(BOARD_DSDT);
    memcpy((uint8_t *)board_at(BOARD_SSDT) + 490, "\x08_S5_\x12\x04\x02\x01", 9);
    board_put(BOARD_SSDT + 499, 0, 1);
    board_seal(BOARD_SSDT);
    struct acpi_poweroff_plan plan = power_off(board);
    assert_null(plan.missing);
    assert_int_equal(plan.value[0], 1 << 10);
}

static void no_s5_no_plan(void **state) {
    struct board *board = *state;
    board_put(BOARD_DSDT + 4000, 0, 8);
    board_seal(BOARD_DSDT);
    assert_string_equal(power_off(board).missing,
                        "no _S5_ package was found in the DSDT or an SSDT");
}

static void no_register_no_plan(void **state) {
    struct board *board = *state;
    board_put(BOARD_FADT + 64, 0, 4);
    assert_string_equal(power_off(board).missing, "the FADT names no PM1a control register");
}

static void reduced_hardware_has_its_own_register(void **state) {
    struct board *board = *state;
    board_table(BOARD_SECOND, "FACP", 268);
    memset((uint8_t *)board_at(BOARD_SECOND) + 36, 0, 232);
    memcpy((uint8_t *)board_at(BOARD_SECOND) + 36, (uint8_t *)board_at(BOARD_FADT) + 36, 208);
    board_put(BOARD_SECOND + 112, UINT32_C(1) << 20, 4);
    board_put(BOARD_SECOND + 244, 0x01000800, 4); // memory
    board_put(BOARD_SECOND + 248, 0xfed80000, 8);
    board_seal(BOARD_SECOND);
    board_put(BOARD_XSDT + 36, BOARD_SECOND, 8);
    board_seal(BOARD_XSDT);
    struct acpi_poweroff_plan plan = power_off(board);
    assert_null(plan.missing);
    assert_int_equal(plan.control[0].space, ACPI_SPACE_MEMORY);
    assert_int_equal(plan.control[0].address, 0xfed80000);
    assert_int_equal(plan.value[0], 5 << 2);
    assert_int_equal(plan.mask, 0x3c);
    assert_int_equal(plan.go, 0x20);
    struct acpi_reset_plan reset;
    acpi_reset_plan(&board->acpi, &reset);
    assert_string_equal(reset.missing, "the FADT says that there is no reset register");
    board_put(board_known(board, BOARD_SECOND)->copy.value + 248, 0, 8);
    acpi_poweroff_plan(&board->acpi, &plan);
    assert_string_equal(plan.missing, "the FADT names no sleep control register");
}

static struct acpi_reset_plan reset_with(struct board *board, uint64_t structure,
                                         uint64_t address) {
    struct acpi_reset_plan plan;
    board_put(BOARD_FADT + 116, structure, 4);
    board_put(BOARD_FADT + 120, address, 8);
    board_seal(BOARD_FADT);
    board_run(board);
    acpi_reset_plan(&board->acpi, &plan);
    return plan;
}

static void reset_through_a_port(void **state) {
    struct acpi_reset_plan plan = reset_with(*state, 0x01000801, 0xcf9);
    assert_null(plan.missing);
    assert_int_equal(plan.target.space, ACPI_SPACE_IO);
    assert_int_equal(plan.target.address, 0xcf9);
    assert_int_equal(plan.value, 0x0f);
}

static void reset_through_memory(void **state) {
    struct acpi_reset_plan plan = reset_with(*state, 0x00002000, 0xfed81000);
    assert_null(plan.missing);
    assert_int_equal(plan.target.space, ACPI_SPACE_MEMORY);
    assert_int_equal(plan.target.bytes, 1);
}

static void reset_through_pci(void **state) {
    struct acpi_reset_plan plan = reset_with(*state, 0x00000802, 0x0000001f000000f9);
    assert_null(plan.missing);
    assert_int_equal(plan.target.space, ACPI_SPACE_PCI);
    assert_int_equal(plan.target.address, 0x1f000000f9);
}

static void a_reset_register_that_cannot_be(void **state) {
    static const struct {
        uint64_t structure, address;
    } cases[] = {{0x01000801, 0}, {0x01000801, 0x10000}, {0x0100087f, 0xcf9}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct board *board = *state;
        board_destroy(board);
        board_create(board);
        board_tables(board);
        assert_string_equal(reset_with(board, cases[i].structure, cases[i].address).missing,
                            "the FADT's reset register is in no space that can be reached");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_of_s5),
        cmocka_unit_test(what_is_no_s5),
        cmocka_unit_test(damaged_aml_is_survived),
        TEST(a_pc_powers_off),
        TEST(extended_registers_come_first),
        TEST(no_legacy_mode),
        TEST(an_ssdt_may_hold_s5),
        TEST(no_s5_no_plan),
        TEST(no_register_no_plan),
        TEST(reduced_hardware_has_its_own_register),
        TEST(reset_through_a_port),
        TEST(reset_through_memory),
        TEST(reset_through_pci),
        TEST(a_reset_register_that_cannot_be),
    };
    return cmocka_run_group_tests_name("acpi_power", tests, NULL, NULL);
}
