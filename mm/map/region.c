// SPDX-License-Identifier: MIT
// The converted map: finding a region, changing a part of one, checking all of them.
//
// Invariants (memmap_check names the one that is broken, the_check_names_what_is_broken; it is
// called after every step of changes_equal_an_array_of_pages, tests/unit/test_memmap_random.c):
//   I1  regions are sorted, disjoint, page-aligned and not empty
//   I2  neighbours that touch differ in class
//   I3  class_bytes is the sum of the regions of each class; together they are described_bytes
//   I4  nothing below 1 MiB is or will be given out
#include "map.h"

#include <string.h>

static const char *const class_names[MEMORY_CLASS_COUNT_] = {
    [MEMORY_USABLE] = "usable",     [MEMORY_BOOTSVC] = "bootsvc",
    [MEMORY_LOADER] = "loader",     [MEMORY_ACPI] = "acpi",
    [MEMORY_SPECIAL] = "special",   [MEMORY_UNACCEPTED] = "unaccepted",
    [MEMORY_PMEM] = "pmem",         [MEMORY_LOW] = "low",
    [MEMORY_METADATA] = "metadata", [MEMORY_KERNEL] = "kernel",
    [MEMORY_NVS] = "nvs",           [MEMORY_RUNTIME] = "runtime",
    [MEMORY_RESERVED] = "reserved", [MEMORY_MMIO] = "mmio",
    [MEMORY_BAD] = "bad",
};

const char *memory_class_name(enum memory_class class) {
    return class < MEMORY_CLASS_COUNT_ ? class_names[class] : "?";
}

bool memory_class_is_ram(enum memory_class class) {
    return class != MEMORY_PMEM && class != MEMORY_RESERVED && class != MEMORY_MMIO;
}

size_t region_above(const struct memmap *map, uint64_t address) {
    size_t low = 0;
    size_t high = map->region_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->regions[middle].end.value <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct memory_region *memmap_find(const struct memmap *map, paddr_t address) {
    size_t index = region_above(map, address.value);
    bool inside = index < map->region_count && map->regions[index].begin.value <= address.value;
    return inside ? &map->regions[index] : NULL;
}

paddr_t memmap_ram_end(const struct memmap *map) {
    for (size_t i = map->region_count; i > 0; i--) {
        const struct memory_region *region = &map->regions[i - 1];
        if (memory_class_is_ram(region->class) && region->class != MEMORY_BAD) {
            return region->end;
        }
    }
    return paddr(0);
}

// Puts `count` regions in the place of those from `first` up to `last`. False when there is no
// room.
static bool replace(struct memmap *map, size_t first, size_t last,
                    const struct memory_region *regions, size_t count) {
    size_t total = map->region_count - (last - first) + count;
    if (total > map->region_capacity) {
        return false;
    }
    memmove(map->regions + first + count, map->regions + last,
            (map->region_count - last) * sizeof(*regions));
    memcpy(map->regions + first, regions, count * sizeof(*regions));
    map->region_count = total;
    return true;
}

// Splits region `index` into what lies before [begin, end), that itself with its new class, and
// what lies after it; a piece that touches a neighbour of its class takes the neighbour in.
static bool split(struct memmap *map, size_t index, paddr_t begin, paddr_t end,
                  enum memory_class class) {
    struct memory_region old = map->regions[index];
    struct memory_region pieces[3];
    size_t first = index;
    size_t last = index + 1;
    size_t count = 0;
    struct memory_region changed = {begin, end, class};
    if (old.begin.value < begin.value) {
        pieces[count++] = (struct memory_region){old.begin, begin, old.class};
    } else if (index > 0) {
        const struct memory_region *before = &map->regions[index - 1];
        if (before->end.value == begin.value && before->class == class) {
            changed.begin = before->begin;
            first--;
        }
    }
    size_t middle = count++;
    if (end.value < old.end.value) {
        pieces[count++] = (struct memory_region){end, old.end, old.class};
    } else if (last < map->region_count) {
        const struct memory_region *after = &map->regions[last];
        if (after->begin.value == end.value && after->class == class) {
            changed.end = after->end;
            last++;
        }
    }
    pieces[middle] = changed;
    return replace(map, first, last, pieces, count);
}

bool memmap_set_class(struct memmap *map, paddr_t begin, paddr_t end, enum memory_class class) {
    size_t index = region_above(map, begin.value);
    if (class >= MEMORY_CLASS_COUNT_ || begin.value >= end.value ||
        (begin.value | end.value) % PAGE_SIZE != 0 || index == map->region_count) {
        return false;
    }
    const struct memory_region *region = &map->regions[index];
    if (begin.value < region->begin.value || end.value > region->end.value ||
        (begin.value < LOW_MEMORY_END && class_is_given_out(class))) {
        return false;
    }
    enum memory_class old = region->class;
    if (old == class) {
        return true;
    }
    if (!split(map, index, begin, end, class)) {
        return false;
    }
    map->class_bytes[old] -= end.value - begin.value;
    map->class_bytes[class] += end.value - begin.value;
    return true;
}

static const char *check_region(const struct memory_region *region) {
    if (region->class >= MEMORY_CLASS_COUNT_) {
        return "a region's class does not exist";
    }
    if (region->begin.value >= region->end.value) {
        return "a region is empty";
    }
    if ((region->begin.value | region->end.value) % PAGE_SIZE != 0) {
        return "a region is not page-aligned";
    }
    if (region->begin.value < LOW_MEMORY_END && class_is_given_out(region->class)) {
        return "memory below 1 MiB would be given out";
    }
    return NULL;
}

static const char *check_order(const struct memory_region *region,
                               const struct memory_region *next) {
    if (region->end.value > next->begin.value) {
        return "regions overlap or are not sorted";
    }
    if (region->end.value == next->begin.value && region->class == next->class) {
        return "two neighbouring regions of one class are not merged";
    }
    return NULL;
}

static const char *check_bytes(const struct memmap *map, const uint64_t *bytes) {
    uint64_t total = 0;
    for (unsigned class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        if (bytes[class] != map->class_bytes[class]) {
            return "the bytes of a class are not those of its regions";
        }
        total += bytes[class];
    }
    return total == map->described_bytes
               ? NULL
               : "the bytes of all classes are not the bytes that were described";
}

const char *memmap_check(const struct memmap *map) {
    uint64_t bytes[MEMORY_CLASS_COUNT_] = {0};
    if (map->region_count > map->region_capacity || map->finding_count > map->finding_capacity) {
        return "an array is fuller than it can be";
    }
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        const char *wrong = check_region(region);
        if (wrong == NULL && i + 1 < map->region_count) {
            wrong = check_order(region, region + 1);
        }
        if (wrong != NULL) {
            return wrong;
        }
        bytes[region->class] += region->end.value - region->begin.value;
    }
    return check_bytes(map, bytes);
}
