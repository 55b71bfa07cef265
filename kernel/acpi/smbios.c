// SPDX-License-Identifier: MIT
// How much memory is installed, as SMBIOS says: the sizes of the devices in the arrays that hold
// system memory, and the addresses that these arrays are mapped to. DMTF DSP0134 3.7: 5.2 (entry
// points), 6.1 (structures), 7.17 (type 16), 7.18 (type 17), 7.20 (type 19).
//
// Firmware wrote every length in it: nothing is read beyond the table, and the table only where the
// map names memory.
//
//   S1  no byte outside the table is read                        hostile_tables_are_survived
//   S2  a size that cannot be known makes the sum unknown        an_unknown_size_says_nothing
#include "internal.h"

#include <string.h>

#define TABLE_MAX    MIB // ten times the largest seen
#define HEADER_BYTES 4
#define OTHER_MAX    32 // arrays of something else than system memory

enum {
    TYPE_ARRAY = 16,
    TYPE_DEVICE = 17,
    TYPE_MAPPED = 19,
    TYPE_END = 127,
};

enum {
    ARRAY_USE = 5,
    ARRAY_BYTES = 15,
    DEVICE_ARRAY = 4,
    DEVICE_SIZE = 12,
    DEVICE_KIND = 18,
    DEVICE_BYTES = 21,
    DEVICE_EXTENDED_SIZE = 28,
    DEVICE_VOLATILE = 68,
    MAPPED_BEGIN = 4, // KiB
    MAPPED_LAST = 8,
    MAPPED_ARRAY = 12,
    MAPPED_BYTES = 15,
    MAPPED_EXTENDED_BEGIN = 15, // bytes
    MAPPED_EXTENDED_LAST = 23,
    MAPPED_EXTENDED_BYTES = 31,
};

#define USE_SYSTEM_MEMORY 3
#define SIZE_UNKNOWN      0xffff
#define SIZE_EXTENDED     0x7fff
#define SIZE_IN_KIB       0x8000

// Arrays whose devices do not count.
struct others {
    uint16_t handle[OTHER_MAX];
    size_t count;
};

// The structure at `*at`, without its strings, and moves `*at` behind them. False at the end, or at
// one that cannot be.
static bool next_structure(struct view table, uint64_t *at, struct view *out) {
    if (*at > table.length || table.length - *at < HEADER_BYTES) {
        return false;
    }
    uint8_t length = table.bytes[*at + 1];
    if (length < HEADER_BYTES || length > table.length - *at || table.bytes[*at] == TYPE_END) {
        return false;
    }
    *out = (struct view){table.bytes + *at, length};
    uint64_t end = *at + length; // two zero bytes end the strings
    while (end + 1 < table.length && (table.bytes[end] != 0 || table.bytes[end + 1] != 0)) {
        end++;
    }
    *at = end + 2;
    return true;
}

static bool find_others(struct view table, struct others *others) {
    struct view found;
    uint64_t at = 0;
    while (next_structure(table, &at, &found)) {
        if (view_u8(found, 0) != TYPE_ARRAY || found.length < ARRAY_BYTES ||
            view_u8(found, ARRAY_USE) == USE_SYSTEM_MEMORY) {
            continue;
        }
        if (others->count == OTHER_MAX) {
            return false;
        }
        others->handle[others->count++] = view_u16(found, 2);
    }
    return true;
}

static bool counts(const struct others *others, uint16_t array) {
    for (size_t i = 0; i < others->count; i++) {
        if (others->handle[i] == array) {
            return false;
        }
    }
    return true;
}

static uint64_t plus(uint64_t sum, uint64_t bytes) {
    return bytes < UINT64_MAX - sum ? sum + bytes : UINT64_MAX;
}

// Whether a device's type is one that keeps its content: ROM, flash, and what lies behind a logical
// non-volatile device.
static bool is_persistent(uint8_t kind) {
    return (kind >= 0x08 && kind <= 0x0c) || kind == 0x1f;
}

static bool device_bytes(struct view device, uint64_t *bytes) {
    uint16_t size = view_u16(device, DEVICE_SIZE);
    uint64_t volatile_bytes = view_u64(device, DEVICE_VOLATILE);
    if (size == SIZE_UNKNOWN) {
        return false;
    }
    if (size == SIZE_EXTENDED) {
        *bytes = (view_u32(device, DEVICE_EXTENDED_SIZE) & 0x7fffffff) * MIB;
    } else {
        *bytes = (size & 0x7fff) * ((size & SIZE_IN_KIB) != 0 ? KIB : MIB);
    }
    if (is_persistent(view_u8(device, DEVICE_KIND))) {
        *bytes = 0;
    } else if (volatile_bytes != 0 && volatile_bytes < *bytes) {
        *bytes = volatile_bytes; // of a module that keeps the rest
    }
    return true;
}

// Bytes of a range, which its last address ends; 0 when it is none.
static uint64_t mapped_bytes(struct view range) {
    uint64_t begin = view_u32(range, MAPPED_BEGIN), last = view_u32(range, MAPPED_LAST);
    uint64_t unit = KIB;
    if (begin == UINT32_MAX && range.length >= MAPPED_EXTENDED_BYTES) {
        begin = view_u64(range, MAPPED_EXTENDED_BEGIN);
        last = view_u64(range, MAPPED_EXTENDED_LAST);
        unit = 1;
    }
    return last < begin || last - begin == UINT64_MAX ? 0 : (last - begin + 1) * unit;
}

static void add_up(struct view table, const struct others *others, struct smbios_memory *out) {
    struct view found;
    uint64_t at = 0, bytes;
    while (next_structure(table, &at, &found)) {
        uint8_t type = view_u8(found, 0);
        if (type == TYPE_DEVICE && found.length >= DEVICE_BYTES &&
            counts(others, view_u16(found, DEVICE_ARRAY))) {
            if (!device_bytes(found, &bytes)) {
                out->defect = "a memory device's size is unknown";
                return;
            }
            out->slots++;
            out->devices += bytes != 0;
            out->installed = plus(out->installed, bytes);
        } else if (type == TYPE_MAPPED && found.length >= MAPPED_BYTES &&
                   counts(others, view_u16(found, MAPPED_ARRAY))) {
            out->mapped = plus(out->mapped, mapped_bytes(found));
        }
    }
    if (out->slots == 0) {
        out->defect = "it lists no memory devices";
    }
}

struct place {
    uint64_t address, bytes;
};

static void bad_checksum(struct acpi *acpi, uint64_t address, uint64_t bytes) {
    const struct finding finding = {
        .rule = FINDING_BAD_CHECKSUM,
        .severity = FINDING_WARNING,
        .descriptor = {FINDING_NO_DESCRIPTOR, FINDING_NO_DESCRIPTOR},
        .begin = address,
        .end = address + bytes,
        .name = "SMBIOS",
    };
    memmap_add_finding(acpi->map, &finding);
}

// Where the entry point at `address` says that the structures are. NULL, or what is wrong with it.
static const char *read_entry(struct acpi *acpi, uint64_t address, struct place *table) {
    const uint8_t *head = acpi_bytes(acpi, address, 24);
    bool three = head != NULL && memcmp(head, "_SM3_", 5) == 0;
    if (head == NULL || (!three && memcmp(head, "_SM_", 4) != 0)) {
        return "there is no entry point where the firmware says";
    }
    uint64_t length = three ? head[6] : head[5], least = three ? 24 : 30; // 30: an old mistake
    head = acpi_bytes(acpi, address, length);
    if (length < least || head == NULL) {
        return "its entry point has an impossible length";
    }
    if (byte_sum(head, length) != 0) {
        bad_checksum(acpi, address, length);
        return "its entry point has a wrong checksum";
    }
    struct view entry = {head, length};
    *table = three ? (struct place){view_u64(entry, 16), view_u32(entry, 12)}
                   : (struct place){view_u32(entry, 24), view_u16(entry, 22)};
    return NULL;
}

void smbios_read_memory(struct acpi *acpi, paddr_t entry, struct smbios_memory *out) {
    struct place place = {0, 0};
    struct others others = {.count = 0};
    *out = (struct smbios_memory){.defect = "the firmware names none"};
    if (entry.value == 0) {
        return;
    }
    out->defect = read_entry(acpi, entry.value, &place);
    if (out->defect != NULL) {
        return;
    }
    uint64_t most = place.bytes < TABLE_MAX ? place.bytes : TABLE_MAX;
    uint64_t bytes = acpi_readable(acpi, place.address, most);
    const uint8_t *table = acpi_bytes(acpi, place.address, bytes);
    if (table == NULL) {
        out->defect = "its structures are not in memory that the map names";
        return;
    }
    struct view structures = {table, bytes};
    if (!find_others(structures, &others)) {
        out->defect = "it has more memory arrays than Strata looks at";
        return;
    }
    add_up(structures, &others, out);
}
