// SPDX-License-Identifier: MIT
// Any bytes at all as the firmware's memory: nothing outside what the map names is read, and what
// always holds after finding and reclaiming holds.
//
// Input: a byte of flags, a count of configuration tables, 5 bytes for each (which GUID, where),
// and then the memory itself: ACPI reclaim memory first, its first bytes the RSDP, then boot
// services', then loader's. With the first flag the checksums of the tables that an XSDT names are
// made good, so that what lies behind them is reached.
#include "../../kernel/acpi/acpi.h"

#include <host/host.h>
#include <mm/bootmem.h>
#include <mm/ledger.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#define USABLE       UINT64_C(0x100000)
#define USABLE_BYTES UINT64_C(0x100000)
#define MEMORY       UINT64_C(0x200000)
#define MEMORY_BYTES UINT64_C(0xa000)
#define TOP          UINT64_C(0x210000)

enum { FLAG_REPAIR = 1, FLAG_KEEP = 2, TABLE_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct efi_descriptor descriptors[] = {
    {EFI_CONVENTIONAL, 0, USABLE, 0, USABLE_BYTES / PAGE_SIZE, EFI_ATTRIBUTE_WB},
    {EFI_ACPI_RECLAIM, 0, MEMORY, 0, 6, EFI_ATTRIBUTE_WB},
    {EFI_BOOT_SERVICES_DATA, 0, MEMORY + 6 * PAGE_SIZE, 0, 2, EFI_ATTRIBUTE_WB},
    {EFI_LOADER_DATA, 0, MEMORY + 8 * PAGE_SIZE, 0, 2, EFI_ATTRIBUTE_WB},
};
#define DESCRIPTOR_COUNT (sizeof(descriptors) / sizeof(descriptors[0]))

static const struct efi_guid guids[] = {
    {0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}, // ACPI 1.0
    {0xeb9d2d31, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}, // SMBIOS 2
    {0xf2fd1544, 0x9794, 0x4a2c, {0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94}}, // SMBIOS 3
    {0xeb9d2d2f, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}}, // MP
    {0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}}, // attributes
    {0xb122a263, 0x3661, 0x4f68, {0x99, 0x29, 0x78, 0xf8, 0xb0, 0xd6, 0x21, 0x80}}, // ESRT
    {0x1e2ed096, 0x30e2, 0x4254, {0xbd, 0x89, 0x86, 0x3b, 0xbe, 0xf8, 0x23, 0x25}}, // TPM events
    {0xc451ed2b, 0x9694, 0x45d3, {0xba, 0xba, 0xed, 0x9f, 0x89, 0x88, 0xa3, 0x89}}, // MOK
    {0xd5d1de3c, 0x105c, 0x44f9, {0x9e, 0xa9, 0xbc, 0xef, 0x98, 0x12, 0x00, 0x31}}, // unaccepted
    {0x5568e427, 0x68fc, 0x4f3d, {0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68}}, // initrd
    {0x36122546, 0xf7e7, 0x4c8f, {0xbd, 0x9b, 0xeb, 0x85, 0x25, 0xb5, 0x0c, 0x0b}}, // conformance
    {0, 0, 0, {0}},
};

static void require(const char *broken) {
    if (broken != NULL) {
        port_panic("%s", broken);
    }
}

static void ignore(struct text *self, const char *bytes, size_t count) {
    (void)self, (void)bytes, (void)count;
}

static uint64_t number(uint64_t address, unsigned bytes) {
    uint64_t value = 0;
    if (address >= MEMORY && address < MEMORY + MEMORY_BYTES - bytes) {
        memcpy(&value, port_direct_map(paddr(address)), bytes);
    }
    return value;
}

// Makes the sum of `count` bytes at `address` 0 through the byte at `offset`.
static void repair(uint64_t address, uint64_t count, uint64_t offset) {
    if (address < MEMORY || address >= MEMORY + MEMORY_BYTES || count <= offset ||
        count > MEMORY + MEMORY_BYTES - address) {
        return;
    }
    uint8_t *bytes = port_direct_map(paddr(address));
    uint8_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    bytes[offset] = (uint8_t)(bytes[offset] - sum);
}

static void repair_table(uint64_t address) {
    repair(address, number(address + 4, 4), 9);
}

static void repair_all(void) {
    uint64_t xsdt = number(MEMORY + 24, 8), rsdt = number(MEMORY + 16, 4);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t entry = number(xsdt + 36 + i * 8, 8);
        if (entry != MEMORY && entry != xsdt) {
            repair_table(number(entry + 140, 8));
            repair_table(entry);
        }
    }
    repair_table(rsdt);
    repair_table(xsdt);
    repair(MEMORY, 20, 8);
    repair(MEMORY, 36, 32);
}

static void repair_smbios(uint64_t address) {
    if (number(address, 4) == UINT32_C(0x334d535f)) { // "_SM3"
        repair(address, number(address + 6, 1), 5);
    } else {
        repair(address, number(address + 5, 1), 4);
    }
}

static size_t take_tables(struct efi_configuration_table *tables, const uint8_t **data,
                          size_t *size) {
    size_t count = **data % (TABLE_MAX + 1);
    (*data)++, (*size)--;
    size_t taken = 0;
    while (taken < count && *size >= 5) {
        uint32_t where;
        memcpy(&where, *data + 1, sizeof(where));
        tables[taken].guid = guids[**data % (sizeof(guids) / sizeof(guids[0]))];
        tables[taken++].address = where;
        *data += 5, *size -= 5;
    }
    return taken;
}

static void set_memory(const uint8_t *data, size_t size) {
    if (host_ram == NULL) {
        host_memory(paddr(0), TOP);
    }
    ASAN_UNPOISON_MEMORY_REGION(host_ram, TOP);
    memset(host_ram + MEMORY, 0, MEMORY_BYTES);
    memcpy(host_ram + MEMORY, data, size < MEMORY_BYTES ? size : MEMORY_BYTES);
}

static void guard(void) {
    ASAN_POISON_MEMORY_REGION(host_ram, TOP);
    ASAN_UNPOISON_MEMORY_REGION(host_ram + 0xe0000, 0x20000);
    ASAN_UNPOISON_MEMORY_REGION(host_ram + USABLE, USABLE_BYTES);
    ASAN_UNPOISON_MEMORY_REGION(host_ram + MEMORY, MEMORY_BYTES);
}

static void check(const struct acpi *acpi, struct memmap *map, struct page_allocator *pages,
                  uint64_t free_before) {
    struct page_census census;
    struct ledger ledger;
    page_census(pages, &census);
    ledger_compute(&ledger, map, pages);
    require(memmap_check(map));
    require(page_check(pages));
    require(ledger.mismatch);
    require(ledger.unaccounted != 0 ? "not all is accounted for" : NULL);
    require(census.free_pages + census.cached_pages + census.owned_pages[PAGE_OWNER_ACPI] !=
                    free_before + acpi->reclaimed_pages
                ? "the free count did not rise by the reclaimed pages"
                : NULL);
    struct text nowhere = {.write = ignore};
    acpi_report(&nowhere, acpi);
    acpi_records(&nowhere, acpi);
    struct acpi_pin pin;
    for (paddr_t at = paddr(0); acpi_next_pin(acpi, at, paddr(TOP), &pin); at = pin.end) {
        require(pin.begin.value < at.value || pin.end.value <= pin.begin.value
                    ? "a pin lies outside what was asked about"
                    : NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct acpi acpi;
    static struct page_allocator pages;
    static _Alignas(16) uint8_t storage[128 * 1024];
    struct efi_configuration_table tables[TABLE_MAX];
    if (size < 2) {
        return 0;
    }
    uint8_t flags = *data++;
    size--;
    struct memmap_input map_input = {
        .map = {descriptors, sizeof(descriptors), sizeof(descriptors[0]), 1},
    };
    struct acpi_input input = {
        .rsdp = paddr(MEMORY),
        .tables = tables,
        .table_count = take_tables(tables, &data, &size),
        .firmware = map_input.map,
        .direct_map_bytes = TOP,
        .keep = (flags & FLAG_KEEP) != 0,
    };
    struct memmap map;
    set_memory(data, size);
    if ((flags & FLAG_REPAIR) != 0) {
        repair_all();
        repair_smbios(input.table_count != 0 ? tables[0].address : MEMORY);
    }
    guard();
    if (memmap_storage_bytes(DESCRIPTOR_COUNT, 0) > sizeof(storage) ||
        memmap_convert(&map, &map_input, storage, sizeof(storage)) != MEMMAP_OK) {
        abort();
    }
    acpi_find(&acpi, &input, &map);
    // Any configuration table may be taken for SMBIOS' entry point.
    acpi_compare_memory(&acpi, paddr(input.table_count != 0 ? tables[0].address : MEMORY));
    struct bootmem boot;
    bootmem_init(&boot, &map);
    if (page_init(&pages, &boot)) {
        uint64_t free_before = page_free_count(&pages);
        acpi_reclaim(&acpi, &pages);
        check(&acpi, &map, &pages, free_before);
    }
    return 0;
}
