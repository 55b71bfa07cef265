// SPDX-License-Identifier: MIT
// What the tables say about the machine, in a few lines: CPUs, nodes, consoles, windows, power.
//
// ACPI 6.5: 5.2.12 (MADT), 5.2.16 (SRAT), 5.2.9 (FADT); Microsoft's SPCR 1.10 and DBG2 1.8.
#include "internal.h"

enum {
    MADT_ENTRIES = 44,
    MADT_IO_APIC = 1,
    SRAT_ENTRIES = 48,
    SRAT_MEMORY = 1,
    SRAT_MEMORY_BYTES = 40,
    MCFG_ENTRIES = 44,
    MCFG_ENTRY_BYTES = 16,
    SPCR_INTERFACE = 36,
    SPCR_ADDRESS = 40,
    DBG2_FIRST = 36,
    DBG2_COUNT = 40,
};
#define SRAT_ENABLED       1u
#define SRAT_HOT_PLUGGABLE 2u
#define SRAT_NON_VOLATILE  4u

static const char *space_name(enum acpi_space space) {
    static const char *const names[] = {"none", "memory", "port", "PCI"};
    return names[space];
}

static void report_cpus(struct text *out, const struct acpi *acpi) {
    unsigned enabled = 0, possible = 0, io_apics = 0;
    struct view madt = acpi_first(acpi, "APIC"), entry;
    struct acpi_cpu cpu;
    for (uint64_t at = 0; acpi_next_cpu(acpi, &at, &cpu);) {
        enabled += cpu.enabled;
        possible += cpu.can_be_enabled;
    }
    for (uint64_t at = MADT_ENTRIES; view_next(madt, &at, &entry);) {
        io_apics += view_u8(entry, 0) == MADT_IO_APIC;
    }
    if (madt.length != 0) {
        text_printf(out, "  MADT: %u CPUs, %u more can be plugged in, %u I/O APICs\n", enabled,
                    possible, io_apics);
    }
}

// Disabled entries, often of no length, are common and mean nothing.
static void report_nodes(struct text *out, struct view srat) {
    uint64_t at = SRAT_ENTRIES;
    struct view entry;
    while (view_next(srat, &at, &entry)) {
        uint32_t flags = view_u32(entry, 28);
        if (view_u8(entry, 0) != SRAT_MEMORY || entry.length < SRAT_MEMORY_BYTES ||
            (flags & SRAT_ENABLED) == 0) {
            continue;
        }
        uint64_t begin = view_u64(entry, 8);
        text_printf(out, "  SRAT: node %u has [0x%lx, 0x%lx)%s%s\n", view_u32(entry, 2), begin,
                    begin + view_u64(entry, 16),
                    (flags & SRAT_HOT_PLUGGABLE) != 0 ? ", hot-pluggable" : "",
                    (flags & SRAT_NON_VOLATILE) != 0 ? ", non-volatile" : "");
    }
}

static void report_windows(struct text *out, struct view mcfg) {
    for (uint64_t at = MCFG_ENTRIES; at + MCFG_ENTRY_BYTES <= mcfg.length; at += MCFG_ENTRY_BYTES) {
        text_printf(out, "  MCFG: segment %u, buses %u to %u at 0x%lx\n", view_u16(mcfg, at + 8),
                    view_u8(mcfg, at + 10), view_u8(mcfg, at + 11), view_u64(mcfg, at));
    }
}

static void report_consoles(struct text *out, struct view spcr, struct view dbg2) {
    if (spcr.length != 0) {
        text_printf(out, "  SPCR: interface type %u at %s 0x%lx\n", view_u8(spcr, SPCR_INTERFACE),
                    view_u8(spcr, SPCR_ADDRESS) == 1 ? "port" : "address",
                    view_u64(spcr, SPCR_ADDRESS + 4));
    }
    uint64_t at = view_u32(dbg2, DBG2_FIRST);
    for (uint32_t i = 0; i < view_u32(dbg2, DBG2_COUNT) && at < dbg2.length; i++) {
        uint64_t address = at + view_u16(dbg2, at + 18);
        text_printf(out, "  DBG2: port type 0x%x, subtype 0x%x, at %s 0x%lx\n",
                    view_u16(dbg2, at + 12), view_u16(dbg2, at + 14),
                    view_u8(dbg2, address) == 1 ? "port" : "address", view_u64(dbg2, address + 4));
        uint16_t length = view_u16(dbg2, at + 1);
        at = length == 0 ? dbg2.length : at + length;
    }
}

static void report_power(struct text *out, const struct acpi *acpi) {
    struct acpi_poweroff_plan off;
    acpi_poweroff_plan(acpi, &off);
    if (off.missing != NULL) {
        text_printf(out, "  power off: not through ACPI: %s\n", off.missing);
    } else {
        text_printf(out, "  power off: 0x%x to %s 0x%lx\n", off.value[0] | off.go,
                    space_name(off.control[0].space), off.control[0].address);
    }
    struct acpi_reset_plan reset;
    acpi_reset_plan(acpi, &reset);
    if (reset.missing != NULL) {
        text_printf(out, "  reset: not through ACPI: %s\n", reset.missing);
    } else {
        text_printf(out, "  reset: 0x%x to %s 0x%lx\n", reset.value, space_name(reset.target.space),
                    reset.target.address);
    }
}

static void report_smbios(struct text *out, const struct smbios_memory *memory) {
    if (memory->defect != NULL) {
        text_printf(out, "  SMBIOS: no memory sizes: %s\n", memory->defect);
        return;
    }
    text_printf(out, "  SMBIOS: memory in %u of %u slots, ", memory->devices, memory->slots);
    text_size(out, memory->installed);
    text_puts(out, ", addresses for ");
    text_size(out, memory->mapped);
    text_puts(out, "\n");
}

void acpi_report_machine(struct text *out, const struct acpi *acpi) {
    report_cpus(out, acpi);
    report_nodes(out, acpi_first(acpi, "SRAT"));
    report_windows(out, acpi_first(acpi, "MCFG"));
    report_smbios(out, &acpi->smbios);
    report_consoles(out, acpi_first(acpi, "SPCR"), acpi_first(acpi, "DBG2"));
    report_power(out, acpi);
}
