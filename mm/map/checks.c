// SPDX-License-Identifier: MIT
// Checks that need more than the firmware's map: tables, register windows, MTRRs.
//
// Each looks at the regions that a range touches, adds a finding where they disagree, and takes the
// disputed pages out of what is given out. A range may be anything at all: it comes from firmware.
#include "map.h"

struct page_range {
    uint64_t begin, end;
};

// The pages that [begin, end) touches, as far as an address can reach.
static struct page_range pages_of(uint64_t begin, uint64_t end) {
    uint64_t top = UINT64_C(1) << PHYSICAL_BITS_MAX;
    return (struct page_range){align_down(begin, PAGE_SIZE),
                               end < top ? align_up(end, PAGE_SIZE) : top};
}

// The part of the first region at or above `from` that lies in `range` and whose class is in the
// set `classes`; false when there is none.
static bool next_part(const struct memmap *map, const struct page_range *range, uint64_t from,
                      uint32_t classes, struct memory_region *part) {
    for (size_t i = region_above(map, from); i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        uint64_t begin = region->begin.value > from ? region->begin.value : from;
        uint64_t end = region->end.value < range->end ? region->end.value : range->end;
        if (begin < end && (classes >> region->class & 1) != 0) {
            *part = (struct memory_region){paddr(begin), paddr(end), region->class};
            return true;
        }
    }
    return false;
}

// Changes the class of `part`; when the array has no room for the split, that of its whole region:
// keeping too much is safe.
static void take_out(struct memmap *map, const struct memory_region *part,
                     enum memory_class class) {
    if (!memmap_set_class(map, part->begin, part->end, class)) {
        const struct memory_region whole = *memmap_find(map, part->begin);
        memmap_set_class(map, whole.begin, whole.end, class);
    }
}

static uint32_t class_bit(enum memory_class class) {
    return UINT32_C(1) << class;
}

static uint32_t given_out_classes(void) {
    return class_bit(MEMORY_USABLE) | class_bit(MEMORY_BOOTSVC) | class_bit(MEMORY_LOADER) |
           class_bit(MEMORY_ACPI);
}

static void remark(struct memmap *map, enum finding_rule rule, const char *name,
                   const struct page_range *range, enum memory_class class) {
    struct finding finding = {
        .rule = rule,
        .severity = FINDING_WARNING,
        .descriptor = {FINDING_NO_DESCRIPTOR, FINDING_NO_DESCRIPTOR},
        .begin = range->begin,
        .end = range->end,
        .detail = class,
    };
    for (size_t i = 0; i + 1 < sizeof(finding.name) && name[i] != '\0'; i++) {
        finding.name[i] = name[i];
    }
    memmap_add_finding(map, &finding);
}

bool memmap_check_table(struct memmap *map, const char *name, paddr_t address, uint64_t bytes) {
    uint64_t end = bytes < UINT64_MAX - address.value ? address.value + bytes : UINT64_MAX;
    struct page_range range = pages_of(address.value, end);
    uint32_t classes = class_bit(MEMORY_USABLE) | class_bit(MEMORY_LOADER);
    struct memory_region part;
    if (bytes == 0 || !next_part(map, &range, range.begin, classes, &part)) {
        return false;
    }
    remark(map, FINDING_TABLE_IN_USABLE_MEMORY, name, &(struct page_range){address.value, end},
           part.class);
    uint64_t from = range.begin;
    while (next_part(map, &range, from, classes, &part)) {
        take_out(map, &part, MEMORY_KERNEL);
        from = part.end.value;
    }
    return true;
}

bool memmap_check_window(struct memmap *map, const char *name, paddr_t begin, paddr_t end) {
    struct page_range range = pages_of(begin.value, end.value);
    uint32_t classes = 0;
    for (enum memory_class class = 0; class < MEMORY_MMIO; class ++) {
        classes |= memory_class_is_ram(class) ? class_bit(class) : 0;
    }
    struct memory_region part;
    if (begin.value >= end.value || !next_part(map, &range, range.begin, classes, &part)) {
        return false;
    }
    remark(map, FINDING_WINDOW_IN_RAM, name, &(struct page_range){begin.value, end.value},
           part.class);
    // What the kernel stands on cannot be given up, whatever a table says.
    classes &= ~(class_bit(MEMORY_KERNEL) | class_bit(MEMORY_METADATA));
    uint64_t from = range.begin;
    while (next_part(map, &range, from, classes, &part)) {
        take_out(map, &part, MEMORY_MMIO);
        from = part.end.value;
    }
    return true;
}

bool memmap_check_uncached(struct memmap *map, paddr_t begin, paddr_t end) {
    struct page_range range = pages_of(begin.value, end.value);
    struct memory_region part;
    uint64_t from = range.begin;
    bool found = false;
    while (begin.value < end.value && next_part(map, &range, from, given_out_classes(), &part)) {
        remark(map, FINDING_RAM_UNCACHED_BY_MTRR, "",
               &(struct page_range){part.begin.value, part.end.value}, part.class);
        take_out(map, &part, MEMORY_RESERVED);
        from = part.end.value;
        found = true;
    }
    return found;
}
