// SPDX-License-Identifier: MIT
// The naive converter: see oracle.h.
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A fuzzer looks for new paths through the code under test, not through this.
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)

typedef unsigned __int128 wide_t;

static wide_t limit_of(const struct memmap_input *input) {
    unsigned bits = input->physical_bits;
    return (wide_t)1 << (bits < 12 || bits > 52 ? 52 : bits);
}

static struct efi_descriptor entry_at(const struct efi_map *map, size_t index) {
    struct efi_descriptor entry;
    memcpy(&entry, (const char *)map->descriptors + index * map->stride, sizeof(entry));
    return entry;
}

static size_t entry_count(const struct efi_map *map) {
    return map->stride < 40 ? 0 : map->bytes / map->stride;
}

static enum memory_class class_of(uint32_t type, uint64_t attributes, bool special_use) {
    enum memory_class class;
    switch (type) {
    case 1:
    case 2:
        class = MEMORY_LOADER;
        break;
    case 3:
    case 4:
        class = MEMORY_BOOTSVC;
        break;
    case 5:
    case 6:
        class = MEMORY_RUNTIME;
        break;
    case 7:
        class = MEMORY_USABLE;
        break;
    case 8:
        class = MEMORY_BAD;
        break;
    case 9:
        class = MEMORY_ACPI;
        break;
    case 10:
        class = MEMORY_NVS;
        break;
    case 11:
    case 12:
        class = MEMORY_MMIO;
        break;
    case 14:
        class = MEMORY_PMEM;
        break;
    case 15:
        class = MEMORY_UNACCEPTED;
        break;
    default:
        class = MEMORY_RESERVED;
    }
    bool ram = type == 1 || type == 2 || type == 3 || type == 4 || type == 7 || type == 9;
    bool write_back = (attributes & 8) != 0;
    bool special = (attributes & 0x40000) != 0;
    bool runtime = attributes >> 63 != 0;
    if (ram && !write_back) {
        return MEMORY_RESERVED;
    }
    if (ram && special && !special_use) {
        class = MEMORY_SPECIAL;
    }
    return runtime && class < MEMORY_RUNTIME ? MEMORY_RUNTIME : class;
}

static bool goes_out(int class) {
    return class == MEMORY_USABLE || class == MEMORY_BOOTSVC || class == MEMORY_LOADER ||
           class == MEMORY_ACPI;
}

// What descriptor `entry` says about the page at [begin, begin + 4096): a class, or -1 for nothing.
static int say(const struct efi_descriptor *entry, wide_t begin, bool special_use) {
    wide_t from = entry->physical_start;
    wide_t to = from + (wide_t)entry->pages * 4096;
    if (to > (wide_t)1 << 64 || from >= begin + 4096 || to <= begin || entry->pages == 0) {
        return -1;
    }
    int class = (int)class_of(entry->type, entry->attributes, special_use);
    if (goes_out(class) && (from > begin || to < begin + 4096)) {
        return class == MEMORY_USABLE ? -1 : (int)MEMORY_RESERVED;
    }
    return class;
}

static int say_all(const struct memmap_input *input, wide_t begin) {
    int most = -1;
    for (size_t i = 0; i < entry_count(&input->map); i++) {
        struct efi_descriptor entry = entry_at(&input->map, i);
        int class = say(&entry, begin, input->special_use);
        most = class > most ? class : most;
    }
    return most;
}

static int claimed(const struct memmap_input *input, wide_t begin) {
    int most = -1;
    for (size_t i = 0; i < input->claim_count; i++) {
        const struct memmap_claim *claim = &input->claims[i];
        bool touches = claim->begin.value < claim->end.value && claim->begin.value < begin + 4096 &&
                       claim->end.value > begin;
        if (touches && (int)claim->class > most) {
            most = (int)claim->class;
        }
    }
    return most;
}

int oracle_page(const struct memmap_input *input, uint64_t page) {
    wide_t begin = (wide_t)page * 4096;
    if (begin >= limit_of(input)) {
        return -1;
    }
    int described = say_all(input, begin);
    int claim = claimed(input, begin);
    int class = described > claim ? described : claim;
    if (claim >= 0 && described <= (int)MEMORY_LOADER) {
        class = claim;
    }
    return goes_out(class) && begin < 1048576 ? (int)MEMORY_LOW : class;
}

static int compare_pages(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static size_t add_end(uint64_t *ends, size_t count, wide_t address) {
    ends[count++] = (uint64_t)(address / 4096);
    ends[count++] = (uint64_t)((address + 4095) / 4096);
    return count;
}

// All pages at which the answer may change, sorted.
static uint64_t *collect_ends(const struct memmap_input *input, size_t *out_count) {
    size_t entries = entry_count(&input->map);
    uint64_t *ends = malloc((4 * (entries + input->claim_count) + 8) * sizeof(*ends));
    size_t count = add_end(ends, 0, 0);
    count = add_end(ends, count, 1048576);
    count = add_end(ends, count, limit_of(input));
    for (size_t i = 0; i < entries; i++) {
        struct efi_descriptor entry = entry_at(&input->map, i);
        count = add_end(ends, count, entry.physical_start);
        count = add_end(ends, count, (wide_t)entry.physical_start + (wide_t)entry.pages * 4096);
    }
    for (size_t i = 0; i < input->claim_count; i++) {
        count = add_end(ends, count, input->claims[i].begin.value);
        count = add_end(ends, count, input->claims[i].end.value);
    }
    qsort(ends, count, sizeof(*ends), compare_pages);
    *out_count = count;
    return ends;
}

size_t oracle_regions(const struct memmap_input *input, struct memory_region **regions) {
    size_t end_count;
    uint64_t *ends = collect_ends(input, &end_count);
    struct memory_region *out = malloc((end_count + 1) * sizeof(*out));
    size_t count = 0;
    for (size_t i = 0; i + 1 < end_count; i++) {
        uint64_t begin = ends[i] * 4096;
        uint64_t end = ends[i + 1] * 4096;
        if (ends[i] == ends[i + 1] || (wide_t)ends[i] * 4096 >= limit_of(input)) {
            continue;
        }
        int class = oracle_page(input, ends[i]);
        if (class < 0) {
            continue;
        }
        if (count > 0 && out[count - 1].end.value == begin && (int)out[count - 1].class == class) {
            out[count - 1].end.value = end;
        } else {
            out[count++] =
                (struct memory_region){paddr(begin), paddr(end), (enum memory_class) class};
        }
    }
    free(ends);
    *regions = out;
    return count;
}

static char difference[256];

static const char *compare_regions(const struct memmap *map, const struct memory_region *expected,
                                   size_t count) {
    for (size_t i = 0; i < count && i < map->region_count; i++) {
        const struct memory_region *a = &expected[i];
        const struct memory_region *b = &map->regions[i];
        if (a->begin.value != b->begin.value || a->end.value != b->end.value ||
            a->class != b->class) {
            snprintf(difference, sizeof(difference),
                     "region %zu: expected [0x%lx, 0x%lx) %s, found [0x%lx, 0x%lx) %s", i,
                     a->begin.value, a->end.value, memory_class_name(a->class), b->begin.value,
                     b->end.value, memory_class_name(b->class));
            return difference;
        }
    }
    if (count != map->region_count) {
        snprintf(difference, sizeof(difference), "expected %zu regions, found %zu", count,
                 map->region_count);
        return difference;
    }
    return NULL;
}

const char *oracle_compare(const struct memmap_input *input, struct memmap *map, void **storage) {
    size_t bytes = memmap_storage_bytes(entry_count(&input->map), input->claim_count);
    *storage = malloc(bytes);
    enum memmap_status status = memmap_convert(map, input, *storage, bytes);
    if (status == MEMMAP_BAD_MAP) {
        return entry_count(&input->map) == 0 && map->region_count == 0 && map->finding_count > 0
                   ? NULL
                   : "a readable map was refused";
    }
    if (status != MEMMAP_OK) {
        return "memmap_storage_bytes is not enough";
    }
    const char *wrong = memmap_check(map);
    if (wrong == NULL) {
        struct memory_region *expected;
        size_t count = oracle_regions(input, &expected);
        wrong = compare_regions(map, expected, count);
        free(expected);
    }
    return wrong;
}

struct efi_map encode_map(const struct efi_descriptor *entries, size_t count, uint32_t stride) {
    size_t bytes = count * stride;
    char *buffer = malloc(bytes == 0 ? 1 : bytes);
    memset(buffer, 0xa5, bytes);
    for (size_t i = 0; i < count; i++) {
        memcpy(buffer + i * stride, &entries[i], sizeof(entries[i]));
    }
    return (struct efi_map){buffer, bytes, stride, 1};
}

uint64_t random_next(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void shuffle_entries(struct efi_descriptor *entries, size_t count, uint64_t *state) {
    for (size_t i = count; i > 1; i--) {
        size_t j = random_next(state) % i;
        struct efi_descriptor swap = entries[i - 1];
        entries[i - 1] = entries[j];
        entries[j] = swap;
    }
}

#pragma clang attribute pop
