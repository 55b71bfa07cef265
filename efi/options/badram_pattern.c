// SPDX-License-Identifier: MIT
// Patterns of bad memory, and the ranges of RAM that they name. (tests/unit/test_badram.c compares
// every page of small maps with the definition.)
#include "badram_pattern.h"

struct badram_pattern badram_pattern(uint64_t address, uint64_t mask) {
    if (address <= UINT32_MAX && mask <= UINT32_MAX) {
        mask |= ~(uint64_t)UINT32_MAX;
    }
    mask |= ~(BADRAM_PHYSICAL_LIMIT - 1); // there is nothing above to enumerate
    mask &= ~(PAGE_SIZE - 1);
    return (struct badram_pattern){address & mask, mask};
}

uint64_t badram_place_bytes(const struct badram_pattern *pattern) {
    return pattern->mask & -pattern->mask;
}

// The bits in which its places differ.
static uint64_t varying(const struct badram_pattern *pattern) {
    return ~pattern->mask & ~(badram_place_bytes(pattern) - 1);
}

bool badram_is_range(const struct badram_pattern *pattern) {
    return varying(pattern) == 0;
}

uint64_t badram_next(const struct badram_pattern *pattern, uint64_t from) {
    uint64_t place = badram_place_bytes(pattern);
    if (from > UINT64_MAX - (place - 1)) {
        return UINT64_MAX;
    }
    from = align_up(from, place);
    uint64_t wrong = (from ^ pattern->address) & pattern->mask;
    if (wrong == 0) {
        return from;
    }
    // Above the highest fixed bit that is wrong, everything may stay as it is; below it, the
    // varying bits begin at 0. When that bit has to become 0, the varying bits above it count on.
    uint64_t highest = UINT64_C(1) << (63 - __builtin_clzll(wrong));
    uint64_t above = varying(pattern) & ~(highest | (highest - 1));
    uint64_t kept = from & above;
    if ((pattern->address & highest) == 0) {
        kept = (kept - above) & above; // the next value of these bits
        if (kept == 0) {
            return UINT64_MAX;
        }
    }
    return pattern->address | kept;
}

static bool is_given_out(const struct efi_descriptor *descriptor) {
    return descriptor->type == EFI_CONVENTIONAL || descriptor->type == EFI_ACPI_RECLAIM ||
           (descriptor->type >= EFI_LOADER_CODE && descriptor->type <= EFI_BOOT_SERVICES_DATA);
}

static bool is_known(const struct boot_options *options, uint64_t begin, uint64_t end) {
    for (uint32_t i = 0; i < options->badram_count; i++) {
        if (options->badram[i].begin.value <= begin && end <= options->badram[i].end.value) {
            return true;
        }
    }
    return false;
}

static void add(struct boot_options *options, uint64_t begin, uint64_t end,
                struct badram_left *left) {
    if (is_known(options, begin, end)) {
        return;
    }
    if (options->badram_count < BOOT_BADRAM_MAX) {
        options->badram[options->badram_count++] = (struct boot_badram){paddr(begin), paddr(end)};
        return;
    }
    left->first = left->places == 0 ? begin : left->first;
    left->places++;
    left->pages += (end - begin) / PAGE_SIZE;
}

static void expand_within(struct boot_options *options, const struct badram_pattern *pattern,
                          uint64_t begin, uint64_t end, struct badram_left *left) {
    uint64_t bytes = badram_place_bytes(pattern);
    for (uint64_t at = badram_next(pattern, align_down(begin, bytes)); at < end;
         at = badram_next(pattern, at + bytes)) {
        add(options, at > begin ? at : begin, at + bytes < end ? at + bytes : end, left);
    }
}

struct badram_left badram_expand(struct boot_options *options, const struct badram_pattern *pattern,
                                 const struct efi_map *map) {
    struct badram_left left = {0};
    for (uint64_t i = 0; i < efi_map_count(map); i++) {
        struct efi_descriptor descriptor = efi_map_entry(map, i);
        uint64_t begin = align_down(descriptor.physical_start, PAGE_SIZE), bytes, end;
        if (!is_given_out(&descriptor) || begin >= BADRAM_PHYSICAL_LIMIT) {
            continue;
        }
        if (__builtin_mul_overflow(descriptor.pages, PAGE_SIZE, &bytes) ||
            __builtin_add_overflow(begin, bytes, &end) || end > BADRAM_PHYSICAL_LIMIT) {
            end = BADRAM_PHYSICAL_LIMIT;
        }
        expand_within(options, pattern, begin, end, &left);
    }
    return left;
}
