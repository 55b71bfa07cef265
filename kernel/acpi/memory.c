// SPDX-License-Identifier: MIT
// Reading physical memory that the firmware points to, and only where its own map names memory.
//
// The same places are readable that the loader's direct map covers: RAM, reserved memory that can
// be cached, and the BIOS area of old, in which tables are found that no map names.
//
//   M1  acpi_bytes never returns a pointer to a byte that is not readable
//                                                               unnamed_memory_is_not_read
#include "internal.h"

#include <string.h>

#define BIOS_BEGIN UINT64_C(0xe0000) // where an RSDP may lie that no map names (5.2.5.1)
#define BIOS_END   MIB

// Whether the loader's direct map covers the memory of a descriptor, of a type that is reserved or
// less. (Registers and bad memory have classes of their own, which win over reserved memory.)
static bool descriptor_is_mapped(const struct efi_descriptor *descriptor) {
    return descriptor->type != EFI_PERSISTENT && descriptor->type != EFI_UNACCEPTED &&
           (descriptor->attributes & EFI_ATTRIBUTE_WB) != 0;
}

// How far the first descriptor goes on that covers `at` and is mapped; `at` when there is none.
static uint64_t mapped_until(const struct efi_map *map, uint64_t at) {
    const uint8_t *bytes = map->descriptors;
    for (uint64_t i = 0;
         map->stride >= sizeof(struct efi_descriptor) && i + map->stride <= map->bytes;
         i += map->stride) {
        struct efi_descriptor descriptor;
        memcpy(&descriptor, bytes + i, sizeof(descriptor));
        uint64_t begin = align_down(descriptor.physical_start, PAGE_SIZE);
        uint64_t size, end;
        if (!__builtin_mul_overflow(descriptor.pages, PAGE_SIZE, &size) &&
            !__builtin_add_overflow(begin, size, &end) && begin <= at && at < end &&
            descriptor_is_mapped(&descriptor)) {
            return end;
        }
    }
    return at;
}

// How far memory can be read from `at` on; `at` when it cannot.
static uint64_t readable_until(const struct acpi *acpi, uint64_t at) {
    const struct memory_region *region = memmap_find(acpi->map, paddr(at));
    if (region == NULL) {
        bool bios = at >= BIOS_BEGIN && at < BIOS_END;
        return bios ? align_down(at, PAGE_SIZE) + PAGE_SIZE : at;
    }
    uint64_t end = region->end.value;
    switch (region->class) {
    case MEMORY_MMIO:
    case MEMORY_BAD:
    case MEMORY_UNACCEPTED:
    case MEMORY_PMEM:
        return at;
    case MEMORY_RESERVED:
        if (at >= BIOS_BEGIN && at < BIOS_END) {
            return end < BIOS_END ? end : BIOS_END;
        }
        uint64_t mapped = mapped_until(&acpi->firmware, at);
        return mapped < end ? mapped : end;
    default:
        return end;
    }
}

uint64_t acpi_readable(const struct acpi *acpi, uint64_t address, uint64_t limit) {
    uint64_t room = acpi->reach > address ? acpi->reach - address : 0;
    uint64_t end = address + (limit < room ? limit : room);
    uint64_t at = address;
    while (at < end) {
        uint64_t next = readable_until(acpi, at);
        if (next <= at) {
            break;
        }
        at = next;
    }
    return (at < end ? at : end) - address;
}

const uint8_t *acpi_bytes(const struct acpi *acpi, uint64_t address, uint64_t bytes) {
    if (bytes == 0 || acpi_readable(acpi, address, bytes) != bytes) {
        return NULL;
    }
    return port_direct_map(paddr(address));
}

enum memory_class acpi_class_at(const struct acpi *acpi, uint64_t address) {
    const struct memory_region *region = memmap_find(acpi->map, paddr(address));
    return region == NULL ? MEMORY_CLASS_COUNT_ : region->class;
}
