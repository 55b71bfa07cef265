// SPDX-License-Identifier: MIT
// Allocations that change where they are: contiguous frames become more or fewer, straight from and
// into their section, past the CPUs' stacks; a block becomes several.
#include "search.h"

#include <string.h>

// Where an allocation lies.
struct place {
    struct section *section;
    uint64_t index;
    uint32_t begin, end, wanted_end;
    enum page_owner owner;
};

// Panics unless [begin, end) is marked as an allocation is. The lock is held.
static void expect_allocated(struct place *place, const char *call) {
    for (uint32_t frame = place->begin; frame < place->end;) {
        unsigned order = largest_order(frame, place->end);
        uint8_t state = state_read(place->section, frame);
        if (!state_is_head(state) || state_order(state) != order) {
            port_panic("%s: frame 0x%lx: no block of order %u is allocated there", call,
                       section_base(place->index) + frame, order);
        }
        place->owner = state_owner(state);
        frame += 1u << order;
    }
}

// Whether the reserves leave the frames behind it to everybody, and those below 16 MiB.
static bool reserves_allow(struct page_allocator *allocator, const struct place *place) {
    uint64_t from = section_base(place->index) + place->end;
    uint64_t top = section_base(place->index) + place->wanted_end;
    uint64_t low = top < FRAMES_16M ? top : FRAMES_16M;
    return page_reserves_allow(allocator, top, top - from, UINT64_MAX, false) &&
           (from >= low || page_reserves_allow(allocator, low, low - from, UINT64_MAX, false));
}

// The lock is held.
static bool resize(struct page_allocator *allocator, struct place *place) {
    struct section *section = place->section;
    uint32_t end = place->end, wanted = place->wanted_end;
    expect_allocated(place, "page_resize_contig");
    if (wanted > end && section_first_not_free(section, end, wanted) != wanted) {
        return false;
    }
    if (wanted > end) {
        section_take_range(section, end, wanted);
    }
    section_mark_allocated(section, place->begin, wanted, place->owner);
    if (wanted < end) {
        memset(section->state + wanted, STATE_NONE, end - wanted);
        section_put_range(section, wanted, end);
    }
    allocator->cpus[port_cpu()].owned_pages[place->owner] += (int64_t)wanted - (int64_t)end;
    page_update_hint(allocator, place->index);
    return true;
}

bool page_resize_contig(struct page_allocator *allocator, pfn_t first, uint64_t count,
                        uint64_t wanted) {
    uint64_t index = first.value >> SECTION_SHIFT, base = section_base(index);
    uint64_t begin = first.value - base, longer = count > wanted ? count : wanted;
    if (index >= allocator->section_count || allocator->watch != NULL || wanted == 0 ||
        longer > allocator->sections[index].span ||
        begin > allocator->sections[index].span - longer) {
        return false;
    }
    struct place place = {
        .section = &allocator->sections[index],
        .index = index,
        .begin = (uint32_t)begin,
        .end = (uint32_t)(begin + count),
        .wanted_end = (uint32_t)(begin + wanted),
    };
    if (wanted > count && !reserves_allow(allocator, &place)) {
        return false;
    }
    unsigned long flags = lock_acquire(&place.section->lock);
    bool done = place.section->kind == SECTION_SPLIT && resize(allocator, &place);
    lock_release(&place.section->lock, flags);
    return done;
}

bool page_split(struct page_allocator *allocator, pfn_t block, unsigned order) {
    uint64_t index = block.value >> SECTION_SHIFT, base = section_base(index);
    uint32_t begin = (uint32_t)(block.value - base), end = begin + (1u << order);
    if (index >= allocator->section_count || allocator->watch != NULL ||
        end > allocator->sections[index].span) {
        return false;
    }
    struct section *section = &allocator->sections[index];
    struct place place = {.section = section, .index = index, .begin = begin, .end = end};
    unsigned long flags = lock_acquire(&section->lock);
    bool done = section->kind == SECTION_SPLIT;
    if (done) {
        expect_allocated(&place, "page_split");
        for (uint32_t frame = begin; frame < end; frame++) {
            state_write(section, frame, state_of(0, place.owner));
        }
    }
    lock_release(&section->lock, flags);
    return done;
}
