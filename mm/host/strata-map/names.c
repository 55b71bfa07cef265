// SPDX-License-Identifier: MIT
// What firmware's tools and operating systems call types and attributes.
#include "formats.h"

#include <string.h>
#include <strings.h>

struct type_name {
    const char *name; // lower case, letters only
    uint32_t type;
};

static const struct type_name type_names[] = {
    {"reserved", EFI_RESERVED},
    {"loadercode", EFI_LOADER_CODE},
    {"loaderdata", EFI_LOADER_DATA},
    {"bscode", EFI_BOOT_SERVICES_CODE},
    {"bootcode", EFI_BOOT_SERVICES_CODE},
    {"bootservicecode", EFI_BOOT_SERVICES_CODE},
    {"bootservicescode", EFI_BOOT_SERVICES_CODE},
    {"bsdata", EFI_BOOT_SERVICES_DATA},
    {"bootdata", EFI_BOOT_SERVICES_DATA},
    {"bootservicedata", EFI_BOOT_SERVICES_DATA},
    {"bootservicesdata", EFI_BOOT_SERVICES_DATA},
    {"rtcode", EFI_RUNTIME_SERVICES_CODE},
    {"runtimecode", EFI_RUNTIME_SERVICES_CODE},
    {"runtimeservicecode", EFI_RUNTIME_SERVICES_CODE},
    {"runtimeservicescode", EFI_RUNTIME_SERVICES_CODE},
    {"rtdata", EFI_RUNTIME_SERVICES_DATA},
    {"runtimedata", EFI_RUNTIME_SERVICES_DATA},
    {"runtimeservicedata", EFI_RUNTIME_SERVICES_DATA},
    {"runtimeservicesdata", EFI_RUNTIME_SERVICES_DATA},
    {"available", EFI_CONVENTIONAL},
    {"conventional", EFI_CONVENTIONAL},
    {"unusable", EFI_UNUSABLE},
    {"acpirecl", EFI_ACPI_RECLAIM},
    {"acpireclaim", EFI_ACPI_RECLAIM},
    {"acpinvs", EFI_ACPI_NVS},
    {"acpimemnvs", EFI_ACPI_NVS},
    {"acpimemorynvs", EFI_ACPI_NVS},
    {"mmio", EFI_MMIO},
    {"io", EFI_MMIO},
    {"memorymappedio", EFI_MMIO},
    {"mmioport", EFI_MMIO_PORT_SPACE},
    {"mmioportspace", EFI_MMIO_PORT_SPACE},
    {"ioport", EFI_MMIO_PORT_SPACE},
    {"memorymappedioportspace", EFI_MMIO_PORT_SPACE},
    {"pal", EFI_PAL_CODE},
    {"palcode", EFI_PAL_CODE},
    {"persistent", EFI_PERSISTENT},
    {"unaccepted", EFI_UNACCEPTED},
    {"invalid", EFI_TYPE_COUNT_}, // FreeBSD, of a type that it does not know
};

// What may follow a name and says nothing more.
static const char *const endings[] = {"", "mem", "memory", "memorytype"};

static bool matches(const char *word, const char *name) {
    size_t length = strlen(name);
    if (strncmp(word, name, length) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (strcmp(word + length, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool type_named(const char *name, size_t length, uint32_t *type) {
    char word[40];
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < sizeof(word); i++) {
        char lower = (char)(name[i] | 0x20);
        if (lower >= 'a' && lower <= 'z') {
            word[used++] = lower;
        }
    }
    word[used] = '\0';
    const char *start = strncmp(word, "efi", 3) == 0 ? word + 3 : word;
    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
        if (matches(start, type_names[i].name)) {
            *type = type_names[i].type;
            return true;
        }
    }
    return false;
}

struct attribute_name {
    const char *name;
    uint64_t bit;
};

static const struct attribute_name attribute_names[] = {
    {"UC", EFI_ATTRIBUTE_UC},
    {"WC", EFI_ATTRIBUTE_WC},
    {"WT", EFI_ATTRIBUTE_WT},
    {"WB", EFI_ATTRIBUTE_WB},
    {"UCE", EFI_ATTRIBUTE_UCE},
    {"WP", EFI_ATTRIBUTE_WP},
    {"RP", EFI_ATTRIBUTE_RP},
    {"XP", EFI_ATTRIBUTE_XP},
    {"NV", EFI_ATTRIBUTE_NV},
    {"MR", EFI_ATTRIBUTE_MORE_RELIABLE},
    {"REL", EFI_ATTRIBUTE_MORE_RELIABLE},
    {"MORE_RELIABLE", EFI_ATTRIBUTE_MORE_RELIABLE},
    {"RO", EFI_ATTRIBUTE_RO},
    {"SP", EFI_ATTRIBUTE_SP},
    {"CC", EFI_ATTRIBUTE_CPU_CRYPTO},
    {"CRYPT", EFI_ATTRIBUTE_CPU_CRYPTO},
    {"HP", EFI_ATTRIBUTE_HOT_PLUGGABLE},
    {"HOTPL", EFI_ATTRIBUTE_HOT_PLUGGABLE},
    {"RUN", EFI_ATTRIBUTE_RUNTIME},
    {"RT", EFI_ATTRIBUTE_RUNTIME},
    {"RUNTIME", EFI_ATTRIBUTE_RUNTIME},
};

uint64_t attribute_named(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof(attribute_names) / sizeof(attribute_names[0]); i++) {
        const char *known = attribute_names[i].name;
        if (strlen(known) == length && memcmp(known, name, length) == 0) {
            return attribute_names[i].bit;
        }
    }
    return 0;
}

uint128_t last_before(uint128_t end, uint64_t start) {
    return end == 0 && start != 0 ? UINT64_MAX : end - 1;
}

bool pages_between(struct cursor *cursor, const char *where, uint64_t start, uint128_t last,
                   uint64_t *pages) {
    *pages = 0;
    if ((uint64_t)(last + 1) == start && last + 1 <= (uint128_t)1 << 64) {
        return true;
    }
    if (last < start) {
        return cursor_fail(cursor, where, "an end at or above the start");
    }
    uint128_t bytes = last + 1 - start;
    if (bytes % PAGE_SIZE != 0 || bytes / PAGE_SIZE > UINT64_MAX) {
        return cursor_fail(cursor, where, "an end that makes whole pages of 4 KiB");
    }
    *pages = (uint64_t)(bytes / PAGE_SIZE);
    return true;
}

bool pages_agree(struct cursor *cursor, const char *where, uint64_t start, uint64_t pages,
                 uint64_t last) {
    return start + pages * PAGE_SIZE - 1 == last ||
           cursor_fail(cursor, where, "as many pages as the range has");
}
