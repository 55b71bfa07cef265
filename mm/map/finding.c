// SPDX-License-Identifier: MIT
// Findings: their names, and the bounded list that they are kept in.
#include "map.h"

static const char *const rule_names[FINDING_RULE_COUNT_] = {
    [FINDING_BAD_STRIDE] = "bad-stride",
    [FINDING_TRAILING_BYTES] = "trailing-bytes",
    [FINDING_EMPTY_MAP] = "empty-map",
    [FINDING_ZERO_LENGTH] = "zero-length",
    [FINDING_WRAPS] = "wraps",
    [FINDING_MISALIGNED] = "misaligned",
    [FINDING_BEYOND_PHYSICAL_WIDTH] = "beyond-physical-width",
    [FINDING_UNSORTED] = "unsorted",
    [FINDING_OVERLAP] = "overlap",
    [FINDING_DUPLICATE] = "duplicate",
    [FINDING_RUNTIME_TYPE_WITHOUT_ATTRIBUTE] = "runtime-type-without-attribute",
    [FINDING_RUNTIME_ATTRIBUTE_ON_OTHER_TYPE] = "runtime-attribute-on-other-type",
    [FINDING_RAM_WITHOUT_WB] = "ram-without-wb",
    [FINDING_RAM_UNCACHED_BY_MTRR] = "ram-uncached-by-mtrr",
    [FINDING_SPECIAL_PURPOSE] = "special-purpose",
    [FINDING_UNACCEPTED] = "unaccepted",
    [FINDING_UNKNOWN_TYPE] = "unknown-type",
    [FINDING_UNDEFINED_ATTRIBUTES] = "undefined-attributes",
    [FINDING_TABLE_IN_USABLE_MEMORY] = "table-in-usable-memory",
    [FINDING_BAD_ATTRIBUTES_TABLE] = "bad-attributes-table",
    [FINDING_ATTRIBUTES_ENTRY_OUTSIDE] = "attributes-entry-outside",
    [FINDING_BAD_CHECKSUM] = "bad-checksum",
    [FINDING_BAD_TABLE] = "bad-table",
    [FINDING_WINDOW_IN_RAM] = "window-in-ram",
    [FINDING_RAM_OUTSIDE_NODES] = "ram-outside-nodes",
    [FINDING_NODE_OUTSIDE_RAM] = "node-outside-ram",
    [FINDING_MEMORY_SIZE] = "memory-size",
};

static const char *const severity_names[] = {
    [FINDING_NOTE] = "note",
    [FINDING_WARNING] = "warning",
    [FINDING_ERROR] = "error",
};

const char *finding_rule_name(enum finding_rule rule) {
    return rule < FINDING_RULE_COUNT_ ? rule_names[rule] : "?";
}

const char *finding_severity_name(enum finding_severity severity) {
    return severity <= FINDING_ERROR ? severity_names[severity] : "?";
}

void memmap_add_finding(struct memmap *map, const struct finding *finding) {
    if (map->finding_count < map->finding_capacity) {
        map->findings[map->finding_count++] = *finding;
    } else {
        map->findings_dropped++;
    }
}
