// SPDX-License-Identifier: MIT
// The sweep: spans sorted by where they begin, in; regions out.
//
// It walks up the address space and remembers, for each rank, only how far the farthest span of
// that rank reaches. That is enough: as long as any span of a rank covers a place, the
// farthest-reaching one does. So a step is O(1), there is no heap and no list, and the whole sweep
// makes at most two steps a span.
//
//     rank    nvs            [-------)
//             loader   [--------)
//             usable [----------------------)
//     result         u  l    n        u
//
// Invariants (tests/unit/test_memmap.c, test_memmap_corpus.c, fuzz_memmap.c: equal to an oracle):
//   I1  regions come out sorted, disjoint, neighbours of one class merged
//   I2  a byte's class is that of the highest rank among the spans that cover it
//   I3  described_bytes, summed from the spans, equals the sum of class_bytes, summed from regions
//   I4  nothing below 1 MiB is given out
#include "map.h"

struct sweep {
    struct memmap *map;
    const struct memmap_input *input;
    uint32_t present;            // ranks that may cover `at`; exact for the highest one
    uint64_t reach[RANK_COUNT_]; // by rank: where its farthest span ends
    uint64_t described;          // everything below here that is described was counted
    uint64_t descriptors_reach;  // where the farthest descriptor ends
    uint32_t seen;               // classes of which a descriptor was seen
    struct span farthest[MEMORY_CLASS_COUNT_]; // the farthest-reaching descriptor of each
};

static void append(struct memmap *map, uint64_t begin, uint64_t end, enum memory_class class) {
    map->class_bytes[class] += end - begin;
    struct memory_region *last = map->regions + map->region_count - 1;
    if (map->region_count != 0 && last->end.value == begin && last->class == class) {
        last->end.value = end;
        return;
    }
    map->regions[map->region_count++] = (struct memory_region){{begin}, {end}, class};
}

// Adds [begin, end), of which what lies below 1 MiB is kept.
static void emit(struct memmap *map, uint64_t begin, uint64_t end, enum memory_class class) {
    if (begin < LOW_MEMORY_END && class_is_given_out(class)) {
        uint64_t low_end = end < LOW_MEMORY_END ? end : LOW_MEMORY_END;
        append(map, begin, low_end, MEMORY_LOW);
        begin = low_end;
    }
    if (begin < end) {
        append(map, begin, end, class);
    }
}

static void count_described(struct sweep *s, const struct span *span) {
    uint64_t from = span->begin > s->described ? span->begin : s->described;
    if (from < span->end) {
        s->map->described_bytes += span->end - from;
        s->described = span->end;
    }
}

// The bytes of a descriptor, unrounded.
static void descriptor_bytes(const struct sweep *s, uint32_t index, uint64_t *begin,
                             uint64_t *end) {
    struct efi_descriptor entry = efi_map_entry(&s->input->map, index);
    uint64_t limit = physical_limit(s->input->physical_bits);
    uint64_t room = (limit - entry.physical_start) / PAGE_SIZE;
    *begin = entry.physical_start;
    *end = entry.pages > room ? limit : entry.physical_start + entry.pages * PAGE_SIZE;
}

// Remarks that two descriptors share bytes, unless rounding alone brought them together.
static bool remark_overlap(struct sweep *s, const struct span *span, const struct span *other) {
    uint64_t begin[2];
    uint64_t end[2];
    descriptor_bytes(s, span->descriptor, &begin[0], &end[0]);
    descriptor_bytes(s, other->descriptor, &begin[1], &end[1]);
    enum memory_class mine = rank_class(span->rank);
    enum memory_class theirs = rank_class(other->rank);
    bool first = span->descriptor < other->descriptor;
    struct finding finding = {
        .rule = mine == theirs ? FINDING_DUPLICATE : FINDING_OVERLAP,
        .severity = mine == theirs ? FINDING_NOTE : FINDING_WARNING,
        .descriptor = {first ? span->descriptor : other->descriptor,
                       first ? other->descriptor : span->descriptor},
        .begin = begin[0] > begin[1] ? begin[0] : begin[1],
        .end = end[0] < end[1] ? end[0] : end[1],
        .detail = mine > theirs ? mine | (uint64_t)theirs << 32 : theirs | (uint64_t)mine << 32,
    };
    if (finding.begin >= finding.end) {
        return false;
    }
    memmap_add_finding(s->map, &finding);
    return true;
}

// A descriptor begins inside another: names the most restrictive one of a different class that it
// meets, or one of its own class. One finding for each descriptor, so they stay O(descriptors).
static void find_overlap(struct sweep *s, const struct span *span) {
    enum memory_class mine = rank_class(span->rank);
    uint32_t others = s->seen & ~(UINT32_C(1) << mine);
    while (others != 0) {
        unsigned class = 31 - (unsigned)__builtin_clz(others);
        others &= ~(UINT32_C(1) << class);
        if (remark_overlap(s, span, &s->farthest[class])) {
            return;
        }
    }
    if ((s->seen >> mine & 1) != 0) {
        remark_overlap(s, span, &s->farthest[mine]);
    }
}

static void watch_overlap(struct sweep *s, const struct span *span) {
    if (span->begin < s->descriptors_reach) {
        find_overlap(s, span);
    }
    if (span->end > s->descriptors_reach) {
        s->descriptors_reach = span->end;
    }
    enum memory_class class = rank_class(span->rank);
    bool seen = (s->seen >> class & 1) != 0;
    if (!seen || span->end > s->farthest[class].end) {
        s->farthest[class] = *span;
        s->seen |= UINT32_C(1) << class;
    }
}

static void begin_span(struct sweep *s, const struct span *span) {
    uint32_t bit = UINT32_C(1) << span->rank;
    if ((s->present & bit) == 0 || s->reach[span->rank] < span->end) {
        s->reach[span->rank] = span->end;
    }
    s->present |= bit;
    count_described(s, span);
    if (span->descriptor != FINDING_NO_DESCRIPTOR) {
        watch_overlap(s, span);
    }
}

static unsigned highest_rank(const struct sweep *s) {
    return 31 - (unsigned)__builtin_clz(s->present);
}

// Forgets ranks that no longer reach beyond `at`, from the highest down to the first that does.
static void drop_ended(struct sweep *s, uint64_t at) {
    while (s->present != 0 && s->reach[highest_rank(s)] <= at) {
        s->present &= ~(UINT32_C(1) << highest_rank(s));
    }
}

void map_sweep(struct memmap *map, const struct memmap_input *input, const struct span *spans,
               size_t count) {
    struct sweep s = {.map = map, .input = input};
    uint64_t at = 0;
    size_t next = 0;
    while (next < count || s.present != 0) {
        if (s.present == 0) {
            at = spans[next].begin;
        }
        while (next < count && spans[next].begin == at) {
            begin_span(&s, &spans[next++]);
        }
        unsigned rank = highest_rank(&s);
        uint64_t until = s.reach[rank];
        if (next < count && spans[next].begin < until) {
            until = spans[next].begin;
        }
        emit(map, at, until, rank_class(rank));
        at = until;
        drop_ended(&s, at);
    }
}
