// SPDX-License-Identifier: MIT
// Finding free blocks: which section serves a request.
//
// Low memory is spent last: a request is served from above 4 GiB, else from above 16 MiB, else from
// anywhere below its ceiling. In each of these zones the highest section serves it that has, in
// this order, so that large blocks stay whole and untouched sections untouched,
//   1. a block smaller than 2 MiB that will do
//   2. blocks of 2 MiB
//   3. everything: it is wholly free, and its metadata is made now
// For 1 GiB it is 3, then 2 (where a section may be free but for its own metadata, which goes).
// The two-byte hints are read without locks; what they promise is tried under the lock.
//
// Never: a write to the memory that is handed out.
#include "search.h"

#include <string.h>

// Hints are scanned four at a time.
typedef uint64_t __attribute__((may_alias)) hint_word_t;
#define HINTS_IN_WORD 4

// The last section in [lowest, *index) whose hint has a bit of `mask`.
static bool last_section_with(const struct page_allocator *allocator, uint16_t mask,
                              uint64_t lowest, uint64_t *index) {
    const hint_word_t *words = (const hint_word_t *)allocator->hints;
    uint64_t wide = mask * UINT64_C(0x0001000100010001);
    for (uint64_t at = *index; at > lowest;) {
        uint64_t word = (at - 1) / HINTS_IN_WORD;
        unsigned within = (unsigned)(at - word * HINTS_IN_WORD);
        uint64_t found =
            __atomic_load_n(&words[word], __ATOMIC_RELAXED) & wide & bits_up_to(16 * within - 1);
        if (found != 0) {
            *index = word * HINTS_IN_WORD + bit_last(found) / 16;
            return *index >= lowest;
        }
        at = word * HINTS_IN_WORD;
    }
    return false;
}

bool page_split_whole(struct page_allocator *allocator, uint64_t index, struct piece avoid) {
    struct section *section = &allocator->sections[index];
    uint32_t pages = (uint32_t)(section_metadata_bytes(SECTION_FRAMES) >> PAGE_SHIFT);
    bool at_end = avoid.end <= SECTION_FRAMES - pages;
    if (!at_end && avoid.begin < pages) {
        return false;
    }
    uint32_t first = at_end ? (uint32_t)SECTION_FRAMES - pages : 0;
    void *storage = port_direct_map(paddr_of(pfn(section_base(index) + first)));
    section_open(section, storage, SECTION_FRAMES, STATE_NONE);
    section->own_metadata = at_end;
    memset(section->state + first, STATE_METADATA, pages);
    section_put_range(section, at_end ? 0 : pages, at_end ? first : (uint32_t)SECTION_FRAMES);
    __atomic_fetch_add(&allocator->metadata_bytes, (uint64_t)pages << PAGE_SHIFT, __ATOMIC_RELAXED);
    return true;
}

// Whether a SPLIT section is free but for its own metadata at its end.
static bool is_idle(const struct section *section) {
    uint64_t pages = section_metadata_bytes(SECTION_FRAMES) >> PAGE_SHIFT;
    return section->own_metadata && section->free_pages == SECTION_FRAMES - pages;
}

// Drops the metadata of an idle section: it is WHOLE again.
static void make_whole(struct page_allocator *allocator, struct section *section) {
    section_close(section);
    section->kind = SECTION_WHOLE;
    section_set_free(section, SECTION_FRAMES);
    __atomic_fetch_sub(&allocator->metadata_bytes, section_metadata_bytes(SECTION_FRAMES),
                       __ATOMIC_RELAXED);
}

// Where a search looks: a zone, cut off at the request's ceiling. Frames [floor, limit).
struct zone {
    uint64_t floor, limit;
};

static inline struct bounds bounds_in(struct zone zone, uint64_t index) {
    uint64_t base = section_base(index), room = zone.limit - base;
    return (struct bounds){
        (uint32_t)(zone.floor > base ? zone.floor - base : 0),
        (uint32_t)(room < SECTION_FRAMES ? room : SECTION_FRAMES),
    };
}

static inline bool bounds_are_whole(struct bounds bounds) {
    return bounds.floor == 0 && bounds.limit == SECTION_FRAMES;
}

// Writes the state bytes of the frames that were taken.
static void mark_runs(struct section *section, const struct taken *taken, uint8_t state) {
    for (unsigned i = 0; i < taken->run_count; i++) {
        if (taken->runs[i].count == 1) {
            state_write(section, taken->runs[i].first, state);
        } else {
            memset(section->state + taken->runs[i].first, state, taken->runs[i].count);
        }
    }
}

// Takes a batch of single frames from a locked SPLIT section.
static bool take_frames(struct section *section, const struct search *search, struct bounds bounds,
                        struct taken *taken) {
    taken->run_count = section_take_frames(section, search->min, bounds.floor, taken->runs);
    mark_runs(section, taken, search->state);
    return taken->run_count != 0;
}

// Takes blocks from a locked section that may be SPLIT; false when it has none.
static bool take_split(struct section *section, const struct search *search, struct bounds bounds,
                       struct taken *taken) {
    if (section->kind != SECTION_SPLIT) {
        return false;
    }
    taken->states = section->state;
    if (search->min > 1) {
        return take_frames(section, search, bounds, taken);
    }
    if (!section_take(section, search->order, bounds, &taken->runs[0].first)) {
        return false;
    }
    state_write(section, taken->runs[0].first, search->state);
    return true;
}

// Takes a locked section as a whole, when it is, or can be made, WHOLE.
static bool take_whole(struct page_allocator *allocator, struct section *section, uint8_t state,
                       struct taken *taken) {
    if (section->kind == SECTION_SPLIT && is_idle(section)) {
        make_whole(allocator, section);
    }
    if (section->kind != SECTION_WHOLE) {
        return false;
    }
    section->kind = SECTION_TAKEN;
    section->taken_state = state;
    section_set_free(section, 0);
    taken->runs[0].first = 0;
    return true;
}

static bool take_locked(struct page_allocator *allocator, uint64_t index,
                        const struct search *search, struct bounds bounds, struct taken *taken) {
    struct section *section = &allocator->sections[index];
    taken->base = section_base(index);
    if (search->order == PAGE_ORDER_MAX && bounds_are_whole(bounds) &&
        take_whole(allocator, section, search->state, taken)) {
        return true;
    }
    if (section->kind == SECTION_WHOLE && search->order < PAGE_ORDER_MAX &&
        bounds.limit >= 1u << search->order) {
        page_split_whole(allocator, index, (struct piece){0, 0});
    }
    return take_split(section, search, bounds, taken);
}

// Tries the sections of a zone whose hint has a bit of `mask`, from the top down. In the first turn
// those that another CPU has locked are passed over, so that CPUs part ways.
static bool take_from(struct page_allocator *allocator, uint16_t mask, const struct search *search,
                      struct zone zone, struct taken *taken) {
    bool passed_over = false;
    for (unsigned turn = 0; turn == 0 || (turn == 1 && passed_over); turn++) {
        uint64_t index = (zone.limit + SECTION_FRAMES - 1) >> SECTION_SHIFT;
        while (last_section_with(allocator, mask, zone.floor >> SECTION_SHIFT, &index)) {
            struct lock *lock = &allocator->sections[index].lock;
            if (turn == 0 && lock_is_held(lock)) {
                passed_over = true;
                continue;
            }
            unsigned long flags = lock_acquire(lock);
            bool found = take_locked(allocator, index, search, bounds_in(zone, index), taken);
            page_update_hint(allocator, index);
            lock_release(lock, flags);
            if (found) {
                return true;
            }
        }
    }
    return false;
}

static bool take_from_zone(struct page_allocator *allocator, const struct search *search,
                           struct zone zone, struct taken *taken) {
    const uint16_t largest = 1u << (BITMAP_ORDERS - 1);
    uint16_t smaller = (uint16_t)((largest - 1) >> search->order << search->order);
    if (search->order == PAGE_ORDER_MAX) {
        return take_from(allocator, HINT_WHOLE, search, zone, taken) ||
               take_from(allocator, largest, search, zone, taken);
    }
    return (smaller != 0 && take_from(allocator, smaller, search, zone, taken)) ||
           take_from(allocator, largest, search, zone, taken) ||
           take_from(allocator, HINT_WHOLE, search, zone, taken);
}

// The zone that ends at frame `top`, as far as the reserves allow it. When they do not allow all
// that is wanted, one block may do.
static bool take_within_reserves(struct page_allocator *allocator, const struct search *search,
                                 struct zone zone, uint64_t top, struct taken *taken) {
    uint64_t size = UINT64_C(1) << search->order;
    uint64_t most = search->min == 1 ? size : search->min + (UINT64_C(1) << SECTION_PART_ORDER);
    if (page_reserves_allow(allocator, top, most, search->limit, search->atomic)) {
        return take_from_zone(allocator, search, zone, taken);
    }
    if (search->min == 1 ||
        !page_reserves_allow(allocator, top, size, search->limit, search->atomic)) {
        return false;
    }
    struct search one = *search;
    one.min = 1;
    taken->run_count = 1;
    taken->runs[0].count = 1;
    return take_from_zone(allocator, &one, zone, taken);
}

bool page_take(struct page_allocator *allocator, const struct search *search, struct taken *taken) {
    static const uint64_t floors[] = {FRAMES_4G, FRAMES_16M, 0};
    uint64_t end = section_base(allocator->section_count), top = UINT64_MAX;
    end = search->limit < end ? search->limit : end;
    for (unsigned i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
        struct zone zone = {floors[i], end};
        if (zone.floor < zone.limit && take_within_reserves(allocator, search, zone, top, taken)) {
            return true;
        }
        top = zone.floor;
    }
    return false;
}
