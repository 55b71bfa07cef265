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

enum { HPET_REGISTERS = 44, HPET_NUMBER = 52 }; // the address in a generic address structure at 40

// Who wants to know of the windows.
struct visitor {
    void (*visit)(void *context, const struct acpi_window *window);
    void *context;
};

static void tell(const struct visitor *visitor, struct acpi_window window, uint64_t bytes) {
    uint64_t last_page_end;
    if (window.begin != 0 &&
        !__builtin_add_overflow(window.begin, bytes + PAGE_SIZE - 1, &last_page_end)) {
        window.end = window.begin + bytes;
        visitor->visit(visitor->context, &window);
    }
}

static void visit_madt(const struct visitor *visitor, struct view madt) {
    uint64_t local_apic = view_u32(madt, MADT_LOCAL_APIC);
    uint64_t at = MADT_ENTRIES;
    struct view entry;
    while (view_next(madt, &at, &entry)) {
        if (view_u8(entry, 0) == MADT_IO_APIC) {
            tell(visitor,
                 (struct acpi_window){.kind = ACPI_WINDOW_IO_APIC,
                                      .begin = view_u32(entry, 4),
                                      .number = view_u8(entry, 2)},
                 IO_APIC_BYTES);
        } else if (view_u8(entry, 0) == MADT_LOCAL_APIC_OVERRIDE) {
            local_apic = view_u64(entry, 4);
        }
    }
    tell(visitor, (struct acpi_window){.kind = ACPI_WINDOW_LOCAL_APIC, .begin = local_apic},
         LOCAL_APIC_BYTES);
}

static void visit_mcfg(const struct visitor *visitor, struct view mcfg) {
    for (uint64_t at = MCFG_ENTRIES; at + MCFG_ENTRY_BYTES <= mcfg.length; at += MCFG_ENTRY_BYTES) {
        struct acpi_window window = {
            .kind = ACPI_WINDOW_ECAM,
            .number = view_u16(mcfg, at + 8),
            .first_bus = view_u8(mcfg, at + 10),
            .last_bus = view_u8(mcfg, at + 11),
        };
        uint64_t skipped = (uint64_t)window.first_bus << MCFG_BUS_SHIFT;
        if (window.first_bus <= window.last_bus &&
            !__builtin_add_overflow(view_u64(mcfg, at), skipped, &window.begin)) {
            uint64_t buses = window.last_bus - window.first_bus + 1;
            tell(visitor, window, buses << MCFG_BUS_SHIFT);
        }
    }
}

void acpi_windows(const struct acpi *acpi,
                  void (*visit)(void *context, const struct acpi_window *window), void *context) {
    const struct visitor visitor = {visit, context};
    struct view hpet = acpi_first(acpi, "HPET");
    visit_madt(&visitor, acpi_first(acpi, "APIC"));
    visit_mcfg(&visitor, acpi_first(acpi, "MCFG"));
    tell(&visitor,
         (struct acpi_window){.kind = ACPI_WINDOW_HPET,
                              .begin = view_u64(hpet, HPET_REGISTERS),
                              .number = view_u8(hpet, HPET_NUMBER)},
         HPET_BYTES);
}

// What a finding calls it.
static const char *const tags[ACPI_WINDOW_KIND_COUNT_] = {
    [ACPI_WINDOW_IO_APIC] = "ioapic",
    [ACPI_WINDOW_LOCAL_APIC] = "lapic",
    [ACPI_WINDOW_ECAM] = "ecam",
    [ACPI_WINDOW_HPET] = "hpet",
};

static void check(void *map, const struct acpi_window *window) {
    memmap_check_window(map, tags[window->kind], paddr(align_down(window->begin, PAGE_SIZE)),
                        paddr(align_up(window->end, PAGE_SIZE)));
}

void acpi_check_windows(struct acpi *acpi) {
    acpi_windows(acpi, check, acpi->map);
}
