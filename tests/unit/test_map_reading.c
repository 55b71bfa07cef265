// SPDX-License-Identifier: MIT
// Maps as text: a real line of each format, logs with everything around them, and what is said
// about lines that are wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../mm/host/strata-map/read.h"
#include <cmocka.h>
#include <mm/report.h>

static struct map_reading reading;

static int forget(void **state) {
    (void)state;
    map_reading_free(&reading);
    return 0;
}

static void expect_map(const char *text, enum map_format format, size_t count) {
    map_reading_free(&reading);
    enum map_read_status status = map_read_text(text, strlen(text), &reading);
    if (status == MAP_READ_MALFORMED) {
        fail_msg("%zu:%zu: expected %s, found %s", reading.error_line, reading.error_column,
                 reading.expected, reading.found);
    }
    assert_int_equal(status, MAP_READ_OK);
    assert_int_equal(reading.format, format);
    assert_non_null(map_format_name(format));
    assert_int_equal(reading.count, count);
}

static void expect_entry(size_t index, uint32_t type, uint64_t start, uint64_t pages,
                         uint64_t attributes) {
    assert_true(index < reading.count);
    assert_int_equal(reading.entries[index].type, type);
    assert_int_equal(reading.entries[index].physical_start, start);
    assert_int_equal(reading.entries[index].pages, pages);
    assert_int_equal(reading.entries[index].attributes, attributes);
}

static void expect_error(const char *text, const char *message) {
    map_reading_free(&reading);
    char line[256];
    assert_int_equal(map_read_text(text, strlen(text), &reading), MAP_READ_MALFORMED);
    snprintf(line, sizeof(line), "%zu:%zu: expected %s, found %s", reading.error_line,
             reading.error_column, reading.expected, reading.found);
    assert_string_equal(line, message);
}

#define NEW_LINE                                                                                   \
    "[    0.000000] efi: mem00: [Conventional|   |  |  |  |  |  |  |  |  |   |WB|WT|WC|UC] "       \
    "range=[0x0000000000000000-0x000000000009ffff] (0MB)\n"

static void linux_new_spelling(void **state) {
    (void)state;
    expect_map("[    0.000000] Linux version 6.1.0\n"
               "[    0.000000] efi: EFI v2.70 by EDK II\n" NEW_LINE
               "[    0.000000] efi: mem01: [Runtime Data|RUN|  |CC|SP|NV|XP|RP|WP|RO|UCE|WB|WT|WC|"
               "UC] range=[0x0000000000100000-0x0000000000100fff] (0MB)\n"
               "Nov 23 07:00:00 host kernel: efi: mem02: [ACPI Mem NVS|   |  |  |  |  |  |  |  |   "
               "|  |  |  |UC] range=[0x0000000000200000-0x00000000002fffff] (1MB)\n"
               "[    0.000000] efi: mem03: [type=1879048193|attr=0x000000000000004f] "
               "range=[0x0000000100000000-0x000000013fffffff] (1024MB)\n"
               "efi: mem04: [Conventional Memory|   |  |  |  |  |  |   |WB|WT|WC|UC] "
               "range=[0x0000000000300000-0x00000000003fffff] (1MB)\n"
               "[    0.004000] memblock: mem01 is not one\n",
               MAP_FORMAT_LINUX, 5);
    expect_entry(0, 7, 0, 160, 0xf);
    expect_entry(1, 6, 0x100000, 1, UINT64_C(0x80000000000ef01f));
    expect_entry(2, 10, 0x200000, 256, 1);
    expect_entry(3, 1879048193, 4 * GIB, 262144, 0x4f);
    expect_entry(4, 7, 0x300000, 256, 0xf);
    assert_int_equal(reading.first_line, 3);
    assert_int_equal(reading.last_line, 7);
}

static void linux_old_spelling(void **state) {
    (void)state;
    expect_map("[    0.000000] efi: mem00: type=7, attr=0xf, "
               "range=[0x0000000000000000-0x00000000000a0000) (0MB)\r\n"
               "EFI: mem01: type=11, attr=0x8000000000000001, "
               "range=[0x00000000ff000000-0x0000000100000000) (16MB)\n"
               "mem02: type=0, attr=0x0, range=[0xfffffffffffff000-0x0000000000000000) (0MB)\n"
               "mem03: type=0, attr=0x0, range=[0x0000000000000000-0x0000000000000000) (0MB)\n",
               MAP_FORMAT_LINUX, 4);
    expect_entry(0, 7, 0, 160, 0xf);
    expect_entry(1, 11, 0xff000000, 4096, UINT64_C(0x8000000000000001));
    expect_entry(2, 0, UINT64_C(0xfffffffffffff000), 1, 0);
    expect_entry(3, 0, 0, 0, 0);
}

static void linux_invalid_entries(void **state) {
    (void)state;
    expect_map("efi: [Firmware Bug]: Invalid EFI memory map entries:\n"
               "efi: mem42: [Reserved    |   |  |  |  |  |  |  |  |  |   |  |  |  |  ] "
               "range=[0x0000000000000000-0x0000000000000000] (invalid)\n"
               "efi: mem43: [type=68|attr=0x48d200e42038e18] "
               "range=[0x0000011affff3cd8-0x486200e54b38c0bcd7] (invalid)\n"
               "efi: Removing 2 invalid memory map entries.\n" NEW_LINE,
               MAP_FORMAT_LINUX, 3);
    expect_entry(0, 0, 0, 0, 0);
    expect_entry(1, 68, 0x11affff3cd8, UINT64_C(0x486200e43038c18), 0x48d200e42038e18);
    expect_entry(2, 7, 0, 160, 0xf);
}

static void the_last_map_of_a_log_counts(void **state) {
    (void)state;
    expect_map(NEW_LINE "reboot\n" NEW_LINE, MAP_FORMAT_LINUX, 1);
    assert_int_equal(reading.maps, 2);
    assert_int_equal(reading.first_line, 3);
}

static void edk2_shell(void **state) {
    (void)state;
    expect_map("Shell> memmap\r\n"
               "Type       Start            End              # Pages          Attributes\r\n"
               "Available  0000000000000000-000000000009FFFF 00000000000000A0 000000000000000F\r\n"
               "RT_Data    000000000E89C000-000000000E99DFFF 0000000000000102 800000000000000F\r\n"
               "70000001   000000000F000000-000000000F000FFF 0000000000000001 0000000000000000\r\n"
               "Reserved   0000000000000000-FFFFFFFFFFFFFFFF 0000000000000000 0000000000000000\r\n"
               "\r\n"
               "  Reserved  :            132 Pages (540,672 Bytes)\r\n"
               "Total Memory:            254 MB (266,743,808 Bytes)\r\n",
               MAP_FORMAT_EDK2, 4);
    expect_entry(0, 7, 0, 160, 0xf);
    expect_entry(1, 6, 0xe89c000, 258, UINT64_C(0x800000000000000f));
    expect_entry(2, 0x70000001, 0xf000000, 1, 0);
    expect_entry(3, 0, 0, 0, 0);
}

static void edk2_shell_sfo(void **state) {
    (void)state;
    expect_map("ShellCommand,\"memmap\"\r\n"
               "MemoryMap,\"BootServiceData\",\"900000\",\"14FFFFF\",\"C00\",\"F\"\r\n"
               "MemoryMap,\"ACPI_NVS\",\"806000\",\"807FFF\",\"2\",\"F\"\r\n"
               "MemoryMapSummary,\"266743808\"\r\n",
               MAP_FORMAT_EDK2_SFO, 2);
    expect_entry(0, 4, 0x900000, 3072, 0xf);
    expect_entry(1, 10, 0x806000, 2, 0xf);
}

static void edk2_shell_to_a_file_is_utf16(void **state) {
    (void)state;
    static const char line[] =
        "Available  0000000000000000-000000000009FFFF 00000000000000A0 000000000000000F\r\n";
    char text[2 * sizeof(line)] = {0};
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        text[0] = big_endian ? '\xfe' : '\xff';
        text[1] = big_endian ? '\xff' : '\xfe';
        memset(text + 2, 0, sizeof(text) - 2);
        for (size_t i = 0; i < sizeof(line) - 1; i++) {
            text[2 + 2 * i + (size_t)big_endian] = line[i];
        }
        map_reading_free(&reading);
        assert_int_equal(map_read_text(text, sizeof(text), &reading), MAP_READ_OK);
        assert_int_equal(reading.count, 1);
        expect_entry(0, 7, 0, 160, 0xf);
    }
}

static void uboot(void **state) {
    (void)state;
    expect_map("=> efidebug memmap\n"
               "Type             Start            End              Attributes\n"
               "================ ================ ================ ==========\n"
               "CONVENTIONAL     0000000000000000-00000000000a0000 WB\n"
               "RUNTIME DATA     000000000ed00000-000000000ed01000 WB|RT\n"
               "ACPI RECLAIM MEM 00000000000f0000-0000000000100000 WB\n"
               "RESERVED         0000000100000000-0000000100001000\n",
               MAP_FORMAT_UBOOT, 4);
    expect_entry(0, 7, 0, 160, 8);
    expect_entry(1, 6, 0xed00000, 1, UINT64_C(0x8000000000000008));
    expect_entry(2, 9, 0xf0000, 16, 8);
    expect_entry(3, 0, 4 * GIB, 1, 0);
}

static void freebsd(void **state) {
    (void)state;
    expect_map("                   Type     Physical      Virtual   #Pages Attr\n"
               "     ConventionalMemory 000000000000 000000000000 000000a0 UC WC WT WB \n"
               "    RuntimeServicesData 00000e89c000          0x0 00000102 UC WC WT WB RUNTIME\n"
               "       PersistentMemory 000100000000 000000000000 00040000 WB NV MORE_RELIABLE \n"
               "              <INVALID> 000f0000f000 000000000000 00000001 UC \n"
               "               Reserved 0000ff000000 000000000000 00000001 \n",
               MAP_FORMAT_FREEBSD, 5);
    expect_entry(0, 7, 0, 160, 0xf);
    expect_entry(1, 6, 0xe89c000, 258, UINT64_C(0x800000000000000f));
    expect_entry(2, 14, 4 * GIB, 262144, 0x18008);
    expect_entry(3, 16, 0xf0000f000, 1, 1);
    expect_entry(4, 0, 0xff000000, 1, 0);
}

static void plain(void **state) {
    (void)state;
    expect_map("\xef\xbb\xbf# machine: one\n"
               "\n"
               "7 0x0 160 0xf\n"
               "4294967295  0xfffffffffffff000 18446744073709551615 0xffffffffffffffff",
               MAP_FORMAT_PLAIN, 2);
    expect_entry(0, 7, 0, 160, 0xf);
    expect_entry(1, UINT32_MAX, UINT64_C(0xfffffffffffff000), UINT64_MAX, UINT64_MAX);
}

static void records(void **state) {
    (void)state;
    expect_map("--- strata json ---\n"
               "{\"record\":\"strata\",\"version\":\"0.1\"}\n"
               "{\"record\":\"efi\",\"index\":0,\"type\":7,\"name\":\"Conventional\",\"start\":"
               "\"0x0\",\"pages\":160,\"attributes\":\"0xf\"}\n"
               "{ \"record\" : \"efi\", \"new\": {\"a\": [1, \"}\\\"\"]}, \"attributes\": \"0x1\", "
               "\"pages\": \"0x10\", \"start\": 4096, \"type\": 11 }\r\n"
               "{\"record\":\"region\",\"start\":\"0x0\",\"end\":\"0xa0000\",\"class\":\"low\"}\n",
               MAP_FORMAT_RECORDS, 2);
    expect_entry(0, 7, 0, 160, 0xf);
    expect_entry(1, 11, 4096, 16, 1);
}

static void nothing_is_nothing(void **state) {
    (void)state;
    const char *text = "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable\n"
                       "init_memory_mapping: 0000000000000000-00000000d0000000\n"
                       "mem01: no map\n"
                       "12 monkeys\n";
    assert_int_equal(map_read_text(text, strlen(text), &reading), MAP_READ_NOTHING);
    assert_int_equal(map_read_text("", 0, &reading), MAP_READ_NOTHING);
    assert_int_equal(map_read_text("\xff\xfe", 2, &reading), MAP_READ_NOTHING);
}

// What Strata prints is read back exactly, as text and as records.
static void what_strata_prints_is_read(void **state) {
    (void)state;
    static const struct efi_descriptor entries[] = {
        {EFI_CONVENTIONAL, 0, 0, 0, 160, 0xf},
        {EFI_RESERVED, 0, 0, 0, 0, 0},
        {EFI_MMIO, 0, UINT64_C(0xfffffffffffff000), 0, 3, UINT64_C(0x8000000000000001)},
        {EFI_ACPI_RECLAIM, 0, 0x123456789123, 0, 1, EFI_ATTRIBUTE_HOT_PLUGGABLE | 8},
        {0x70000000, 0, 0x100000, 0, UINT64_MAX, 0x80000},
        {EFI_UNACCEPTED, 0, 0x200000, 0, UINT64_C(1) << 52, UINT64_MAX},
        {EFI_MMIO_PORT_SPACE, 0, UINT64_C(0xffffffffffffffff), 0, 1, 0},
    };
    static const struct efi_map map = {entries, sizeof(entries), sizeof(entries[0]), 1};
    static char text[16384];
    struct text_buffer out;
    for (int format = MAP_FORMAT_LINUX; format <= MAP_FORMAT_RECORDS; format++) {
        text_buffer_init(&out, text, sizeof(text));
        format == MAP_FORMAT_LINUX ? report_efi_map(&out.text, &map)
                                   : record_efi_map(&out.text, &map);
        expect_map(text, (enum map_format)format, sizeof(entries) / sizeof(entries[0]));
        assert_memory_equal(reading.entries, entries, sizeof(entries));
    }
}

static void wrong_linux_lines(void **state) {
    (void)state;
    expect_error("hello\nefi: mem0x: [", "2:10: expected \":\", found \"x: [\"");
    expect_error("efi: mem00: nothing", "1:13: expected \"[\" or \"type=\", found \"nothing\"");
    expect_error("efi: mem00: [Unusual|", "1:14: expected a memory type, such as Conventional, "
                                          "found \"Unusual|\"");
    expect_error("efi: mem00: [MMIO|XY]", "1:19: expected an attribute, such as WB, found \"XY]\"");
    expect_error("efi: mem00: [MMIO|UC range=", "1:22: expected \"]\", found \"range=\"");
    expect_error("efi: mem00: [MMIO|UC] range=[0x0-", "1:33: expected \"-0x\", found \"-\"");
    expect_error("efi: mem00: [MMIO|UC] range=[0x0-0xfff",
                 "1:39: expected \"]\" or \")\", found the end of the line");
    expect_error("efi: mem00: [MMIO|UC] range=[0x0-0xffe]",
                 "1:36: expected an end that makes whole pages of 4 KiB, found \"ffe]\"");
    expect_error("efi: mem00: [MMIO|UC] range=[0x2000-0xfff]",
                 "1:39: expected an end at or above the start, found \"fff]\"");
    expect_error("efi: mem00: [MMIO|UC] range=[0x0-0xfff] (2 pages)",
                 "1:42: expected as many pages as the range has, found \"2 pages)\"");
    expect_error("efi: mem00: [MMIO|attr=0xyz]",
                 "1:26: expected attributes in hexadecimal, found \"yz]\"");
    expect_error("efi: mem00: [MMIO|UC|\r",
                 "1:23: expected an attribute, such as WB, found the end of the line");
    expect_error("efi: mem00: [MMIO|UC] range=[0x0-0xz",
                 "1:36: expected an end in hexadecimal, found \"z\"");
    expect_error("efi: mem00: type=7; attr=0xf", "1:19: expected \",\", found \"; attr=0xf\"");
    expect_error("efi: mem00: type=4294967296, attr=0xf",
                 "1:18: expected a memory type, such as 7, found \"4294967296, attr=0xf\"");
    expect_error("efi: mem00: type=7, attr=0x10000000000000000, ",
                 "1:28: expected attributes in hexadecimal, found \"10000000000000000, \"");
}

static void wrong_table_lines(void **state) {
    (void)state;
#define EDK2_LINE "Available  0000000000000000-000000000009FFFF 00000000000000A0 000000000000000F\n"
    expect_error(EDK2_LINE "Availible  00000000000A0000-00000000000A0FFF 0000000000000001 0000000F",
                 "2:1: expected a memory type, such as Available, found \"Availible  000000000\"");
    expect_error("Available  0000000000000000-000000000009FFFF 00000000000000A1 000000000000000F",
                 "1:46: expected as many pages as the range has, found \"00000000000000A1 000\"");
    expect_error("Available  0000000000000000-000000000009FFFF 00000000000000A0 WB",
                 "1:63: expected attributes in hexadecimal, found \"WB\"");
    expect_error("Available  0000000000000000-000000000009FFFF 00000000000000A0",
                 "1:62: expected attributes in hexadecimal, found the end of the line");
    expect_error("Available  0000000000000000-000000000009FFFF 00000000000000A0 000000000000000F x",
                 "1:80: expected the end of the line, found \"x\"");
    expect_error("Available  0000000000000000-11111111111111111 00000000000000A0",
                 "1:29: expected an end in hexadecimal, found \"11111111111111111 00\"");
    expect_error("CONVENTIONAL     11111111111111111-00000000000a0000 WB",
                 "1:18: expected a start in hexadecimal, found \"11111111111111111-00\"");
    expect_error("CONVENTIONAL     0000000000000000-00000000000a0000 WB||UC",
                 "1:55: expected an attribute, such as WB, found \"|UC\"");
    expect_error("MemoryMap,MMIO,", "1:11: expected \"\"\", found \"MMIO,\"");
    expect_error("CONVENTIONAL     0000000000000000-00000000000a0000 WB|XY",
                 "1:55: expected an attribute, such as WB, found \"XY\"");
    expect_error("CONVENTIONAL     0000000000000000-00000000000a0001 WB",
                 "1:35: expected an end that makes whole pages of 4 KiB, found "
                 "\"00000000000a0001 WB\"");
    expect_error("MemoryMap,\"Availible\",", "1:12: expected a memory type, such as Available, "
                                             "found \"Availible\",\"");
    expect_error("MemoryMap,\"MMIO\",\"0\",\"FFF\",\"2\",\"1\"",
                 "1:29: expected as many pages as the range has, found \"2\",\"1\"\"");
    expect_error("ConventionalMemory 000000000000 0x0 many",
                 "1:37: expected a number of pages in hexadecimal, found \"many\"");
    expect_error("ConventionalMemory 000000000000 0x0 a0 UC AB",
                 "1:43: expected an attribute, such as WB, found \"AB\"");
}

static void wrong_plain_lines(void **state) {
    (void)state;
    expect_error("7 0x0 160 0xf\n# remark\n\n7 0x100000 many 0xf",
                 "4:12: expected a number of pages, found \"many 0xf\"");
    expect_error("7 0x0 160 0xf\nseven 0x100000 1 0xf",
                 "2:1: expected a memory type, such as 7, found \"seven 0x100000 1 0xf\"");
    expect_error("sever 0x0 160 0xf\n7 0x100000 1 0xf\n",
                 "1:1: expected a memory type, such as 7, found \"sever 0x0 160 0xf\"");
    expect_error("7 0x0 160 15", "1:11: expected \"0x\", found \"15\"");
    expect_error("7 0x0 160 0xf f", "1:15: expected the end of the line, found \"f\"");
    expect_error("7 0x0 -1 0xf", "1:7: expected a number of pages, found \"-1 0xf\"");
    expect_error("7 0x0 1 0x\x01", "1:11: expected attributes in hexadecimal, found a byte 0x01");
}

static void wrong_records(void **state) {
    (void)state;
    expect_error("{\"record\":\"efi\",\"type\":\"seven\"}",
                 "1:24: expected a number, or \"0x…\", found \"\"seven\"}\"");
    expect_error("{\"record\":\"efi\",\"type\":7}",
                 "1:25: expected a field \"start\", found \"}\"");
    expect_error("{\"record\":\"efi\",\"type\":4294967296",
                 "1:24: expected a memory type of 32 bits, found \"4294967296\"");
    expect_error("{\"record\":\"efi\",\"type\":7",
                 "1:25: expected \",\" or \"}\", found the end of "
                 "the line");
    expect_error("{\"a\":{\"record\":\"efi\",\"type\" 7", "1:29: expected \":\", found \"7\"");
    expect_error("{\"record\":\"efi\",type:7", "1:17: expected \"\"\", found \"type:7\"");
    expect_error("{\"record\":\"efi\",\"name\":[\"x", "1:27: expected \"\"\", found the end of the "
                                                      "line");
    expect_error("{\"record\":\"efi\",\"name\":[1", "1:26: expected \",\" or \"}\", found the end "
                                                    "of the line");
}

static void what_stands_beside_a_map(void **state) {
    (void)state;
    expect_map("# descriptors: 3 of 48 bytes\n7 0x0 160 0xf\n7 0x100000 16 0xf\n# findings: 2\n"
               "#   error: wraps: one\n#   note: unsorted: two\r\n# end\n#   note: not: one\n",
               MAP_FORMAT_PLAIN, 2);
    assert_int_equal(reading.announced, 3);
    assert_string_equal(reading.findings, "error: wraps: one\nnote: unsorted: two\n");
    expect_map(
        "findings: 1\n  note: of: another\nfirmware map: 1 descriptors of 48 bytes\n" NEW_LINE
        "findings: none\n  note: not: one\ndescriptors: many\n",
        MAP_FORMAT_LINUX, 1);
    assert_int_equal(reading.announced, 1);
    assert_null(reading.findings);
    static const char sentence[] = "#   warning: overlap: a sentence of usual length\n";
    char long_text[8192] = "7 0x0 160 0xf\n# findings: 60\n";
    char *at = long_text + strlen(long_text);
    for (unsigned i = 0; i < 60; i++, at += sizeof(sentence) - 1) {
        memcpy(at, sentence, sizeof(sentence));
    }
    expect_map(long_text, MAP_FORMAT_PLAIN, 1);
    assert_int_equal(reading.announced, 0);
    assert_int_equal(strlen(reading.findings), 60 * (sizeof(sentence) - 1 - strlen("#   ")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(linux_new_spelling, forget),
        cmocka_unit_test_teardown(linux_old_spelling, forget),
        cmocka_unit_test_teardown(linux_invalid_entries, forget),
        cmocka_unit_test_teardown(the_last_map_of_a_log_counts, forget),
        cmocka_unit_test_teardown(edk2_shell, forget),
        cmocka_unit_test_teardown(edk2_shell_sfo, forget),
        cmocka_unit_test_teardown(edk2_shell_to_a_file_is_utf16, forget),
        cmocka_unit_test_teardown(uboot, forget),
        cmocka_unit_test_teardown(freebsd, forget),
        cmocka_unit_test_teardown(plain, forget),
        cmocka_unit_test_teardown(records, forget),
        cmocka_unit_test_teardown(nothing_is_nothing, forget),
        cmocka_unit_test_teardown(what_strata_prints_is_read, forget),
        cmocka_unit_test_teardown(wrong_linux_lines, forget),
        cmocka_unit_test_teardown(wrong_table_lines, forget),
        cmocka_unit_test_teardown(wrong_plain_lines, forget),
        cmocka_unit_test_teardown(wrong_records, forget),
        cmocka_unit_test_teardown(what_stands_beside_a_map, forget),
    };
    return cmocka_run_group_tests_name("map_reading", tests, NULL, NULL);
}
