// SPDX-License-Identifier: MIT
// Ranges of addresses in a balanced tree: what is taken, and where there is room.
//
//   |<-guard->| range |<-guard->|   range   |        gap         |<-guard->| range |<-guard->|
//   begin                                                                                 end
//
// The tree is an AVL tree of the taken ranges, ordered by where they begin. Each node also knows of
// the ranges below it where the first begins, where the last ends, and the largest gap between
// neighbours: so the lowest place that is large enough is found on one way down, and a range that
// changes concerns only the nodes above it. (A red-black tree would rotate less and be a little
// deeper; what costs here is writing these numbers on the way up, and that ends where nothing
// changes.)
//
// A node lies wherever its user keeps it, in a record of its own as a rule: nothing is allocated
// here, so kmalloc, which stands above, is not needed. Users whose number of ranges has no bound
// keep their records in a node pool (mm/nodes.h), which takes whole frames from the page allocator.
//
// The same tree holds ranges that may overlap (ranges_add): an interval tree, in which all that
// meet a given range are found. Where there is room cannot be asked of such a tree.
//
// Nothing here locks: the caller does.
// G. M. Adelson-Velsky and E. M. Landis, 1962; Cormen et al., Introduction to Algorithms, 14.
#pragma once

#include <strata/types.h>

// A taken range, [begin, end), begin < end. To be read only; the rest belongs to the tree.
struct range {
    uint64_t begin, end;
    struct range *parent, *child[2]; // those that begin lower, those that begin higher
    uint64_t first, last; // of this one and all below it: the lowest begin, the highest end
    uint64_t gap;         // the largest between two of them that are neighbours
    uint32_t height;      // of a leaf: 1
    uint32_t tag;         // the user's
};

// All ranges lie in [begin, end).
struct ranges {
    struct range *root;
    uint64_t begin, end;
    uint64_t guard; // how many bytes stay free on either side of what ranges_alloc places
    uint64_t count; // of ranges
};

// An empty set for [begin, end). Two ranges that ranges_alloc puts side by side share one guard.
void ranges_init(struct ranges *ranges, vaddr_t begin, vaddr_t end, uint64_t guard);

// Takes the lowest place at or above `from` where `bytes` fit, aligned to `align`, a power of two,
// with the guards on both sides; when there is none, the lowest place below. `range` becomes that
// place and is in the set until ranges_remove. False, with nothing changed, when there is none.
// O(log n) while all begins, ends and guards are multiples of `align`; for a greater alignment, and
// every gap that is long enough but has no aligned place, one step more.
bool ranges_alloc(struct ranges *ranges, struct range *range, uint64_t bytes, uint64_t align,
                  vaddr_t from);

// The lowest multiple of `align` in [from, to) where `bytes` would fit in this way; false when
// there is none.
bool ranges_place(const struct ranges *ranges, uint64_t bytes, uint64_t align, vaddr_t from,
                  vaddr_t to, vaddr_t *out);

// Puts [begin, end) into the set. False, with nothing changed, when it is empty, lies outside of
// the set or meets another range; guards are not looked at.  O(log n).
bool ranges_insert(struct ranges *ranges, struct range *range, vaddr_t begin, vaddr_t end);

// The same for a set whose ranges may overlap: false only when it is empty or lies outside.
bool ranges_add(struct ranges *ranges, struct range *range, vaddr_t begin, vaddr_t end);

// Takes a range out of its set.  O(log n).
void ranges_remove(struct ranges *ranges, struct range *range);

// Moves the ends of a range; the caller makes sure that it stays between its neighbours. O(log n).
void ranges_resize(struct ranges *ranges, struct range *range, vaddr_t begin, vaddr_t end);

// The range that `address` lies in, NULL for none. Of ranges that overlap: the one that begins
// first.  O(log n).
struct range *ranges_find(const struct ranges *ranges, vaddr_t address);

// The range that begins first of those that end above `address`; NULL for none.  O(log n).
struct range *ranges_from(const struct ranges *ranges, vaddr_t address);

// The next one that ends above `address`, in the order of where they begin; NULL after the last.
// O(log n); all of them in turn O(n).
//     for (range = ranges_from(set, begin); range != NULL && range->begin < end.value;
//          range = ranges_next(range, begin)) … every range that meets [begin, end)
struct range *ranges_next(const struct range *range, vaddr_t address);

// The one that ends last of those that end at or below `address`, in a set without overlaps; NULL
// for none.  O(log n).
struct range *ranges_before(const struct ranges *ranges, vaddr_t address);

// NULL, or the sentence that does not hold.  O(n).
const char *ranges_check(const struct ranges *ranges);
