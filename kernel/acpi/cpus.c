// SPDX-License-Identifier: MIT
// The CPUs that the MADT names, and the nodes that the SRAT gives them to.
//
// ACPI 6.5, 5.2.12.2 and .12 (MADT), 5.2.16.1 and .3 (SRAT). An APIC whose ID has more than eight
// bits has entries of other types in both tables.
#include "internal.h"

enum {
    MADT_ENTRIES = 44,
    MADT_CPU = 0,
    MADT_CPU_X2 = 9,
    SRAT_ENTRIES = 48,
    SRAT_CPU = 0,
    SRAT_CPU_X2 = 2,
};
#define MADT_ENABLED        1u
#define MADT_ONLINE_CAPABLE 2u
#define SRAT_ENABLED        1u

static bool read_cpu(struct view entry, struct acpi_cpu *cpu) {
    uint32_t flags;
    switch (view_u8(entry, 0)) {
    case MADT_CPU:
        cpu->apic_id = view_u8(entry, 3);
        flags = view_u32(entry, 4);
        break;
    case MADT_CPU_X2:
        cpu->apic_id = view_u32(entry, 4);
        flags = view_u32(entry, 8);
        break;
    default:
        return false;
    }
    cpu->enabled = (flags & MADT_ENABLED) != 0;
    cpu->can_be_enabled = !cpu->enabled && (flags & MADT_ONLINE_CAPABLE) != 0;
    return true;
}

// Whether an entry of the SRAT is about the APIC, and of which node. Only eight bits of the node
// are there in a table of revision 1.
static bool read_node(struct view entry, bool wide, uint32_t apic_id, uint32_t *node) {
    if (view_u8(entry, 0) == SRAT_CPU && view_u8(entry, 3) == apic_id &&
        (view_u32(entry, 4) & SRAT_ENABLED) != 0) {
        uint32_t high = wide ? (uint32_t)view_number(entry, 9, 3) << 8 : 0;
        *node = high | view_u8(entry, 2);
        return true;
    }
    if (view_u8(entry, 0) == SRAT_CPU_X2 && view_u32(entry, 8) == apic_id &&
        (view_u32(entry, 12) & SRAT_ENABLED) != 0) {
        *node = view_u32(entry, 4);
        return true;
    }
    return false;
}

static void find_node(struct view srat, struct acpi_cpu *cpu) {
    uint64_t at = SRAT_ENTRIES;
    struct view entry;
    bool wide = view_u8(srat, HEADER_REVISION) >= 2;
    while (!cpu->has_node && view_next(srat, &at, &entry)) {
        cpu->has_node = read_node(entry, wide, cpu->apic_id, &cpu->node);
    }
}

bool acpi_next_cpu(const struct acpi *acpi, uint64_t *at, struct acpi_cpu *out) {
    struct view madt = acpi_first(acpi, "APIC"), entry;
    *at = *at < MADT_ENTRIES ? MADT_ENTRIES : *at;
    while (view_next(madt, at, &entry)) {
        *out = (struct acpi_cpu){.apic_id = 0};
        if (read_cpu(entry, out)) {
            find_node(acpi_first(acpi, "SRAT"), out);
            return true;
        }
    }
    return false;
}
