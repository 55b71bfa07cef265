// SPDX-License-Identifier: MIT
// The memory attributes table (UEFI 2.10, section 4.6.4): which parts of the runtime services'
// memory are code and which are data. Here it is only judged, entry by entry; whoever maps runtime
// memory applies the entries that pass.
//
// This file never writes to the table or to the firmware's map.
#include "map.h"

#include <string.h>

struct attributes_header {
    uint32_t version, entries, stride, flags;
};
_Static_assert(sizeof(struct attributes_header) == 16, "UEFI 2.10, 4.6.4");

#define ATTRIBUTES_VERSION_MAX 2

static void remark(struct memmap *map, enum finding_rule rule, uint64_t begin, uint64_t end,
                   uint64_t detail) {
    struct finding finding = {
        .rule = rule,
        .severity = FINDING_WARNING,
        .descriptor = {FINDING_NO_DESCRIPTOR, FINDING_NO_DESCRIPTOR},
        .begin = begin,
        .end = end,
        .detail = detail,
    };
    memmap_add_finding(map, &finding);
}

// The table's entries as a map of their own. False when its header cannot be believed; its version
// is stored then as well.
static bool open_table(const void *table, uint64_t table_bytes, struct efi_map *entries,
                       uint32_t *version) {
    struct attributes_header header = {0};
    if (table_bytes >= sizeof(header)) {
        memcpy(&header, table, sizeof(header));
    }
    *version = header.version;
    uint64_t bytes = (uint64_t)header.entries * header.stride;
    if (header.version == 0 || header.version > ATTRIBUTES_VERSION_MAX ||
        header.stride < sizeof(struct efi_descriptor) || bytes > table_bytes - sizeof(header)) {
        return false;
    }
    *entries = (struct efi_map){(const uint8_t *)table + sizeof(header), bytes, header.stride, 1};
    return true;
}

// Whether [start, start + pages) lies wholly inside what `outer` describes. No sum can wrap here.
static bool inside(const struct efi_descriptor *inner, const struct efi_descriptor *outer) {
    uint64_t offset = inner->physical_start - outer->physical_start;
    return inner->physical_start >= outer->physical_start && offset / PAGE_SIZE < outer->pages &&
           inner->pages <= outer->pages - offset / PAGE_SIZE;
}

// Whether one runtime descriptor of the same type holds the entry. The search starts where the last
// one ended: both lists are sorted as a rule.
static bool has_home(const struct efi_map *firmware, const struct efi_descriptor *entry,
                     uint64_t *cursor) {
    uint64_t count = efi_map_count(firmware);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = *cursor + i < count ? *cursor + i : *cursor + i - count;
        struct efi_descriptor home = efi_map_entry(firmware, index);
        if (home.type == entry->type && (home.attributes & EFI_ATTRIBUTE_RUNTIME) != 0 &&
            inside(entry, &home)) {
            *cursor = index;
            return true;
        }
    }
    return false;
}

static enum attributes_defect defect_of(const struct efi_map *firmware,
                                        const struct efi_descriptor *entry, uint64_t *cursor) {
    if (entry->type != EFI_RUNTIME_SERVICES_CODE && entry->type != EFI_RUNTIME_SERVICES_DATA) {
        return ATTRIBUTES_WRONG_TYPE;
    }
    if (entry->pages == 0 || entry->physical_start % PAGE_SIZE != 0) {
        return ATTRIBUTES_NO_PAGES;
    }
    if ((entry->attributes & (EFI_ATTRIBUTE_RO | EFI_ATTRIBUTE_XP)) == 0) {
        return ATTRIBUTES_NO_PERMISSION;
    }
    return has_home(firmware, entry, cursor) ? ATTRIBUTES_VALID : ATTRIBUTES_NO_HOME;
}

size_t memmap_check_attributes_table(struct memmap *map, const struct efi_map *firmware,
                                     const void *table, uint64_t table_bytes) {
    struct efi_map entries;
    uint32_t version;
    if (!open_table(table, table_bytes, &entries, &version)) {
        remark(map, FINDING_BAD_ATTRIBUTES_TABLE, 0, table_bytes, version);
        return 0;
    }
    uint64_t count = efi_map_count(&entries);
    uint64_t cursor = 0;
    size_t valid = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct efi_descriptor entry = efi_map_entry(&entries, i);
        enum attributes_defect defect = defect_of(firmware, &entry, &cursor);
        if (defect == ATTRIBUTES_VALID) {
            valid++;
        } else {
            remark(map, FINDING_ATTRIBUTES_ENTRY_OUTSIDE, entry.physical_start,
                   entry.physical_start + entry.pages * PAGE_SIZE, i | (uint64_t)defect << 32);
        }
    }
    return valid;
}

// Firmware puts the table into boot services' memory (UEFI 2.10, 4.6.4). An address that leads
// elsewhere is not followed to where nothing may be mapped, page 0 among it.
static bool readable(const struct memory_region *region) {
    return region != NULL && memory_class_is_ram(region->class) &&
           region->class != MEMORY_UNACCEPTED;
}

size_t memmap_check_attributes_at(struct memmap *map, const struct efi_map *firmware,
                                  paddr_t address, const void *table) {
    const struct memory_region *region = memmap_find(map, address);
    struct attributes_header header;
    if (address.value < PAGE_SIZE || !readable(region) ||
        region->end.value - address.value < sizeof(header)) {
        return 0;
    }
    memcpy(&header, table, sizeof(header));
    uint64_t bytes = sizeof(header) + (uint64_t)header.entries * header.stride;
    uint64_t room = region->end.value - address.value;
    return memmap_check_attributes_table(map, firmware, table, bytes < room ? bytes : room);
}

bool memmap_next_attributes(const struct efi_map *firmware, const void *table, uint64_t table_bytes,
                            uint64_t *index, struct efi_descriptor *entry) {
    struct efi_map entries;
    uint32_t version;
    uint64_t cursor = 0;
    if (!open_table(table, table_bytes, &entries, &version)) {
        return false;
    }
    while (*index < efi_map_count(&entries)) {
        *entry = efi_map_entry(&entries, (*index)++);
        if (defect_of(firmware, entry, &cursor) == ATTRIBUTES_VALID) {
            return true;
        }
    }
    return false;
}
