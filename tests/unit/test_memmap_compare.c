// SPDX-License-Identifier: MIT
// The map held against SRAT's ranges and SMBIOS' sizes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <mm/memmap.h>

#define WB(kind, begin, size)                                                                      \
    { .type = (kind), .physical_start = (begin), .pages = (size) / PAGE_SIZE, .attributes = 0xf }

// 2 GiB of RAM below 3 GiB, 1 GiB above 4 GiB; the firmware keeps 32 MiB at 1 GiB.
static const struct efi_descriptor entries[] = {
    WB(EFI_CONVENTIONAL, 0, 0xa0000),
    WB(EFI_CONVENTIONAL, MIB, GIB - MIB),
    WB(EFI_RESERVED, GIB, 32 * MIB),
    WB(EFI_BOOT_SERVICES_DATA, GIB + 32 * MIB, GIB - 32 * MIB),
    {.type = EFI_MMIO, .physical_start = 3 * GIB, .pages = 256, .attributes = 1},
    WB(EFI_CONVENTIONAL, 4 * GIB, GIB),
};
#define RAM (3 * GIB - 32 * MIB - 384 * KIB)

static _Alignas(16) unsigned char storage[1 << 18];
static struct memmap map;

static int convert(void **state) {
    (void)state;
    struct memmap_input input = {.map = {entries, sizeof(entries), sizeof(entries[0]), 1}};
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_OK);
    assert_int_equal(map.finding_count, 0);
    return 0;
}

static void check(const struct memmap_node_range *ranges, size_t count) {
    struct memmap_node_range copy[8];
    memcpy(copy, ranges, count * sizeof(*ranges));
    memmap_check_nodes(&map, copy, count, true);
}

static void expect(size_t index, const char *sentence) {
    char line[256];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    assert_true(index < map.finding_count);
    finding_print(&out.text, &map.findings[index]);
    assert_string_equal(line, sentence);
}

static void agreement_is_silent(void **state) {
    (void)state;
    const struct memmap_node_range ranges[] = {
        {4 * GIB, 5 * GIB, 1, true}, // in any order
        {0, 0xa0000, 0, true},
        {MIB, 2 * GIB, 0, true},             // with what the firmware keeps
        {5 * GIB, 64 * GIB, 1, false},       // for memory that may be plugged in
        {64 * GIB, 64 * GIB + MIB, 1, false} // persistent
    };
    check(ranges, 5);
    assert_int_equal(map.finding_count, 0);
    check(ranges, 0); // no SRAT
    assert_int_equal(map.finding_count, 0);
}

static void ram_of_no_node(void **state) {
    (void)state;
    const struct memmap_node_range ranges[] = {{MIB, 512 * MIB, 0, true},
                                               {600 * MIB, GIB + GIB / 2, 1, true},
                                               {4 * GIB, 5 * GIB, 1, true}};
    check(ranges, 3);
    assert_int_equal(map.finding_count, 2);
    expect(0, "[0x20000000, 0x25800000) (88 MiB) is RAM that the table SRAT gives to no node: used "
              "all the same");
    expect(1, "[0x60000000, 0x80000000) (512 MiB) is RAM that the table SRAT gives to no node: "
              "used all the same");
    assert_int_equal(map.findings[0].severity, FINDING_WARNING);
}

// Pieces of several classes, in a row, are one.
static void neighbours_are_one_finding(void **state) {
    (void)state;
    const struct memmap_node_range ranges[] = {{4 * GIB, 5 * GIB, 0, true}};
    assert_true(memmap_set_class(&map, paddr(8 * MIB), paddr(16 * MIB), MEMORY_KERNEL));
    check(ranges, 1);
    assert_int_equal(map.finding_count, 2);
    expect(0, "[0x100000, 0x40000000) (1023 MiB) is RAM that the table SRAT gives to no node: used "
              "all the same");
}

static void a_node_of_what_is_not_ram(void **state) {
    (void)state;
    const struct memmap_node_range ranges[] = {
        {MIB, 2 * GIB, 0, true},           {4 * GIB, 5 * GIB + 512 * MIB, 1, true},
        {3 * GIB, 3 * GIB + MIB, 2, true}, {GIB + MIB, GIB + 2 * MIB, 3, true},
        {8 * GIB, UINT64_MAX, 4, true},    {9 * GIB, 9 * GIB, 5, true}};
    check(ranges, 6);
    assert_int_equal(map.finding_count, 4);
    expect(0, "table SRAT: node 3 has [0x40100000, 0x40200000) (1 MiB), which the map calls "
              "reserved: kept so");
    expect(1, "table SRAT: node 2 has [0xc0000000, 0xc0100000) (1 MiB), which the map calls mmio: "
              "kept so");
    expect(2, "table SRAT: node 1 has [0x140000000, 0x160000000) (512 MiB), of which the map says "
              "nothing: not used");
    assert_int_equal(map.findings[3].begin, 8 * GIB);
}

// What is usual is silent to the byte, and one page more is not.
static void what_firmware_keeps_is_usual(void **state) {
    (void)state;
    const struct memmap_node_range usual[] = {{MIB, 2 * GIB, 0, true},
                                              {4 * GIB, 5 * GIB + GIB / 7, 0, true}};
    const struct memmap_node_range more[] = {{MIB, 2 * GIB, 0, true},
                                             {4 * GIB, 5 * GIB + GIB / 7 + PAGE_SIZE, 0, true}};
    check(usual, 2);
    assert_int_equal(map.finding_count, 0);
    check(more, 2);
    assert_int_equal(map.finding_count, 1);
}

static void sizes_that_agree_are_silent(void **state) {
    (void)state;
    memmap_check_installed(&map, 0, 0); // nobody knows
    memmap_check_installed(&map, 3 * GIB, 3 * GIB);
    memmap_check_installed(&map, 3 * GIB, 0);
    memmap_check_installed(&map, RAM, RAM);
    memmap_check_installed(&map, 3 * GIB + 384 * MIB, 3 * GIB); // a graphics device has some
    assert_int_equal(map.finding_count, 0);
}

static void sizes_that_do_not(void **state) {
    (void)state;
    memmap_check_installed(&map, 2 * GIB, 2 * GIB);
    memmap_check_installed(&map, RAM - PAGE_SIZE, 0);
    memmap_check_installed(&map, 16 * GIB, 0);
    memmap_check_installed(&map, 3 * GIB, 4 * GIB);
    assert_int_equal(map.finding_count, 4);
    expect(0,
           "SMBIOS: 2 GiB of memory are installed, but the map describes 2.9 GiB of RAM: the map "
           "is believed");
    assert_int_equal(map.findings[1].detail, MEMORY_SIZE_TOO_MUCH);
    expect(2, "SMBIOS: 16 GiB of memory are installed, of which the map describes no more than 2.9 "
              "GiB: the rest is not used");
    expect(3,
           "SMBIOS: 3 GiB of memory are installed, but 4 GiB of addresses are given to them: the "
           "map is believed");
}

static uint64_t random_state;

static uint64_t random_below(uint64_t limit) {
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (random_state >> 20) % limit;
}

static bool covered(const struct memmap_node_range *ranges, size_t count, uint64_t at) {
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].begin <= at && at < ranges[i].end) {
            return true;
        }
    }
    return false;
}

static bool remarked(uint64_t at) {
    for (size_t i = 0; i < map.finding_count; i++) {
        const struct finding *finding = &map.findings[i];
        if (finding->rule == FINDING_RAM_OUTSIDE_NODES && finding->begin <= at &&
            at < finding->end) {
            return true;
        }
    }
    return false;
}

// Memory that the ranges known do not have may be in those that are not; what they claim is known.
static void some_ranges_say_nothing_of_the_rest(void **state) {
    (void)state;
    struct memmap_node_range ranges[] = {{4 * GIB, 5 * GIB, 1, true}};
    memmap_check_nodes(&map, ranges, 1, false);
    assert_int_equal(map.finding_count, 0);
    ranges[0].end = 64 * GIB;
    memmap_check_nodes(&map, ranges, 1, false);
    assert_int_equal(map.finding_count, 1);
    assert_int_equal(map.findings[0].rule, FINDING_NODE_OUTSIDE_RAM);
}

// Against asking for every 16 MiB one by one.
static void every_page_is_judged(void **state) {
    enum { COUNT = 6 };
    const uint64_t step = 16 * MIB;
    for (random_state = 1; random_state < 500; random_state++) {
        uint64_t seed = random_state;
        struct memmap_node_range ranges[COUNT];
        convert(state);
        size_t regions = map.region_count;
        for (size_t i = 0; i < COUNT; i++) {
            uint64_t begin = random_below(320) * step;
            ranges[i] =
                (struct memmap_node_range){begin, begin + random_below(64) * step, 0, false};
        }
        memmap_check_nodes(&map, ranges, COUNT, true);
        for (uint64_t at = step; at < 5 * GIB; at += step) {
            enum memory_class class = memmap_find(&map, paddr(at)) == NULL
                                          ? MEMORY_RESERVED
                                          : memmap_find(&map, paddr(at))->class;
            bool ram = class == MEMORY_USABLE || class == MEMORY_BOOTSVC;
            assert_int_equal(remarked(at), ram && !covered(ranges, COUNT, at));
        }
        assert_int_equal(map.region_count, regions);
        assert_null(memmap_check(&map));
        random_state = seed;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(agreement_is_silent, convert),
        cmocka_unit_test_setup(ram_of_no_node, convert),
        cmocka_unit_test_setup(neighbours_are_one_finding, convert),
        cmocka_unit_test_setup(a_node_of_what_is_not_ram, convert),
        cmocka_unit_test_setup(what_firmware_keeps_is_usual, convert),
        cmocka_unit_test_setup(sizes_that_agree_are_silent, convert),
        cmocka_unit_test_setup(sizes_that_do_not, convert),
        cmocka_unit_test_setup(some_ranges_say_nothing_of_the_rest, convert),
        cmocka_unit_test(every_page_is_judged),
    };
    return cmocka_run_group_tests_name("memmap_compare", tests, NULL, NULL);
}
