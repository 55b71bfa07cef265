// SPDX-License-Identifier: MIT
// The conversion beyond what a map file can say: refusals, storage, lookups, memmap_check itself.
// (The rules for descriptors are in tests/maps/made-*.txt.)
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../support/oracle.h"
#include <cmocka.h>
#include <mm/report.h>
#include <strata/boot.h>

static _Alignas(16) unsigned char storage[1 << 16];

static const struct efi_descriptor small[] = {
    {.type = EFI_CONVENTIONAL, .physical_start = 0, .pages = 160, .attributes = 0xf},
    {.type = EFI_CONVENTIONAL, .physical_start = MIB, .pages = 256, .attributes = 0xf},
    {.type = EFI_ACPI_NVS, .physical_start = 2 * MIB, .pages = 1, .attributes = 0xf},
    {.type = EFI_RESERVED, .physical_start = 4 * GIB, .pages = 1, .attributes = 0},
};

static struct memmap_input small_input(void) {
    return (struct memmap_input){.map = {small, sizeof(small), sizeof(small[0]), 1}};
}

static struct memmap convert_small(void) {
    struct memmap map;
    struct memmap_input input = small_input();
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_OK);
    assert_null(memmap_check(&map));
    return map;
}

static void expect_finding(const struct memmap *map, size_t index, enum finding_rule rule,
                           const char *sentence) {
    char line[512];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    assert_true(index < map->finding_count);
    assert_int_equal(map->findings[index].rule, rule);
    finding_print(&out.text, &map->findings[index]);
    assert_string_equal(line, sentence);
}

static void a_short_stride_is_refused(void **state) {
    (void)state;
    struct memmap map;
    struct memmap_input input = small_input();
    input.map.stride = 24;
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_BAD_MAP);
    assert_int_equal(map.region_count, 0);
    expect_finding(&map, 0, FINDING_BAD_STRIDE,
                   "descriptors stand 24 bytes apart, less than one is long: nothing was read");
}

static void an_empty_map_is_refused(void **state) {
    (void)state;
    struct memmap map;
    struct memmap_input input = small_input();
    input.map.bytes = 0;
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_BAD_MAP);
    assert_int_equal(map.region_count, 0);
    expect_finding(&map, 0, FINDING_EMPTY_MAP, "the map holds no descriptor");
}

static void trailing_bytes_are_ignored(void **state) {
    (void)state;
    struct memmap map;
    struct memmap_input input = small_input();
    input.map.bytes -= 7;
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_OK);
    expect_finding(&map, 0, FINDING_TRAILING_BYTES,
                   "the map ends in 33 bytes that are no whole descriptor: ignored");
    assert_null(memmap_find(&map, paddr(4 * GIB)));
}

static void too_little_storage_is_refused(void **state) {
    (void)state;
    struct memmap map;
    struct memmap_input input = small_input();
    size_t need = memmap_storage_bytes(4, 0);
    assert_int_equal(memmap_convert(&map, &input, storage, need - 1), MEMMAP_NO_STORAGE);
    assert_int_equal(map.region_count, 0);
    assert_int_equal(map.finding_capacity, 0);
    assert_int_equal(memmap_convert(&map, &input, storage, need), MEMMAP_OK);
    assert_true(memmap_storage_bytes(SIZE_MAX / 40, 0) == SIZE_MAX);
    assert_true(memmap_storage_bytes(0, SIZE_MAX / 24) == SIZE_MAX);
}

// The loader allocates BOOT_WORKSPACE_BYTES; both are linear, so the two ends and the slope say it
// for every size, and the sizes up to 100,000 are tried.
static void the_boot_workspace_is_enough(void **state) {
    (void)state;
    size_t claims = BOOT_RANGE_MAX + BOOT_BADRAM_MAX;
    for (size_t n = 0; n <= 100000; n++) {
        assert_true(memmap_storage_bytes(n, claims) <= BOOT_WORKSPACE_BYTES(n));
    }
    size_t slope = memmap_storage_bytes(1001, claims) - memmap_storage_bytes(1000, claims);
    assert_true(slope <= BOOT_WORKSPACE_BYTES(1) - BOOT_WORKSPACE_BYTES(0));
}

static void lookups(void **state) {
    (void)state;
    struct memmap map = convert_small();
    assert_int_equal(memmap_find(&map, paddr(0))->class, MEMORY_LOW);
    assert_null(memmap_find(&map, paddr(0xa0000)));
    assert_int_equal(memmap_find(&map, paddr(2 * MIB - 1))->class, MEMORY_USABLE);
    assert_int_equal(memmap_find(&map, paddr(2 * MIB))->class, MEMORY_NVS);
    assert_null(memmap_find(&map, paddr(2 * MIB + PAGE_SIZE)));
    assert_null(memmap_find(&map, paddr(UINT64_MAX)));
    assert_int_equal(memmap_ram_end(&map).value, 2 * MIB + PAGE_SIZE);
    struct memmap none = {0};
    assert_int_equal(memmap_ram_end(&none).value, 0);
    assert_null(memmap_find(&none, paddr(0)));
}

static void bad_memory_is_not_the_end_of_ram(void **state) {
    (void)state;
    struct memmap map;
    struct memmap_claim bad = {paddr(1 * TIB), paddr(2 * TIB), MEMORY_BAD};
    struct memmap_input input = small_input();
    input.claims = &bad;
    input.claim_count = 1;
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_OK);
    assert_int_equal(memmap_ram_end(&map).value, 2 * MIB + PAGE_SIZE);
}

static bool set_class(struct memmap *map, uint64_t begin, uint64_t end, enum memory_class class) {
    return memmap_set_class(map, paddr(begin), paddr(end), class);
}

static void impossible_changes_change_nothing(void **state) {
    (void)state;
    struct memmap map = convert_small();
    assert_false(set_class(&map, MIB, MIB, MEMORY_KERNEL));
    assert_false(set_class(&map, MIB + PAGE_SIZE, MIB, MEMORY_KERNEL));
    assert_false(set_class(&map, MIB + 1, 2 * MIB, MEMORY_KERNEL));
    assert_false(set_class(&map, MIB, 2 * MIB + PAGE_SIZE, MEMORY_KERNEL));
    assert_false(set_class(&map, 0xa0000, 0xa1000, MEMORY_KERNEL));
    assert_false(set_class(&map, 8 * GIB, 9 * GIB, MEMORY_KERNEL));
    assert_false(set_class(&map, MIB, 2 * MIB, MEMORY_CLASS_COUNT_));
    assert_false(set_class(&map, 0, PAGE_SIZE, MEMORY_USABLE));
    assert_true(set_class(&map, 0, PAGE_SIZE, MEMORY_KERNEL));
    assert_true(set_class(&map, MIB, 2 * MIB, MEMORY_USABLE));
    map.region_capacity = map.region_count + 1;
    assert_false(set_class(&map, MIB + PAGE_SIZE, MIB + 2 * PAGE_SIZE, MEMORY_KERNEL));
    assert_null(memmap_check(&map));
}

static void the_check_names_what_is_broken(void **state) {
    (void)state;
    struct memmap good = convert_small();
    struct memory_region saved[8];
    memcpy(saved, good.regions, good.region_count * sizeof(saved[0]));
    struct memmap map = good;
#define EXPECT(change, sentence)                                                                   \
    do {                                                                                           \
        change;                                                                                    \
        assert_string_equal(memmap_check(&map), sentence);                                         \
        map = good;                                                                                \
        memcpy(map.regions, saved, map.region_count * sizeof(saved[0]));                           \
    } while (0)
    EXPECT(map.regions[1].class = MEMORY_CLASS_COUNT_, "a region's class does not exist");
    EXPECT(map.regions[1].end = map.regions[1].begin, "a region is empty");
    EXPECT(map.regions[1].end.value--, "a region is not page-aligned");
    EXPECT(map.regions[0].class = MEMORY_USABLE, "memory below 1 MiB would be given out");
    EXPECT(map.regions[1].end.value += PAGE_SIZE, "regions overlap or are not sorted");
    EXPECT(map.regions[2].class = MEMORY_USABLE,
           "two neighbouring regions of one class are not merged");
    EXPECT(map.class_bytes[MEMORY_NVS]++, "the bytes of a class are not those of its regions");
    EXPECT(map.described_bytes++, "the bytes of all classes are not the bytes that were described");
    EXPECT(map.region_capacity = 1, "an array is fuller than it can be");
#undef EXPECT
    assert_null(memmap_check(&map));
}

static void findings_beyond_the_room_are_counted(void **state) {
    (void)state;
    struct memmap map = convert_small();
    struct finding finding = {.rule = FINDING_BAD_CHECKSUM, .name = "FACP"};
    size_t room = map.finding_capacity - map.finding_count;
    for (size_t i = 0; i < room + 3; i++) {
        memmap_add_finding(&map, &finding);
    }
    assert_int_equal(map.finding_count, map.finding_capacity);
    assert_int_equal(map.findings_dropped, 3);
    assert_null(memmap_check(&map));
}

static void names_exist(void **state) {
    (void)state;
    for (enum finding_rule rule = 0; rule < FINDING_RULE_COUNT_; rule++) {
        assert_non_null(finding_rule_name(rule));
    }
    for (enum memory_class class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        assert_non_null(memory_class_name(class));
    }
    assert_string_equal(memory_class_name(MEMORY_CLASS_COUNT_), "?");
    assert_string_equal(finding_rule_name(FINDING_RULE_COUNT_), "?");
    assert_string_equal(finding_severity_name(FINDING_ERROR), "error");
    assert_string_equal(finding_severity_name((enum finding_severity)3), "?");
}

// 100,000 descriptors, overlapping and shuffled: still within the promised storage, and right
// wherever it is looked at.
static void a_hundred_thousand_descriptors(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    struct efi_descriptor *entries = calloc(COUNT, sizeof(*entries));
    uint64_t seed = 42;
    for (size_t i = 0; i < COUNT; i++) {
        entries[i].type = (uint32_t)(random_next(&seed) % 17);
        entries[i].physical_start = i * 16 * PAGE_SIZE + random_next(&seed) % 8 * 2048;
        entries[i].pages = random_next(&seed) % 24;
        entries[i].attributes = 0xf;
    }
    shuffle_entries(entries, COUNT, &seed);
    struct memmap_input input = {.map = encode_map(entries, COUNT, 48)};
    size_t bytes = memmap_storage_bytes(COUNT, 0);
    void *room = malloc(bytes);
    struct memmap map;
    assert_int_equal(memmap_convert(&map, &input, room, bytes), MEMMAP_OK);
    assert_null(memmap_check(&map));
    assert_true(map.region_count > COUNT);
    for (int i = 0; i < 300; i++) {
        uint64_t page = random_next(&seed) % (UINT64_C(16) * COUNT);
        const struct memory_region *region = memmap_find(&map, paddr(page * PAGE_SIZE));
        assert_int_equal(region == NULL ? -1 : (int)region->class, oracle_page(&input, page));
    }
    free(room);
    free((void *)(uintptr_t)input.map.descriptors);
    free(entries);
}

// The most regions that can come of a map: every descriptor misaligned, with edges of its own, and
// claims that cut another into pieces.
static void the_promised_storage_is_enough(void **state) {
    (void)state;
    enum { COUNT = 300, CLAIMS = 300 };
    struct efi_descriptor entries[COUNT + 1];
    struct memmap_claim claims[CLAIMS];
    for (size_t i = 0; i < COUNT; i++) {
        entries[i] = (struct efi_descriptor){
            .type = EFI_ACPI_RECLAIM,
            .physical_start = GIB + 8 * i * PAGE_SIZE + 2048,
            .pages = 4,
            .attributes = 0xf,
        };
        claims[i] = (struct memmap_claim){
            .begin = paddr(16 * MIB + 8 * i * PAGE_SIZE),
            .end = paddr(16 * MIB + 8 * i * PAGE_SIZE + 1),
            .class = MEMORY_KERNEL,
        };
    }
    entries[COUNT] = (struct efi_descriptor){
        .type = EFI_CONVENTIONAL, .pages = 64 * MIB / PAGE_SIZE, .attributes = 0xf};
    struct memmap_input input = {.map = {entries, sizeof(entries), sizeof(entries[0]), 1},
                                 .claims = claims,
                                 .claim_count = CLAIMS};
    struct memmap map;
    void *room;
    const char *wrong = oracle_compare(&input, &map, &room);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
    assert_int_equal(map.region_count, 3 * COUNT + 2 * CLAIMS + 2);
    free(room);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_stride_is_refused),
        cmocka_unit_test(an_empty_map_is_refused),
        cmocka_unit_test(trailing_bytes_are_ignored),
        cmocka_unit_test(too_little_storage_is_refused),
        cmocka_unit_test(the_boot_workspace_is_enough),
        cmocka_unit_test(lookups),
        cmocka_unit_test(bad_memory_is_not_the_end_of_ram),
        cmocka_unit_test(impossible_changes_change_nothing),
        cmocka_unit_test(the_check_names_what_is_broken),
        cmocka_unit_test(findings_beyond_the_room_are_counted),
        cmocka_unit_test(names_exist),
        cmocka_unit_test(the_promised_storage_is_enough),
        cmocka_unit_test(a_hundred_thousand_descriptors),
    };
    return cmocka_run_group_tests_name("memmap", tests, NULL, NULL);
}
