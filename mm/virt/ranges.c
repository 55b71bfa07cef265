// SPDX-License-Identifier: MIT
// Where there is room in a set of ranges. tree.c keeps the tree; ranges.h says what it is.
//
// A subtree and the two ends of the free space around it, `low` and `high`, stand for a row of
// gaps: one before the first range, those between neighbours, one behind the last. The largest of
// them is known without looking further down, so a subtree without room is left at once, and one
// with room has a place: the search goes left when there is room there, else right.
// Invariant (tests/unit/test_ranges.c):
//   R1  what ranges_place answers is the lowest place, found by trying each   random_operations
#include <mm/ranges.h>

#include "tree.h"

#include <mm/assert.h>

struct search {
    uint64_t bytes, align, guard;
    uint64_t from, to; // where the place may begin and must end
    uint64_t place;
};

// Tries the gap [low, high), which is long enough for the guards.
static bool fits(struct search *search, uint64_t low, uint64_t high) {
    uint64_t place = low + search->guard, last = high - search->guard;
    if (place < search->from) {
        place = search->from;
    }
    if (last > search->to) {
        last = search->to;
    }
    uint64_t aligned = align_up(place, search->align);
    if (aligned < place || aligned > last || last - aligned < search->bytes) {
        return false;
    }
    search->place = aligned;
    return true;
}

// Whether a gap of the subtree, or beside it, is long enough and not out of bounds.
static bool has_room(const struct search *search, const struct range *node, uint64_t low,
                     uint64_t high) {
    uint64_t need = search->bytes + 2 * search->guard;
    return high > search->from && low < search->to &&
           (node->gap >= need || node->first - low >= need || high - node->last >= need);
}

static bool lowest(struct search *search, const struct range *node, uint64_t low, uint64_t high) {
    for (; node != NULL; node = node->child[1]) {
        if (!has_room(search, node, low, high)) {
            return false;
        }
        if (lowest(search, node->child[0], low, node->begin)) {
            return true;
        }
        low = node->end;
    }
    return high - low >= search->bytes + 2 * search->guard && fits(search, low, high);
}

void ranges_init(struct ranges *ranges, vaddr_t begin, vaddr_t end, uint64_t guard) {
    ASSERT(begin.value <= end.value);
    *ranges = (struct ranges){.begin = begin.value, .end = end.value, .guard = guard};
}

bool ranges_place(const struct ranges *ranges, uint64_t bytes, uint64_t align, vaddr_t from,
                  vaddr_t to, vaddr_t *out) {
    struct search search = {
        .bytes = bytes,
        .align = align,
        .guard = ranges->guard,
        .from = from.value > ranges->begin ? from.value : ranges->begin,
        .to = to.value < ranges->end ? to.value : ranges->end,
    };
    uint64_t room = ranges->end - ranges->begin;
    if (bytes == 0 || bytes > room || room - bytes < 2 * ranges->guard || search.from > search.to ||
        !lowest(&search, ranges->root, ranges->begin, ranges->end)) {
        return false;
    }
    *out = vaddr(search.place);
    return true;
}

bool ranges_alloc(struct ranges *ranges, struct range *range, uint64_t bytes, uint64_t align,
                  vaddr_t from) {
    vaddr_t place;
    vaddr_t begin = vaddr(ranges->begin), end = vaddr(ranges->end);
    if (!ranges_place(ranges, bytes, align, from, end, &place) &&
        (from.value <= begin.value || !ranges_place(ranges, bytes, align, begin, end, &place))) {
        return false;
    }
    tree_insert(ranges, range, place.value, place.value + bytes);
    return true;
}

bool ranges_insert(struct ranges *ranges, struct range *range, vaddr_t begin, vaddr_t end) {
    const struct range *met = ranges_from(ranges, begin);
    return (met == NULL || met->begin >= end.value) && ranges_add(ranges, range, begin, end);
}

bool ranges_add(struct ranges *ranges, struct range *range, vaddr_t begin, vaddr_t end) {
    if (begin.value >= end.value || begin.value < ranges->begin || end.value > ranges->end) {
        return false;
    }
    tree_insert(ranges, range, begin.value, end.value);
    return true;
}

struct range *ranges_find(const struct ranges *ranges, vaddr_t address) {
    struct range *range = ranges_from(ranges, address);
    return range != NULL && range->begin <= address.value ? range : NULL;
}
