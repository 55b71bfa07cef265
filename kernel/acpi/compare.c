// SPDX-License-Identifier: MIT
// The map held against the tables that speak of memory as well: SRAT (ACPI 6.5, 5.2.16.2) and
// SMBIOS.
#include "internal.h"

enum {
    SRAT_ENTRIES = 48,
    SRAT_MEMORY = 1,
    SRAT_MEMORY_BYTES = 40,
    MEMORY_NODE = 2,
    MEMORY_BASE = 8,
    MEMORY_LENGTH = 16,
    MEMORY_FLAGS = 28,
};
#define FLAG_ENABLED       1u
#define FLAG_HOT_PLUGGABLE 2u
#define FLAG_NON_VOLATILE  4u

#define RANGE_MAX 128 // a node of a large machine has two or three

// Disabled entries, often of no length, are common and mean nothing.
static bool read_range(struct view entry, struct memmap_node_range *out) {
    uint64_t begin = view_u64(entry, MEMORY_BASE), bytes = view_u64(entry, MEMORY_LENGTH);
    uint32_t flags = view_u32(entry, MEMORY_FLAGS);
    if (view_u8(entry, 0) != SRAT_MEMORY || entry.length < SRAT_MEMORY_BYTES ||
        (flags & FLAG_ENABLED) == 0 || bytes == 0) {
        return false;
    }
    *out = (struct memmap_node_range){
        .begin = begin,
        .end = bytes < UINT64_MAX - begin ? begin + bytes : UINT64_MAX,
        .node = view_u32(entry, MEMORY_NODE),
        .present = (flags & (FLAG_HOT_PLUGGABLE | FLAG_NON_VOLATILE)) == 0,
    };
    return true;
}

static void compare_nodes(struct acpi *acpi) {
    struct memmap_node_range ranges[RANGE_MAX], range;
    struct view srat = acpi_first(acpi, "SRAT"), entry;
    uint64_t at = SRAT_ENTRIES;
    size_t count = 0, all = 0;
    while (view_next(srat, &at, &entry)) {
        if (!read_range(entry, &range)) {
            continue;
        }
        if (count < RANGE_MAX) {
            ranges[count++] = range;
        }
        all++;
    }
    if (count < all) {
        port_log(PORT_WARNING,
                 "acpi: SRAT has %zu ranges of memory: only the first %zu are compared with the "
                 "map, and memory that none has is not looked for",
                 all, count);
    }
    memmap_check_nodes(acpi->map, ranges, count, count == all);
}

void acpi_compare_memory(struct acpi *acpi, paddr_t smbios) {
    compare_nodes(acpi);
    smbios_read_memory(acpi, smbios, &acpi->smbios);
    if (acpi->smbios.defect == NULL) {
        memmap_check_installed(acpi->map, acpi->smbios.installed, acpi->smbios.mapped);
    }
}
