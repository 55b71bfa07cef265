// SPDX-License-Identifier: MIT
// A natural merge sort: runs that are sorted already are merged pairwise until one is left.
// (D. E. Knuth, The Art of Computer Programming vol. 3, 5.2.4, algorithm N, without the descents.)
//
// Firmware's maps are two or three sorted runs, so one or two passes do; the worst case is
// O(n log n), the order of equals is kept, and nothing is needed but the caller's scratch.
#include "map.h"

#include <string.h>

static size_t run_end(const struct span *spans, size_t begin, size_t count) {
    size_t end = begin + 1;
    while (end < count && spans[end - 1].begin <= spans[end].begin) {
        end++;
    }
    return end;
}

// Merges [left, middle) and [middle, right) of `from` into the same place of `to`.
static void merge_runs(const struct span *from, struct span *to, size_t left, size_t middle,
                       size_t right) {
    size_t a = left;
    size_t b = middle;
    for (size_t out = left; out < right; out++) {
        bool take_left = b == right || (a < middle && from[a].begin <= from[b].begin);
        to[out] = take_left ? from[a++] : from[b++];
    }
}

// One pass: each pair of neighbouring runs becomes one. Returns how many runs there are then.
static size_t merge_pass(const struct span *from, struct span *to, size_t count) {
    size_t runs = 0;
    for (size_t left = 0; left < count; runs++) {
        size_t middle = run_end(from, left, count);
        size_t right = middle < count ? run_end(from, middle, count) : count;
        merge_runs(from, to, left, middle, right);
        left = right;
    }
    return runs;
}

void span_sort(struct span *spans, size_t count, struct span *scratch) {
    if (count == 0 || run_end(spans, 0, count) == count) {
        return;
    }
    struct span *from = spans;
    struct span *to = scratch;
    size_t runs = 0;
    do {
        runs = merge_pass(from, to, count);
        struct span *swap = from;
        from = to;
        to = swap;
    } while (runs > 1);
    if (from != spans) {
        memcpy(spans, from, count * sizeof(*spans));
    }
}
