// SPDX-License-Identifier: MIT
// What the files of mm/map/ share; nobody else includes it.
#pragma once

#include <mm/memmap.h>

// Firmware that counts on it has been seen to write below here at any time.
#define LOW_MEMORY_END MIB

// No x86-64 CPU addresses more (Intel SDM vol. 3A, 4.1.4).
#define PHYSICAL_BITS_MAX 52

// One stretch of pages that a descriptor or a claim stands for. Its rank says who wins where two
// overlap.
struct span {
    uint64_t begin, end; // page-aligned, begin < end
    uint32_t rank;
    uint32_t descriptor; // index in the firmware's map; FINDING_NO_DESCRIPTOR for claims and edges
};

// A class outranks every class before it. Claims of the classes up to MEMORY_LOADER stand between
// the descriptors of these classes and everything else.
enum {
    RANK_CLAIMS = MEMORY_LOADER + 1,
    RANK_COUNT_ = MEMORY_CLASS_COUNT_ + RANK_CLAIMS,
};
_Static_assert(RANK_COUNT_ <= 32, "the ranks that are present are one word");

static inline uint32_t rank_of(enum memory_class class, bool claimed) {
    bool weak = class <= MEMORY_LOADER && !claimed;
    return (uint32_t) class + (weak ? 0 : (uint32_t)RANK_CLAIMS);
}

static inline enum memory_class rank_class(uint32_t rank) {
    return (enum memory_class)(rank < RANK_CLAIMS ? rank : rank - RANK_CLAIMS);
}

// Whether memory of this class goes to the page allocator, at once or when it is reclaimed.
static inline bool class_is_given_out(enum memory_class class) {
    return class <= MEMORY_ACPI;
}

// The class that a descriptor's type and attributes ask for, its place aside.
enum memory_class descriptor_class(const struct efi_descriptor *entry, bool special_use);

// The first region that ends above `address`; region_count when there is none.  O(log regions).
size_t region_above(const struct memmap *map, uint64_t address);

// One past the highest byte that a CPU of this width can address.
uint64_t physical_limit(unsigned bits);

// Sorts by begin, keeping the order of equals. `scratch` has room for `count` spans. O(count log
// runs), where a run is a stretch that is sorted already: one pass for a sorted map.
void span_sort(struct span *spans, size_t count, struct span *scratch);

// Reads all descriptors into `spans`, three for each at most, and adds what it finds. Returns how
// many spans.  O(descriptors).
size_t span_read(struct memmap *map, const struct memmap_input *input, struct span *spans);

// Turns sorted spans into regions.  O(spans).
void map_sweep(struct memmap *map, const struct memmap_input *input, const struct span *spans,
               size_t count);
