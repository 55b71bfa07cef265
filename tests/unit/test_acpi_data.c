// SPDX-License-Identifier: MIT
// What lies beside the tables: configuration tables, logs, images; what is pinned and for how many
// bytes. And the report.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_board.h"
#include <string.h>

#define PLACE (BOARD_BOOTSVC + 0x2040)

static const struct efi_guid attributes = {
    0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
static const struct efi_guid esrt = {
    0xb122a263, 0x3661, 0x4f68, {0x99, 0x29, 0x78, 0xf8, 0xb0, 0xd6, 0x21, 0x80}};
static const struct efi_guid smbios = {
    0xeb9d2d31, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
static const struct efi_guid smbios_3 = {
    0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}};
static const struct efi_guid multiprocessor = {
    0xeb9d2d2f, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
static const struct efi_guid runtime_properties = {
    0xeb66918a, 0x7eef, 0x402a, {0x84, 0x2e, 0x93, 0x1d, 0x21, 0xc3, 0x8a, 0xe9}};
static const struct efi_guid properties = {
    0x880aaca3, 0x4adc, 0x4a04, {0x90, 0x79, 0xb7, 0x47, 0x34, 0x08, 0x25, 0xe5}};
static const struct efi_guid conformance = {
    0x36122546, 0xf7e7, 0x4c8f, {0xbd, 0x9b, 0xeb, 0x85, 0x25, 0xb5, 0x0c, 0x0b}};
static const struct efi_guid device_tree = {
    0xb1b621d5, 0xf19c, 0x41a5, {0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0}};
static const struct efi_guid seed = {
    0x1ce1e5bc, 0x7ceb, 0x42f2, {0x81, 0xe5, 0x8a, 0xad, 0xf1, 0x80, 0xf5, 0x7b}};
static const struct efi_guid initrd = {
    0x5568e427, 0x68fc, 0x4f3d, {0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68}};
static const struct efi_guid log_copy = {
    0xb7799cb0, 0xeca2, 0x4943, {0x96, 0x67, 0x1f, 0xae, 0x07, 0xb7, 0x47, 0xfa}};
static const struct efi_guid mok = {
    0xc451ed2b, 0x9694, 0x45d3, {0xba, 0xba, 0xed, 0x9f, 0x89, 0x88, 0xa3, 0x89}};
static const struct efi_guid unaccepted = {
    0xd5d1de3c, 0x105c, 0x44f9, {0x9e, 0xa9, 0xbc, 0xef, 0x98, 0x12, 0x00, 0x31}};
static const struct efi_guid final_events = {
    0x1e2ed096, 0x30e2, 0x4254, {0xbd, 0x89, 0x86, 0x3b, 0xbe, 0xf8, 0x23, 0x25}};
static const struct efi_guid hob_list = {
    0x7739f24c, 0x93d7, 0x11d4, {0x9a, 0x3a, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
static const struct efi_guid acpi_1 = {
    0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}};
static const struct efi_guid nobody = {1, 2, 3, {4, 5, 6, 7, 8, 9, 10, 11}};

static const struct acpi_data *data_at(const struct board *board, uint64_t address) {
    for (size_t i = 0; i < board->acpi.data_count; i++) {
        if (board->acpi.data[i].address.value == address) {
            return &board->acpi.data[i];
        }
    }
    fail_msg("nothing is known at 0x%lx", address);
    return NULL;
}

// Finds with one configuration table at PLACE and expects it to be known under that name and
// length.
static void expect_bytes(struct board *board, struct efi_guid guid, const char *name,
                         uint64_t bytes) {
    board_configuration(board, guid, PLACE);
    board_find(board);
    const struct acpi_data *data = data_at(board, PLACE);
    assert_string_equal(data->name, name);
    assert_int_equal(data->bytes, bytes);
    assert_false(data->guessed);
    assert_true(data->keep);
}

static void attributes_table_size(void **state) {
    board_put(PLACE + 4, 100, 4);
    board_put(PLACE + 8, 48, 4);
    expect_bytes(*state, attributes, "memory attributes table", 16 + 4800);
}

static void esrt_size(void **state) {
    board_put(PLACE, 3, 4);
    expect_bytes(*state, esrt, "ESRT", 16 + 120);
}

static void runtime_properties_size(void **state) {
    board_put(PLACE + 2, 8, 2);
    expect_bytes(*state, runtime_properties, "runtime properties table", 8);
}

static void properties_size(void **state) {
    board_put(PLACE + 4, 16, 4);
    expect_bytes(*state, properties, "properties table", 16);
}

static void conformance_size(void **state) {
    board_put(PLACE + 2, 2, 2);
    expect_bytes(*state, conformance, "conformance profiles", 36);
}

static void device_tree_size(void **state) {
    board_put(PLACE, 0xedfe0dd0, 4);
    board_put(PLACE + 4, 0x00100000, 4); // big-endian 0x1000
    expect_bytes(*state, device_tree, "device tree", 0x1000);
}

static void seed_size(void **state) {
    board_put(PLACE, 64, 4);
    expect_bytes(*state, seed, "random seed", 68);
}

static void log_copy_size(void **state) {
    board_put(PLACE, 1000, 4);
    expect_bytes(*state, log_copy, "TPM event log copy", 1009);
}

static void unaccepted_size(void **state) {
    board_put(PLACE + 16, 4096, 8);
    expect_bytes(*state, unaccepted, "unaccepted memory bitmap", 4120);
}

static void mok_size(void **state) {
    board_put(PLACE, 'A', 1);
    board_put(PLACE + 256, 100, 8);
    board_put(PLACE + 364, 'B', 1);
    board_put(PLACE + 364 + 256, 0, 8);
    expect_bytes(*state, mok, "MOK variables", 3 * 264 + 100);
}

static void endless_mok_variables(void **state) {
    struct board *board = *state;
    for (unsigned i = 0; i < 300; i++) {
        board_put(BOARD_USABLE + i * 264, 'A', 1);
    }
    board_configuration(board, mok, BOARD_USABLE);
    board_find(board);
    assert_true(data_at(board, BOARD_USABLE)->guessed);
}

static void initrd_is_two_ranges(void **state) {
    struct board *board = *state;
    board_put(PLACE, BOARD_BOOTSVC + 0x8000, 8);
    board_put(PLACE + 8, 0x2001, 8);
    expect_bytes(board, initrd, "initrd pointer", 16);
    assert_int_equal(data_at(board, BOARD_BOOTSVC + 0x8000)->bytes, 0x2001);
}

static void smbios_is_two_ranges(void **state) {
    struct board *board = *state;
    memcpy(board_at(PLACE), "_SM_", 4);
    board_put(PLACE + 5, 31, 1);
    board_put(PLACE + 22, 321, 2);
    board_put(PLACE + 24, BOARD_BOOTSVC + 0x4000, 4);
    expect_bytes(board, smbios, "SMBIOS 2", 31);
    assert_int_equal(data_at(board, BOARD_BOOTSVC + 0x4000)->bytes, 321);
}

static void smbios_3_is_two_ranges(void **state) {
    struct board *board = *state;
    memcpy(board_at(PLACE), "_SM3_", 5);
    board_put(PLACE + 6, 24, 1);
    board_put(PLACE + 12, 3210, 4);
    board_put(PLACE + 16, BOARD_BOOTSVC + 0x4000, 8);
    expect_bytes(board, smbios_3, "SMBIOS 3", 24);
    assert_int_equal(data_at(board, BOARD_BOOTSVC + 0x4000)->bytes, 3210);
}

static void mp_table_is_two_ranges(void **state) {
    struct board *board = *state;
    memcpy(board_at(PLACE), "_MP_", 4);
    board_put(PLACE + 4, BOARD_BOOTSVC + 0x4000, 4);
    board_put(PLACE + 8, 1, 1);
    board_put(BOARD_BOOTSVC + 0x4004, 300, 2);
    expect_bytes(board, multiprocessor, "MP floating pointer", 16);
    assert_int_equal(data_at(board, BOARD_BOOTSVC + 0x4000)->bytes, 300);
}

static void final_events_size(void **state) {
    static const uint8_t event[] = {
        5, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, // register, type, two digests
        4, 0,                               // SHA-1
    };
    board_put(PLACE, 1, 8);
    board_put(PLACE + 8, 3, 8);
    memcpy(board_at(PLACE + 16), event, sizeof(event));
    board_put(PLACE + 16 + 34, 0x000b, 2); // SHA-256
    board_put(PLACE + 16 + 68, 10, 4);
    memcpy(board_at(PLACE + 98), event, sizeof(event));
    board_put(PLACE + 98 + 34, 0x000c, 2); // SHA-384
    board_put(PLACE + 98 + 84, 0, 4);
    memcpy(board_at(PLACE + 186), event, sizeof(event));
    board_put(PLACE + 186 + 34, 0x000d, 2); // SHA-512
    board_put(PLACE + 186 + 100, 0, 4);
    expect_bytes(*state, final_events, "TPM final events log", 186 + 104);
}

static void aml_memory_is_pinned(void **state) {
    struct board *board = *state;
    static const char regions[] =
        "\x5b\x80GNVS\x00\x0c\x40\x00\x23\x00\x0b\x00\x10"    // 0x230040, 0x1000 bytes
        "\x5b\x80\\.PCI0LPC_\x00\x0c\x00\x40\x20\x00\x0a\x20" // 0x204000, 32 bytes
        "\x5b\x80^^/\x03"
        "AAAABBBBCCCC\x00\x0c\x00\x20\x25\x00\x0a\x20" // usable memory
        "\x5b\x80"
        "EC00\x03\x0a\x00\x0a\xff" // another space
        "\x5b\x80"
        "0BAD\x00\x0c\x00\x50\x20\x00\x0a\x20"             // no name
        "\x5b\x80VARS\x00VADDVLEN"                         // not constant
        "\x5b\x80/\x00\x00\x0c\x00\x60\x20\x00\x0a\x20"    // a name of no segments
        "\x5b\x80GNVS\x00\x0c\x40\x00\x23\x00\x0b\x00\x10" // again
        "\x5b\x80";
    memcpy((uint8_t *)board_at(BOARD_SSDT) + 40, regions, sizeof(regions) - 1);
    board_put(BOARD_SSDT + 4, 40 + sizeof(regions) - 1, 4);
    board_seal(BOARD_SSDT);
    board_run(board);
    assert_int_equal(data_at(board, BOARD_SECOND + 0x40)->bytes, 0x1000);
    assert_int_equal(data_at(board, BOARD_BOOTSVC + 0x4000)->bytes, 32);
    assert_int_equal(board->acpi.data_count, 4); // and the FACS and the image
    assert_string_equal(board_summary(board),
                        "acpi: 20 pages: 14 reclaimed, 6 pinned (BGRT image, AML operation "
                        "region), tables copied 10 (8.8 KiB)");
    struct acpi_pin pin;
    assert_true(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
    assert_int_equal(pin.begin.value, BOARD_BOOTSVC + 0x4000);
}

// Without a header that makes sense, with one that nobody knows, or with none at all: the rest of
// the page.
static void unknown_sizes_pin_the_page(void **state) {
    struct board *board = *state;
    static const struct efi_guid *const guids[] = {
        &smbios, &smbios_3, &multiprocessor, &mok, &device_tree, &final_events, &nobody};
    memset(board_at(PLACE), 0xee, 512);
    for (size_t i = 0; i < sizeof(guids) / sizeof(guids[0]); i++) {
        board_configuration(board, *guids[i], PLACE);
    }
    board_find(board);
    for (size_t i = 0; i < board->acpi.data_count; i++) {
        const struct acpi_data *data = &board->acpi.data[i];
        if (data->configuration) {
            assert_true(data->guessed);
            assert_int_equal(data->bytes, PAGE_SIZE - 0x40);
        }
    }
    struct acpi_pin pin;
    assert_true(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
    assert_int_equal(pin.begin.value, BOARD_BOOTSVC + 0x2000);
    assert_int_equal(pin.end.value, BOARD_BOOTSVC + 0x3000);
    assert_string_equal(pin.reason, "SMBIOS 2");
}

static void tables_that_lead_nowhere_pin_nothing(void **state) {
    struct board *board = *state;
    static const struct efi_guid *const guids[] = {&attributes,
                                                   &esrt,
                                                   &smbios,
                                                   &smbios_3,
                                                   &multiprocessor,
                                                   &runtime_properties,
                                                   &conformance,
                                                   &seed,
                                                   &initrd,
                                                   &log_copy,
                                                   &mok,
                                                   &unaccepted,
                                                   &properties,
                                                   &nobody,
                                                   &device_tree,
                                                   &acpi_1};
    for (size_t i = 0; i < sizeof(guids) / sizeof(guids[0]); i++) {
        board_configuration(board, *guids[i], BOARD_ACPI_END + 0x800);
    }
    board_run(board);
    assert_int_equal(board->acpi.reclaimed_pages, 16);
    struct acpi_pin pin;
    assert_false(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
}

static void boot_time_tables_pin_nothing(void **state) {
    struct board *board = *state;
    board_configuration(board, hob_list, PLACE);
    board_configuration(board, hob_list, BOARD_SECOND);
    board_run(board);
    struct acpi_pin pin;
    assert_false(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
    assert_int_equal(board->acpi.reclaimed_pages, 16);
    assert_int_equal(board->acpi.kind_pages[ACPI_PAGE_SPENT], 1);
}

// The RSDP of ACPI 1.0 beside the other one: superseded. One with a bad checksum stays.
static void another_rsdp_is_superseded(void **state) {
    struct board *board = *state;
    memcpy(board_at(BOARD_SECOND), board_at(BOARD_RSDP), 36);
    board_put(BOARD_SECOND + 15, 0, 1);
    board_seal_rsdp(BOARD_SECOND);
    memcpy(board_at(BOARD_SECOND + PAGE_SIZE), board_at(BOARD_SECOND), 36);
    board_put(BOARD_SECOND + PAGE_SIZE + 8, 0, 1);
    board_put(BOARD_SECOND + PAGE_SIZE + 9, 'x', 1);
    board_configuration(board, acpi_1, BOARD_SECOND);
    board_configuration(board, acpi_1, BOARD_SECOND + PAGE_SIZE);
    board_configuration(board, acpi_1, BOARD_RSDP);
    board_run(board);
    assert_int_equal(board_page(board, BOARD_SECOND), PAGE_STATE_FREE);
    assert_int_equal(board_page(board, BOARD_SECOND + PAGE_SIZE), PAGE_STATE_UNMANAGED);
}

static void data_is_never_given_out(void **state) {
    struct board *board = *state;
    static const uint64_t places[] = {BOARD_MORE + 0x3000, BOARD_LOADER + 0x1000, BOARD_SECOND,
                                      BOARD_BOOTSVC};
    for (size_t i = 0; i < 4; i++) {
        board_put(places[i], 5000, 4);
        board_configuration(board, seed, places[i]);
    }
    board_run(board);
    assert_int_equal(board_findings(board, FINDING_TABLE_IN_USABLE_MEMORY), 2);
    struct acpi_pin pin;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(board_page(board, places[i]), PAGE_STATE_UNMANAGED);
        assert_int_equal(board_page(board, places[i] + PAGE_SIZE), PAGE_STATE_UNMANAGED);
        assert_true(
            acpi_next_pin(&board->acpi, paddr(places[i]), paddr(places[i] + PAGE_SIZE), &pin));
    }
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_LOADER))->class, MEMORY_LOADER);
    assert_int_equal(memmap_find(&board->map, paddr(BOARD_LOADER + 0x2000))->class, MEMORY_KERNEL);
}

static void more_data_than_fits_keeps_everything(void **state) {
    struct board *board = *state;
    for (unsigned i = 0; i < ACPI_DATA_MAX; i++) {
        board_configuration(board, nobody, PLACE + i);
    }
    board_run(board);
    assert_string_equal(board->acpi.kept, "more tables than can be known");
    struct acpi_pin pin;
    assert_true(acpi_next_pin(&board->acpi, paddr(BOARD_BOOTSVC), paddr(BOARD_ACPI), &pin));
    assert_int_equal(pin.end.value, BOARD_ACPI);
}

// What tables point to: an event log, a boot error record, performance records, a binary.
static void logs_are_pinned(void **state) {
    struct board *board = *state;
    static const struct {
        const char *signature;
        uint32_t length, address_at, bytes_at, bytes_width;
        const char *name;
    } cases[] = {
        {"TPM2", 76, 68, 64, 4, "TPM event log"}, {"CCEL", 56, 48, 40, 8, "CC event log"},
        {"WPBT", 52, 40, 36, 4, "WPBT binary"},   {"BERT", 48, 40, 36, 4, "boot error record"},
        {"TCPA", 50, 42, 38, 4, "TPM event log"},
    };
    size_t count = sizeof(cases) / sizeof(cases[0]);
    for (size_t i = 0; i < count; i++) {
        uint64_t address = BOARD_ACPI + 0x6000 + i * 0x100;
        board_table(address, cases[i].signature, cases[i].length);
        memset((uint8_t *)board_at(address) + 36, 0, cases[i].length - 36);
        board_put(address + cases[i].bytes_at, 1000 + i, cases[i].bytes_width);
        board_put(address + cases[i].address_at, PLACE + i * PAGE_SIZE, 8);
        board_seal(address);
        board_add_entry(BOARD_XSDT, address);
    }
    board_run(board);
    for (size_t i = 0; i < count; i++) {
        const struct acpi_data *data = data_at(board, PLACE + i * PAGE_SIZE);
        assert_string_equal(data->name, cases[i].name);
        assert_int_equal(data->bytes, 1000 + i);
        assert_true(data->keep);
    }
}

static void a_servers_tcpa_is_read(void **state) {
    struct board *board = *state;
    uint64_t address = BOARD_ACPI + 0x6000;
    board_table(address, "TCPA", 100);
    memset((uint8_t *)board_at(address) + 36, 0, 64);
    board_put(address + 36, 1, 2);
    board_put(address + 40, 777, 8);
    board_put(address + 48, PLACE, 8);
    board_seal(address);
    board_add_entry(BOARD_XSDT, address);
    board_find(board);
    assert_int_equal(data_at(board, PLACE)->bytes, 777);
}

static void performance_records_are_pinned(void **state) {
    struct board *board = *state;
    uint64_t address = BOARD_ACPI + 0x6000;
    board_table(address, "FPDT", 36 + 8 + 16 + 16);
    memset((uint8_t *)board_at(address) + 36, 0, 40);
    board_put(address + 36, 0x0100080000ff, 6); // a short record of a vendor's
    board_put(address + 44, 0x01100000, 4);
    board_put(address + 52, PLACE, 8);
    board_put(address + 60, 0x01100001, 4);
    board_put(address + 68, PLACE + PAGE_SIZE, 8);
    board_put(address + 36, 0x010800ff, 4);
    board_seal(address);
    board_add_entry(BOARD_XSDT, address);
    memcpy(board_at(PLACE), "FBPT", 4);
    board_put(PLACE + 4, 56, 4);
    board_find(board);
    assert_int_equal(data_at(board, PLACE)->bytes, 56);
    assert_true(data_at(board, PLACE + PAGE_SIZE)->guessed);
}

static void two_facs_are_both_known(void **state) {
    struct board *board = *state;
    memcpy(board_at(BOARD_SECOND), board_at(BOARD_FACS), 64);
    board_put(BOARD_SECOND + 4, 0xffffffff, 4);
    board_put(BOARD_FADT + 132, BOARD_SECOND, 8);
    board_seal(BOARD_FADT);
    board_run(board);
    assert_true(data_at(board, BOARD_SECOND)->guessed);
    assert_int_equal(data_at(board, BOARD_FACS)->bytes, 64);
    assert_int_equal(board->acpi.kind_pages[ACPI_PAGE_PINNED], 5);
}

static char text[32768];

static const char *report_of(const struct board *board) {
    struct text_buffer buffer;
    text_buffer_init(&buffer, text, sizeof(text));
    acpi_report(&buffer.text, &board->acpi);
    assert_int_equal(buffer.dropped, 0);
    return text;
}

static void the_report_tells_all(void **state) {
    struct board *board = *state;
    board_put(BOARD_SRAT + 48 + 8, 0x100000000, 8);
    board_put(BOARD_SRAT + 48 + 16, 0x40000000, 8);
    board_put(BOARD_SRAT + 48 + 28, 7, 4);
    board_put(BOARD_SRAT + 4, 88 + 40, 4);
    board_put(BOARD_SRAT + 88, 0x2801, 2); // disabled
    board_seal(BOARD_SRAT);
    uint64_t spcr = BOARD_ACPI + 0x6000;
    board_table(spcr, "SPCR", 80);
    board_put(spcr + 36, 0, 4);
    board_put(spcr + 40, 1, 4);
    board_put(spcr + 44, 0x3f8, 8);
    board_seal(spcr);
    uint64_t dbg2 = BOARD_ACPI + 0x6100;
    board_table(dbg2, "DBG2", 44 + 22 + 12);
    memset((uint8_t *)board_at(dbg2) + 36, 0, 42);
    board_put(dbg2 + 36, 44, 4);
    board_put(dbg2 + 40, 5, 4); // more than there are
    board_put(dbg2 + 44 + 1, 34, 2);
    board_put(dbg2 + 44 + 12, 0x8000, 2);
    board_put(dbg2 + 44 + 14, 1, 2);
    board_put(dbg2 + 44 + 18, 22, 2);
    board_put(dbg2 + 44 + 22, 1, 1);
    board_put(dbg2 + 44 + 26, 0x2f8, 8);
    board_seal(dbg2);
    board_add_entry(BOARD_XSDT, spcr);
    board_add_entry(BOARD_XSDT, dbg2);
    board_add_entry(BOARD_XSDT, 0);
    board_configuration(board, nobody, PLACE);
    board_run(board);
    const char *report = report_of(board);
    static const char *const expected[] = {
        "ACPI tables (RSDP revision 2 at 0x",
        "\n  FACP   0x000021f000      244  STRATA TESTDATA   good          acpi       0x",
        "replaced\n",
        "skipped: 1 empty and 0 duplicate pointers",
        "0x0000223000       64   nvs        keep   FACS\n",
        "unknown configuration table 00000001-0002-0003-0405-060708090a0b\n",
        "pinned        kept: BGRT image\n",
        "  table         reclaimed\n",
        "MADT: 1 CPUs, 0 more can be plugged in, 1 I/O APICs\n",
        "SRAT: node 0 has [0x100000000, 0x140000000), hot-pluggable, non-volatile\n",
        "MCFG: segment 0, buses 0 to 255 at 0xb0000000\n",
        "SPCR: interface type 0 at port 0x3f8\n",
        "DBG2: port type 0x8000, subtype 0x1, at port 0x2f8\n",
        "power off: 0x3400 to port 0x604\n",
        "reset: 0xf to port 0xcf9\n",
        "acpi: 20 pages: 16 reclaimed, 4 pinned (BGRT image), tables copied 12 (",
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (strstr(report, expected[i]) == NULL) {
            fail_msg("not in the report: %s\n%s", expected[i], report);
        }
    }
}

static void the_report_says_what_is_missing(void **state) {
    struct board *board = *state;
    board->input.rsdp = paddr(0);
    board_run(board);
    const char *report = report_of(board);
    assert_non_null(strstr(report, "none: the firmware names no RSDP\n"));
    assert_non_null(strstr(report, "power off: not through ACPI: there is no good FADT\n"));
    assert_non_null(strstr(report, "reset: not through ACPI: there is no good FADT\n"));
    assert_non_null(strstr(report, "20 kept (the firmware names no RSDP)"));
}

static void records_are_json_lines(void **state) {
    struct board *board = *state;
    memcpy((uint8_t *)board_at(BOARD_SSDT) + 10, "\"\\\x01", 3);
    board_seal(BOARD_SSDT);
    board_run(board);
    struct text_buffer buffer;
    text_buffer_init(&buffer, text, sizeof(text));
    acpi_records(&buffer.text, &board->acpi);
    assert_non_null(strstr(text, "{\"record\":\"acpi-table\",\"signature\":\"SSDT\",\"address\":"
                                 "\"0x219000\",\"length\":500,\"oem\":\"\\\"\\\\?ATA\",\"state\":"
                                 "\"good\",\"class\":\"acpi\",\"copy\":\"0x"));
    assert_non_null(strstr(text, "\"signature\":\"RSDT\""));
    assert_non_null(strstr(text, "\"copy\":null}\n"));
    assert_non_null(strstr(text, "{\"record\":\"acpi-data\",\"name\":\"BGRT image\",\"address\":"
                                 "\"0x212010\",\"bytes\":\"0x3010\",\"class\":\"acpi\","
                                 "\"pinned\":true}\n"));
    assert_non_null(strstr(text, "\"kind\":\"pinned\",\"reclaimed\":false}\n"));
    assert_non_null(strstr(text, "{\"record\":\"acpi\",\"pages\":20,\"reclaimed\":16,\"pinned\":4,"
                                 "\"copied\":10,\"bytes\":\"0x24d8\",\"kept\":null}\n"));
    board->acpi.kept = "acpi=keep";
    text_buffer_init(&buffer, text, sizeof(text));
    acpi_records(&buffer.text, &board->acpi);
    assert_non_null(strstr(text, "\"kept\":\"acpi=keep\"}\n"));
}

// A finding about each kind of fault, as a person reads it.
static void findings_are_sentences(void **state) {
    struct board *board = *state;
    board_put(BOARD_SSDT + 4, 12, 4);
    board_put(BOARD_HPET + 9, 0, 1);
    board_put(BOARD_HPET + 8, 77, 1);
    board_add_entry(BOARD_XSDT, BOARD_UNCACHED);
    board_run(board);
    struct text_buffer buffer;
    text_buffer_init(&buffer, text, sizeof(text));
    for (size_t i = 0; i < board->map.finding_count; i++) {
        finding_print(&buffer.text, &board->map.findings[i]);
        text_puts(&buffer.text, "\n");
    }
    assert_string_equal(
        text, "table HPET [0x21b000, 0x21b038) has a wrong checksum\n"
              "table SSDT at 0x219000 cannot be the 12 bytes long that it says: not used\n"
              "a table at 0x227000 does not lie in memory that the map names: not used\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, board_set_up, board_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(attributes_table_size),
        TEST(esrt_size),
        TEST(runtime_properties_size),
        TEST(properties_size),
        TEST(conformance_size),
        TEST(device_tree_size),
        TEST(seed_size),
        TEST(log_copy_size),
        TEST(unaccepted_size),
        TEST(mok_size),
        TEST(endless_mok_variables),
        TEST(initrd_is_two_ranges),
        TEST(smbios_is_two_ranges),
        TEST(smbios_3_is_two_ranges),
        TEST(mp_table_is_two_ranges),
        TEST(final_events_size),
        TEST(aml_memory_is_pinned),
        TEST(unknown_sizes_pin_the_page),
        TEST(tables_that_lead_nowhere_pin_nothing),
        TEST(boot_time_tables_pin_nothing),
        TEST(another_rsdp_is_superseded),
        TEST(data_is_never_given_out),
        TEST(more_data_than_fits_keeps_everything),
        TEST(logs_are_pinned),
        TEST(a_servers_tcpa_is_read),
        TEST(performance_records_are_pinned),
        TEST(two_facs_are_both_known),
        TEST(the_report_tells_all),
        TEST(the_report_says_what_is_missing),
        TEST(records_are_json_lines),
        TEST(findings_are_sentences),
    };
    return cmocka_run_group_tests_name("acpi_data", tests, NULL, NULL);
}
