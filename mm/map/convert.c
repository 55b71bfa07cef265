// SPDX-License-Identifier: MIT
// Conversion, from the firmware's map to regions: read, sort, sweep.
//
// The caller's storage is cut in three; the spans' part becomes room for more regions once they are
// swept, and serves as nothing else:
//
//     | regions: 4n + 2c + 130 | spans: 3n + c | findings: 2n + 64 |       n descriptors, c claims
//
// A region begins where a span begins or ends, or at 1 MiB. A descriptor's spans have at most four
// different ends (sweep.c, read.c), a claim two; the rest is room for 64 carves, two regions each.
#include "map.h"

#include <string.h>

#define SPANS_PER_DESCRIPTOR 3
#define ENDS_PER_DESCRIPTOR  4
#define CARVES               UINT64_C(64)
#define COUNT_MAX            (UINT64_C(1) << 31)

_Static_assert(sizeof(struct memory_region) >= sizeof(struct span),
               "the regions' room is the sort's scratch");
_Static_assert(ENDS_PER_DESCRIPTOR >= SPANS_PER_DESCRIPTOR, "so there is enough of it");

static size_t regions_needed(size_t descriptors, size_t claims) {
    return ENDS_PER_DESCRIPTOR * descriptors + 2 * claims + 2 + 2 * CARVES;
}

static size_t spans_needed(size_t descriptors, size_t claims) {
    return SPANS_PER_DESCRIPTOR * descriptors + claims;
}

static size_t findings_needed(size_t descriptors) {
    return 2 * descriptors + 64;
}

size_t memmap_storage_bytes(size_t descriptors, size_t claims) {
    if (descriptors > COUNT_MAX || claims > COUNT_MAX) {
        return SIZE_MAX;
    }
    return regions_needed(descriptors, claims) * sizeof(struct memory_region) +
           spans_needed(descriptors, claims) * sizeof(struct span) +
           findings_needed(descriptors) * sizeof(struct finding);
}

// Cuts the storage; what the caller gave beyond the need is shared by regions and findings.
static struct span *lay_out(struct memmap *map, size_t descriptors, size_t claims, void *storage,
                            size_t storage_bytes) {
    size_t surplus = storage_bytes - memmap_storage_bytes(descriptors, claims);
    map->regions = storage;
    map->region_capacity =
        regions_needed(descriptors, claims) + surplus / 2 / sizeof(*map->regions);
    struct span *spans = (struct span *)(void *)(map->regions + map->region_capacity);
    map->findings = (struct finding *)(void *)(spans + spans_needed(descriptors, claims));
    map->finding_capacity = findings_needed(descriptors) + surplus / 2 / sizeof(*map->findings);
    return spans;
}

static size_t read_claims(const struct memmap_input *input, struct span *spans) {
    uint64_t limit = physical_limit(input->physical_bits);
    size_t count = 0;
    for (size_t i = 0; i < input->claim_count; i++) {
        const struct memmap_claim *claim = &input->claims[i];
        uint64_t end = claim->end.value < limit ? align_up(claim->end.value, PAGE_SIZE) : limit;
        uint64_t begin = align_down(claim->begin.value, PAGE_SIZE);
        if (claim->begin.value < claim->end.value && begin < end) {
            spans[count++] =
                (struct span){begin, end, rank_of(claim->class, true), FINDING_NO_DESCRIPTOR};
        }
    }
    return count;
}

static void remark_on_map(struct memmap *map, enum finding_rule rule,
                          enum finding_severity severity, uint64_t detail) {
    struct finding finding = {
        .rule = rule,
        .severity = severity,
        .descriptor = {FINDING_NO_DESCRIPTOR, FINDING_NO_DESCRIPTOR},
        .detail = detail,
    };
    memmap_add_finding(map, &finding);
}

// What is wrong with the map as a whole. False when nothing of it can be read.
static bool readable(struct memmap *map, const struct efi_map *firmware) {
    if (firmware->stride < sizeof(struct efi_descriptor)) {
        remark_on_map(map, FINDING_BAD_STRIDE, FINDING_ERROR, firmware->stride);
        return false;
    }
    if (firmware->bytes % firmware->stride != 0) {
        remark_on_map(map, FINDING_TRAILING_BYTES, FINDING_WARNING,
                      firmware->bytes % firmware->stride);
    }
    if (firmware->bytes < firmware->stride) {
        remark_on_map(map, FINDING_EMPTY_MAP, FINDING_ERROR, 0);
        return false;
    }
    return true;
}

enum memmap_status memmap_convert(struct memmap *map, const struct memmap_input *input,
                                  void *storage, size_t storage_bytes) {
    memset(map, 0, sizeof(*map));
    uint64_t descriptors = efi_map_count(&input->map);
    if (storage_bytes < memmap_storage_bytes(descriptors, input->claim_count)) {
        return MEMMAP_NO_STORAGE;
    }
    struct span *spans = lay_out(map, descriptors, input->claim_count, storage, storage_bytes);
    if (!readable(map, &input->map)) {
        return MEMMAP_BAD_MAP;
    }
    size_t count = span_read(map, input, spans);
    count += read_claims(input, spans + count);
    span_sort(spans, count, storage);
    map_sweep(map, input, spans, count);
    map->region_capacity = (size_t)((struct memory_region *)(void *)map->findings - map->regions);
    return MEMMAP_OK;
}
