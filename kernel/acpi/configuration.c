// SPDX-License-Identifier: MIT
// The firmware's configuration tables (UEFI 2.10, section 4.6): what each is, how long, and whether
// anybody needs it once boot services are gone.
//
// A table's length comes from its own header where it has one; its pages are pinned. One that is
// not known, or has no header, pins the rest of the page that it begins in: nobody can say how long
// it is. Tables that only the firmware used before the exit pin nothing.
#include "internal.h"

#include <string.h>

#define GUID(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                              \
    {                                                                                              \
        a, b, c, {                                                                                 \
            d0, d1, d2, d3, d4, d5, d6, d7                                                         \
        }                                                                                          \
    }

// The first `bytes` bytes at `address`, or an empty view when they cannot be read.
static struct view peek(const struct acpi *acpi, uint64_t address, uint64_t bytes) {
    const uint8_t *found = acpi_bytes(acpi, address, bytes);
    return (struct view){found, found == NULL ? 0 : bytes};
}

// Sizes of known tables; 0 when it cannot be said. Each names where the format is from.

// UEFI 2.10, 4.6.4: version, entries, bytes of an entry, flags; entries.
static uint64_t attributes_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 16);
    return head.length == 0 ? 0 : 16 + (uint64_t)view_u32(head, 4) * view_u32(head, 8);
}

// UEFI 2.10, 23.4: entries, most entries, version; entries of 40 bytes.
static uint64_t esrt_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 16);
    return head.length == 0 ? 0 : 16 + UINT64_C(40) * view_u32(head, 0);
}

// UEFI 2.10, 4.6.2 (runtime properties): version, length (16 bits each), the services.
static uint64_t runtime_properties_bytes(struct acpi *acpi, uint64_t address) {
    return view_u16(peek(acpi, address, 4), 2);
}

// UEFI 2.5, 4.6.3 (properties table): version, length (32 bits each).
static uint64_t properties_bytes(struct acpi *acpi, uint64_t address) {
    return view_u32(peek(acpi, address, 8), 4);
}

// UEFI 2.10, 4.6.5 (conformance profiles): version, count (16 bits each); GUIDs.
static uint64_t conformance_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 4);
    return head.length == 0 ? 0 : 4 + UINT64_C(16) * view_u16(head, 2);
}

// DMTF DSP0134 3.7, 5.2.1 and 5.2.2: an entry point, and a structure table elsewhere.
static uint64_t smbios_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 31);
    if (head.length == 0 || memcmp(head.bytes, "_SM_", 4) != 0) {
        return 0;
    }
    acpi_keep_data(acpi,
                   acpi_add_data(acpi, "SMBIOS structures", view_u32(head, 24), view_u16(head, 22)),
                   "SMBIOS");
    return view_u8(head, 5);
}

static uint64_t smbios3_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 24);
    if (head.length == 0 || memcmp(head.bytes, "_SM3_", 5) != 0) {
        return 0;
    }
    acpi_keep_data(acpi,
                   acpi_add_data(acpi, "SMBIOS structures", view_u64(head, 16), view_u32(head, 12)),
                   "SMBIOS3");
    return view_u8(head, 6);
}

// Intel MultiProcessor Specification 1.4, 4.1 and 4.2: a pointer, and a table elsewhere.
static uint64_t multiprocessor_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 16);
    if (head.length == 0 || memcmp(head.bytes, "_MP_", 4) != 0) {
        return 0;
    }
    uint64_t table = view_u32(head, 4);
    if (table != 0) {
        acpi_keep_data(
            acpi, acpi_add_data(acpi, "MP configuration", table, view_u16(peek(acpi, table, 6), 4)),
            "MP");
    }
    return UINT64_C(16) * view_u8(head, 8);
}

// Devicetree Specification 0.4, 5.2: big-endian magic and length.
static uint64_t devicetree_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 8);
    bool known = __builtin_bswap32(view_u32(head, 0)) == UINT32_C(0xd00dfeed);
    return known ? __builtin_bswap32(view_u32(head, 4)) : 0;
}

// Linux, include/linux/efi.h: formats that loaders share with it.
// Random seed: a length, bytes.
static uint64_t seed_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 4);
    return head.length == 0 ? 0 : 4 + (uint64_t)view_u32(head, 0);
}

// Initial RAM disk: base and length of what it points to.
static uint64_t initrd_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 16);
    if (view_u64(head, 0) != 0) {
        acpi_keep_data(acpi, acpi_add_data(acpi, "initrd", view_u64(head, 0), view_u64(head, 8)),
                       "initrd");
    }
    return 16;
}

// Copy of the TPM's event log: length, length before the exit, version, the log.
static uint64_t linux_log_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 9);
    return head.length == 0 ? 0 : 9 + (uint64_t)view_u32(head, 0);
}

// Memory that was never accepted: version, unit, base, bytes of the bitmap; the bitmap.
static uint64_t unaccepted_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 24);
    uint64_t bytes = 0;
    bool fits = head.length != 0 && !__builtin_add_overflow(view_u64(head, 16), 24, &bytes);
    return fits ? bytes : 0;
}

// shim's variables: entries of a 256-byte name, a length and as many bytes; an empty name ends it.
static uint64_t mok_bytes(struct acpi *acpi, uint64_t address) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < 256; i++) {
        struct view entry = peek(acpi, address + bytes, 264);
        uint64_t length = view_u64(entry, 256);
        bytes += 264;
        if (entry.length == 0 || length > MIB) {
            return 0;
        }
        if (entry.bytes[0] == 0) {
            return bytes;
        }
        bytes += length;
    }
    return 0;
}

static uint64_t digest_bytes(uint16_t algorithm) { // TCG Algorithm Registry 1.34, table 3
    switch (algorithm) {
    case 0x0004: // SHA-1
        return 20;
    case 0x000b: // SHA-256
    case 0x0012: // SM3-256
    case 0x0027: // SHA3-256
        return 32;
    case 0x000c: // SHA-384
    case 0x0028: // SHA3-384
        return 48;
    case 0x000d: // SHA-512
    case 0x0029: // SHA3-512
        return 64;
    default:
        return 0;
    }
}

// Where the event at `at` ends: register, type, number of digests, the digests, the length of what
// was measured, that. 0 when it cannot be.
static uint64_t event_end(const struct acpi *acpi, uint64_t at) {
    struct view head = peek(acpi, at, 12);
    uint32_t digests = view_u32(head, 8);
    at += 12;
    for (uint32_t i = 0; i < digests; i++) {
        uint64_t bytes = digest_bytes(view_u16(peek(acpi, at, 2), 0));
        if (bytes == 0) {
            return 0;
        }
        at += 2 + bytes;
    }
    struct view size = peek(acpi, at, 4);
    return head.length == 0 || size.length == 0 ? 0 : at + 4 + view_u32(size, 0);
}

// TCG EFI Protocol Specification 2.0, 7 (events measured after the log was fetched): version,
// number of events; the events.
static uint64_t final_events_bytes(struct acpi *acpi, uint64_t address) {
    struct view head = peek(acpi, address, 16);
    uint64_t at = address + 16;
    for (uint64_t i = 0; i < view_u64(head, 8); i++) {
        at = event_end(acpi, at);
        if (at == 0) {
            return 0;
        }
    }
    return head.length == 0 ? 0 : at - address;
}

struct known {
    struct efi_guid guid;
    const char *name;
    const char *tag;                                        // of findings; NULL: nobody needs it
    uint64_t (*bytes)(struct acpi *acpi, uint64_t address); // NULL: no header says
};

static const struct known known[] = {
    {GUID(0xeb9d2d31, 0x2d88, 0x11d3, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d), "SMBIOS 2",
     "SMBIOS", smbios_bytes},
    {GUID(0xf2fd1544, 0x9794, 0x4a2c, 0x99, 0x2e, 0xe5, 0xbb, 0xcf, 0x20, 0xe3, 0x94), "SMBIOS 3",
     "SMBIOS3", smbios3_bytes},
    {GUID(0xeb9d2d2f, 0x2d88, 0x11d3, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d),
     "MP floating pointer", "MP", multiprocessor_bytes},
    {GUID(0xdcfa911d, 0x26eb, 0x469f, 0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20),
     "memory attributes table", "MEMATTR", attributes_bytes},
    {GUID(0xb122a263, 0x3661, 0x4f68, 0x99, 0x29, 0x78, 0xf8, 0xb0, 0xd6, 0x21, 0x80), "ESRT",
     "ESRT", esrt_bytes},
    {GUID(0xeb66918a, 0x7eef, 0x402a, 0x84, 0x2e, 0x93, 0x1d, 0x21, 0xc3, 0x8a, 0xe9),
     "runtime properties table", "RTPROP", runtime_properties_bytes},
    {GUID(0x880aaca3, 0x4adc, 0x4a04, 0x90, 0x79, 0xb7, 0x47, 0x34, 0x08, 0x25, 0xe5),
     "properties table", "PROP", properties_bytes},
    {GUID(0x36122546, 0xf7e7, 0x4c8f, 0xbd, 0x9b, 0xeb, 0x85, 0x25, 0xb5, 0x0c, 0x0b),
     "conformance profiles", "CONFORM", conformance_bytes},
    // The same as U-Boot 2023.01 spells it, a digit wrong.
    {GUID(0x36122546, 0xf7ef, 0x4c8f, 0xbd, 0x9b, 0xeb, 0x85, 0x25, 0xb5, 0x0c, 0x0b),
     "conformance profiles", "CONFORM", conformance_bytes},
    {GUID(0x1e2ed096, 0x30e2, 0x4254, 0xbd, 0x89, 0x86, 0x3b, 0xbe, 0xf8, 0x23, 0x25),
     "TPM final events log", "TPMLOG", final_events_bytes},
    {GUID(0xdd4a4648, 0x2de7, 0x4665, 0x96, 0x4d, 0x21, 0xd9, 0xef, 0x5f, 0xb4, 0x46),
     "CC final events log", "CCLOG", final_events_bytes},
    {GUID(0xd719b2cb, 0x3d3a, 0x4596, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f),
     "image execution information", "IMGEXEC", NULL},
    {GUID(0xb1b621d5, 0xf19c, 0x41a5, 0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0),
     "device tree", "DTB", devicetree_bytes},
    {GUID(0x1ce1e5bc, 0x7ceb, 0x42f2, 0x81, 0xe5, 0x8a, 0xad, 0xf1, 0x80, 0xf5, 0x7b),
     "random seed", "SEED", seed_bytes},
    {GUID(0x5568e427, 0x68fc, 0x4f3d, 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68),
     "initrd pointer", "INITRD", initrd_bytes},
    {GUID(0xb7799cb0, 0xeca2, 0x4943, 0x96, 0x67, 0x1f, 0xae, 0x07, 0xb7, 0x47, 0xfa),
     "TPM event log copy", "TPMCOPY", linux_log_bytes},
    {GUID(0xc451ed2b, 0x9694, 0x45d3, 0xba, 0xba, 0xed, 0x9f, 0x89, 0x88, 0xa3, 0x89),
     "MOK variables", "MOKVAR", mok_bytes},
    {GUID(0xadf956ad, 0xe98c, 0x484c, 0xae, 0x11, 0xb5, 0x1c, 0x7d, 0x33, 0x64, 0x47),
     "confidential secrets pointer", "SECRET", initrd_bytes},
    {GUID(0x067b1f5f, 0xcf26, 0x44c5, 0x85, 0x54, 0x93, 0xd7, 0x77, 0x91, 0x2d, 0x42),
     "confidential computing blob", "CCBLOB", NULL},
    {GUID(0xd5d1de3c, 0x105c, 0x44f9, 0x9e, 0xa9, 0xbc, 0xef, 0x98, 0x12, 0x00, 0x31),
     "unaccepted memory bitmap", "UNACC", unaccepted_bytes},
    // What only the firmware used, before the exit.
    {GUID(0x05ad34ba, 0x6f02, 0x4214, 0x95, 0x2e, 0x4d, 0xa0, 0x39, 0x8e, 0x2b, 0xb9),
     "DXE services", NULL, NULL},
    {GUID(0x7739f24c, 0x93d7, 0x11d4, 0x9a, 0x3a, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d), "HOB list",
     NULL, NULL},
    {GUID(0x4c19049f, 0x4137, 0x4dd3, 0x9c, 0x10, 0x8b, 0x97, 0xa8, 0x3f, 0xfd, 0xfa),
     "memory type information", NULL, NULL},
    {GUID(0x49152e77, 0x1ada, 0x4764, 0xb7, 0xa2, 0x7a, 0xfe, 0xfe, 0xd9, 0x5e, 0x8b),
     "debug image information", NULL, NULL},
    {GUID(0xee4e5898, 0x3914, 0x4259, 0x9d, 0x6e, 0xdc, 0x7b, 0xd7, 0x94, 0x03, 0xcf),
     "LZMA decompressor", NULL, NULL},
    {GUID(0x060cc026, 0x4c0d, 0x4dda, 0x8f, 0x41, 0x59, 0x5f, 0xef, 0x00, 0xa5, 0x02),
     "memory status codes", NULL, NULL},
};

static const struct efi_guid acpi_2 =
    GUID(0x8868e871, 0xe4f1, 0x11d3, 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81);
static const struct efi_guid acpi_1 =
    GUID(0xeb9d2d30, 0x2d88, 0x11d3, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d);

static bool guid_equal(const struct efi_guid *one, const struct efi_guid *other) {
    return memcmp(one, other, sizeof(*one)) == 0;
}

bool acpi_guid_is_rsdp(const struct efi_guid *guid) {
    return guid_equal(guid, &acpi_2) || guid_equal(guid, &acpi_1);
}

static const struct known *find_known(const struct efi_guid *guid) {
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (guid_equal(guid, &known[i].guid)) {
            return &known[i];
        }
    }
    return NULL;
}

// An RSDP beside the one that is used: readers start from ours, so it is needed no more, unless
// nothing good can be said of it.
static void add_rsdp(struct acpi *acpi, const struct efi_configuration_table *entry) {
    if (acpi->table_count != 0 && acpi->tables[0].address.value == entry->address) {
        return;
    }
    struct view head = peek(acpi, entry->address, RSDP_V1_BYTES);
    bool good = head.length != 0 && byte_sum(head.bytes, head.length) == 0;
    uint64_t bytes = view_u8(head, RSDP_REVISION) < 2 ? RSDP_V1_BYTES : RSDP_V2_BYTES;
    struct acpi_data *data = acpi_add_data(acpi, "another RSDP", entry->address, bytes);
    if (data != NULL) {
        data->configuration = true;
        data->guid = entry->guid;
        data->keep = !good;
    }
}

static void add_configuration(struct acpi *acpi, const struct efi_configuration_table *entry) {
    const struct known *found = find_known(&entry->guid);
    bool needed = found == NULL || found->tag != NULL;
    uint64_t bytes = found != NULL && found->bytes != NULL ? found->bytes(acpi, entry->address) : 0;
    struct acpi_data *data = acpi_add_data(
        acpi, found == NULL ? "unknown configuration table" : found->name, entry->address, bytes);
    if (data == NULL) {
        return;
    }
    data->configuration = true;
    data->guid = entry->guid;
    data->keep = needed;
    if (needed) {
        acpi_keep_data(acpi, data, found == NULL ? "CONFIG" : found->tag);
    }
}

void acpi_find_configuration(struct acpi *acpi, const struct acpi_input *input) {
    for (size_t i = 0; i < input->table_count; i++) {
        const struct efi_configuration_table *entry = &input->tables[i];
        if (acpi_guid_is_rsdp(&entry->guid)) {
            add_rsdp(acpi, entry);
        } else {
            add_configuration(acpi, entry);
        }
    }
}
