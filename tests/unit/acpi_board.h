// SPDX-License-Identifier: MIT
// A machine for the tests of kernel/acpi/: firmware's memory with tables in it, a map of it, a page
// allocator over it. What the map does not name is poisoned: AddressSanitizer reports a read of it.
#pragma once

#include "../../kernel/acpi/acpi.h"

#include <mm/bootmem.h>

// Where things lie.
//   0x0e0000  the BIOS area, which no map names
//   0x100000  usable                     1 MiB
//   0x200000  boot services' data        16 pages
//   0x210000  ACPI reclaim               18 pages
//   0x222000  (nothing)
//   0x223000  ACPI non-volatile storage  2 pages
//   0x225000  reserved, write-back       2 pages
//   0x227000  reserved, uncached         1 page
//   0x228000  device registers           1 page
//   0x230000  ACPI reclaim               2 pages
//   0x240000  loader's data              4 pages
//   0x250000  usable                     160 pages
#define BOARD_BIOS     UINT64_C(0x0e0000)
#define BOARD_USABLE   UINT64_C(0x100000)
#define BOARD_BOOTSVC  UINT64_C(0x200000)
#define BOARD_ACPI     UINT64_C(0x210000)
#define BOARD_ACPI_END UINT64_C(0x222000)
#define BOARD_NVS      UINT64_C(0x223000)
#define BOARD_RESERVED UINT64_C(0x225000)
#define BOARD_UNCACHED UINT64_C(0x227000)
#define BOARD_MMIO     UINT64_C(0x228000)
#define BOARD_SECOND   UINT64_C(0x230000)
#define BOARD_LOADER   UINT64_C(0x240000)
#define BOARD_MORE     UINT64_C(0x250000)
#define BOARD_END      UINT64_C(0x2f0000)

// The standard tables (board_tables): one to a page from the region's end downwards, as OVMF does.
#define BOARD_RSDP  (BOARD_ACPI + 0x11014)
#define BOARD_RSDT  (BOARD_ACPI + 0x10074)
#define BOARD_XSDT  (BOARD_ACPI + 0x100e8)
#define BOARD_FADT  (BOARD_ACPI + 0xf000)
#define BOARD_DSDT  (BOARD_ACPI + 0xd000) // 8,180 bytes
#define BOARD_MADT  (BOARD_ACPI + 0xc000)
#define BOARD_HPET  (BOARD_ACPI + 0xb000)
#define BOARD_MCFG  (BOARD_ACPI + 0xa000)
#define BOARD_SSDT  (BOARD_ACPI + 0x9000)
#define BOARD_SRAT  (BOARD_ACPI + 0x8000)
#define BOARD_BGRT  (BOARD_ACPI + 0x7000)
#define BOARD_IMAGE (BOARD_ACPI + 0x2010) // 3 pages and 16 bytes: 4 pages
#define BOARD_FACS  BOARD_NVS

#define BOARD_TABLE_MAX 128

struct board {
    struct efi_descriptor descriptors[16];
    size_t descriptor_count;
    struct memmap map;
    void *storage;
    struct bootmem boot;
    struct page_allocator pages;
    struct acpi acpi;
    struct efi_configuration_table tables[BOARD_TABLE_MAX];
    struct acpi_input input;
};

// An empty machine. All of its memory reads 0.
void board_create(struct board *board);
void board_destroy(struct board *board);
// Fills in the standard tables and names their RSDP.
void board_tables(struct board *board);

// What each test begins and ends with: *state is an empty machine with the standard tables.
int board_set_up(void **state);
int board_tear_down(void **state);

void *board_at(uint64_t address);
void board_put(uint64_t address, uint64_t value, unsigned bytes);
uint64_t board_number(uint64_t address, unsigned bytes); // little-endian, 1 to 8 bytes
// A table with a good checksum whose body is a pattern.
void board_table(uint64_t address, const char *signature, uint32_t length);
// Makes the checksum of the table at `address` good again.
void board_seal(uint64_t address);
// Makes both checksums of the RSDP at `address` good again.
void board_seal_rsdp(uint64_t address);
// Adds an entry to the XSDT or RSDT at `address`.
void board_add_entry(uint64_t address, uint64_t entry);
void board_configuration(struct board *board, struct efi_guid guid, uint64_t address);

// Converts the map, finds, builds the page allocator.
void board_find(struct board *board);
// Reclaims, and checks everything that always holds: the map, the allocator, the ledger, that the
// free count rose by the reclaimed pages, that copies are what they should be.
void board_reclaim(struct board *board);
// Both.
void board_run(struct board *board);

const struct acpi_table *board_known(const struct board *board, uint64_t address);
// The state of a table that has to be known.
enum acpi_table_state board_state(const struct board *board, uint64_t address);
const char *board_summary(const struct board *board);
size_t board_findings(const struct board *board, enum finding_rule rule);
// What page_inspect says of the page at `address`.
enum page_state board_page(struct board *board, uint64_t address);
