// SPDX-License-Identifier: MIT
// The text and the records of map, regions and findings, to the letter.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mm/report.h>

static _Alignas(16) unsigned char storage[1 << 16];

static const struct efi_descriptor entries[] = {
    {.type = EFI_CONVENTIONAL, .physical_start = 0, .pages = 160, .attributes = 0xf},
    {.type = EFI_CONVENTIONAL, .physical_start = MIB, .pages = 383, .attributes = 0x4f},
    {.type = EFI_RUNTIME_SERVICES_DATA,
     .physical_start = MIB + 383 * PAGE_SIZE,
     .pages = 1,
     .attributes = UINT64_C(0x800000000001601f) | EFI_ATTRIBUTE_CPU_CRYPTO},
    {.type = 0x70000000, .physical_start = GIB, .pages = 1, .attributes = 0},
    {.type = EFI_MMIO, .physical_start = 0, .pages = 0, .attributes = 1},
};
static const struct efi_map firmware = {entries, sizeof(entries), sizeof(entries[0]), 1};

static struct memmap map;
static char text[8192];
static struct text_buffer out;

static int convert(void **state) {
    (void)state;
    struct memmap_input input = {.map = firmware};
    assert_int_equal(memmap_convert(&map, &input, storage, sizeof(storage)), MEMMAP_OK);
    text_buffer_init(&out, text, sizeof(text));
    return 0;
}

static void the_map_reads_like_linux(void **state) {
    (void)state;
    report_efi_map(&out.text, &firmware);
    assert_string_equal(
        text, "firmware map: 5 descriptors of 40 bytes\n"
              "efi: mem00: [Conventional      |   |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC]"
              " range=[0x0000000000000000-0x000000000009ffff] (160 pages)\n"
              "efi: mem01: [Conventional      |attr=0x000000000000004f]"
              " range=[0x0000000000100000-0x000000000027efff] (383 pages)\n"
              "efi: mem02: [Runtime data      |RUN|MR|CC|  |  |XP|RP|  |  |UCE|WB|WT|WC|UC]"
              " range=[0x000000000027f000-0x000000000027ffff] (1 pages)\n"
              "efi: mem03: [type=1879048192   |   |  |  |  |  |  |  |  |  |   |  |  |  |  ]"
              " range=[0x0000000040000000-0x0000000040000fff] (1 pages)\n"
              "efi: mem04: [MMIO              |   |  |  |  |  |  |  |  |  |   |  |  |  |UC]"
              " range=[0x0000000000000000-0xffffffffffffffff] (0 pages)\n");
}

static void regions_are_listed_and_summed(void **state) {
    (void)state;
    report_regions(&out.text, &map);
    assert_string_equal(text, "regions: 4, described 2.1 MiB\n"
                              "  low        [0x0000000000000000, 0x00000000000a0000) 640 KiB\n"
                              "  usable     [0x0000000000100000, 0x000000000027f000) 1.4 MiB\n"
                              "  runtime    [0x000000000027f000, 0x0000000000280000) 4 KiB\n"
                              "  reserved   [0x0000000040000000, 0x0000000040001000) 4 KiB\n"
                              "by class:\n"
                              "  usable     383 pages, 1.4 MiB\n"
                              "  low        160 pages, 640 KiB\n"
                              "  runtime    1 pages, 4 KiB\n"
                              "  reserved   1 pages, 4 KiB, not RAM\n");
}

static void findings_are_sentences(void **state) {
    (void)state;
    map.findings_dropped = 2;
    report_findings(&out.text, &map);
    assert_string_equal(
        text, "findings: 5\n"
              "  note: undefined-attributes: descriptor 1 [0x100000, 0x27f000) has attribute bits "
              "0x40 that no specification defines: ignored\n"
              "  warning: unknown-type: descriptor 3 [0x40000000, 0x40001000) has type 0x70000000, "
              "which the machine's maker made up: reserved\n"
              "  note: zero-length: descriptor 4 (MMIO at 0x0) has no pages: dropped\n"
              "  and 2 more that there was no room for\n");
}

// Those that the ACPI code makes: it knows the tables, this code the words.
static void findings_about_tables_are_sentences(void **state) {
    (void)state;
    static const struct finding findings[] = {
        {.rule = FINDING_BAD_CHECKSUM, .name = "FACP", .begin = 0x1000, .end = 0x10f4},
        {.rule = FINDING_BAD_TABLE, .name = "SSDT", .begin = 0x2000, .end = 0x2024, .detail = 7},
        {.rule = FINDING_BAD_TABLE, .begin = 0x3000, .end = 0x3000},
    };
    for (size_t i = 0; i < 3; i++) {
        finding_print(&out.text, &findings[i]);
        text_puts(&out.text, "\n");
    }
    assert_string_equal(text,
                        "table FACP [0x1000, 0x10f4) has a wrong checksum\n"
                        "table SSDT at 0x2000 cannot be the 7 bytes long that it says: not used\n"
                        "a table at 0x3000 does not lie in memory that the map names: not used\n");
}

static void no_findings_is_said(void **state) {
    (void)state;
    map.finding_count = 0;
    report_findings(&out.text, &map);
    assert_string_equal(text, "findings: 0\n");
}

static void records_are_json(void **state) {
    (void)state;
    map.finding_count = 1;
    map.region_count = 2;
    record_efi_map(&out.text, &(struct efi_map){entries, 40, 40, 1});
    record_regions(&out.text, &map);
    record_findings(&out.text, &map);
    assert_string_equal(
        text,
        "{\"record\":\"efi\",\"index\":0,\"type\":7,\"name\":\"Conventional\",\"start\":\"0x0\","
        "\"pages\":160,\"attributes\":\"0xf\"}\n"
        "{\"record\":\"region\",\"start\":\"0x0\",\"end\":\"0xa0000\",\"class\":\"low\"}\n"
        "{\"record\":\"region\",\"start\":\"0x100000\",\"end\":\"0x27f000\",\"class\":\"usable\"}\n"
        "{\"record\":\"finding\",\"kind\":\"undefined-attributes\",\"severity\":\"note\","
        "\"text\":\"descriptor 1 [0x100000, 0x27f000) has attribute bits 0x40 that no "
        "specification defines: ignored\"}\n");
}

static void attributes_have_names(void **state) {
    (void)state;
    char names[96];
    assert_string_equal(efi_attribute_names(0, names), "0x0");
    assert_string_equal(efi_attribute_names(0xf, names), "UC|WC|WT|WB");
    assert_string_equal(efi_attribute_names(UINT64_C(0x8000000000000028), names),
                        "WB|RUNTIME|0x20");
    assert_string_equal(efi_attribute_names(UINT64_MAX, names),
                        "UC|WC|WT|WB|UCE|WP|RP|XP|NV|MR|RO|SP|CC|HP|RUNTIME|0x7fffffffffe00fe0");
    assert_string_equal(efi_type_name(15), "Unaccepted");
    assert_string_equal(efi_type_name(16), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_map_reads_like_linux, convert),
        cmocka_unit_test_setup(regions_are_listed_and_summed, convert),
        cmocka_unit_test_setup(findings_are_sentences, convert),
        cmocka_unit_test_setup(findings_about_tables_are_sentences, convert),
        cmocka_unit_test_setup(no_findings_is_said, convert),
        cmocka_unit_test_setup(records_are_json, convert),
        cmocka_unit_test_setup(attributes_have_names, convert),
    };
    return cmocka_run_group_tests_name("report_map", tests, NULL, NULL);
}
