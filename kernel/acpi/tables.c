// SPDX-License-Identifier: MIT
// The walk: RSDP, then XSDT or RSDT, then every table that it names, then the DSDT.
//
// ACPI 6.5, 5.2.5 to 5.2.9. There is no recursion: a root table's entries are tables, whatever
// their signature, and a table is recorded once, so nothing can go round in a circle. All of it
// reads firmware's memory and writes none.
//
//   T1  a table is good only when its length lies in readable memory and its bytes add up to 0
//                                                               each_flipped_byte_is_noticed
//   T2  no address is recorded twice                            duplicates_and_zeros_are_skipped
//   T3  the walk ends: at most ACPI_ENTRY_MAX entries           a_root_that_names_itself
#include "internal.h"

#include <string.h>

bool signature_is(const uint8_t *bytes, const char *signature) {
    return memcmp(bytes, signature, 4) == 0;
}

static void copy_text(char *out, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool printable = bytes[i] >= 0x20 && bytes[i] < 0x7f;
        out[i] = (char)(printable ? bytes[i] : (uint8_t)'?');
    }
    out[count] = '\0';
}

// A finding about a table that is not good.
static void find_fault(struct acpi *acpi, const struct acpi_table *table) {
    bool sum = table->state == ACPI_TABLE_BAD_CHECKSUM;
    struct finding finding = {
        .rule = sum ? FINDING_BAD_CHECKSUM : FINDING_BAD_TABLE,
        .severity = FINDING_WARNING,
        .descriptor = {FINDING_NO_DESCRIPTOR, FINDING_NO_DESCRIPTOR},
        .begin = table->address.value,
        .end = table->address.value + (table->state == ACPI_TABLE_UNREADABLE ? 0 : table->held),
        .detail = table->length,
    };
    memcpy(finding.name, table->signature, sizeof(table->signature));
    memmap_add_finding(acpi->map, &finding);
}

static struct acpi_table *new_table(struct acpi *acpi, uint64_t address) {
    for (size_t i = 0; i < acpi->table_count; i++) {
        if (acpi->tables[i].address.value == address) {
            acpi->duplicate_entries++;
            return NULL;
        }
    }
    if (acpi->table_count == ACPI_TABLE_MAX) {
        acpi->overflow = true;
        return NULL;
    }
    struct acpi_table *table = &acpi->tables[acpi->table_count++];
    *table = (struct acpi_table){.address = paddr(address), .signature = "????"};
    table->lies_in = (uint8_t)acpi_class_at(acpi, address);
    return table;
}

// Judges a table whose header can be read. A table of an impossible length holds its header only;
// one that runs out of readable memory holds what there is.
static enum acpi_table_state judge(const struct acpi *acpi, struct acpi_table *table,
                                   const uint8_t *header) {
    table->length = view_u32((struct view){header, ACPI_HEADER_BYTES}, HEADER_LENGTH);
    table->held = ACPI_HEADER_BYTES;
    if (table->length < ACPI_HEADER_BYTES || table->length > ACPI_LENGTH_MAX) {
        return ACPI_TABLE_BAD_LENGTH;
    }
    table->held = (uint32_t)acpi_readable(acpi, table->address.value, table->length);
    if (table->held != table->length) {
        return ACPI_TABLE_BAD_LENGTH;
    }
    return byte_sum(header, table->length) == 0 ? ACPI_TABLE_GOOD : ACPI_TABLE_BAD_CHECKSUM;
}

// Records the table at `address`; NULL when it is known already or there is no room.
static struct acpi_table *add_table(struct acpi *acpi, uint64_t address) {
    struct acpi_table *table = new_table(acpi, address);
    if (table == NULL) {
        return NULL;
    }
    const uint8_t *header = acpi_bytes(acpi, address, ACPI_HEADER_BYTES);
    if (header == NULL) {
        table->state = ACPI_TABLE_UNREADABLE;
        table->held = (uint32_t)acpi_readable(acpi, address, ACPI_HEADER_BYTES);
    } else {
        copy_text(table->signature, header, 4);
        copy_text(table->oem, header + HEADER_OEM, 6);
        copy_text(table->oem_table, header + HEADER_OEM_TABLE, 8);
        table->state = (uint8_t)judge(acpi, table, header);
    }
    if (table->state != ACPI_TABLE_GOOD) {
        find_fault(acpi, table);
    }
    memmap_check_table(acpi->map, table->signature, paddr(address), table->held);
    return table;
}

struct view acpi_table_view(const struct acpi *acpi, const struct acpi_table *table) {
    if (table->copy.value != 0) {
        return (struct view){port_direct_map(table->copy), table->length};
    }
    const uint8_t *bytes = acpi_bytes(acpi, table->address.value, table->length);
    return (struct view){bytes, bytes == NULL ? 0 : table->length};
}

const uint8_t *acpi_table(const struct acpi *acpi, const char *signature, unsigned instance,
                          uint32_t *length) {
    for (size_t i = 1; i < acpi->table_count; i++) {
        const struct acpi_table *table = &acpi->tables[i];
        if (table->state != ACPI_TABLE_GOOD || strcmp(table->signature, signature) != 0) {
            continue;
        }
        if (instance-- == 0) {
            *length = table->length;
            return acpi_table_view(acpi, table).bytes;
        }
    }
    return NULL;
}

struct view acpi_first(const struct acpi *acpi, const char *signature) {
    uint32_t length = 0;
    const uint8_t *bytes = acpi_table(acpi, signature, 0, &length);
    return (struct view){bytes, bytes == NULL ? 0 : length};
}

// Judges an RSDP of which the fields of revision 0 can be read, at `bytes`. Returns what of it can
// be trusted: nothing, those fields, or those of revision 2. The revision is the structure's own:
// which of its two GUIDs the firmware published it under says nothing.
static struct view judge_rsdp(struct acpi *acpi, struct acpi_table *table, const uint8_t *bytes) {
    const struct view first = {bytes, RSDP_V1_BYTES};
    table->length = table->held = RSDP_V1_BYTES;
    if (byte_sum(bytes, RSDP_V1_BYTES) != 0) {
        table->state = ACPI_TABLE_BAD_CHECKSUM;
        return (struct view){NULL, 0};
    }
    if (bytes[RSDP_REVISION] < 2) {
        return first;
    }
    uint64_t address = table->address.value;
    if (acpi_bytes(acpi, address, RSDP_V2_BYTES) != NULL) {
        table->length = view_u32((struct view){bytes, RSDP_V2_BYTES}, RSDP_LENGTH);
    }
    if (table->length < RSDP_V2_BYTES || table->length > PAGE_SIZE ||
        acpi_bytes(acpi, address, table->length) == NULL) {
        table->state = ACPI_TABLE_BAD_LENGTH;
        return first;
    }
    table->held = table->length;
    if (byte_sum(bytes, table->length) != 0) {
        table->state = ACPI_TABLE_BAD_CHECKSUM;
        return first;
    }
    return (struct view){bytes, RSDP_V2_BYTES};
}

// Records the RSDP at `address` as the first table. Returns what of it can be trusted; when that is
// nothing `defect` says why.
static struct view read_rsdp(struct acpi *acpi, uint64_t address) {
    struct view trusted = {NULL, 0};
    acpi->table_count = 0;
    const uint8_t *bytes = acpi_bytes(acpi, address, RSDP_V1_BYTES);
    if (bytes == NULL) {
        acpi->defect = "the RSDP is not in memory that the firmware's map names";
        return trusted;
    }
    if (memcmp(bytes, "RSD PTR ", 8) != 0) {
        acpi->defect = "there is no RSDP where the firmware says";
        return trusted;
    }
    struct acpi_table *table = new_table(acpi, address);
    memcpy(table->signature, "RSDP", sizeof(table->signature));
    copy_text(table->oem, bytes + RSDP_OEM, 6);
    trusted = judge_rsdp(acpi, table, bytes);
    acpi->revision = bytes[RSDP_REVISION];
    acpi->defect = trusted.length == 0 ? "the RSDP's checksum is wrong" : NULL;
    if (table->state != ACPI_TABLE_GOOD) {
        find_fault(acpi, table);
    }
    memmap_check_table(acpi->map, "RSDP", paddr(address), table->held);
    return trusted;
}

// The RSDP that the loader chose, else the one of either GUID that can be trusted.
static struct view find_rsdp(struct acpi *acpi, const struct acpi_input *input) {
    struct view trusted = {NULL, 0};
    if (input->rsdp.value != 0) {
        trusted = read_rsdp(acpi, input->rsdp.value);
    }
    for (size_t i = 0; i < input->table_count && trusted.length == 0; i++) {
        const struct efi_configuration_table *entry = &input->tables[i];
        if (acpi_guid_is_rsdp(&entry->guid) && entry->address != input->rsdp.value) {
            trusted = read_rsdp(acpi, entry->address);
        }
    }
    return trusted;
}

// Records every table that a root table names: 8-byte entries in an XSDT, 4-byte ones in an RSDT.
// A part of an entry at the end is none.
static void walk_root(struct acpi *acpi, struct view root, unsigned width) {
    uint64_t count = (root.length - ACPI_HEADER_BYTES) / width;
    if (count > ACPI_ENTRY_MAX) {
        acpi->overflow = true;
        count = ACPI_ENTRY_MAX;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t address = view_number(root, ACPI_HEADER_BYTES + i * width, width);
        if (address == 0) {
            acpi->zero_entries++;
        } else {
            add_table(acpi, address);
        }
    }
}

// Records the table at `address` and says whether it is a good one of that signature.
static struct acpi_table *add_named(struct acpi *acpi, uint64_t address, const char *signature) {
    struct acpi_table *table = address == 0 ? NULL : add_table(acpi, address);
    bool good = table != NULL && table->state == ACPI_TABLE_GOOD &&
                strcmp(table->signature, signature) == 0;
    return good ? table : NULL;
}

// Both root tables are recorded, so that their pages are known; the XSDT is walked if it is good,
// else the RSDT. Tables that only the other one names are nobody's: no reader would find them.
static void walk_tables(struct acpi *acpi, struct view rsdp) {
    struct acpi_table *xsdt = add_named(acpi, view_u64(rsdp, RSDP_XSDT), "XSDT");
    struct acpi_table *rsdt = add_named(acpi, view_u32(rsdp, RSDP_RSDT), "RSDT");
    if (xsdt == NULL && rsdt == NULL) {
        acpi->defect = "neither XSDT nor RSDT can be trusted";
        return;
    }
    if (rsdt != NULL) {
        rsdt->replaced = true;
    }
    struct acpi_table *root = xsdt != NULL ? xsdt : rsdt;
    root->replaced = true;
    acpi->root = (size_t)(root - acpi->tables);
    walk_root(acpi, acpi_table_view(acpi, root), xsdt != NULL ? 8 : 4);
    struct view fadt = acpi_first(acpi, "FACP");
    if (add_named(acpi, view_u64(fadt, FADT_X_DSDT), "DSDT") == NULL) {
        add_named(acpi, view_u32(fadt, FADT_DSDT), "DSDT");
    }
}

void acpi_find(struct acpi *acpi, const struct acpi_input *input, struct memmap *map) {
    memset(acpi, 0, sizeof(*acpi));
    acpi->map = map;
    acpi->firmware = input->firmware;
    acpi->reach = input->direct_map_bytes;
    acpi->keep = input->keep;
    acpi->defect = "the firmware names no RSDP";
    acpi->smbios.defect = "not looked at";
    struct view rsdp = find_rsdp(acpi, input);
    if (rsdp.length != 0) {
        acpi->rsdp = acpi->tables[0].address;
        walk_tables(acpi, rsdp);
    }
    acpi_find_table_data(acpi);
    acpi_find_configuration(acpi, input);
    acpi_check_windows(acpi);
}
