// SPDX-License-Identifier: MIT
// Contiguous frames of any number, below a ceiling, aligned, crossing no boundary.
//
// First the quick way: the smallest power-of-two block that holds the request satisfies every
// constraint by its own alignment (a block no larger than the boundary cannot cross it), and its
// tail is given back. Only when there is no such block are places looked for inside free runs. A
// run of n frames contains an aligned free block of at least a quarter of n, so only free blocks
// that large are visited, from the top down, and each is grown into its run.
//
// Invariant (tests/unit/test_page_contig.c):
//   C1  a request is refused only when brute force finds no place either     never_refused_wrongly
#include "search.h"
#include "watch.h"

#include <mm/assert.h>

struct run {
    uint64_t begin, end; // frames
};

// What is asked for, in frames.
struct wanted {
    uint64_t count, align, boundary;
    uint64_t ceiling; // as asked for
    uint64_t limit;   // the ceiling, or where the sections end
};

// The highest free block that begins below `below` and has at least this order. Sections locked.
static bool block_below(struct page_allocator *allocator, uint64_t below, unsigned order,
                        struct run *block) {
    uint64_t index = (below + SECTION_FRAMES - 1) >> SECTION_SHIFT;
    while (index-- != 0) {
        struct section *section = &allocator->sections[index];
        uint64_t base = section_base(index);
        uint64_t room = below - base;
        uint32_t last = (uint32_t)(room < SECTION_FRAMES ? room : SECTION_FRAMES) - 1;
        if (section->kind == SECTION_WHOLE) {
            *block = (struct run){base, base + SECTION_FRAMES};
            return true;
        }
        if (section->kind != SECTION_SPLIT) {
            continue;
        }
        bool found = false;
        for (unsigned k = order; k < BITMAP_ORDERS; k++) {
            uint32_t at;
            if ((section->bitmap->orders >> k & 1) != 0 &&
                bitmap_last_up_to(section->bitmap, k, last >> k, &at) &&
                (!found || base + (at << k) > block->begin)) {
                *block = (struct run){base + (at << k), base + ((at + 1) << k)};
                found = true;
            }
        }
        if (found) {
            return true;
        }
    }
    return false;
}

// The free block that holds a frame. Sections locked.
static bool block_at(struct page_allocator *allocator, uint64_t frame, struct run *block) {
    uint64_t index = frame >> SECTION_SHIFT, base = section_base(index);
    if (index >= allocator->section_count) {
        return false;
    }
    struct section *section = &allocator->sections[index];
    if (section->kind == SECTION_WHOLE) {
        *block = (struct run){base, base + SECTION_FRAMES};
        return true;
    }
    int order = section->kind == SECTION_SPLIT
                    ? section_free_order(section, frame & (SECTION_FRAMES - 1))
                    : -1;
    if (order >= 0) {
        uint64_t begin = align_down(frame, UINT64_C(1) << order);
        *block = (struct run){begin, begin + (UINT64_C(1) << order)};
    }
    return order >= 0;
}

static struct run grow(struct page_allocator *allocator, struct run run) {
    struct run next;
    while (run.begin != 0 && block_at(allocator, run.begin - 1, &next)) {
        run.begin = next.begin;
    }
    while (block_at(allocator, run.end, &next)) {
        run.end = next.end;
    }
    return run;
}

// Why a run has no place, or that it has one.
enum verdict { FITS, TOO_SHORT, BEYOND_CEILING, MISALIGNED, CROSSING };

// The highest place in a run. All alignments are powers of two of frames.
static enum verdict place_in(struct run run, const struct wanted *wanted, uint64_t *place) {
    if (run.end - run.begin < wanted->count) {
        return TOO_SHORT;
    }
    uint64_t end = run.end < wanted->limit ? run.end : wanted->limit;
    if (end < run.begin || end - run.begin < wanted->count) {
        return BEYOND_CEILING;
    }
    uint64_t at = align_down(end - wanted->count, wanted->align);
    if (at < run.begin || at + wanted->count > end) {
        return MISALIGNED;
    }
    if (wanted->boundary != 0 &&
        at / wanted->boundary != (at + wanted->count - 1) / wanted->boundary) {
        // Below the boundary that it crosses there is the highest place that crosses none: a
        // boundary is no closer than the request is long.
        uint64_t crossed = align_down(at + wanted->count - 1, wanted->boundary);
        at = align_down(crossed - wanted->count, wanted->align);
        if (at < run.begin) {
            return CROSSING;
        }
    }
    *place = at;
    return FITS;
}

// The highest place in any run. Sections locked.
static bool find_place(struct page_allocator *allocator, const struct wanted *wanted,
                       uint64_t *place) {
    unsigned log = 63u - (unsigned)__builtin_clzll(wanted->count);
    unsigned order = log == 0 ? 0 : log - 1;
    order = order < BITMAP_ORDERS ? order : BITMAP_ORDERS - 1;
    struct run block;
    for (uint64_t below = wanted->limit;
         below != 0 && block_below(allocator, below, order, &block);) {
        struct run run = grow(allocator, block);
        if (place_in(run, wanted, place) == FITS) {
            return true;
        }
        below = run.begin;
    }
    return false;
}

// The same, when this CPU's stacks have given back what they hold: it is free. Interrupts are off,
// so that none of them fills a stack again in between.
static bool find_place_drained(struct page_allocator *allocator, const struct wanted *wanted,
                               uint64_t *place) {
    unsigned long flags = port_irq_save();
    page_drain(allocator);
    page_lock_range(allocator, pfn(0), pfn(wanted->limit));
    bool found = find_place(allocator, wanted, place);
    page_unlock_range(allocator, pfn(0), pfn(wanted->limit), flags);
    return found;
}

static void count_run(struct page_refusal *refusal, struct run run, const struct wanted *wanted) {
    uint64_t place, end = run.end < wanted->limit ? run.end : wanted->limit;
    enum verdict verdict = place_in(run, wanted, &place);
    refusal->runs++;
    refusal->long_enough += verdict != TOO_SHORT;
    refusal->beyond_ceiling += verdict == BEYOND_CEILING;
    refusal->misaligned += verdict == MISALIGNED;
    refusal->crossing += verdict == CROSSING;
    refusal->fitting += verdict == FITS;
    if (end > run.begin && end - run.begin > refusal->nearest_pages) {
        refusal->nearest = pfn(run.begin);
        refusal->nearest_pages = end - run.begin;
    }
}

static void explain(struct page_allocator *allocator, const struct wanted *wanted,
                    struct page_refusal *refusal) {
    pfn_t end = pfn(section_base(allocator->section_count));
    struct run block;
    *refusal = (struct page_refusal){.runs = 0};
    unsigned long flags = page_lock_range(allocator, pfn(0), end);
    for (uint64_t below = end.value; below != 0 && block_below(allocator, below, 0, &block);) {
        struct run run = grow(allocator, block);
        count_run(refusal, run, wanted);
        below = run.begin;
    }
    page_unlock_range(allocator, pfn(0), end, flags);
    uint64_t above = refusal->nearest.value + refusal->nearest_pages;
    bool lower = above >= wanted->limit && refusal->nearest.value != 0;
    refusal->obstacle = pfn(lower ? refusal->nearest.value - 1 : above);
    refusal->in_the_way = page_inspect(allocator, refusal->obstacle);
}

// Whether the reserves leave the place to the request, each as much of it as lies below its end.
// Lower places would cut deeper into them.
static bool reserves_allow(struct page_allocator *allocator, const struct wanted *wanted,
                           uint64_t place) {
    static const uint64_t ends[] = {UINT64_MAX, FRAMES_4G, FRAMES_16M};
    uint64_t top = place + wanted->count;
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]) && place < ends[i]; i++) {
        top = top < ends[i] ? top : ends[i];
        if (!page_reserves_allow(allocator, top, top - place, wanted->ceiling, false)) {
            return false;
        }
    }
    return true;
}

// Looks for a place and takes it; another CPU may be quicker, then looks again.
static bool take_place(struct page_allocator *allocator, const struct wanted *wanted,
                       enum page_owner owner, pfn_t *out) {
    for (;;) {
        uint64_t place;
        if (!find_place_drained(allocator, wanted, &place) ||
            !reserves_allow(allocator, wanted, place)) {
            return false;
        }
        enum page_status status =
            page_allocate_range(allocator, pfn(place), pfn(place + wanted->count), owner);
        if (status == PAGE_OK) {
            *out = pfn(place);
            return true;
        }
        if (status != PAGE_NOT_FREE) {
            return false; // no memory for a section's metadata
        }
    }
}

static bool power_of_two(uint64_t value) {
    return (value & (value - 1)) == 0;
}

static unsigned log_up(uint64_t value) {
    return value <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(value - 1);
}

// Marks the first `count` frames of a fresh block as what they are, and gives the tail back.
static void trim(struct page_allocator *allocator, pfn_t block, unsigned order, uint64_t count,
                 enum page_owner owner) {
    uint64_t index = block.value >> SECTION_SHIFT;
    struct section *section = &allocator->sections[index];
    uint32_t first = block.value & (SECTION_FRAMES - 1);
    uint32_t end = first + (uint32_t)count, all = first + (1u << order);
    unsigned long flags = lock_acquire(&section->lock);
    for (uint32_t frame = first; frame < end;) {
        unsigned part = largest_order(frame, end);
        state_write(section, frame, state_of(part, owner));
        frame += 1u << part;
    }
    section_put_range(section, end, all);
    allocator->cpus[port_cpu()].owned_pages[owner] -= (int64_t)(all - end);
    page_update_hint(allocator, index);
    lock_release(&section->lock, flags);
}

// The quick way. A block of 1 GiB may be a section without metadata, which cannot be trimmed.
static bool take_block(struct page_allocator *allocator, const struct wanted *wanted,
                       enum page_owner owner, pfn_t *out) {
    unsigned order = log_up(wanted->count > wanted->align ? wanted->count : wanted->align);
    if (order > PAGE_ORDER_MAX) {
        return false;
    }
    bool exact = wanted->count == UINT64_C(1) << order;
    if ((order == PAGE_ORDER_MAX && !exact) ||
        page_alloc_block(allocator, order, paddr_of(pfn(wanted->ceiling)), owner, false, out) !=
            PAGE_OK) {
        return false;
    }
    if (!exact) {
        trim(allocator, *out, order, wanted->count, owner);
    }
    return true;
}

enum page_status page_alloc_contig(struct page_allocator *allocator, uint64_t count, uint64_t align,
                                   paddr_t ceiling, uint64_t boundary, enum page_owner owner,
                                   pfn_t *out, struct page_refusal *refusal) {
    uint64_t end = section_base(allocator->section_count), limit = ceiling.value >> PAGE_SHIFT;
    struct wanted wanted = {
        .count = count,
        .align = align > PAGE_SIZE ? align >> PAGE_SHIFT : 1,
        .boundary = boundary >> PAGE_SHIFT,
        .ceiling = limit,
        .limit = limit < end ? limit : end,
    };
    if (count == 0 || owner >= PAGE_OWNER_COUNT_ || !power_of_two(align) ||
        !power_of_two(boundary) || (boundary != 0 && count > wanted.boundary)) {
        return PAGE_BAD_REQUEST;
    }
    bool taken =
        !page_watch_refuses(allocator) &&
        (take_block(allocator, &wanted, owner, out) || take_place(allocator, &wanted, owner, out) ||
         (page_shrink(allocator) && take_place(allocator, &wanted, owner, out)));
    if (allocator->watch != NULL) {
        struct page_event event = {
            .operation = PAGE_OPERATION_CONTIG,
            .first = pfn(taken ? out->value : 0),
            .count = count,
            .ceiling = ceiling,
            .owner = (uint8_t)owner,
            .align_log = (uint8_t)log_up(align),
            .boundary_log = (uint8_t)log_up(boundary),
            .status = taken ? PAGE_OK : PAGE_NO_MEMORY,
        };
        page_watch_allocated(allocator, event, PAGE_CALLER);
    }
    if (!taken && refusal != NULL) {
        explain(allocator, &wanted, refusal);
    }
    return taken ? PAGE_OK : PAGE_NO_MEMORY;
}

void page_free_contig(struct page_allocator *allocator, pfn_t first, uint64_t count) {
    bool watched = allocator->watch != NULL;
    if (watched) {
        struct page_event event = {
            .sequence = page_watch_sequence(allocator),
            .operation = PAGE_OPERATION_FREE_CONTIG,
            .first = first,
            .count = count,
        };
        page_watch_record(allocator, event, PAGE_CALLER);
    }
    for (uint64_t frame = first.value; count != 0;) {
        uint32_t within = frame & (SECTION_FRAMES - 1);
        uint64_t room = SECTION_FRAMES - within;
        unsigned order = largest_order(within, within + (uint32_t)(count < room ? count : room));
        (watched ? page_free_block : page_free)(allocator, pfn(frame), order);
        frame += UINT64_C(1) << order;
        count -= UINT64_C(1) << order;
    }
}

// Of the block that begins at `frame`, as far as its state byte knows: page_free looks properly.
static unsigned order_of(struct page_allocator *allocator, pfn_t frame) {
    uint64_t index = frame.value >> SECTION_SHIFT;
    uint32_t within = frame.value & (SECTION_FRAMES - 1);
    if (index >= allocator->section_count || within >= allocator->sections[index].span) {
        return page_inspect(allocator, frame).order;
    }
    uint8_t state = state_read(&allocator->sections[index], within);
    return state_is_head(state) ? state_order(state) : 0;
}

void page_free_run(struct page_allocator *allocator, pfn_t first, uint64_t count) {
    for (uint64_t frame = first.value; count != 0;) {
        unsigned order = order_of(allocator, pfn(frame));
        if (UINT64_C(1) << order > count) {
            port_panic("page_free_run: frame 0x%lx: the block of order %u reaches beyond the end, "
                       "frame 0x%lx",
                       frame, order, frame + count);
        }
        page_free(allocator, pfn(frame), order);
        frame += UINT64_C(1) << order;
        count -= UINT64_C(1) << order;
    }
}
