// SPDX-License-Identifier: MIT
// Areas and their names. Invariants (tests/unit/test_kernel_layout.c):
//   L1  areas are sorted, disjoint and inside the bounds of strata/layout.h, whatever the seed
//   L2  without a seed every window begins where its area does
#include <paging/layout.h>

const char *layout_area_name(enum layout_area area) {
    static const char *const names[LAYOUT_AREA_COUNT_] = {
        "user space", "direct map",  "vmalloc",          "mmio",
        "stacks",     "kernel code", "kernel constants", "kernel data",
    };
    return area < LAYOUT_AREA_COUNT_ ? names[area] : "no area";
}

// The next number of a sequence (SplitMix64: Steele, Lea, Flood, OOPSLA 2014); 0 for ever when the
// seed is 0.
static uint64_t next_number(uint64_t *seed) {
    if (*seed == 0) {
        return 0;
    }
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void place_window(struct layout *layout, enum layout_area area, uint64_t begin, uint64_t end,
                         uint64_t number) {
    uint64_t slots = (end - begin - LAYOUT_WINDOW_BYTES) / (2 * MIB) + 1;
    uint64_t at = begin + number % slots * (2 * MIB);
    layout->areas[area].begin = vaddr(at);
    layout->areas[area].end = vaddr(at + LAYOUT_WINDOW_BYTES);
}

static void place(struct layout *layout, enum layout_area area, uint64_t begin, uint64_t end) {
    layout->areas[area].begin = vaddr(begin);
    layout->areas[area].end = vaddr(end);
}

void layout_init(struct layout *layout, const struct boot_info *info, uint64_t physical_end,
                 struct layout_image image) {
    layout->levels = info->paging_levels;
    uint64_t seed = info->random_seed, at = info->kernel_virtual.value;
    place(layout, LAYOUT_AREA_USER, LAYOUT_USER_BEGIN, LAYOUT_USER_END);
    place(layout, LAYOUT_AREA_DIRECT, info->direct_map.value,
          info->direct_map.value + physical_end);
    place_window(layout, LAYOUT_AREA_VMALLOC, LAYOUT_VMALLOC_BEGIN, LAYOUT_VMALLOC_END,
                 next_number(&seed));
    place_window(layout, LAYOUT_AREA_MMIO, LAYOUT_MMIO_BEGIN, LAYOUT_MMIO_END, next_number(&seed));
    place_window(layout, LAYOUT_AREA_STACKS, LAYOUT_STACKS_BEGIN, LAYOUT_STACKS_END,
                 next_number(&seed));
    place(layout, LAYOUT_AREA_TEXT, at, at + image.text_end);
    place(layout, LAYOUT_AREA_RODATA, at + image.text_end, at + image.rodata_end);
    place(layout, LAYOUT_AREA_DATA, at + image.rodata_end, at + image.data_end);
}

enum layout_area layout_find(const struct layout *layout, vaddr_t address) {
    unsigned area = 0;
    while (area < LAYOUT_AREA_COUNT_ && (address.value < layout->areas[area].begin.value ||
                                         address.value >= layout->areas[area].end.value)) {
        area++;
    }
    return (enum layout_area)area;
}

// How far the address is from the areas around it, the nearer one.
static void describe_gap(struct text *out, const struct layout *layout, uint64_t address) {
    uint64_t least = UINT64_MAX;
    unsigned nearest = 0;
    bool above = false;
    for (unsigned area = 0; area < LAYOUT_AREA_COUNT_; area++) {
        uint64_t begin = layout->areas[area].begin.value, end = layout->areas[area].end.value;
        uint64_t distance = address < begin ? begin - address : address - end;
        if (distance < least) {
            least = distance;
            nearest = area;
            above = address >= end;
        }
    }
    text_puts(out, "no area, ");
    if (least < MIB) {
        text_printf(out, "0x%lx bytes", least);
    } else {
        text_size(out, least);
    }
    text_printf(out, " %s %s", above ? "above" : "below",
                layout_area_name((enum layout_area)nearest));
}

void layout_describe(struct text *out, const struct layout *layout, vaddr_t address) {
    enum layout_area area = layout_find(layout, address);
    if (address.value < PAGE_SIZE) {
        text_puts(out, "page 0, never mapped");
    } else if (!layout_canonical(address, layout->levels)) {
        text_puts(out, "not a canonical address");
    } else if (area == LAYOUT_AREA_COUNT_) {
        describe_gap(out, layout, address.value);
    } else {
        text_puts(out, layout_area_name(area));
    }
    if (area == LAYOUT_AREA_DIRECT) {
        text_printf(out, ", physical 0x%lx",
                    address.value - layout->areas[LAYOUT_AREA_DIRECT].begin.value);
    }
}

void layout_report(struct text *out, const struct layout *layout) {
    text_puts(out, "layout of the address space\n");
    for (unsigned area = 0; area < LAYOUT_AREA_COUNT_; area++) {
        uint64_t begin = layout->areas[area].begin.value, end = layout->areas[area].end.value;
        text_printf(out, "  [0x%016lx, 0x%016lx)  %-17s ", begin, end,
                    layout_area_name((enum layout_area)area));
        text_size(out, end - begin);
        text_puts(out, "\n");
    }
}

void layout_records(struct text *out, const struct layout *layout) {
    for (unsigned area = 0; area < LAYOUT_AREA_COUNT_; area++) {
        text_printf(out,
                    "{\"record\":\"layout\",\"area\":\"%s\",\"start\":\"0x%lx\","
                    "\"end\":\"0x%lx\"}\n",
                    layout_area_name((enum layout_area)area), layout->areas[area].begin.value,
                    layout->areas[area].end.value);
    }
}
