// SPDX-License-Identifier: MIT
// The map against what else firmware says about memory: which ranges the nodes of a NUMA machine
// have (ACPI's SRAT), how much is installed (SMBIOS). Nothing but findings comes of it: the map is
// what is believed.
//
// What firmware keeps for itself, for system management or for a graphics device, is reserved in
// some maps and in no map at all on other machines; so less RAM than promised is remarkable only
// when much is missing. RAM that nothing promised always is.
//
//   C1  RAM above 1 MiB is in a node's range or in a finding          every_page_is_judged
//   C2  the regions stay as they are                                  every_page_is_judged
#include "map.h"

#define USUAL_MIN (64 * MIB) // what may be missing of little memory, and of much
#define USUAL_MAX GIB

static uint64_t usual_loss(uint64_t bytes) {
    uint64_t part = bytes / 8;
    return part < USUAL_MIN ? USUAL_MIN : part > USUAL_MAX ? USUAL_MAX : part;
}

// Memory of these classes is RAM beyond doubt. (Runtime services may live in flash, bad ranges are
// claimed by people, special-purpose memory may be a device's.)
static bool surely_ram(enum memory_class class) {
    return class_is_given_out(class) || class == MEMORY_METADATA || class == MEMORY_KERNEL;
}

static void remark(struct memmap *map, enum finding_rule rule, enum finding_severity severity,
                   uint64_t begin, uint64_t end, uint64_t detail) {
    const struct finding finding = {
        .rule = rule,
        .severity = severity,
        .descriptor = {FINDING_NO_DESCRIPTOR, FINDING_NO_DESCRIPTOR},
        .begin = begin,
        .end = end,
        .detail = detail,
    };
    memmap_add_finding(map, &finding);
}

static void sort(struct memmap_node_range *ranges, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct memmap_node_range moving = ranges[i];
        size_t at = i;
        for (; at > 0 && ranges[at - 1].begin > moving.begin; at--) {
            ranges[at] = ranges[at - 1];
        }
        ranges[at] = moving;
    }
}

// A piece of RAM that no range covers, growing while its neighbours are none either.
struct stray {
    uint64_t begin, end;
};

static void flush_stray(struct memmap *map, const struct stray *stray) {
    if (stray->begin < stray->end) {
        remark(map, FINDING_RAM_OUTSIDE_NODES, FINDING_WARNING, stray->begin, stray->end, 0);
    }
}

static void check_ram(struct memmap *map, const struct memmap_node_range *ranges, size_t count) {
    struct stray stray = {0, 0};
    size_t next = 0;
    uint64_t covered = 0;
    for (size_t i = region_above(map, LOW_MEMORY_END); i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        uint64_t end = surely_ram(region->class) ? region->end.value : 0;
        uint64_t begin = region->begin.value;
        begin = begin < LOW_MEMORY_END ? LOW_MEMORY_END : begin;
        for (uint64_t at = begin, stop; at < end; at = stop) {
            for (; next < count && ranges[next].begin <= at; next++) {
                covered = ranges[next].end > covered ? ranges[next].end : covered;
            }
            if (covered > at) {
                stop = covered < end ? covered : end;
                continue;
            }
            stop = next < count && ranges[next].begin < end ? ranges[next].begin : end;
            if (stray.end != at) {
                flush_stray(map, &stray);
                stray.begin = at;
            }
            stray.end = stop;
        }
    }
    flush_stray(map, &stray);
}

// What the map says from `at` on: a class, MEMORY_CLASS_COUNT_ for nothing, and how far, at most to
// `end`.
static enum memory_class class_until(const struct memmap *map, uint64_t at, uint64_t end,
                                     uint64_t *until) {
    size_t i = region_above(map, at);
    enum memory_class class = MEMORY_CLASS_COUNT_;
    *until = end;
    if (i < map->region_count) {
        const struct memory_region *region = &map->regions[i];
        bool inside = region->begin.value <= at;
        uint64_t edge = inside ? region->end.value : region->begin.value;
        class = inside ? region->class : class;
        *until = edge < end ? edge : end;
    }
    return class;
}

static bool counts_as_ram(enum memory_class class) {
    return class != MEMORY_CLASS_COUNT_ && memory_class_is_ram(class);
}

static bool holds_ram(const struct memmap *map, uint64_t begin, uint64_t end) {
    for (uint64_t at = begin, until; at < end; at = until) {
        if (counts_as_ram(class_until(map, at, end, &until))) {
            return true;
        }
    }
    return false;
}

static void check_range(struct memmap *map, const struct memmap_node_range *range) {
    uint64_t begin = range->begin < LOW_MEMORY_END ? LOW_MEMORY_END : range->begin, until;
    if (begin >= range->end) {
        return;
    }
    uint64_t usual = holds_ram(map, begin, range->end) ? usual_loss(range->end - begin) : 0;
    for (uint64_t at = begin; at < range->end; at = until) {
        enum memory_class class = class_until(map, at, range->end, &until);
        if (!counts_as_ram(class) && until - at > usual) {
            remark(map, FINDING_NODE_OUTSIDE_RAM, FINDING_WARNING, at, until,
                   (uint64_t) class << 32 | range->node);
        }
    }
}

void memmap_check_nodes(struct memmap *map, struct memmap_node_range *ranges, size_t count,
                        bool complete) {
    if (count == 0) {
        return;
    }
    sort(ranges, count);
    if (complete) {
        check_ram(map, ranges, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].present) {
            check_range(map, &ranges[i]);
        }
    }
}

void memmap_check_installed(struct memmap *map, uint64_t installed, uint64_t mapped) {
    uint64_t least = map->class_bytes[MEMORY_LOW] + map->class_bytes[MEMORY_NVS];
    uint64_t most = map->class_bytes[MEMORY_RESERVED];
    for (enum memory_class class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        least += surely_ram(class) ? map->class_bytes[class] : 0;
        most += memory_class_is_ram(class) ? map->class_bytes[class] : 0;
    }
    if (installed == 0) {
        return;
    }
    if (least > installed) {
        remark(map, FINDING_MEMORY_SIZE, FINDING_WARNING, installed, least, MEMORY_SIZE_TOO_MUCH);
    } else if (installed > most && installed - most > usual_loss(installed)) {
        remark(map, FINDING_MEMORY_SIZE, FINDING_NOTE, installed, most, MEMORY_SIZE_MISSING);
    }
    if (mapped > installed) {
        remark(map, FINDING_MEMORY_SIZE, FINDING_NOTE, installed, mapped, MEMORY_SIZE_CONTRADICTS);
    }
}
