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

static struct bounds bounds_in(const struct search *search, uint64_t index) {
    uint64_t base = section_base(index), room = search->limit - base;
    return (struct bounds){
        (uint32_t)(search->floor > base ? search->floor - base : 0),
        (uint32_t)(room < SECTION_FRAMES ? room : SECTION_FRAMES),
    };
}

// Takes blocks from a locked SPLIT section, one or, when all of the section is in bounds, a batch.
static unsigned take_split(struct section *section, const struct search *search,
                           struct bounds bounds, uint32_t *frames) {
    unsigned count = 0;
    if (search->max > 1 && bounds.floor == 0 && bounds.limit == SECTION_FRAMES) {
        count = section_take_frames(section, search->max, frames);
    } else {
        while (count < search->max &&
               section_take(section, search->order, bounds, &frames[count])) {
            count++;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        state_write(section, frames[i], search->state);
    }
    return count;
}

static unsigned take_whole(struct section *section, const struct search *search, uint32_t *frame) {
    section->kind = SECTION_TAKEN;
    section->taken_state = search->state;
    section_set_free(section, 0);
    *frame = 0;
    return 1;
}

// Takes blocks from a locked section; 0 when it has none.
static unsigned take_locked(struct page_allocator *allocator, uint64_t index,
                            const struct search *search, uint32_t *frames) {
    struct section *section = &allocator->sections[index];
    struct bounds bounds = bounds_in(search, index);
    if (search->order == PAGE_ORDER_MAX && bounds.floor == 0 && bounds.limit == SECTION_FRAMES) {
        if (section->kind == SECTION_SPLIT && is_idle(section)) {
            make_whole(allocator, section);
        }
        if (section->kind == SECTION_WHOLE) {
            return take_whole(section, search, frames);
        }
    }
    if (section->kind == SECTION_WHOLE && search->order < PAGE_ORDER_MAX &&
        bounds.limit >= 1u << search->order) {
        page_split_whole(allocator, index, (struct piece){0, 0});
    }
    return section->kind == SECTION_SPLIT ? take_split(section, search, bounds, frames) : 0;
}

static unsigned take_from_section(struct page_allocator *allocator, uint64_t index,
                                  const struct search *search, uint64_t *frames) {
    struct section *section = &allocator->sections[index];
    uint32_t taken[PAGE_STACK_BATCH];
    unsigned long flags = lock_acquire(&section->lock);
    unsigned count = take_locked(allocator, index, search, taken);
    page_update_hint(allocator, index);
    lock_release(&section->lock, flags);
    for (unsigned i = 0; i < count; i++) {
        frames[i] = section_base(index) + taken[i];
    }
    return count;
}

// Tries the sections whose hint has a bit of `mask`, from the top down; those that another CPU has
// locked last, so that CPUs part ways.
static unsigned take_from(struct page_allocator *allocator, uint16_t mask,
                          const struct search *search, uint64_t *frames) {
    uint64_t lowest = search->floor >> SECTION_SHIFT;
    bool skipped = false;
    for (unsigned pass = 0; pass < 2; pass++) {
        uint64_t index = (search->limit + SECTION_FRAMES - 1) >> SECTION_SHIFT;
        while (last_section_with(allocator, mask, lowest, &index)) {
            if (pass == 0 && lock_is_held(&allocator->sections[index].lock)) {
                skipped = true;
                continue;
            }
            unsigned count = take_from_section(allocator, index, search, frames);
            if (count != 0) {
                return count;
            }
        }
        if (!skipped) {
            break;
        }
    }
    return 0;
}

static unsigned take_from_zone(struct page_allocator *allocator, const struct search *search,
                               uint64_t *frames) {
    const uint16_t largest = 1u << (BITMAP_ORDERS - 1);
    const uint16_t small = (uint16_t)((largest - 1) >> search->order << search->order);
    const uint16_t masks[] = {
        small,
        search->order == PAGE_ORDER_MAX ? HINT_WHOLE : 0,
        largest,
        HINT_WHOLE,
    };
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof(masks) / sizeof(masks[0]) && count == 0; i++) {
        count = masks[i] == 0 ? 0 : take_from(allocator, masks[i], search, frames);
    }
    return count;
}

// A request with this ceiling, from the zone below `top`. When the reserves do not allow all that
// is wanted, one block may do.
static unsigned take_within_reserves(struct page_allocator *allocator, struct search search,
                                     uint64_t ceiling, uint64_t top, uint64_t *frames) {
    uint64_t size = UINT64_C(1) << search.order;
    if (!page_reserves_allow(allocator, top, search.max * size, ceiling, search.atomic)) {
        search.max = 1;
        if (!page_reserves_allow(allocator, top, size, ceiling, search.atomic)) {
            return 0;
        }
    }
    return take_from_zone(allocator, &search, frames);
}

unsigned page_take(struct page_allocator *allocator, struct search search, uint64_t *frames) {
    static const struct {
        uint64_t floor, top;
    } zones[] = {{FRAMES_4G, UINT64_MAX}, {FRAMES_16M, FRAMES_4G}, {0, FRAMES_16M}};
    uint64_t end = section_base(allocator->section_count), limit = search.limit;
    unsigned count = 0;
    for (unsigned zone = 0; zone < sizeof(zones) / sizeof(zones[0]) && count == 0; zone++) {
        search.floor = zones[zone].floor;
        search.limit = limit < end ? limit : end;
        if (search.floor < search.limit) {
            count = take_within_reserves(allocator, search, limit, zones[zone].top, frames);
        }
    }
    return count;
}
