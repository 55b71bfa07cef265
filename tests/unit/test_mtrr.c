// SPDX-License-Identifier: MIT
// Uncached ranges out of memory type range registers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <x86/mtrr.h>

#define ENABLED    UINT64_C(0xc00)
#define VALID      UINT64_C(0x800)
#define BITS       40
#define MASK(size) ((((UINT64_C(1) << BITS) - 1) & ~((size)-1)) | VALID)

enum { UC = 0, WC = 1, WT = 4, WB = 6 };

static void add(struct mtrrs *mtrrs, uint64_t base, uint64_t size, unsigned type) {
    mtrrs->variable[mtrrs->count].base = base | type;
    mtrrs->variable[mtrrs->count++].mask = MASK(size);
}

static void assert_next(const struct mtrrs *mtrrs, uint64_t from, uint64_t begin, uint64_t end) {
    uint64_t found_begin = from, found_end = 0;
    assert_true(mtrr_next_uncached(mtrrs, BITS, &found_begin, &found_end));
    assert_int_equal(found_begin, begin);
    assert_int_equal(found_end, end);
}

static void assert_none(const struct mtrrs *mtrrs, uint64_t from) {
    uint64_t begin = from, end;
    assert_false(mtrr_next_uncached(mtrrs, BITS, &begin, &end));
}

static void holes_in_write_back(void **state) {
    (void)state;
    struct mtrrs mtrrs = {.default_type = ENABLED | WB};
    assert_true(mtrr_plausible(&mtrrs, BITS, GIB));
    assert_none(&mtrrs, 0);
    add(&mtrrs, 2 * GIB, 2 * GIB, UC);
    add(&mtrrs, 5 * GIB, MIB, WC);
    assert_next(&mtrrs, MIB, 2 * GIB, 4 * GIB);
    assert_next(&mtrrs, 3 * GIB, 3 * GIB, 4 * GIB);
    assert_next(&mtrrs, 4 * GIB, 5 * GIB, 5 * GIB + MIB);
    assert_none(&mtrrs, 5 * GIB + MIB);
}

static void write_back_in_uncached(void **state) {
    (void)state;
    struct mtrrs mtrrs = {.default_type = ENABLED | UC};
    add(&mtrrs, 0, 2 * GIB, WB);
    add(&mtrrs, GIB, GIB / 2, UC); // wins over write-back
    add(&mtrrs, 4 * GIB, 4 * GIB, WB);
    assert_true(mtrr_plausible(&mtrrs, BITS, MIB));
    assert_next(&mtrrs, 0, GIB, GIB + GIB / 2);
    assert_next(&mtrrs, GIB + GIB / 2, 2 * GIB, 4 * GIB);
    assert_next(&mtrrs, 4 * GIB, 8 * GIB, UINT64_C(1) << BITS);
    assert_none(&mtrrs, UINT64_C(1) << BITS);
}

static void neighbours_are_one_range(void **state) {
    (void)state;
    struct mtrrs mtrrs = {.default_type = ENABLED | WB};
    add(&mtrrs, 3 * GIB, GIB, UC);
    add(&mtrrs, 2 * GIB, GIB, WC);
    add(&mtrrs, 6 * GIB, GIB, WT);
    assert_next(&mtrrs, 0, 2 * GIB, 4 * GIB);
    assert_none(&mtrrs, 4 * GIB);
}

static void unused_and_odd_ranges_are_left_out(void **state) {
    (void)state;
    struct mtrrs mtrrs = {.default_type = ENABLED | WB};
    add(&mtrrs, 2 * GIB, GIB, UC);
    mtrrs.variable[0].mask &= ~VALID;
    add(&mtrrs, 2 * GIB, GIB, UC);
    mtrrs.variable[1].mask &= ~(UINT64_C(1) << 35); // a hole in the mask
    add(&mtrrs, 0, UINT64_C(1) << BITS, UC);        // an empty mask
    assert_none(&mtrrs, 0);
}

// U-Boot's for QEMU: write-back only for its ROM, and a mask for 36 bits of address.
static void blank_registers_are_not_believed(void **state) {
    (void)state;
    struct mtrrs off = {.default_type = WB};
    assert_false(mtrr_plausible(&off, BITS, MIB));
    struct mtrrs rom_only = {.default_type = ENABLED | UC, .count = 1};
    rom_only.variable[0].base = 0xfff00006;
    rom_only.variable[0].mask = 0xffff00800;
    assert_false(mtrr_plausible(&rom_only, BITS, MIB));
    assert_false(mtrr_plausible(&rom_only, BITS, 5 * GIB));
    assert_next(&rom_only, 0, 0, 0xfff00000);
    assert_next(&rom_only, 0xfff00000, 4 * GIB, UINT64_C(1) << BITS);
    add(&rom_only, 0, GIB, WB);
    assert_true(mtrr_plausible(&rom_only, BITS, MIB));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holes_in_write_back),
        cmocka_unit_test(write_back_in_uncached),
        cmocka_unit_test(neighbours_are_one_range),
        cmocka_unit_test(unused_and_odd_ranges_are_left_out),
        cmocka_unit_test(blank_registers_are_not_believed),
    };
    return cmocka_run_group_tests_name("mtrr", tests, NULL, NULL);
}
