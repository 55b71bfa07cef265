// SPDX-License-Identifier: MIT
// Patterns of bad memory: an address and a mask, as GRUB's badram and memory testers name them. Bad
// is each address that equals the pattern's in the bits that the mask has set.
//
//    address 0x3000, mask …ffff7000        x…x = any value
//        bits 63 … 15  14 … 12  11 … 0      0x3000-0x4000 and 0xb000-0xc000
//              fixed,x at 15    fixed  x
//
// A chip or a line that fails is bad at many places, 2^n of them for n bits that are not fixed
// above the lowest fixed one. Only those in RAM matter, so a pattern is kept as it is until the
// firmware's map is known. Pure.
#pragma once

#include <strata/boot.h>

#define BADRAM_PHYSICAL_LIMIT (UINT64_C(1) << 52) // no CPU addresses more

struct badram_pattern {
    uint64_t address, mask; // whole pages: the lowest 12 bits are 0; the address has no other bits
};

// The pattern that a person's pair of numbers means. A pair of at most 32 bits each says nothing
// about the bits above: they are 0, as memory testers for 32 bits have it (and memtest86.com's
// page on GRUB_BADRAM: 0x7ddf0000,0xffffc000 is 16 KiB).
struct badram_pattern badram_pattern(uint64_t address, uint64_t mask);

// How many bytes each of its places has; a power of two, at least a page.
uint64_t badram_place_bytes(const struct badram_pattern *pattern);

// Whether it has a single place.
bool badram_is_range(const struct badram_pattern *pattern);

// The first of its places that begins at or above `from`; UINT64_MAX when there is none.  O(1).
uint64_t badram_next(const struct badram_pattern *pattern, uint64_t from);

// What did not fit.
struct badram_left {
    uint64_t places, pages;
    uint64_t first; // address of the first of them
};

// Adds the parts of RAM that the pattern names to the options' ranges, as long as there is room.
// RAM is what is ever given out: memory of the firmware's own is not touched anyhow. Returns what
// did not fit.  O(descriptors + places in RAM, each times the ranges).
struct badram_left badram_expand(struct boot_options *options, const struct badram_pattern *pattern,
                                 const struct efi_map *map);
