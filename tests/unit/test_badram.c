// SPDX-License-Identifier: MIT
// Patterns of bad memory: every page of small maps against the definition, then what people pass.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "world.h"
#include <cmocka.h>
#include <options/badram_pattern.h>

static uint64_t seed = 0x9e3779b97f4a7c15;

static bool matches(const struct badram_pattern *pattern, uint64_t address) {
    return (address & pattern->mask) == pattern->address;
}

// With few fixed bits, so that many pages match.
static struct badram_pattern random_pattern(unsigned fixed_bits, unsigned width) {
    uint64_t mask = 0;
    for (unsigned i = 0; i < fixed_bits; i++) {
        mask |= PAGE_SIZE << world_random(&seed) % width;
    }
    uint64_t above = ~((PAGE_SIZE << width) - 1);
    return badram_pattern((world_random(&seed) & ((PAGE_SIZE << width) - 1)) | UINT64_C(1) << 40,
                          mask | above);
}

// The next place is the first one, for every address.
static void next_is_the_first(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct badram_pattern pattern = random_pattern(1 + i % 8, 8);
        uint64_t base = UINT64_C(1) << 40, end = base + (PAGE_SIZE << 8);
        uint64_t place = badram_place_bytes(&pattern), expected = UINT64_MAX;
        for (uint64_t at = end; at-- != base;) {
            at = align_down(at, PAGE_SIZE);
            expected = matches(&pattern, at) && at % place == 0 ? at : expected;
            assert_int_equal(badram_next(&pattern, at), expected);
            assert_int_equal(badram_next(&pattern, at - 1), expected);
        }
    }
}

static void next_at_the_ends(void **state) {
    (void)state;
    struct badram_pattern odd = badram_pattern(UINT64_C(0x100001000), 0x1000);
    assert_int_equal(badram_next(&odd, 0), 0x1000);
    assert_int_equal(badram_next(&odd, 0x1001), 0x3000);
    assert_int_equal(badram_next(&odd, BADRAM_PHYSICAL_LIMIT - PAGE_SIZE),
                     BADRAM_PHYSICAL_LIMIT - PAGE_SIZE);
    assert_int_equal(badram_next(&odd, BADRAM_PHYSICAL_LIMIT), UINT64_MAX);
    assert_int_equal(badram_next(&odd, UINT64_MAX), UINT64_MAX);
    struct badram_pattern all = badram_pattern(UINT64_C(1) << 33, 0);
    assert_true(badram_is_range(&all));
    assert_int_equal(badram_place_bytes(&all), BADRAM_PHYSICAL_LIMIT);
    assert_int_equal(badram_next(&all, 0), 0);
    assert_int_equal(badram_next(&all, 1), UINT64_MAX);
}

static const struct efi_descriptor pc[] = {
    {.type = EFI_CONVENTIONAL, .physical_start = 0, .pages = 160},
    {.type = EFI_BOOT_SERVICES_DATA, .physical_start = MIB, .pages = 64},
    {.type = EFI_LOADER_DATA, .physical_start = MIB + 64 * PAGE_SIZE, .pages = 3},
    {.type = EFI_RUNTIME_SERVICES_DATA, .physical_start = MIB + 67 * PAGE_SIZE, .pages = 5},
    {.type = EFI_CONVENTIONAL, .physical_start = MIB + 72 * PAGE_SIZE, .pages = 184},
    {.type = EFI_ACPI_RECLAIM, .physical_start = 2 * MIB, .pages = 7},
    {.type = EFI_RESERVED, .physical_start = 2 * MIB + 7 * PAGE_SIZE, .pages = 9},
    {.type = EFI_CONVENTIONAL, .physical_start = 4 * GIB, .pages = 256},
};
static const struct efi_map pc_map = {pc, sizeof(pc), sizeof(pc[0]), 1};

static bool is_ram(uint64_t address) {
    for (size_t i = 0; i < sizeof(pc) / sizeof(pc[0]); i++) {
        if (address >= pc[i].physical_start &&
            address < pc[i].physical_start + pc[i].pages * PAGE_SIZE) {
            return pc[i].type != EFI_RUNTIME_SERVICES_DATA && pc[i].type != EFI_RESERVED;
        }
    }
    return false;
}

static bool is_in(const struct boot_options *options, uint64_t address) {
    for (uint32_t i = 0; i < options->badram_count; i++) {
        if (options->badram[i].begin.value <= address && address < options->badram[i].end.value) {
            return true;
        }
    }
    return false;
}

// What is in the ranges and what is left are together exactly the pages that match.
static void compare(const struct badram_pattern *pattern, const struct boot_options *options,
                    const struct badram_left *left) {
    uint64_t missing = 0, first = 0;
    for (uint64_t area = 0; area <= 4 * GIB; area += 4 * GIB) {
        for (uint64_t at = area; at < area + 3 * MIB; at += PAGE_SIZE) {
            bool bad = is_ram(at) && matches(pattern, at);
            if (is_in(options, at)) {
                assert_true(bad);
            } else if (bad) {
                first = missing++ == 0 ? at : first;
            }
        }
    }
    assert_int_equal(missing, left->pages);
    assert_int_equal(first, left->first);
    assert_true(left->places <= left->pages && (left->places == 0) == (left->pages == 0));
    assert_true(left->places == 0 || options->badram_count == BOOT_BADRAM_MAX);
}

static void every_page_of_a_small_machine(void **state) {
    (void)state;
    unsigned full = 0, fitting = 0;
    for (unsigned i = 0; i < 2000; i++) {
        struct boot_options options = {.badram_count = 0};
        uint64_t mask = 0;
        for (unsigned bits = 2 + i % 10; bits != 0; bits--) {
            mask |= PAGE_SIZE << world_random(&seed) % 21;
        }
        // Of 32 bits and of 64.
        uint64_t address = world_random(&seed) & (i % 2 == 0 ? 0x3fffff : UINT64_C(0x1003fffff));
        struct badram_pattern pattern =
            badram_pattern(address, mask | (i % 2 == 0 ? 0 : ~0x1fffffffful));
        struct badram_left left = badram_expand(&options, &pattern, &pc_map);
        compare(&pattern, &options, &left);
        full += left.places != 0;
        fitting += left.places == 0 && options.badram_count > 1;
    }
    assert_true(full > 100 && fitting > 100);
}

static void expect(uint64_t address, uint64_t mask, const char *expected) {
    struct boot_options options = {.badram_count = 0};
    struct badram_pattern pattern = badram_pattern(address, mask);
    struct badram_left left = badram_expand(&options, &pattern, &pc_map);
    char out[512] = "";
    for (uint32_t i = 0; i < options.badram_count; i++) {
        size_t length = strlen(out);
        snprintf(out + length, sizeof(out) - length, "%lx-%lx ", options.badram[i].begin.value,
                 options.badram[i].end.value);
    }
    assert_string_equal(out, expected);
    assert_int_equal(left.places, 0);
}

static void what_people_pass(void **state) {
    (void)state;
    expect(0x3000, 0xffff7000, "3000-4000 b000-c000 "); // one bit that does not matter
    expect(0x1000, 0xfffe7000, "1000-2000 9000-a000 11000-12000 19000-1a000 ");
    expect(0x101000, 0xfffff000, "101000-102000 "); // one page
    expect(0x105678, 0xffffc000, "104000-108000 "); // four pages
    // A line that fails: every 256 KiB of 1 MiB, but not what the firmware keeps.
    expect(0x105000, 0xfff3f000, "105000-106000 185000-186000 1c5000-1c6000 ");
    expect(0x149fff, 0xfff3f000, "109000-10a000 149000-14a000 189000-18a000 1c9000-1ca000 ");
    // The same in each GiB of a large machine: 64 bits.
    expect(UINT64_C(0x100020000), UINT64_C(0xfffffffefffff000), "20000-21000 100020000-100021000 ");
    // Places larger than what there is: cut to it.
    expect(0x100000, 0xfff00000, "100000-140000 140000-143000 148000-200000 ");
    expect(0xa0000, 0xffff0000, ""); // no RAM
}

// 64 ranges fit; of what does not fit, everything is counted.
static void too_many(void **state) {
    (void)state;
    struct boot_options options = {.badram_count = 0};
    struct badram_pattern odd = badram_pattern(0x1000, 0x1000 | ~(uint64_t)UINT32_MAX);
    struct badram_left left = badram_expand(&options, &odd, &pc_map);
    assert_int_equal(options.badram_count, BOOT_BADRAM_MAX);
    assert_int_equal(options.badram[63].begin.value, 127 * PAGE_SIZE);
    // Odd pages: 80 below 640 KiB, 32 + 1 + 92 above 1 MiB, 3 of the ACPI tables.
    assert_int_equal(left.places, 80 + 32 + 1 + 92 + 3 - 64);
    assert_int_equal(left.pages, left.places);
    assert_int_equal(left.first, 129 * PAGE_SIZE);
    // What is there already needs no room.
    left = badram_expand(&options, &(struct badram_pattern){0x1000, ~(uint64_t)0xfff}, &pc_map);
    assert_int_equal(left.places, 0);
}

static void senseless_descriptors(void **state) {
    (void)state;
    const struct efi_descriptor odd[] = {
        {.type = EFI_CONVENTIONAL, .physical_start = UINT64_MAX - 5, .pages = 1},
        {.type = EFI_CONVENTIONAL, .physical_start = BADRAM_PHYSICAL_LIMIT, .pages = 1},
        {.type = EFI_CONVENTIONAL, .physical_start = 0x5000, .pages = 0},
        {.type = 0x80000000, .physical_start = 0x5000, .pages = 1},
        {.type = EFI_CONVENTIONAL,
         .physical_start = BADRAM_PHYSICAL_LIMIT - 8 * PAGE_SIZE,
         .pages = UINT64_MAX},
    };
    const struct efi_map map = {odd, sizeof(odd), sizeof(odd[0]), 1};
    struct boot_options options = {.badram_count = 0};
    struct badram_pattern pattern = badram_pattern(UINT64_C(1) << 33 | 0x5000, 0x7000);
    struct badram_left left = badram_expand(&options, &pattern, &map);
    assert_int_equal(left.places, 0);
    assert_int_equal(options.badram_count, 1);
    assert_int_equal(options.badram[0].begin.value, BADRAM_PHYSICAL_LIMIT - 3 * PAGE_SIZE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_is_the_first),
        cmocka_unit_test(next_at_the_ends),
        cmocka_unit_test(every_page_of_a_small_machine),
        cmocka_unit_test(what_people_pass),
        cmocka_unit_test(too_many),
        cmocka_unit_test(senseless_descriptors),
    };
    return cmocka_run_group_tests_name("badram", tests, NULL, NULL);
}
