// SPDX-License-Identifier: MIT
// Looking at the page allocator: one frame, one section, everything counted.
//
// All of it is read from the bitmaps and the state bytes, never from counters, so it can be held
// against them.
#include "internal.h"

#include <string.h>

const char *section_kind_name(enum section_kind kind) {
    static const char *const names[] = {"absent", "whole", "taken", "split"};
    return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "?";
}

const char *page_state_name(enum page_state state) {
    static const char *const names[] = {
        "unmanaged", "free", "allocated", "cached", "reserved", "bad", "metadata",
    };
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

enum page_state page_special_state(uint8_t state) {
    return state_is_cached(state)    ? PAGE_STATE_CACHED
           : state == STATE_RESERVED ? PAGE_STATE_RESERVED
           : state == STATE_BAD      ? PAGE_STATE_BAD
           : state == STATE_METADATA ? PAGE_STATE_METADATA
                                     : PAGE_STATE_UNMANAGED;
}

static struct page_info allocated(uint64_t block, uint8_t head) {
    return (struct page_info){
        PAGE_STATE_ALLOCATED,
        pfn(block),
        state_order(head),
        state_owner(head),
    };
}

static struct page_info inspect_split(struct section *section, uint64_t base, uint32_t frame) {
    struct page_info info = {PAGE_STATE_UNMANAGED, pfn(base + frame), 0, PAGE_OWNER_OTHER};
    if (frame >= section->span) {
        return info;
    }
    int order = section_free_order(section, frame);
    if (order >= 0) {
        info.state = PAGE_STATE_FREE;
        info.order = (unsigned)order;
        info.block = pfn(base + align_down(frame, UINT64_C(1) << order));
        return info;
    }
    uint32_t block = section_block_of(section, frame);
    uint8_t state = block == UINT32_MAX ? STATE_UNMANAGED : state_read(section, block);
    if (state_is_head(state)) {
        return allocated(base + block, state);
    }
    info.state = page_special_state(state);
    info.block = block == UINT32_MAX ? info.block : pfn(base + block);
    info.order = state_is_cached(state) ? state - STATE_CACHED : 0;
    return info;
}

struct page_info page_inspect(struct page_allocator *allocator, pfn_t frame) {
    uint64_t index = frame.value >> SECTION_SHIFT;
    struct page_info info = {PAGE_STATE_UNMANAGED, frame, 0, PAGE_OWNER_OTHER};
    if (index >= allocator->section_count) {
        return info;
    }
    struct section *section = &allocator->sections[index];
    uint64_t base = section_base(index);
    unsigned long flags = lock_acquire(&section->lock);
    if (section->kind == SECTION_WHOLE) {
        info = (struct page_info){PAGE_STATE_FREE, pfn(base), PAGE_ORDER_MAX, PAGE_OWNER_OTHER};
    } else if (section->kind == SECTION_TAKEN) {
        info.state = page_special_state(section->taken_state);
        if (state_is_head(section->taken_state)) {
            info = allocated(base, section->taken_state);
        }
    } else if (section->kind == SECTION_SPLIT) {
        info = inspect_split(section, base, frame.value & (SECTION_FRAMES - 1));
    }
    lock_release(&section->lock, flags);
    return info;
}

static bool is_absent(struct section *section) {
    unsigned long flags = lock_acquire(&section->lock);
    bool absent = section->kind == SECTION_ABSENT;
    lock_release(&section->lock, flags);
    return absent;
}

bool page_find_managed(struct page_allocator *allocator, pfn_t begin, pfn_t end, pfn_t *out) {
    uint64_t top = section_base(allocator->section_count);
    uint64_t last = end.value < top ? end.value : top;
    for (uint64_t frame = begin.value; frame < last;) {
        uint64_t index = frame >> SECTION_SHIFT;
        if (is_absent(&allocator->sections[index])) {
            frame = section_base(index + 1);
        } else if (page_inspect(allocator, pfn(frame)).state != PAGE_STATE_UNMANAGED) {
            *out = pfn(frame);
            return true;
        } else {
            frame++;
        }
    }
    return false;
}

uint64_t page_free_count(struct page_allocator *allocator) {
    uint64_t pages = 0;
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        pages += __atomic_load_n(&allocator->sections[i].free_pages, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        const struct page_stack *stacks = allocator->cpus[i].stacks;
        for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
            uint64_t top = __atomic_load_n(&stacks[order].top, __ATOMIC_RELAXED);
            pages += (top - stacks[order].begin) << order;
        }
    }
    return pages;
}

void page_cpu_report(const struct page_allocator *allocator, unsigned cpu,
                     struct page_cpu_report *report) {
    const struct page_stack *stacks = allocator->cpus[cpu].stacks;
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        uint64_t top = __atomic_load_n(&stacks[order].top, __ATOMIC_RELAXED);
        report->blocks[order] = top - stacks[order].begin;
        report->room[order] = stacks[order].end - stacks[order].begin;
    }
}

// The 2 MiB blocks of a section as blocks as large as they can be, orders 9 … 18.
static void count_runs(struct section *section, uint64_t counts[PAGE_ORDER_COUNT]) {
    const uint64_t *words = bitmap_words(section->bitmap, BITMAP_ORDERS - 1);
    bool free[2 * 512];
    for (unsigned i = 0; i < 512; i++) {
        free[512 + i] = (words[i / 64] >> (i % 64) & 1) != 0;
    }
    // A binary tree over the blocks: node i is free when both of its children are.
    for (size_t i = 512; i-- > 1;) {
        free[i] = free[2 * i] && free[2 * i + 1];
    }
    for (unsigned i = 1; i < 1024; i++) {
        if (free[i] && (i == 1 || !free[i / 2])) {
            counts[PAGE_ORDER_MAX - (31 - __builtin_clz(i))]++;
        }
    }
}

void page_section_report(struct page_allocator *allocator, uint64_t index,
                         struct section_report *report) {
    struct section *section = &allocator->sections[index];
    unsigned long flags = lock_acquire(&section->lock);
    *report = (struct section_report){
        .index = index,
        .begin = paddr(index * GIB),
        .kind = section->kind,
        .free_pages = section->free_pages,
    };
    if (section->kind == SECTION_WHOLE) {
        report->free_blocks[PAGE_ORDER_MAX] = 1;
    } else if (section->kind == SECTION_SPLIT) {
        for (unsigned order = 0; order + 1 < BITMAP_ORDERS; order++) {
            const uint64_t *words = bitmap_words(section->bitmap, order);
            for (uint32_t i = 0; i < bitmap_word_count(order); i++) {
                report->free_blocks[order] += (unsigned)__builtin_popcountll(words[i]);
            }
        }
        count_runs(section, report->free_blocks);
    }
    lock_release(&section->lock, flags);
}

bool section_census(struct section *section, struct page_census *census) {
    uint32_t frame = 0;
    while (frame < section->span) {
        uint8_t state = state_read(section, frame);
        uint32_t pages = state_pages(state);
        if (state_is_head(state)) {
            census->owned_pages[state_owner(state)] += pages;
        } else if (state == STATE_NONE) {
            int order = section_free_order(section, frame);
            if (order < 0) {
                return false;
            }
            pages = 1u << order;
            census->free_pages += pages;
        } else {
            census->cached_pages += state_is_cached(state) ? pages : 0;
            census->reserved_pages += state == STATE_RESERVED;
            census->bad_pages += state == STATE_BAD;
            census->metadata_pages += state == STATE_METADATA;
        }
        frame += pages;
    }
    return true;
}

static void census_taken(uint8_t state, struct page_census *census) {
    if (state_is_head(state)) {
        census->owned_pages[state_owner(state)] += SECTION_FRAMES;
    } else if (state == STATE_RESERVED) {
        census->reserved_pages += SECTION_FRAMES;
    } else {
        census->bad_pages += SECTION_FRAMES;
    }
}

void page_census(struct page_allocator *allocator, struct page_census *census) {
    memset(census, 0, sizeof(*census));
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        struct section *section = &allocator->sections[i];
        unsigned long flags = lock_acquire(&section->lock);
        if (section->kind == SECTION_WHOLE) {
            census->free_pages += SECTION_FRAMES;
        } else if (section->kind == SECTION_TAKEN) {
            census_taken(section->taken_state, census);
        } else if (section->kind == SECTION_SPLIT) {
            section_census(section, census);
        }
        lock_release(&section->lock, flags);
    }
}
