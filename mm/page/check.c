// SPDX-License-Identifier: MIT
// page_check: every invariant of the page allocator, walked. The numbers are section.h's and
// bitmap.h's.
#include "internal.h"

#include <string.h>

// The words of an order that a section of this span can use, and one more: a short span is checked
// in short time.
static uint32_t words_in(unsigned order, uint32_t span) {
    uint32_t all = bitmap_word_count(order);
    uint32_t used = (span >> order) / 64 + 2;
    return used < all ? used : all;
}

// B1, B2: summaries say exactly what lies below them.
static const char *check_summaries(struct bitmap *bitmap, uint32_t span) {
    for (unsigned order = 0; order < BITMAP_ORDERS; order++) {
        uint32_t words = words_in(order, span);
        uint64_t top = 0;
        for (uint32_t mid = 0; mid * 64 < words; mid++) {
            uint64_t expected = 0;
            for (uint32_t i = mid * 64; i < words && i < mid * 64 + 64; i++) {
                expected |= (uint64_t)(bitmap_words(bitmap, order)[i] != 0) << (i % 64);
            }
            if (bitmap_mids(bitmap, order)[mid] != expected) {
                return "a middle summary disagrees with its words";
            }
            top |= (uint64_t)(expected != 0) << mid;
        }
        if (bitmap->top[order] != top) {
            return "a top summary disagrees with its middle summaries";
        }
        if ((bitmap->orders >> order & 1) != (top != 0)) {
            return "the mask of orders disagrees with a top summary";
        }
    }
    return NULL;
}

// S1, and the sum of all free blocks.
static const char *check_free_blocks(struct bitmap *bitmap, uint32_t span, uint64_t *pages) {
    const uint64_t even = UINT64_C(0x5555555555555555);
    *pages = 0;
    for (unsigned order = 0; order < BITMAP_ORDERS; order++) {
        const uint64_t *words = bitmap_words(bitmap, order);
        for (uint32_t i = 0; i < words_in(order, span); i++) {
            uint64_t word = words[i];
            *pages += (uint64_t)__builtin_popcountll(word) << order;
            if (order + 1 < BITMAP_ORDERS && (word & word >> 1 & even) != 0) {
                return "two free buddies were not merged";
            }
        }
    }
    return NULL;
}

// S2, S4: walked in address order, blocks follow one another without overlap. A free block that the
// walk does not meet (because it lies in another block, or beyond the span: S5) is missing from the
// census's sum.
static const char *check_blocks(struct section *section) {
    for (uint32_t frame = 0; frame < section->span;) {
        uint8_t state = state_read(section, frame);
        uint32_t pages = state_pages(state);
        if (state == STATE_NONE) {
            int order = section_free_order(section, frame);
            if (order < 0) {
                return "a frame is neither free nor in an allocated block";
            }
            pages = 1u << order;
            if ((frame & (pages - 1)) != 0) {
                return "a free block overlaps the block before it";
            }
        } else if ((frame & (pages - 1)) != 0) {
            return "an allocated block is not aligned to its size";
        } else if (frame + pages > section->span) {
            return "an allocated block runs past the section's span";
        }
        for (uint32_t i = frame + 1; i < frame + pages && i < section->span; i++) {
            if (state_read(section, i) != STATE_NONE) {
                return "a frame inside a block has a state of its own";
            }
        }
        frame += pages;
    }
    return NULL;
}

const char *section_check(struct section *section) {
    uint64_t pages = 0;
    struct page_census census = {0};
    const char *broken = check_summaries(section->bitmap, section->span);
    broken = broken != NULL ? broken : check_free_blocks(section->bitmap, section->span, &pages);
    broken = broken != NULL ? broken : check_blocks(section);
    if (broken != NULL) {
        return broken;
    }
    if (pages != section->free_pages) {
        return "a section's count of free pages disagrees with its bitmaps";
    }
    if (!section_census(section, &census) || census.free_pages != pages) {
        return "a free block overlaps another block or lies outside the section's span";
    }
    return NULL;
}

static const char *check_kind(const struct page_allocator *allocator, uint64_t index) {
    const struct section *section = &allocator->sections[index];
    bool split = section->kind == SECTION_SPLIT, whole = section->kind == SECTION_WHOLE;
    if (section->kind > SECTION_SPLIT) {
        return "a section is of no known kind";
    }
    uint16_t hint = split ? (uint16_t)section->bitmap->orders : whole ? HINT_WHOLE : 0;
    if (allocator->hints[index] != hint) {
        return "a section's hint disagrees with the section";
    }
    if (!split && section->free_pages != (whole ? SECTION_FRAMES : 0)) {
        return "a section without metadata has a wrong count of free pages";
    }
    return NULL;
}

static const char *check_owners(const struct page_allocator *allocator,
                                const struct page_census *census) {
    for (unsigned owner = 0; owner < PAGE_OWNER_COUNT_; owner++) {
        int64_t pages = 0;
        for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
            const struct page_cpu *counters = &allocator->cpus[cpu];
            pages += counters->owned_pages[owner];
            for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
                pages += counters->stacks[order].owned_blocks[owner] * (INT64_C(1) << order);
            }
        }
        if (pages != (int64_t)census->owned_pages[owner]) {
            return "an owner's counter disagrees with the state bytes";
        }
    }
    return NULL;
}

// Whether the state byte of a block that a stack holds says so.
static bool is_cached(const struct page_allocator *allocator, uint64_t block, uint8_t cached) {
    uint64_t index = block >> SECTION_SHIFT;
    uint32_t frame = block & (SECTION_FRAMES - 1);
    return index < allocator->section_count && allocator->sections[index].kind == SECTION_SPLIT &&
           frame < allocator->sections[index].span &&
           state_read(&allocator->sections[index], frame) == cached;
}

// What the stacks hold is what the state bytes call cached, no more and no less.
static const char *check_stacks(const struct page_allocator *allocator,
                                const struct page_census *census) {
    uint64_t pages = 0;
    for (unsigned i = 0; i < PAGE_STACK_ORDERS * PORT_CPU_MAX; i++) {
        const struct page_cpu *cpu = &allocator->cpus[i / PAGE_STACK_ORDERS];
        const struct page_stack *stack = &cpu->stacks[i % PAGE_STACK_ORDERS];
        for (uint64_t entry = stack->begin; entry < stack->top; entry++) {
            if (!is_cached(allocator, cpu->frames[entry], stack->cached)) {
                return "a CPU's stack holds a block whose state byte does not say so";
            }
            pages += stack->size;
        }
    }
    return pages == census->cached_pages ? NULL : "a cached block is in no CPU's stack, or in two";
}

static const char *check_locked(struct page_allocator *allocator, bool running) {
    struct page_census census = {0};
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        struct section *section = &allocator->sections[i];
        const char *broken = check_kind(allocator, i);
        if (broken == NULL && section->kind == SECTION_SPLIT) {
            broken = section_check(section);
            section_census(section, &census);
        }
        if (broken != NULL) {
            return broken;
        }
        if (section->kind == SECTION_TAKEN && state_is_head(section->taken_state)) {
            census.owned_pages[state_owner(section->taken_state)] += SECTION_FRAMES;
        }
    }
    if (running) {
        return NULL;
    }
    const char *broken = check_owners(allocator, &census);
    return broken != NULL ? broken : check_stacks(allocator, &census);
}

static const char *check(struct page_allocator *allocator, bool running) {
    pfn_t end = pfn(section_base(allocator->section_count));
    unsigned long flags = page_lock_range(allocator, pfn(0), end);
    const char *broken = check_locked(allocator, running);
    page_unlock_range(allocator, pfn(0), end, flags);
    return broken;
}

const char *page_check(struct page_allocator *allocator) {
    return check(allocator, false);
}

const char *page_check_running(struct page_allocator *allocator) {
    return check(allocator, true);
}
