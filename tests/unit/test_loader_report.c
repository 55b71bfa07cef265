// SPDX-License-Identifier: MIT
// \strata\map.txt, as the loader writes it on the fake firmware's volume.
#include <firmware/file.h>
#include <handover/replay.h>
#include <mm/report.h>
#include <stdio.h>
#include <stdlib.h>
#include <strata/boot_map.h>
#include <string.h>

#include "../support/loader.h"

#define PATH           "\\strata\\map.txt"
#define TABLE          UINT64_C(0x3800000)
#define DESCRIPTOR_MAX 5000

static const struct firmware_file *report(void) {
    const struct firmware_file *file = firmware_find_file(PATH);
    assert_non_null(file);
    return file;
}

static const char *report_text(void) {
    return (const char *)report()->bytes;
}

static void expect_in_report(const char *text) {
    if (strstr(report_text(), text) == NULL) {
        fail_msg("not in the report: \"%s\"; but:\n%s", text, report_text());
    }
}

static unsigned occurrences(const char *text, const char *part) {
    unsigned count = 0;
    for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part)) {
        count++;
    }
    return count;
}

// `text` as the report has it: each line a remark.
static char *as_remarks(const char *text) {
    char *out = malloc(3 * strlen(text) + 1), *at = out;
    assert_non_null(out);
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        at += sprintf(at, length == 0 ? "#\n" : "# %.*s\n", (int)length, text);
        text += length + 1;
    }
    *at = '\0';
    return out;
}

// What the kernel would print of the report's map with the contract that it got.
static char *kernels_words(const struct boot_info *info) {
    static struct efi_descriptor entries[DESCRIPTOR_MAX];
    static char words[FIRMWARE_TEXT_MAX];
    struct memmap_claim claims[BOOT_CLAIM_MAX];
    struct replay_error error;
    uint64_t count;
    assert_true(
        replay_parse(report_text(), report()->size, entries, DESCRIPTOR_MAX, &count, &error));
    const struct memmap_input input = {
        .map = {entries, count * sizeof(*entries), sizeof(*entries), 1},
        .physical_bits = firmware.features.physical_bits,
        .special_use = info->options.special_use != 0,
        .claims = claims,
        .claim_count = boot_claims(info->ranges, info->range_count, &info->options, claims),
    };
    size_t bytes = memmap_storage_bytes(count, input.claim_count);
    void *storage = aligned_alloc(16, align_up(bytes, 16));
    struct memmap map;
    assert_int_equal(memmap_convert(&map, &input, storage, bytes), MEMMAP_OK);
    boot_check_screen(&map, &info->framebuffer);
    memmap_check_attributes_at(&map, &input.map, info->memory_attributes,
                               (const void *)info->memory_attributes.value);
    assert_null(memmap_check(&map));
    struct text_buffer out;
    text_buffer_init(&out, words, sizeof(words));
    report_findings(&out.text, &map);
    text_puts(&out.text, "\n");
    report_regions(&out.text, &map);
    assert_int_equal(out.dropped, 0);
    free(storage);
    return as_remarks(words);
}

static void boot_and_compare(void) {
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_jumped_with();
    char *words = kernels_words(info);
    expect_in_report(words);
    free(words);
    assert_string_equal(report_text() + report()->size - 6, "# end\n");
}

static void the_kernels_words(void **state) {
    boot_and_compare();
    // The fake firmware's runtime memory lacks the attribute, 16 times.
    assert_int_equal(occurrences(report_text(), "#   warning: runtime-type-without-attribute: "),
                     16);
    expect_in_report("\n# findings: 16\n#   warning: ");
    loader_reset(state);
    firmware_load_options("badram=0x1800000-0x1900000 special=use");
    boot_and_compare();
    expect_in_report("\n#   bad        [0x0000000001800000, 0x0000000001900000) 1 MiB\n");
    loader_reset(state);
    firmware.script.short_reads = true;
    firmware.script.stride = 64;
    boot_and_compare();
}

static void place_table(uint64_t at, uint64_t entry) {
    static const EFI_GUID guid = {
        0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
    firmware.tables[2] = (EFI_CONFIGURATION_TABLE){guid, (void *)at};
    firmware.system.NumberOfTableEntries = 3;
    if (at == TABLE) {
        const uint32_t header[] = {1, 1, 40, 0};
        const struct efi_descriptor one = {.type = EFI_RUNTIME_SERVICES_CODE,
                                           .physical_start = entry,
                                           .pages = 1,
                                           .attributes = EFI_ATTRIBUTE_RO};
        firmware.types[at / PAGE_SIZE] = EfiBootServicesData;
        memcpy((void *)at, header, sizeof(header));
        memcpy((uint8_t *)at + sizeof(header), &one, sizeof(one));
    }
}

static void planted_defects(void **state) {
    (void)state;
    firmware.script.far_memory = UINT64_C(1) << 41;
    firmware.script.screen = true;
    firmware.script.screen_base = 0x2000000;
    place_table(TABLE, 0x3000000);
    boot_and_compare();
    expect_in_report("\n# findings: 19\n");
    expect_in_report("beyond-physical-width: descriptor ");
    expect_in_report("lies beyond the 40 address bits of this CPU: dropped\n");
    expect_in_report("\n#   warning: window-in-ram: ");
    expect_in_report("\n#   mmio       [0x0000000002000000, 0x000000000241a000) 4.1 MiB\n");
    expect_in_report("\n#   warning: attributes-entry-outside: memory attributes table: entry 0 "
                     "[0x3000000, 0x3001000) is not inside one runtime descriptor");
}

// Wherever the firmware says that its table is: what is not mapped is not read.
static void attributes_tables_anywhere(void **state) {
    static const uint64_t places[] = {
        1,         0x200000,          0xa0000,        0x3fffff8,
        0x4000000, UINT64_C(1) << 40, UINT64_MAX - 7, FIRMWARE_LOW_END * PAGE_SIZE - 8,
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        loader_reset(state);
        firmware.types[FIRMWARE_PAGES - 1] = EfiBootServicesData;
        place_table(places[i], 0);
        boot_and_compare();
        assert_null(strstr(report_text(), "attributes table"));
    }
    loader_reset(state);
    place_table(TABLE, 0);
    firmware.types[TABLE / PAGE_SIZE] = EFI_UNACCEPTED;
    boot_and_compare();
    assert_null(strstr(report_text(), "attributes table"));
}

// Every other page of many is the firmware's: as many descriptors, and as many regions.
static void scatter(uint64_t descriptors) {
    uint64_t first = FIRMWARE_RAM_FIRST + 4096;
    for (uint64_t p = first; p < first + descriptors; p++) {
        firmware.types[p] = p % 2 ? EfiACPIReclaimMemory : EfiConventionalMemory;
    }
    firmware.script.placement = PLACE_LOW;
}

static void two_thousand_descriptors(void **state) {
    (void)state;
    scatter(2000);
    boot_and_compare();
    assert_true(occurrences(report_text(), "\n9 0x") > 1000);
    assert_true(occurrences(report_text(), "\n#   acpi       [") > 1000);
}

static void too_many_descriptors(void **state) {
    (void)state;
    scatter(6000);
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_check_jumped();
    expect_in_report("\n# complete: no\n");
    expect_in_report("\n# findings: not here: the map is too long, see the boot report\n# end\n");
    assert_null(strstr(report_text(), "regions:"));
}

static void another_machines_map(void **state) {
    static const char other[] = "10 0x2000000 2 0xf\n7 0x2001000 16 0xf\n";
    (void)state;
    firmware_add_file("\\other.txt", other, sizeof(other) - 1);
    firmware_load_options("replay=other.txt");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_jumped_with();
    expect_in_report(
        "\n# replay= is given: the kernel gets the map of another machine, and reports "
        "on that.\n");
    expect_in_report("\n# findings: 16\n"); // the firmware's, not an overlap of the other's
    assert_null(strstr(report_text(), "overlap"));
}

// However little room the volume has: what is there is the beginning, and the boot goes on.
static void full_volumes(void **state) {
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    size_t whole = report()->size, map = 0;
    for (uint64_t room = 1; room < whole; room += 97) {
        loader_reset(state);
        firmware.script.volume_room = room;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        loader_check_jumped();
        assert_true(report()->size <= room);
        loader_expect_said(
            report()->size == 0
                ? "strata: warning: \\strata\\map.txt is not written (Volume Full, 11)"
                : "strata: warning: \\strata\\map.txt is cut: ");
        assert_memory_equal(report_text(), "# memory map of this machine",
                            report()->size < 28 ? report()->size : 28);
        if (report()->size != 0 && strstr(report_text(), "\n6 0x3ffe000 2 0xf\n") != NULL) {
            map++;
        }
    }
    assert_true(map > 10); // with room for the map it is there, whether the rest fits or not
}

static void without_room_to_convert(void **state) {
    (void)state;
    static struct loader loader;
    static struct boot_info info;
    static const struct efi_descriptor one = {
        .type = EFI_CONVENTIONAL, .physical_start = MIB, .pages = 16, .attributes = 0xf};
    info = (struct boot_info){.firmware_vendor = "nobody"};
    loader = (struct loader){.system = &firmware.system,
                             .boot = firmware.system.BootServices,
                             .loaded = &firmware.loaded,
                             .info = &info,
                             .map = {&one, sizeof(one), sizeof(one), 1}};
    loader.options.boot.record = 1;
    file_open_volume(&loader);
    assert_int_equal(record_write(&loader), EFI_SUCCESS);
    file_close_volume(&loader);
    expect_in_report("\n7 0x100000 16 0xf\n");
    expect_in_report("\n# findings: not here: there is no room for converting the map\n# end\n");
    assert_int_equal(firmware.handles, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_kernels_words, loader_reset),
        cmocka_unit_test_setup(planted_defects, loader_reset),
        cmocka_unit_test_setup(attributes_tables_anywhere, loader_reset),
        cmocka_unit_test_setup(two_thousand_descriptors, loader_reset),
        cmocka_unit_test_setup(too_many_descriptors, loader_reset),
        cmocka_unit_test_setup(another_machines_map, loader_reset),
        cmocka_unit_test_setup(full_volumes, loader_reset),
        cmocka_unit_test_setup(without_room_to_convert, loader_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
