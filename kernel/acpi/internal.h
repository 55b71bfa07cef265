// SPDX-License-Identifier: MIT
// What the files of kernel/acpi/ share: reading tables without trusting them.
#pragma once

#include "acpi.h"

#define ACPI_HEADER_BYTES 36                 // ACPI 6.5, 5.2.6
#define ACPI_LENGTH_MAX   (16 * 1024 * 1024) // the largest DSDTs seen are below 1 MiB

// Offsets in the header that all tables but RSDP and FACS begin with.
enum {
    HEADER_LENGTH = 4,
    HEADER_REVISION = 8,
    HEADER_CHECKSUM = 9,
    HEADER_OEM = 10,
    HEADER_OEM_TABLE = 16,
};

// Offsets in the FADT (ACPI 6.5, 5.2.9). Fields beyond the table's length read as 0.
enum {
    FADT_FACS = 36,
    FADT_DSDT = 40,
    FADT_SMI_COMMAND = 48,
    FADT_ACPI_ENABLE = 52,
    FADT_PM1A_CONTROL = 64,
    FADT_PM1B_CONTROL = 68,
    FADT_FLAGS = 112,
    FADT_RESET_REGISTER = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_FACS = 132,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CONTROL = 172,
    FADT_X_PM1B_CONTROL = 184,
    FADT_SLEEP_CONTROL = 244,
    FADT_X_DSDT_END = FADT_X_DSDT + 8,
};
#define FADT_FLAG_RESET_SUPPORTED  (UINT32_C(1) << 10)
#define FADT_FLAG_HARDWARE_REDUCED (UINT32_C(1) << 20)

// Offsets in the RSDP (5.2.5.3).
enum {
    RSDP_OEM = 9,
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_LENGTH = 20,
    RSDP_XSDT = 24,
    RSDP_EXTENDED_CHECKSUM = 32,
    RSDP_V1_BYTES = 20,
    RSDP_V2_BYTES = 36,
};

// Bytes whose bounds are known. Reads beyond them give 0: a field that a short table does not have.
struct view {
    const uint8_t *bytes;
    uint64_t length;
};

static inline uint64_t view_number(struct view view, uint64_t offset, unsigned width) {
    uint64_t value = 0;
    if (offset <= view.length && width <= view.length - offset) {
        __builtin_memcpy(&value, view.bytes + offset, width);
    }
    return value;
}

static inline uint8_t view_u8(struct view view, uint64_t offset) {
    return (uint8_t)view_number(view, offset, 1);
}

static inline uint16_t view_u16(struct view view, uint64_t offset) {
    return (uint16_t)view_number(view, offset, 2);
}

static inline uint32_t view_u32(struct view view, uint64_t offset) {
    return (uint32_t)view_number(view, offset, 4);
}

static inline uint64_t view_u64(struct view view, uint64_t offset) {
    return view_number(view, offset, 8);
}

// The next of a table's variable-length structures, each of which begins with a type byte and a
// length byte: `*at` is where to look, and moves on. False at the end or at one that cannot be.
static inline bool view_next(struct view table, uint64_t *at, struct view *out) {
    if (*at > table.length || table.length - *at < 2) {
        return false;
    }
    uint8_t length = table.bytes[*at + 1];
    if (length < 2 || length > table.length - *at) {
        return false;
    }
    *out = (struct view){table.bytes + *at, length};
    *at += length;
    return true;
}

// The sum of all bytes, which is 0 for a good table.
static inline uint8_t byte_sum(const uint8_t *bytes, uint64_t count) {
    uint8_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum;
}

// memory.c

// [address, address + bytes) to read, or NULL when any of it is outside memory that the map names.
// O(regions).
const uint8_t *acpi_bytes(const struct acpi *acpi, uint64_t address, uint64_t bytes);
// How many bytes from `address` on can be read, at most `limit`.
uint64_t acpi_readable(const struct acpi *acpi, uint64_t address, uint64_t limit);
// The class of the region that `address` lies in; MEMORY_CLASS_COUNT_ when the map names none.
enum memory_class acpi_class_at(const struct acpi *acpi, uint64_t address);

// tables.c

// The table as it lies where the firmware put it, or where it was copied to.
struct view acpi_table_view(const struct acpi *acpi, const struct acpi_table *table);
// The first good table of that signature; an empty view when there is none.
struct view acpi_first(const struct acpi *acpi, const char *signature);
bool signature_is(const uint8_t *bytes, const char *signature);

// data.c

// Records that `bytes` bytes at `address` are `name`, to be kept; 0 bytes: nobody knows, so the
// rest of its page. NULL when there is no room.
struct acpi_data *acpi_add_data(struct acpi *acpi, const char *name, uint64_t address,
                                uint64_t bytes);
// A finding when it lies in usable or loader memory, whose pages are then taken out of the map.
// `tag` names it in up to 7 characters.
void acpi_keep_data(struct acpi *acpi, const struct acpi_data *data, const char *tag);
// What the tables point to.
void acpi_find_table_data(struct acpi *acpi);

// configuration.c

// Whether it is the GUID of ACPI 1.0's or 2.0's RSDP.
bool acpi_guid_is_rsdp(const struct efi_guid *guid);
// Records all configuration tables but the RSDPs that are known already.
void acpi_find_configuration(struct acpi *acpi, const struct acpi_input *input);

// aml.c: the next region of system memory that AML names, at constant address and length, at or
// behind `*from`, which moves on. False when there is none.
bool acpi_aml_memory(struct view aml, uint64_t *from, uint64_t *address, uint64_t *bytes);

// windows.c: register windows that overlap RAM become MEMORY_MMIO.
void acpi_check_windows(struct acpi *acpi);

// smbios.c: what SMBIOS says about memory, whose entry point is at `entry` (0: there is none).
void smbios_read_memory(struct acpi *acpi, paddr_t entry, struct smbios_memory *out);

// audit.c

// Fills in `runs` and the counts from the map's MEMORY_ACPI regions.
void acpi_audit(struct acpi *acpi);
// What pins a run, as a short phrase.
void acpi_run_reason(struct text *out, const struct acpi *acpi, const struct acpi_run *run);

// copy.c

// Copies all good tables. NULL, or why it could not be done; nothing is changed then.
const char *acpi_copy(struct acpi *acpi, struct page_allocator *allocator);

// machine.c: the part of the report about the machine.
void acpi_report_machine(struct text *out, const struct acpi *acpi);
