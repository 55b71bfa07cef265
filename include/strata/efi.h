// SPDX-License-Identifier: MIT
// The firmware's memory map, as the UEFI specification (2.10, section 7.2.3, GetMemoryMap) lays it
// out in memory.
//
// Only the format: what a descriptor looks like, and the numbers in it. A map is an array of
// descriptors that stand `stride` bytes apart; the stride is whatever the firmware says (40, 48,
// more), never sizeof(struct efi_descriptor). Shared by the loader, the kernel, the converter and
// the hosted tools.
#pragma once

#include <strata/types.h>

enum efi_memory_type {
    EFI_RESERVED = 0,
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_SERVICES_CODE = 3,
    EFI_BOOT_SERVICES_DATA = 4,
    EFI_RUNTIME_SERVICES_CODE = 5,
    EFI_RUNTIME_SERVICES_DATA = 6,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_MMIO = 11,
    EFI_MMIO_PORT_SPACE = 12,
    EFI_PAL_CODE = 13,
    EFI_PERSISTENT = 14,
    EFI_UNACCEPTED = 15,
    EFI_TYPE_COUNT_, // from here on unknown; OEMs own 0x70000000 and up, loaders 0x80000000 and up
};

// Attribute bits of a descriptor: which cache types the range supports, and what it is for.
#define EFI_ATTRIBUTE_UC            UINT64_C(0x1)
#define EFI_ATTRIBUTE_WC            UINT64_C(0x2)
#define EFI_ATTRIBUTE_WT            UINT64_C(0x4)
#define EFI_ATTRIBUTE_WB            UINT64_C(0x8)
#define EFI_ATTRIBUTE_UCE           UINT64_C(0x10)
#define EFI_ATTRIBUTE_WP            UINT64_C(0x1000)
#define EFI_ATTRIBUTE_RP            UINT64_C(0x2000)
#define EFI_ATTRIBUTE_XP            UINT64_C(0x4000)
#define EFI_ATTRIBUTE_NV            UINT64_C(0x8000)
#define EFI_ATTRIBUTE_MORE_RELIABLE UINT64_C(0x10000)
#define EFI_ATTRIBUTE_RO            UINT64_C(0x20000)
#define EFI_ATTRIBUTE_SP            UINT64_C(0x40000)
#define EFI_ATTRIBUTE_CPU_CRYPTO    UINT64_C(0x80000)
#define EFI_ATTRIBUTE_HOT_PLUGGABLE UINT64_C(0x100000)
#define EFI_ATTRIBUTE_ISA_MASK      UINT64_C(0x0ffff00000000000) // means something with ISA_VALID
#define EFI_ATTRIBUTE_ISA_VALID     UINT64_C(0x4000000000000000)
#define EFI_ATTRIBUTE_RUNTIME       UINT64_C(0x8000000000000000)

// One descriptor, version 1. The specification pads `type` to 8 bytes.
struct efi_descriptor {
    uint32_t type; // enum efi_memory_type, or a number that nobody defined
    uint32_t padding;
    uint64_t physical_start; // bytes; firmware may leave it unaligned
    uint64_t virtual_start;  // 0 before SetVirtualAddressMap
    uint64_t pages;          // 4 KiB each; 0 and absurd numbers have been seen
    uint64_t attributes;     // EFI_ATTRIBUTE_…
};
_Static_assert(sizeof(struct efi_descriptor) == 40, "UEFI 2.10, 7.2.3");

// A whole map, where it lies. The bytes belong to whoever filled it in.
struct efi_map {
    const void *descriptors;
    uint64_t bytes; // a tail shorter than a stride is ignored, with a finding
    uint32_t
        stride; // bytes from one descriptor to the next; at least sizeof(struct efi_descriptor)
    uint32_t version;
};

// How many whole descriptors the map holds; 0 when its stride cannot be right.
static inline uint64_t efi_map_count(const struct efi_map *map) {
    return map->stride < sizeof(struct efi_descriptor) ? 0 : map->bytes / map->stride;
}

// Descriptor `index`, which is less than efi_map_count, copied out: it may lie at any address.
static inline struct efi_descriptor efi_map_entry(const struct efi_map *map, uint64_t index) {
    struct efi_descriptor entry;
    __builtin_memcpy(&entry, (const uint8_t *)map->descriptors + index * map->stride,
                     sizeof(entry));
    return entry;
}

// A GUID as UEFI stores it: the first three fields little-endian.
struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};
_Static_assert(sizeof(struct efi_guid) == 16, "UEFI 2.10, 2.3.1");

// An entry of the system table's configuration table array (UEFI 2.10, section 4.6).
struct efi_configuration_table {
    struct efi_guid guid;
    uint64_t address;
};
_Static_assert(sizeof(struct efi_configuration_table) == 24, "UEFI 2.10, 4.6");
