// SPDX-License-Identifier: MIT
// The address space of the running kernel, area by area: strata/layout.h with this boot's addresses
// filled in.
#pragma once

#include <strata/boot.h>
#include <strata/layout.h>
#include <strata/text.h>

enum layout_area {
    LAYOUT_AREA_USER,
    LAYOUT_AREA_DIRECT,
    LAYOUT_AREA_VMALLOC,
    LAYOUT_AREA_MMIO,
    LAYOUT_AREA_STACKS,
    LAYOUT_AREA_TEXT,
    LAYOUT_AREA_RODATA,
    LAYOUT_AREA_DATA,
    LAYOUT_AREA_COUNT_,
};

// "user space", "direct map", "vmalloc", …: stable, used in records.
const char *layout_area_name(enum layout_area area);

struct layout {
    unsigned levels; // of the page tables
    struct {
        vaddr_t begin, end;
    } areas[LAYOUT_AREA_COUNT_]; // what is used of each: sorted, disjoint
};

// Where the image's segments begin and end, as offsets into it: page-aligned.
struct layout_image {
    uint64_t text_end, rodata_end, data_end;
};

// From the contract; `physical_end` is where the direct map ends. The windows are placed by its
// seed. Pure, as all here: tests/unit/test_kernel_layout.c.
void layout_init(struct layout *layout, const struct boot_info *info, uint64_t physical_end,
                 struct layout_image image);

// The area that `address` lies in; LAYOUT_AREA_COUNT_ when in none.
enum layout_area layout_find(const struct layout *layout, vaddr_t address);

// Writes where `address` lies, in words for the middle of a line: "direct map, physical 0x1000";
// "no area, 4 KiB below vmalloc".
void layout_describe(struct text *out, const struct layout *layout, vaddr_t address);

// A table of the areas, and the same as records:
//   {"record":"layout","area":"direct map","start":"0x…","end":"0x…"}
void layout_report(struct text *out, const struct layout *layout);
void layout_records(struct text *out, const struct layout *layout);
