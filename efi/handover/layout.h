// SPDX-License-Identifier: MIT
// Where things go in the kernel's address space (strata/layout.h has the areas), and what of
// physical memory the direct map covers.
//
// Without kaslr the direct map and the image begin where their areas do. With it the direct map
// begins at a random multiple of 1 GiB in its area, the image at a random multiple of 2 MiB in its.
#pragma once

#include <strata/efi.h>
#include <strata/layout.h>

// [begin, end) of physical memory, whole pages.
struct layout_span {
    uint64_t begin, end;
    bool ram; // else reserved, and perhaps of another cache type
};

// The physical memory that the direct map covers, from the firmware's map: sorted, disjoint, merged
// where they touch; but RAM and reserved memory stay apart, so that no large page spans both.
//   - RAM, whatever it is used for, ACPI and runtime memory; whether it is free does not matter, so
//     the answer stays the same when the firmware's allocations change.
//   - Reserved and unknown types where they can be cached and lie below the end of RAM: tables that
//     the kernel must read have been found there.
//   - The first MiB but for the window of the screen: tables are found there that no map names.
//   - Not MMIO, unusable, unaccepted or persistent memory; nothing that the CPU cannot address.
// `spans` has room for efi_map_count + 2. Returns how many there are.  O(n^2) at
// worst, O(n) for a map that is nearly sorted.
size_t layout_direct_spans(struct layout_span *spans, const struct efi_map *map,
                           unsigned physical_bits);

// The base of the direct map for physical memory up to `top`; 0 when there is no room for as much.
uint64_t layout_direct_base(unsigned levels, uint64_t top, bool random, uint64_t number);

// The virtual address for an image of `bytes`, which fits the area.
uint64_t layout_image_base(uint64_t bytes, bool random, uint64_t number);
