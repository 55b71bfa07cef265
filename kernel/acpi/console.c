// SPDX-License-Identifier: MIT
// Which serial port the tables name: Microsoft's SPCR 1.10, and DBG2 1.8 where there is no SPCR.
// Generic address structures: ACPI 6.5, 5.2.3.2.
#include "internal.h"

enum {
    SPCR_INTERFACE = 36,
    SPCR_ADDRESS = 40,
    SPCR_BAUD = 58,
    DBG2_FIRST = 36,
    DBG2_COUNT = 40,
    DEVICE_LENGTH = 1, // of a DBG2's device
    DEVICE_TYPE = 12,
    DEVICE_SUBTYPE = 14,
    DEVICE_ADDRESS = 18,
    DEVICE_BYTES = 22,
};

enum { // generic address structure
    ADDRESS_SPACE = 0,
    ADDRESS_WIDTH = 1, // bits
    ADDRESS_ACCESS = 3,
    ADDRESS_VALUE = 4,
};

#define SPACE_MEMORY  0
#define SPACE_PORT    1
#define ACCESS_DWORD  3
#define TYPE_SERIAL   0x8000
#define FULL_16550    0x00
#define SUBSET_16550  0x01
#define GENERIC_16550 0x12 // as its address says

static bool is_16550(unsigned interface) {
    return interface == FULL_16550 || interface == SUBSET_16550 || interface == GENERIC_16550;
}

static bool take_address(struct view table, uint64_t at, struct acpi_serial *out) {
    unsigned space = view_u8(table, at + ADDRESS_SPACE);
    uint64_t address = view_u64(table, at + ADDRESS_VALUE);
    bool wide = view_u8(table, at + ADDRESS_WIDTH) == 32 ||
                view_u8(table, at + ADDRESS_ACCESS) == ACCESS_DWORD;
    if (address == 0 || space > SPACE_PORT || (space == SPACE_PORT && address > 0xfff8)) {
        return false;
    }
    out->address = address;
    out->memory = space == SPACE_MEMORY;
    out->stride = out->memory && wide ? 4 : 1;
    return true;
}

static unsigned baud_of(unsigned code) {
    switch (code) {
    case 3:
        return 9600;
    case 4:
        return 19200;
    case 6:
        return 57600;
    case 7:
        return 115200;
    default:
        return 0;
    }
}

static bool from_spcr(struct view spcr, struct acpi_serial *out) {
    out->table = "SPCR";
    out->baud = baud_of(view_u8(spcr, SPCR_BAUD));
    return spcr.length > SPCR_BAUD && is_16550(view_u8(spcr, SPCR_INTERFACE)) &&
           take_address(spcr, SPCR_ADDRESS, out);
}

static bool from_dbg2(struct view dbg2, struct acpi_serial *out) {
    uint64_t at = view_u32(dbg2, DBG2_FIRST);
    out->table = "DBG2";
    out->baud = 0;
    for (uint32_t i = 0; i < view_u32(dbg2, DBG2_COUNT); i++) {
        uint64_t length = view_u16(dbg2, at + DEVICE_LENGTH);
        if (length < DEVICE_BYTES || at + length > dbg2.length) {
            return false;
        }
        if (view_u16(dbg2, at + DEVICE_TYPE) == TYPE_SERIAL &&
            is_16550(view_u16(dbg2, at + DEVICE_SUBTYPE)) &&
            take_address(dbg2, at + view_u16(dbg2, at + DEVICE_ADDRESS), out)) {
            return true;
        }
        at += length;
    }
    return false;
}

bool acpi_find_serial(const struct acpi *acpi, struct acpi_serial *out) {
    return from_spcr(acpi_first(acpi, "SPCR"), out) || from_dbg2(acpi_first(acpi, "DBG2"), out);
}
