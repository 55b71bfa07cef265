// SPDX-License-Identifier: MIT
// Register windows that the tables name. Firmware whose map calls such a window RAM would have the
// page allocator hand device registers out; the window wins, and a finding says so.
#include "internal.h"

#define LOCAL_APIC_BYTES PAGE_SIZE
#define IO_APIC_BYTES    PAGE_SIZE
#define HPET_BYTES       UINT64_C(1024) // IA-PC HPET specification 1.0a, 2.3

enum { // ACPI 6.5, 5.2.12
    MADT_LOCAL_APIC = 36,
    MADT_ENTRIES = 44,
    MADT_IO_APIC = 1,
    MADT_LOCAL_APIC_OVERRIDE = 5,
};

enum { // PCI Firmware Specification 3.3, 4.1.2
    MCFG_ENTRIES = 44,
    MCFG_ENTRY_BYTES = 16,
    MCFG_BUS_SHIFT = 20,
};

enum { HPET_REGISTERS = 44 }; // the address in a generic address structure at 40

static void check(struct acpi *acpi, const char *name, uint64_t address, uint64_t bytes) {
    uint64_t end = 0;
    if (address == 0 || __builtin_add_overflow(address, bytes + PAGE_SIZE - 1, &end)) {
        return;
    }
    memmap_check_window(acpi->map, name, paddr(align_down(address, PAGE_SIZE)),
                        paddr(align_down(end, PAGE_SIZE)));
}

static void check_madt(struct acpi *acpi, struct view madt) {
    uint64_t local_apic = view_u32(madt, MADT_LOCAL_APIC);
    uint64_t at = MADT_ENTRIES;
    struct view entry;
    while (view_next(madt, &at, &entry)) {
        if (view_u8(entry, 0) == MADT_IO_APIC) {
            check(acpi, "ioapic", view_u32(entry, 4), IO_APIC_BYTES);
        } else if (view_u8(entry, 0) == MADT_LOCAL_APIC_OVERRIDE) {
            local_apic = view_u64(entry, 4);
        }
    }
    check(acpi, "lapic", local_apic, LOCAL_APIC_BYTES);
}

static void check_mcfg(struct acpi *acpi, struct view mcfg) {
    for (uint64_t at = MCFG_ENTRIES; at + MCFG_ENTRY_BYTES <= mcfg.length; at += MCFG_ENTRY_BYTES) {
        uint64_t first = view_u8(mcfg, at + 10);
        uint64_t last = view_u8(mcfg, at + 11);
        uint64_t begin = 0;
        if (first <= last &&
            !__builtin_add_overflow(view_u64(mcfg, at), first << MCFG_BUS_SHIFT, &begin)) {
            check(acpi, "ecam", begin, (last - first + 1) << MCFG_BUS_SHIFT);
        }
    }
}

void acpi_check_windows(struct acpi *acpi) {
    check_madt(acpi, acpi_first(acpi, "APIC"));
    check_mcfg(acpi, acpi_first(acpi, "MCFG"));
    check(acpi, "hpet", view_u64(acpi_first(acpi, "HPET"), HPET_REGISTERS), HPET_BYTES);
}
