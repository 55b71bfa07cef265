// SPDX-License-Identifier: MIT
// The layout of the kernel's first address space. Invariants (tests/unit/test_paging.c):
//   I1  spans are sorted, disjoint, of whole pages, below the CPU's physical width
//   I2  every byte of RAM that the map names is in a span, whatever the map's order
//   I3  a base is aligned, and what stands on it ends inside its area
#include "layout.h"

#define SCREEN_BEGIN UINT64_C(0xa0000)
#define SCREEN_END   UINT64_C(0xc0000)
#define IMAGE_AREA   (LAYOUT_IMAGE_END - LAYOUT_IMAGE)

enum coverage { COVER_NEVER, COVER_BELOW_RAM, COVER_ALWAYS };

static enum coverage coverage_of(const struct efi_descriptor *descriptor) {
    switch (descriptor->type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_SERVICES_CODE:
    case EFI_BOOT_SERVICES_DATA:
    case EFI_RUNTIME_SERVICES_CODE:
    case EFI_RUNTIME_SERVICES_DATA:
    case EFI_CONVENTIONAL:
    case EFI_ACPI_RECLAIM:
    case EFI_ACPI_NVS:
        return COVER_ALWAYS;
    case EFI_UNUSABLE:
    case EFI_MMIO:
    case EFI_MMIO_PORT_SPACE:
    case EFI_PERSISTENT:
    case EFI_UNACCEPTED:
        return COVER_NEVER;
    default:
        return (descriptor->attributes & EFI_ATTRIBUTE_WB) != 0 ? COVER_BELOW_RAM : COVER_NEVER;
    }
}

// The descriptor's whole pages, clipped to `limit`; empty when it makes no sense.
static struct layout_span span_of(const struct efi_descriptor *descriptor, bool ram,
                                  uint64_t limit) {
    uint64_t begin = align_down(descriptor->physical_start, PAGE_SIZE), bytes, end;
    if (descriptor->pages == 0 || begin >= limit) {
        return (struct layout_span){0, 0, ram};
    }
    if (__builtin_mul_overflow(descriptor->pages, PAGE_SIZE, &bytes) ||
        __builtin_add_overflow(descriptor->physical_start, bytes, &end) || end > limit) {
        end = limit;
    }
    return (struct layout_span){begin, align_up(end, PAGE_SIZE), ram};
}

// Inserts where it belongs by its begin.
static void insert(struct layout_span *spans, size_t *count, struct layout_span span) {
    if (span.begin == span.end) {
        return;
    }
    size_t at = *count;
    for (; at > 0 && spans[at - 1].begin > span.begin; at--) {
        spans[at] = spans[at - 1];
    }
    spans[at] = span;
    *count += 1;
}

static void take_type(struct layout_span *spans, size_t *count, const struct efi_map *map,
                      enum coverage coverage, uint64_t limit) {
    for (uint64_t i = 0; i < efi_map_count(map); i++) {
        struct efi_descriptor descriptor = efi_map_entry(map, i);
        if (coverage_of(&descriptor) == coverage) {
            insert(spans, count, span_of(&descriptor, coverage == COVER_ALWAYS, limit));
        }
    }
}

// Takes sorted spans: what touches or overlaps becomes one; where RAM and reserved memory overlap,
// the span that begins first keeps the common part.
static size_t merge(struct layout_span *spans, size_t count) {
    size_t merged = 0;
    for (size_t i = 0; i < count; i++) {
        struct layout_span span = spans[i];
        struct layout_span *last = merged == 0 ? NULL : &spans[merged - 1];
        if (last != NULL && span.begin <= last->end && span.ram == last->ram) {
            last->end = span.end > last->end ? span.end : last->end;
            continue;
        }
        if (last != NULL && span.begin < last->end) {
            span.begin = last->end;
        }
        if (span.begin < span.end) {
            spans[merged++] = span;
        }
    }
    return merged;
}

size_t layout_direct_spans(struct layout_span *spans, const struct efi_map *map,
                           unsigned physical_bits) {
    size_t count = 0;
    uint64_t limit = UINT64_C(1) << (physical_bits < 52 ? physical_bits : 52);
    take_type(spans, &count, map, COVER_ALWAYS, limit);
    uint64_t top = 0;
    for (size_t i = 0; i < count; i++) {
        top = spans[i].end > top ? spans[i].end : top;
    }
    take_type(spans, &count, map, COVER_BELOW_RAM, top);
    insert(spans, &count, (struct layout_span){0, SCREEN_BEGIN, true});
    insert(spans, &count, (struct layout_span){SCREEN_END, 1 * MIB, true});
    return merge(spans, count);
}

uint64_t layout_direct_base(unsigned levels, uint64_t top, bool random, uint64_t number) {
    uint64_t begin = levels == 5 ? LAYOUT_DIRECT_5_BEGIN : LAYOUT_DIRECT_4_BEGIN;
    uint64_t area = (levels == 5 ? LAYOUT_DIRECT_5_END : LAYOUT_DIRECT_4_END) - begin;
    if (top > area) {
        return 0;
    }
    uint64_t slots = (area - align_up(top, GIB)) / GIB + 1;
    return begin + (random ? number % slots : 0) * GIB;
}

uint64_t layout_image_base(uint64_t bytes, bool random, uint64_t number) {
    uint64_t slots = (IMAGE_AREA - align_up(bytes, LAYOUT_IMAGE_ALIGN)) / LAYOUT_IMAGE_ALIGN + 1;
    return LAYOUT_IMAGE + (random ? number % slots : 0) * LAYOUT_IMAGE_ALIGN;
}
