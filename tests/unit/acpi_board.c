// SPDX-License-Identifier: MIT
// The machine that acpi_board.h describes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acpi_board.h"
#include <host/host.h>
#include <mm/ledger.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

static const struct efi_descriptor standard[] = {
    {EFI_CONVENTIONAL, 0, BOARD_USABLE, 0, 256, EFI_ATTRIBUTE_WB},
    {EFI_BOOT_SERVICES_DATA, 0, BOARD_BOOTSVC, 0, 16, EFI_ATTRIBUTE_WB},
    {EFI_ACPI_RECLAIM, 0, BOARD_ACPI, 0, 18, EFI_ATTRIBUTE_WB},
    {EFI_ACPI_NVS, 0, BOARD_NVS, 0, 2, EFI_ATTRIBUTE_WB},
    {EFI_RESERVED, 0, BOARD_RESERVED, 0, 2, EFI_ATTRIBUTE_WB},
    {EFI_RESERVED, 0, BOARD_UNCACHED, 0, 1, EFI_ATTRIBUTE_UC},
    {EFI_MMIO, 0, BOARD_MMIO, 0, 1, EFI_ATTRIBUTE_UC},
    {EFI_ACPI_RECLAIM, 0, BOARD_SECOND, 0, 2, EFI_ATTRIBUTE_WB},
    {EFI_LOADER_DATA, 0, BOARD_LOADER, 0, 4, EFI_ATTRIBUTE_WB},
    {EFI_CONVENTIONAL, 0, BOARD_MORE, 0, 160, EFI_ATTRIBUTE_WB},
};

// Firmware's memory as it was when acpi_find was called.
static uint8_t before[BOARD_END];

// Poisons all but what the map names as memory that can be read, and the BIOS area.
static void guard(const struct board *board) {
    ASAN_POISON_MEMORY_REGION(board_at(0), BOARD_END);
    ASAN_UNPOISON_MEMORY_REGION(board_at(BOARD_BIOS), 128 * KIB);
    for (size_t i = 0; i < board->descriptor_count; i++) {
        const struct efi_descriptor *d = &board->descriptors[i];
        if ((d->attributes & EFI_ATTRIBUTE_WB) != 0 && d->type != EFI_MMIO) {
            ASAN_UNPOISON_MEMORY_REGION(board_at(d->physical_start), d->pages * PAGE_SIZE);
        }
    }
}

void board_create(struct board *board) {
    static bool made;
    if (!made) {
        host_memory(paddr(0), BOARD_END);
        made = true;
    }
    memset(board, 0, sizeof(*board));
    memcpy(board->descriptors, standard, sizeof(standard));
    board->descriptor_count = sizeof(standard) / sizeof(standard[0]);
    ASAN_UNPOISON_MEMORY_REGION(board_at(0), BOARD_END);
    memset(board_at(BOARD_BIOS), 0, BOARD_END - BOARD_BIOS);
    board->input.tables = board->tables;
    board->input.direct_map_bytes = BOARD_END;
}

void board_destroy(struct board *board) {
    ASAN_UNPOISON_MEMORY_REGION(board_at(0), BOARD_END);
    free(board->storage);
    board->storage = NULL;
}

void *board_at(uint64_t address) {
    return host_ram + address;
}

void board_put(uint64_t address, uint64_t value, unsigned bytes) {
    memcpy(board_at(address), &value, bytes);
}

static uint8_t sum(const uint8_t *bytes, uint64_t count) {
    uint8_t total = 0;
    for (uint64_t i = 0; i < count; i++) {
        total = (uint8_t)(total + bytes[i]);
    }
    return total;
}

static uint32_t length_of(uint64_t address) {
    uint32_t length;
    memcpy(&length, (uint8_t *)board_at(address) + 4, sizeof(length));
    return length;
}

void board_seal(uint64_t address) {
    uint8_t *bytes = board_at(address);
    bytes[9] = 0;
    bytes[9] = (uint8_t)-sum(bytes, length_of(address));
}

void board_seal_rsdp(uint64_t address) {
    uint8_t *bytes = board_at(address);
    bytes[8] = 0;
    bytes[8] = (uint8_t)-sum(bytes, 20);
    if (bytes[15] >= 2) {
        bytes[32] = 0;
        bytes[32] = (uint8_t)-sum(bytes, 36);
    }
}

// Revision, checksum, and who made the table.
static const char identity[28] = "\x01\x00STRATATESTDATA\x01\x00\x00\x00TEST\x01\x00\x00";

void board_table(uint64_t address, const char *signature, uint32_t length) {
    uint8_t *bytes = board_at(address);
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)signature[i];
    }
    board_put(address + 4, length, 4);
    memcpy(bytes + 8, identity, sizeof(identity));
    for (uint32_t i = 36; i < length; i++) {
        bytes[i] = (uint8_t)(i * 7 + address / PAGE_SIZE);
    }
    board_seal(address);
}

void board_add_entry(uint64_t address, uint64_t entry) {
    uint32_t length = length_of(address);
    unsigned width = memcmp(board_at(address), "XSDT", 4) == 0 ? 8 : 4;
    board_put(address + length, entry, width);
    board_put(address + 4, length + width, 4);
    board_seal(address);
}

void board_configuration(struct board *board, struct efi_guid guid, uint64_t address) {
    board->tables[board->input.table_count++] = (struct efi_configuration_table){guid, address};
}

static void put_fadt(void) {
    board_table(BOARD_FADT, "FACP", 244);
    memset((uint8_t *)board_at(BOARD_FADT) + 36, 0, 208);
    board_put(BOARD_FADT + 36, BOARD_FACS, 4);
    board_put(BOARD_FADT + 40, BOARD_DSDT, 4);
    board_put(BOARD_FADT + 48, 0xb2, 4);
    board_put(BOARD_FADT + 52, 0x02, 1);
    board_put(BOARD_FADT + 64, 0x604, 4);
    board_put(BOARD_FADT + 112, UINT32_C(1) << 10, 4);
    board_put(BOARD_FADT + 116, 0x01000801, 4); // port, 8 bits, byte access
    board_put(BOARD_FADT + 120, 0xcf9, 8);
    board_put(BOARD_FADT + 128, 0x0f, 1);
    board_put(BOARD_FADT + 140, BOARD_DSDT, 8);
    board_seal(BOARD_FADT);
    memcpy(board_at(BOARD_FACS), "FACS", 4);
    board_put(BOARD_FACS + 4, 64, 4);
}

static void put_bgrt(void) {
    board_table(BOARD_BGRT, "BGRT", 56);
    board_put(BOARD_BGRT + 40, BOARD_IMAGE, 8);
    board_seal(BOARD_BGRT);
    memcpy(board_at(BOARD_IMAGE), "BM", 2);
    board_put(BOARD_IMAGE + 2, 3 * PAGE_SIZE + 16, 4);
}

static void put_small_tables(void) {
    board_table(BOARD_MADT, "APIC", 120);
    memset((uint8_t *)board_at(BOARD_MADT) + 36, 0, 84);
    board_put(BOARD_MADT + 36, 0xfee00000, 4);
    board_put(BOARD_MADT + 44, 0x00000800, 4); // a CPU, enabled
    board_put(BOARD_MADT + 48, 1, 4);
    board_put(BOARD_MADT + 52, 0x0c01, 2); // an I/O APIC
    board_put(BOARD_MADT + 56, 0xfec00000, 4);
    board_seal(BOARD_MADT);
    board_table(BOARD_HPET, "HPET", 56);
    board_put(BOARD_HPET + 44, 0xfed00000, 8);
    board_seal(BOARD_HPET);
    board_table(BOARD_MCFG, "MCFG", 60);
    board_put(BOARD_MCFG + 44, 0xb0000000, 8);
    board_put(BOARD_MCFG + 52, 0xff000000, 8);
    board_seal(BOARD_MCFG);
    board_table(BOARD_SSDT, "SSDT", 500);
    board_table(BOARD_SRAT, "SRAT", 88);
    memset((uint8_t *)board_at(BOARD_SRAT) + 48, 0, 40);
    board_put(BOARD_SRAT + 48, 0x2801, 2);
    board_seal(BOARD_SRAT);
}

void board_tables(struct board *board) {
    static const uint64_t entries[] = {BOARD_FADT, BOARD_MADT, BOARD_HPET, BOARD_MCFG,
                                       BOARD_SSDT, BOARD_SRAT, BOARD_BGRT};
    put_fadt();
    board_table(BOARD_DSDT, "DSDT", 8180);
    memcpy((uint8_t *)board_at(BOARD_DSDT) + 4000, "\x08_S5_\x12\x06\x04\x0a\x05\x00\x00\x00", 13);
    board_seal(BOARD_DSDT);
    put_small_tables();
    put_bgrt();
    board_table(BOARD_RSDT, "RSDT", 36);
    board_table(BOARD_XSDT, "XSDT", 36);
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        board_add_entry(BOARD_RSDT, entries[i]);
        board_add_entry(BOARD_XSDT, entries[i]);
    }
    memcpy(board_at(BOARD_RSDP), "RSD PTR \x00STRATA\x02", 16);
    board_put(BOARD_RSDP + 16, BOARD_RSDT, 4);
    board_put(BOARD_RSDP + 20, 36, 4);
    board_put(BOARD_RSDP + 24, BOARD_XSDT, 8);
    board_seal_rsdp(BOARD_RSDP);
    board->input.rsdp = paddr(BOARD_RSDP);
}

void board_find(struct board *board) {
    struct memmap_input input = {
        .map = {board->descriptors, board->descriptor_count * sizeof(struct efi_descriptor),
                sizeof(struct efi_descriptor), 1},
    };
    size_t bytes = memmap_storage_bytes(board->descriptor_count, 0);
    board->storage = aligned_alloc(16, align_up(bytes, 16));
    assert_int_equal(memmap_convert(&board->map, &input, board->storage, bytes), MEMMAP_OK);
    board->input.firmware = input.map;
    memcpy(before + BOARD_BIOS, board_at(BOARD_BIOS), BOARD_END - BOARD_BIOS);
    guard(board);
    acpi_find(&board->acpi, &board->input, &board->map);
    assert_null(memmap_check(&board->map));
    bootmem_init(&board->boot, &board->map);
    assert_true(page_init(&board->pages, &board->boot));
}

// Every copy has a good checksum and equals the table that firmware made, but for the FADT's
// pointers to the DSDT and its checksum.
static void check_copy(const struct acpi_table *table) {
    const uint8_t *copy = port_direct_map(table->copy);
    const uint8_t *original = before + table->address.value;
    bool fadt = strcmp(table->signature, "FACP") == 0;
    if (sum(copy, table->length) != 0) {
        fail_msg("the copy of %s has a bad checksum", table->signature);
    }
    for (uint32_t i = 0; i < table->length && !table->replaced; i++) {
        bool patched = fadt && (i == 9 || (i >= 40 && i < 44) || (i >= 140 && i < 148));
        if (copy[i] != original[i] && !patched) {
            fail_msg("byte %u of the copy of %s differs", i, table->signature);
        }
    }
}

static void check_run(struct board *board, const struct acpi_run *run) {
    for (uint64_t at = run->begin.value; at < run->end.value; at += PAGE_SIZE) {
        enum memory_class class = memmap_find(&board->map, paddr(at))->class;
        assert_int_equal(class, run->reclaimed ? MEMORY_USABLE : MEMORY_ACPI);
        assert_int_equal(board_page(board, at),
                         run->reclaimed ? PAGE_STATE_FREE : PAGE_STATE_UNMANAGED);
    }
    assert_false(run->reclaimed && run->kind == ACPI_PAGE_PINNED);
}

void board_reclaim(struct board *board) {
    uint64_t free_before = page_free_count(&board->pages);
    uint64_t acpi_pages = board->map.class_bytes[MEMORY_ACPI] / PAGE_SIZE;
    acpi_reclaim(&board->acpi, &board->pages);
    struct page_census census;
    page_census(&board->pages, &census);
    assert_int_equal(board->acpi.pages, acpi_pages);
    assert_int_equal(page_free_count(&board->pages) + census.owned_pages[PAGE_OWNER_ACPI],
                     free_before + board->acpi.reclaimed_pages);
    assert_null(memmap_check(&board->map));
    assert_null(page_check(&board->pages));
    struct ledger ledger;
    ledger_compute(&ledger, &board->map, &board->pages);
    assert_int_equal(ledger.unaccounted, 0);
    assert_null(ledger.mismatch);
    uint64_t copied = 0;
    for (size_t i = 0; i < board->acpi.table_count; i++) {
        if (board->acpi.tables[i].copy.value != 0) {
            copied++;
        }
        if (board->acpi.tables[i].copy.value != 0 && i != 0) {
            check_copy(&board->acpi.tables[i]);
        }
    }
    assert_int_equal(copied, board->acpi.copied_count);
    if (copied != 0) {
        const uint8_t *rsdp = board_at(board->acpi.rsdp.value);
        assert_int_equal(sum(rsdp, 20), 0);
        assert_int_equal(sum(rsdp, 36), 0);
    }
    for (size_t i = 0; i < board->acpi.run_count; i++) {
        check_run(board, &board->acpi.runs[i]);
    }
}

void board_run(struct board *board) {
    board_find(board);
    board_reclaim(board);
}

const struct acpi_table *board_known(const struct board *board, uint64_t address) {
    for (size_t i = 0; i < board->acpi.table_count; i++) {
        if (board->acpi.tables[i].address.value == address) {
            return &board->acpi.tables[i];
        }
    }
    return NULL;
}

const char *board_summary(const struct board *board) {
    static char line[512];
    struct text_buffer buffer;
    text_buffer_init(&buffer, line, sizeof(line));
    acpi_summary(&buffer.text, &board->acpi);
    return line;
}

size_t board_findings(const struct board *board, enum finding_rule rule) {
    size_t count = 0;
    for (size_t i = 0; i < board->map.finding_count; i++) {
        count += board->map.findings[i].rule == rule;
    }
    return count;
}

enum page_state board_page(struct board *board, uint64_t address) {
    return page_inspect(&board->pages, pfn_of(paddr(address))).state;
}

int board_set_up(void **state) {
    static struct board board;
    board_create(&board);
    board_tables(&board);
    *state = &board;
    return 0;
}

int board_tear_down(void **state) {
    board_destroy(*state);
    return 0;
}

uint64_t board_number(uint64_t address, unsigned bytes) {
    uint64_t value = 0;
    memcpy(&value, board_at(address), bytes);
    return value;
}

enum acpi_table_state board_state(const struct board *board, uint64_t address) {
    const struct acpi_table *table = board_known(board, address);
    assert_non_null(table);
    return table->state;
}
