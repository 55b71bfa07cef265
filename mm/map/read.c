// SPDX-License-Identifier: MIT
// Reading the firmware's map: descriptors in, spans of whole pages with a rank out.
//
// Each descriptor is accepted, clipped or dropped here; what is wrong with it becomes a finding.
// UEFI 2.10, section 7.2.3 (descriptors), table 7.10 (what a type means after boot services).
//
// Invariants (tests/unit/test_memmap.c, tests/unit/test_memmap_corpus.c):
//   I1  a span is page-aligned, not empty, and ends at or below the CPU's limit
//   I2  a page that a given-out descriptor covers only in part is never given out
//       own_maps_give_what_they_say (made-misaligned.txt)
//   I3  a descriptor yields at most SPANS_PER_DESCRIPTOR spans
// This file never writes to the firmware's map.
#include "map.h"

#define DEFINED_ATTRIBUTES                                                                         \
    (EFI_ATTRIBUTE_UC | EFI_ATTRIBUTE_WC | EFI_ATTRIBUTE_WT | EFI_ATTRIBUTE_WB |                   \
     EFI_ATTRIBUTE_UCE | EFI_ATTRIBUTE_WP | EFI_ATTRIBUTE_RP | EFI_ATTRIBUTE_XP |                  \
     EFI_ATTRIBUTE_NV | EFI_ATTRIBUTE_MORE_RELIABLE | EFI_ATTRIBUTE_RO | EFI_ATTRIBUTE_SP |        \
     EFI_ATTRIBUTE_CPU_CRYPTO | EFI_ATTRIBUTE_HOT_PLUGGABLE | EFI_ATTRIBUTE_ISA_VALID |            \
     EFI_ATTRIBUTE_RUNTIME)

// What a type stands for, which attributes it must have and which are worth a remark.
struct type_rule {
    enum memory_class class;
    uint64_t expected, remarkable;
};

#define RAM_RULE(class)                                                                            \
    { class, EFI_ATTRIBUTE_WB, EFI_ATTRIBUTE_SP | EFI_ATTRIBUTE_RUNTIME }
#define KEPT_RULE(class)                                                                           \
    { class, 0, EFI_ATTRIBUTE_RUNTIME }

static const struct type_rule type_rules[EFI_TYPE_COUNT_] = {
    [EFI_RESERVED] = KEPT_RULE(MEMORY_RESERVED),
    [EFI_LOADER_CODE] = RAM_RULE(MEMORY_LOADER),
    [EFI_LOADER_DATA] = RAM_RULE(MEMORY_LOADER),
    [EFI_BOOT_SERVICES_CODE] = RAM_RULE(MEMORY_BOOTSVC),
    [EFI_BOOT_SERVICES_DATA] = RAM_RULE(MEMORY_BOOTSVC),
    [EFI_RUNTIME_SERVICES_CODE] = {MEMORY_RUNTIME, EFI_ATTRIBUTE_RUNTIME, 0},
    [EFI_RUNTIME_SERVICES_DATA] = {MEMORY_RUNTIME, EFI_ATTRIBUTE_RUNTIME, 0},
    [EFI_CONVENTIONAL] = RAM_RULE(MEMORY_USABLE),
    [EFI_UNUSABLE] = KEPT_RULE(MEMORY_BAD),
    [EFI_ACPI_RECLAIM] = RAM_RULE(MEMORY_ACPI),
    [EFI_ACPI_NVS] = KEPT_RULE(MEMORY_NVS),
    // Runtime services drive devices: RUNTIME is how their registers come into the map at all.
    [EFI_MMIO] = {MEMORY_MMIO, 0, 0},
    [EFI_MMIO_PORT_SPACE] = {MEMORY_MMIO, 0, 0},
    [EFI_PAL_CODE] = {MEMORY_RESERVED, 0, 0},
    [EFI_PERSISTENT] = KEPT_RULE(MEMORY_PMEM),
    [EFI_UNACCEPTED] = KEPT_RULE(MEMORY_UNACCEPTED),
};

static const struct type_rule unknown_type_rule = KEPT_RULE(MEMORY_RESERVED);

static const struct type_rule *rule_of(uint32_t type) {
    return type < EFI_TYPE_COUNT_ ? &type_rules[type] : &unknown_type_rule;
}

uint64_t physical_limit(unsigned bits) {
    bool known = bits >= PAGE_SHIFT && bits <= PHYSICAL_BITS_MAX;
    return UINT64_C(1) << (known ? bits : PHYSICAL_BITS_MAX);
}

enum memory_class descriptor_class(const struct efi_descriptor *entry, bool special_use) {
    enum memory_class class = rule_of(entry->type)->class;
    if (class_is_given_out(class)) {
        if ((entry->attributes & EFI_ATTRIBUTE_WB) == 0) {
            class = MEMORY_RESERVED;
        } else if ((entry->attributes & EFI_ATTRIBUTE_SP) != 0 && !special_use) {
            class = MEMORY_SPECIAL;
        }
    }
    if ((entry->attributes & EFI_ATTRIBUTE_RUNTIME) != 0 && class < MEMORY_RUNTIME) {
        class = MEMORY_RUNTIME;
    }
    return class;
}

// Bits that no specification defines. The ISA bits mean something only beside ISA_VALID.
static uint64_t undefined_attributes(uint64_t attributes) {
    uint64_t defined = DEFINED_ATTRIBUTES;
    if ((attributes & EFI_ATTRIBUTE_ISA_VALID) != 0) {
        defined |= EFI_ATTRIBUTE_ISA_MASK;
    }
    return attributes & ~defined;
}

struct reader {
    struct memmap *map;
    const struct memmap_input *input;
    uint64_t limit;
    unsigned bits;
    struct span *spans;
    size_t span_count;
    // The descriptor being read, and its bytes as far as they were accepted.
    struct efi_descriptor entry;
    uint32_t index;
    uint64_t begin, end;
    enum memory_class class;
    // How the map's order goes.
    uint64_t previous_start;
    uint32_t previous, unsorted, unsorted_count;
};

static void remark(struct reader *r, enum finding_rule rule, enum finding_severity severity,
                   uint64_t detail) {
    struct finding finding = {
        .rule = rule,
        .severity = severity,
        .descriptor = {r->index, FINDING_NO_DESCRIPTOR},
        .begin = r->begin,
        .end = r->end,
        .detail = detail,
    };
    memmap_add_finding(r->map, &finding);
}

// What the type and the attributes give occasion to say.
static void remark_on_kind(struct reader *r) {
    const struct type_rule *rule = rule_of(r->entry.type);
    uint64_t attributes = r->entry.attributes;
    if (r->entry.type >= EFI_TYPE_COUNT_) {
        remark(r, FINDING_UNKNOWN_TYPE, FINDING_WARNING, r->entry.type);
    }
    if (undefined_attributes(attributes) != 0) {
        remark(r, FINDING_UNDEFINED_ATTRIBUTES, FINDING_NOTE, undefined_attributes(attributes));
    }
    uint64_t missing = rule->expected & ~attributes;
    if ((missing & EFI_ATTRIBUTE_WB) != 0) {
        remark(r, FINDING_RAM_WITHOUT_WB, FINDING_WARNING, attributes);
    }
    if ((missing & EFI_ATTRIBUTE_RUNTIME) != 0) {
        remark(r, FINDING_RUNTIME_TYPE_WITHOUT_ATTRIBUTE, FINDING_WARNING, r->entry.type);
    }
    uint64_t present = rule->remarkable & attributes;
    if ((present & EFI_ATTRIBUTE_RUNTIME) != 0) {
        bool ram = memory_class_is_ram(rule->class);
        remark(r, FINDING_RUNTIME_ATTRIBUTE_ON_OTHER_TYPE, ram ? FINDING_WARNING : FINDING_NOTE,
               (uint64_t)r->class << 32 | r->entry.type);
    }
    if ((present & EFI_ATTRIBUTE_SP) != 0) {
        remark(r, FINDING_SPECIAL_PURPOSE, FINDING_NOTE, r->class);
    }
    if (r->class == MEMORY_UNACCEPTED) {
        remark(r, FINDING_UNACCEPTED, FINDING_WARNING, 0);
    }
}

// Whether remark_on_kind has anything to say; nearly always not.
static bool kind_is_remarkable(const struct reader *r) {
    const struct type_rule *rule = rule_of(r->entry.type);
    uint64_t attributes = r->entry.attributes;
    uint64_t remarkable = (rule->expected & ~attributes) | (rule->remarkable & attributes) |
                          undefined_attributes(attributes);
    return remarkable != 0 || r->entry.type >= EFI_UNACCEPTED;
}

// Finds out which bytes the descriptor stands for. False when it was dropped.
static bool accept(struct reader *r) {
    uint64_t start = r->entry.physical_start;
    r->begin = r->end = start;
    if (r->entry.pages == 0) {
        remark(r, FINDING_ZERO_LENGTH, FINDING_NOTE, r->entry.type);
        return false;
    }
    // Pages from `start` to the top of the address space; a length beyond it cannot be believed.
    uint64_t room = (UINT64_MAX - start) / PAGE_SIZE + (start % PAGE_SIZE == 0 ? 1 : 0);
    if (r->entry.pages > room) {
        r->end = UINT64_MAX;
        remark(r, FINDING_WRAPS, FINDING_ERROR, r->entry.pages);
        return false;
    }
    uint64_t last = start + (r->entry.pages * PAGE_SIZE - 1);
    if (last >= r->limit) {
        r->end = last; // one past it may be 2^64
        remark(r, FINDING_BEYOND_PHYSICAL_WIDTH, FINDING_WARNING, r->bits);
        r->end = r->limit;
        return start < r->limit;
    }
    r->end = last + 1;
    return true;
}

static void watch_order(struct reader *r) {
    if (r->entry.physical_start < r->previous_start && r->unsorted_count++ == 0) {
        struct finding finding = {
            .rule = FINDING_UNSORTED,
            .severity = FINDING_NOTE,
            .descriptor = {r->index, r->previous},
            .begin = r->entry.physical_start,
            .end = r->previous_start,
        };
        r->unsorted = (uint32_t)r->map->finding_count;
        memmap_add_finding(r->map, &finding);
    }
    r->previous_start = r->entry.physical_start;
    r->previous = r->index;
}

static void add_span(struct reader *r, uint64_t begin, uint64_t end, enum memory_class class,
                     uint32_t descriptor) {
    if (begin < end) {
        r->spans[r->span_count++] = (struct span){begin, end, rank_of(class, false), descriptor};
    }
}

// Cuts the accepted bytes into whole pages:
//
//        | page | page | page | page |       usable                 inner pages
//           [ descriptor  )                  reclaimable            inner pages, edges reserved
//        outer  | inner|      outer          kept                   outer pages
static void cut_into_pages(struct reader *r) {
    uint64_t outer_begin = align_down(r->begin, PAGE_SIZE);
    uint64_t outer_end = align_up(r->end, PAGE_SIZE);
    if (outer_begin == r->begin && outer_end == r->end) {
        add_span(r, r->begin, r->end, r->class, r->index);
        return;
    }
    remark(r, FINDING_MISALIGNED, FINDING_WARNING, r->class);
    if (!class_is_given_out(r->class)) {
        add_span(r, outer_begin, outer_end, r->class, r->index);
        return;
    }
    uint64_t inner_begin = align_up(r->begin, PAGE_SIZE);
    uint64_t inner_end = align_down(r->end, PAGE_SIZE);
    add_span(r, inner_begin, inner_end, r->class, r->index);
    if (r->class != MEMORY_USABLE) {
        add_span(r, outer_begin, inner_begin, MEMORY_RESERVED, FINDING_NO_DESCRIPTOR);
        add_span(r, inner_end, outer_end, MEMORY_RESERVED, FINDING_NO_DESCRIPTOR);
    }
}

static void read_descriptor(struct reader *r) {
    if (!accept(r)) {
        return;
    }
    watch_order(r);
    r->class = descriptor_class(&r->entry, r->input->special_use);
    if (kind_is_remarkable(r)) {
        remark_on_kind(r);
    }
    cut_into_pages(r);
}

size_t span_read(struct memmap *map, const struct memmap_input *input, struct span *spans) {
    uint64_t limit = physical_limit(input->physical_bits);
    struct reader r = {
        .map = map,
        .input = input,
        .limit = limit,
        .bits = (unsigned)__builtin_ctzll(limit),
        .spans = spans,
    };
    uint32_t count = (uint32_t)efi_map_count(&input->map);
    for (r.index = 0; r.index < count; r.index++) {
        r.entry = efi_map_entry(&input->map, r.index);
        read_descriptor(&r);
    }
    if (r.unsorted_count != 0 && r.unsorted < map->finding_count) {
        map->findings[r.unsorted].detail = r.unsorted_count;
    }
    return r.span_count;
}
