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
    section->kind = SECTION_WHOLE;
    section->bitmap = NULL;
    section->state = NULL;
    section->own_metadata = false;
    section->span = 0;
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

// Takes single frames from a locked SPLIT section: a batch, unless a ceiling lies in it.
static unsigned take_frames(struct section *section, const struct search *search,
                            struct bounds bounds, uint64_t base, uint64_t *frames) {
    uint32_t taken[PAGE_STACK_BATCH];
    unsigned count = 0;
    if (bounds.limit == SECTION_FRAMES) {
        count = section_take_frames(section, search->max, bounds.floor, taken);
    } else {
        while (count < search->max && section_take(section, 0, bounds, &taken[count])) {
            count++;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        state_write(section, taken[i], search->state);
        frames[i] = base + taken[i];
    }
    return count;
}

// Takes blocks from a locked section that may be SPLIT; 0 when it has none.
static unsigned take_split(struct section *section, const struct search *search,
                           struct bounds bounds, uint64_t base, uint64_t *frames) {
    if (section->kind != SECTION_SPLIT) {
        return 0;
    }
    if (search->max > 1) {
        return take_frames(section, search, bounds, base, frames);
    }
    uint32_t frame;
    if (!section_take(section, search->order, bounds, &frame)) {
        return 0;
    }
    state_write(section, frame, search->state);
    frames[0] = base + frame;
    return 1;
}

// Takes a locked section as a whole, when it is, or can be made, WHOLE.
static bool take_whole(struct page_allocator *allocator, struct section *section, uint8_t state) {
    if (section->kind == SECTION_SPLIT && is_idle(section)) {
        make_whole(allocator, section);
    }
    if (section->kind != SECTION_WHOLE) {
        return false;
    }
    section->kind = SECTION_TAKEN;
    section->taken_state = state;
    section_set_free(section, 0);
    return true;
}

static unsigned take_locked(struct page_allocator *allocator, uint64_t index,
                            const struct search *search, struct bounds bounds, uint64_t *frames) {
    struct section *section = &allocator->sections[index];
    uint64_t base = section_base(index);
    if (search->order == PAGE_ORDER_MAX && bounds_are_whole(bounds) &&
        take_whole(allocator, section, search->state)) {
        frames[0] = base;
        return 1;
    }
    if (section->kind == SECTION_WHOLE && search->order < PAGE_ORDER_MAX &&
        bounds.limit >= 1u << search->order) {
        page_split_whole(allocator, index, (struct piece){0, 0});
    }
    return take_split(section, search, bounds, base, frames);
}

// Tries the sections of a zone whose hint has a bit of `mask`, from the top down. In the first turn
// those that another CPU has locked are passed over, so that CPUs part ways.
static unsigned take_from(struct page_allocator *allocator, uint16_t mask,
                          const struct search *search, struct zone zone, uint64_t *frames) {
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
            unsigned count = take_locked(allocator, index, search, bounds_in(zone, index), frames);
            page_update_hint(allocator, index);
            lock_release(lock, flags);
            if (count != 0) {
                return count;
            }
        }
    }
    return 0;
}

static unsigned take_from_zone(struct page_allocator *allocator, const struct search *search,
                               struct zone zone, uint64_t *frames) {
    const uint16_t largest = 1u << (BITMAP_ORDERS - 1);
    const uint16_t preference[] = {
        search->order == PAGE_ORDER_MAX
            ? HINT_WHOLE
            : (uint16_t)((largest - 1) >> search->order << search->order),
        largest,
        HINT_WHOLE,
    };
    for (unsigned i = 0; i < sizeof(preference) / sizeof(preference[0]); i++) {
        unsigned count =
            preference[i] == 0 ? 0 : take_from(allocator, preference[i], search, zone, frames);
        if (count != 0) {
            return count;
        }
    }
    return 0;
}

// The zone that ends at frame `top`, as far as the reserves allow it. When they do not allow all
// that is wanted, one block may do.
static unsigned take_within_reserves(struct page_allocator *allocator, const struct search *search,
                                     struct zone zone, uint64_t top, uint64_t *frames) {
    uint64_t size = UINT64_C(1) << search->order;
    if (page_reserves_allow(allocator, top, search->max * size, search->limit, search->atomic)) {
        return take_from_zone(allocator, search, zone, frames);
    }
    if (search->max == 1 ||
        !page_reserves_allow(allocator, top, size, search->limit, search->atomic)) {
        return 0;
    }
    struct search one = *search;
    one.max = 1;
    return take_from_zone(allocator, &one, zone, frames);
}

unsigned page_take(struct page_allocator *allocator, const struct search *search,
                   uint64_t *frames) {
    static const uint64_t floors[] = {FRAMES_4G, FRAMES_16M, 0};
    uint64_t end = section_base(allocator->section_count), top = UINT64_MAX;
    end = search->limit < end ? search->limit : end;
    for (unsigned i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
        struct zone zone = {floors[i], end};
        unsigned count = zone.floor < zone.limit
                             ? take_within_reserves(allocator, search, zone, top, frames)
                             : 0;
        if (count != 0) {
            return count;
        }
        top = zone.floor;
    }
    return 0;
}
