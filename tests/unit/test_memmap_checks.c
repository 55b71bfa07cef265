// SPDX-License-Identifier: MIT
// Checks of a converted map: tables, register windows, MTRRs, the memory attributes table.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <mm/memmap.h>

static _Alignas(16) unsigned char storage[1 << 16];

static const struct efi_descriptor entries[] = {
    {.type = EFI_CONVENTIONAL, .physical_start = MIB, .pages = 256, .attributes = 0xf},
    {.type = EFI_LOADER_DATA, .physical_start = 2 * MIB, .pages = 256, .attributes = 0xf},
    {.type = EFI_BOOT_SERVICES_DATA, .physical_start = 3 * MIB, .pages = 256, .attributes = 0xf},
    {.type = EFI_ACPI_RECLAIM, .physical_start = 4 * MIB, .pages = 256, .attributes = 0xf},
    {.type = EFI_RUNTIME_SERVICES_CODE,
     .physical_start = 5 * MIB,
     .pages = 16,
     .attributes = EFI_ATTRIBUTE_RUNTIME | 0xf},
    {.type = EFI_RUNTIME_SERVICES_CODE,
     .physical_start = 5 * MIB + 16 * PAGE_SIZE,
     .pages = 16,
     .attributes = EFI_ATTRIBUTE_RUNTIME | 0xf},
    {.type = EFI_RUNTIME_SERVICES_DATA,
     .physical_start = 6 * MIB,
     .pages = 16,
     .attributes = EFI_ATTRIBUTE_RUNTIME | 0xf},
    {.type = EFI_MMIO, .physical_start = 8 * MIB, .pages = 1, .attributes = 1},
};
static const struct efi_map firmware = {entries, sizeof(entries), sizeof(entries[0]), 1};

static struct memmap map;

static int convert(void **state) {
    (void)state;
    static const struct memmap_claim kernel = {{MIB + 0x10000}, {MIB + 0x20000}, MEMORY_KERNEL};
    struct memmap_input input = {.map = firmware, .claims = &kernel, .claim_count = 1};
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_OK);
    assert_int_equal(map.finding_count, 0);
    return 0;
}

static void expect_finding(size_t index, const char *sentence) {
    char line[512];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    assert_true(index < map.finding_count);
    finding_print(&out.text, &map.findings[index]);
    assert_string_equal(line, sentence);
    assert_null(memmap_check(&map));
}

static enum memory_class class_at(uint64_t address) {
    return memmap_find(&map, paddr(address))->class;
}

static void a_table_in_usable_memory_is_pinned(void **state) {
    (void)state;
    assert_true(memmap_check_table(&map, "FACP", paddr(MIB + 0x1ff0), 0x20));
    expect_finding(0, "table FACP [0x101ff0, 0x102010) lies in usable memory, which would be given "
                      "out: its pages are kept");
    assert_int_equal(class_at(MIB), MEMORY_USABLE);
    assert_int_equal(class_at(MIB + 0x1000), MEMORY_KERNEL);
    assert_int_equal(class_at(MIB + 0x2000), MEMORY_KERNEL);
    assert_int_equal(class_at(MIB + 0x3000), MEMORY_USABLE);
    assert_false(memmap_check_table(&map, "FACP", paddr(MIB + 0x1ff0), 0x20));
}

static void a_table_across_regions_is_pinned_whole(void **state) {
    (void)state;
    assert_true(memmap_check_table(&map, "A-LONG-NAME", paddr(2 * MIB - 0x1000), 0x2000));
    expect_finding(0, "table A-LONG- [0x1ff000, 0x201000) lies in usable memory, which would be "
                      "given out: its pages are kept");
    assert_int_equal(class_at(2 * MIB - 0x1000), MEMORY_KERNEL);
    assert_int_equal(class_at(2 * MIB), MEMORY_KERNEL);
    assert_int_equal(class_at(2 * MIB + 0x1000), MEMORY_LOADER);
}

static void tables_at_home_are_left_alone(void **state) {
    (void)state;
    assert_false(memmap_check_table(&map, "ESRT", paddr(3 * MIB), 100));
    assert_false(memmap_check_table(&map, "DSDT", paddr(4 * MIB), 100));
    assert_false(memmap_check_table(&map, "FACS", paddr(MIB), 0));
    assert_false(memmap_check_table(&map, "FACS", paddr(UINT64_MAX - 5), 100));
    assert_false(memmap_check_table(&map, "FACS", paddr(0xa0000), 100));
    assert_int_equal(map.finding_count, 0);
}

static void a_table_of_endless_length_pins_the_rest(void **state) {
    (void)state;
    assert_true(memmap_check_table(&map, "SSDT", paddr(MIB + 0x30000), UINT64_MAX));
    assert_int_equal(class_at(MIB + 0x2f000), MEMORY_USABLE);
    assert_int_equal(class_at(2 * MIB - 1), MEMORY_KERNEL);
    assert_int_equal(class_at(3 * MIB - 1), MEMORY_KERNEL);
    assert_null(memmap_check(&map));
}

static void a_window_inside_ram_wins(void **state) {
    (void)state;
    assert_true(memmap_check_window(&map, "LAPIC", paddr(3 * MIB + 0x800), paddr(3 * MIB + 0xc00)));
    expect_finding(0, "the LAPIC window [0x300800, 0x300c00) lies in bootsvc memory: taken for "
                      "device registers");
    assert_int_equal(class_at(3 * MIB), MEMORY_MMIO);
    assert_int_equal(class_at(3 * MIB + 0x1000), MEMORY_BOOTSVC);
    assert_false(memmap_check_window(&map, "LAPIC", paddr(3 * MIB), paddr(3 * MIB + 0x1000)));
    assert_false(memmap_check_window(&map, "ECAM", paddr(8 * MIB), paddr(9 * MIB)));
    assert_false(memmap_check_window(&map, "ECAM", paddr(2 * MIB), paddr(MIB)));
}

static void a_window_does_not_take_the_kernel(void **state) {
    (void)state;
    assert_true(memmap_check_window(&map, "ECAM", paddr(0), paddr(UINT64_MAX)));
    assert_int_equal(class_at(MIB + 0x10000), MEMORY_KERNEL);
    assert_int_equal(class_at(MIB), MEMORY_MMIO);
    assert_int_equal(class_at(MIB + 0x20000), MEMORY_MMIO);
    assert_int_equal(class_at(6 * MIB), MEMORY_MMIO);
    assert_null(memmap_check(&map));
}

static void uncached_memory_is_not_given_out(void **state) {
    (void)state;
    assert_true(memmap_check_uncached(&map, paddr(2 * MIB - 0x1800), paddr(2 * MIB + 0x1000)));
    assert_int_equal(map.finding_count, 2);
    expect_finding(0, "[0x1fe000, 0x200000) is usable memory that the MTRRs make uncached: "
                      "reserved");
    expect_finding(1, "[0x200000, 0x201000) is loader memory that the MTRRs make uncached: "
                      "reserved");
    assert_int_equal(class_at(2 * MIB - 0x2000), MEMORY_RESERVED);
    assert_int_equal(class_at(2 * MIB + 0x1000), MEMORY_LOADER);
    assert_false(memmap_check_uncached(&map, paddr(5 * MIB), paddr(UINT64_MAX)));
}

static void without_room_the_whole_region_is_kept(void **state) {
    (void)state;
    map.region_capacity = map.region_count;
    assert_true(memmap_check_table(&map, "FACP", paddr(3 * MIB - 0x5000), 0x20));
    assert_int_equal(class_at(2 * MIB), MEMORY_KERNEL);
    assert_int_equal(class_at(3 * MIB - 1), MEMORY_KERNEL);
    assert_null(memmap_check(&map));
}

struct attributes_table {
    uint32_t version, entries, stride, flags;
    struct efi_descriptor entry[8];
};

#define RO (EFI_ATTRIBUTE_RO | EFI_ATTRIBUTE_RUNTIME)
#define XP (EFI_ATTRIBUTE_XP | EFI_ATTRIBUTE_RUNTIME)

static size_t check_attributes(const struct attributes_table *table, size_t bytes) {
    return memmap_check_attributes_table(&map, &firmware, table, bytes);
}

static void attributes_entries_have_a_home(void **state) {
    (void)state;
    struct attributes_table table = {
        .version = 1,
        .entries = 8,
        .stride = sizeof(struct efi_descriptor),
        .entry = {{EFI_RUNTIME_SERVICES_CODE, 0, 5 * MIB, 0, 1, RO},
                  {EFI_RUNTIME_SERVICES_CODE, 0, 5 * MIB + PAGE_SIZE, 0, 15, XP},
                  {EFI_RUNTIME_SERVICES_CODE, 0, 5 * MIB + 8 * PAGE_SIZE, 0, 16, RO},
                  {EFI_RUNTIME_SERVICES_DATA, 0, 5 * MIB, 0, 1, XP},
                  {EFI_CONVENTIONAL, 0, MIB, 0, 1, XP},
                  {EFI_RUNTIME_SERVICES_DATA, 0, 6 * MIB + 1, 0, 1, XP},
                  {EFI_RUNTIME_SERVICES_DATA, 0, 6 * MIB, 0, UINT64_MAX, XP},
                  {EFI_RUNTIME_SERVICES_DATA, 0, 6 * MIB, 0, 16, EFI_ATTRIBUTE_RUNTIME}}};
    assert_int_equal(check_attributes(&table, sizeof(table)), 2);
    assert_int_equal(map.finding_count, 6);
    expect_finding(0, "memory attributes table: entry 2 [0x508000, 0x518000) is not inside one "
                      "runtime descriptor of its type: not applied");
    expect_finding(1, "memory attributes table: entry 3 [0x500000, 0x501000) is not inside one "
                      "runtime descriptor of its type: not applied");
    expect_finding(2, "memory attributes table: entry 4 [0x100000, 0x101000) is neither runtime "
                      "code nor runtime data: not applied");
    expect_finding(3, "memory attributes table: entry 5 [0x600001, 0x601001) is empty or not "
                      "page-aligned: not applied");
    expect_finding(4, "memory attributes table: entry 6 [0x600000, 0x5ff000) is not inside one "
                      "runtime descriptor of its type: not applied");
    expect_finding(5, "memory attributes table: entry 7 [0x600000, 0x610000) is neither read-only "
                      "nor execute-protected: not applied");
}

static void a_bad_attributes_table_is_not_read(void **state) {
    (void)state;
    struct attributes_table table = {.version = 1, .entries = 8, .stride = 40};
    table.entry[0] = (struct efi_descriptor){EFI_RUNTIME_SERVICES_CODE, 0, 5 * MIB, 0, 1, RO};
    assert_int_equal(check_attributes(&table, 15), 0);
    expect_finding(0, "memory attributes table (version 0, 15 bytes): its header is wrong: not "
                      "applied");
    assert_int_equal(check_attributes(&table, sizeof(table) - 1), 0);
    table.entries = 1;
    table.version = 3;
    assert_int_equal(check_attributes(&table, sizeof(table)), 0);
    table.version = 2;
    table.stride = 39;
    assert_int_equal(check_attributes(&table, sizeof(table)), 0);
    assert_int_equal(map.finding_count, 4);
    table.stride = 48;
    assert_int_equal(check_attributes(&table, sizeof(table)), 1);
    assert_int_equal(map.finding_count, 4);
}

// Of a table somewhere in memory: what goes beyond its region is not read, and where nothing can
// be, nothing is.
static void an_attributes_table_lies_in_memory(void **state) {
    (void)state;
    struct attributes_table table = {.version = 1, .entries = 1, .stride = 40};
    table.entry[0] = (struct efi_descriptor){EFI_RUNTIME_SERVICES_CODE, 0, 5 * MIB, 0, 1, RO};
    assert_int_equal(memmap_check_attributes_at(&map, &firmware, paddr(3 * MIB), &table), 1);
    assert_int_equal(memmap_check_attributes_at(&map, &firmware, paddr(4 * MIB - 56), &table), 1);
    assert_int_equal(map.finding_count, 0);
    table.entries = UINT32_MAX;
    assert_int_equal(memmap_check_attributes_at(&map, &firmware, paddr(4 * MIB - 24), &table), 0);
    expect_finding(0, "memory attributes table (version 1, 24 bytes): its header is wrong: not "
                      "applied");
    static const uint64_t nowhere[] = {0, 1, MIB - 1, 5 * MIB - 15, 7 * MIB, 8 * MIB, UINT64_MAX};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        assert_int_equal(memmap_check_attributes_at(&map, &firmware, paddr(nowhere[i]), NULL), 0);
    }
    assert_int_equal(map.finding_count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_table_in_usable_memory_is_pinned, convert),
        cmocka_unit_test_setup(a_table_across_regions_is_pinned_whole, convert),
        cmocka_unit_test_setup(tables_at_home_are_left_alone, convert),
        cmocka_unit_test_setup(a_table_of_endless_length_pins_the_rest, convert),
        cmocka_unit_test_setup(a_window_inside_ram_wins, convert),
        cmocka_unit_test_setup(a_window_does_not_take_the_kernel, convert),
        cmocka_unit_test_setup(uncached_memory_is_not_given_out, convert),
        cmocka_unit_test_setup(without_room_the_whole_region_is_kept, convert),
        cmocka_unit_test_setup(attributes_entries_have_a_home, convert),
        cmocka_unit_test_setup(a_bad_attributes_table_is_not_read, convert),
        cmocka_unit_test_setup(an_attributes_table_lies_in_memory, convert),
    };
    return cmocka_run_group_tests_name("memmap_checks", tests, NULL, NULL);
}
