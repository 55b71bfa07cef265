// SPDX-License-Identifier: MIT
// What the files of the page allocator share.
//
// Whoever needs several sections takes their locks in ascending order (page_lock_range; lock.h has
// the order of all locks). Nothing is logged, and no other allocator is called, while one is held.
#pragma once

#include "section.h"

// Bits of a section's hint beside the orders of its bitmap: all of it is free.
#define HINT_WHOLE (1u << 15)

static inline uint64_t section_base(uint64_t index) {
    return index << SECTION_SHIFT;
}

// How much of [begin, end) lies in section `index`, in frames of the section.
struct piece {
    uint32_t begin, end;
};

static inline struct piece piece_of(uint64_t index, pfn_t begin, pfn_t end) {
    uint64_t base = section_base(index);
    return (struct piece){
        (uint32_t)(begin.value > base ? begin.value - base : 0),
        (uint32_t)(end.value - base < SECTION_FRAMES ? end.value - base : SECTION_FRAMES),
    };
}

static inline bool piece_is_whole(struct piece piece) {
    return piece.begin == 0 && piece.end == SECTION_FRAMES;
}

// Writes the section's hint anew, if it changed: hints share cache lines. The section's lock is
// held.
static inline void page_update_hint(struct page_allocator *allocator, uint64_t index) {
    const struct section *section = &allocator->sections[index];
    uint16_t hint = section->kind == SECTION_WHOLE   ? HINT_WHOLE
                    : section->kind == SECTION_SPLIT ? (uint16_t)section->bitmap->orders
                                                     : 0;
    if (allocator->hints[index] != hint) {
        __atomic_store_n(&allocator->hints[index], hint, __ATOMIC_RELAXED);
    }
}

// Makes a WHOLE section SPLIT, with its metadata in its own frames: the last ones, or the first
// when [avoid) needs the last. False when neither place is clear of `avoid`. The lock is held.
bool page_split_whole(struct page_allocator *allocator, uint64_t index, struct piece avoid);

// page_alloc, page_alloc_atomic and page_free when a stack cannot serve. The caller is the public
// function's.
enum page_status page_alloc_slow(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                                 enum page_owner owner, pfn_t *out, const void *caller);
pfn_t page_alloc_frame_slow(struct page_allocator *allocator, enum page_owner owner,
                            const void *caller);
enum page_status page_alloc_atomic_slow(struct page_allocator *allocator, unsigned order,
                                        paddr_t ceiling, enum page_owner owner, pfn_t *out,
                                        const void *caller);
void page_free_slow(struct page_allocator *allocator, pfn_t block, unsigned order,
                    const void *caller);

// Takes exactly the free frames [begin, end) for an owner, as page_alloc_contig gives them.
enum page_status page_allocate_range(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                                     enum page_owner owner);

// The same, unseen by a watch: they refill or flush this CPU's stack of frames, or go around the
// stacks.
enum page_status page_alloc_block(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                                  enum page_owner owner, bool atomic, pfn_t *out);
void page_free_block(struct page_allocator *allocator, pfn_t block, unsigned order);

// Asks the shrinker for pages; true when it gave some, which are in the sections then.
bool page_shrink(struct page_allocator *allocator);

// Takes up to 512 frames for metadata from the free memory of any section, and gives them back.
// False when there are none.
bool page_take_metadata(struct page_allocator *allocator, uint32_t pages, pfn_t *first);
void page_return_metadata(struct page_allocator *allocator, pfn_t first, uint32_t pages);

// Locks every section that [begin, end) touches, in ascending order; returns the interrupt state.
unsigned long page_lock_range(struct page_allocator *allocator, pfn_t begin, pfn_t end);
void page_unlock_range(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                       unsigned long flags);

// page_check's part for one SPLIT section, locked.
const char *section_check(struct section *section);

// What a state byte that is no head says about its frame.
enum page_state page_special_state(uint8_t state);

// Counts one locked section; false when a frame is neither free nor allocated nor anything.
bool section_census(struct section *section, struct page_census *census);
