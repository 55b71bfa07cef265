// SPDX-License-Identifier: MIT
// Refilling and flushing the per-CPU stacks. stack.h has the drawing.
//
// A flush returns frames section by section, each under one lock. Their order does not matter to
// the sections: what is free determines the bitmaps. Neighbours that were freed one after the other
// are given back as one range, which is what makes freeing in sequence cheap.
#include "stack.h"

#include "search.h"
#include <mm/assert.h>
#include <string.h>

// Fills an empty stack whose gate is held.
static void refill(struct page_allocator *allocator, struct page_stack *stack) {
    uint64_t frames[PAGE_STACK_BATCH];
    struct search search = {
        .max = PAGE_STACK_BATCH, .state = STATE_CACHED, .limit = UINT64_MAX >> PAGE_SHIFT};
    unsigned count = page_take(allocator, &search, frames);
    // The first that was found is the first to be popped.
    for (unsigned i = 0; i < count; i++) {
        uint64_t frame = frames[count - 1 - i];
        const struct section *section = &allocator->sections[frame >> SECTION_SHIFT];
        stack->frames[i] = frame;
        stack->states[i] = section->state + (frame & (SECTION_FRAMES - 1));
    }
    page_stack_set_count(stack, count);
}

bool page_stack_refill(struct page_allocator *allocator) {
    struct page_stack *stack = page_stack_of(allocator, 0);
    if (!page_gate_enter(stack)) {
        return false;
    }
    if (stack->count == 0) {
        refill(allocator, stack);
    }
    bool filled = stack->count != 0;
    page_gate_leave(stack);
    return filled;
}

// How many frames from `frames` on are neighbours, each one above or each one below the last, in
// one section.
static unsigned run_length(const uint64_t *frames, unsigned count) {
    unsigned up = 1, down = 1;
    uint64_t first = frames[0], index = first >> SECTION_SHIFT;
    while (up < count && frames[up] == first + up && frames[up] >> SECTION_SHIFT == index) {
        up++;
    }
    while (down < count && frames[down] == first - down && frames[down] >> SECTION_SHIFT == index) {
        down++;
    }
    return up > down ? up : down;
}

// Gives a run of frames back to its locked section.
static void put_run(struct section *section, const uint64_t *frames, unsigned count) {
    uint64_t one = frames[0], other = frames[count - 1], low = one < other ? one : other;
    uint32_t first = low & (SECTION_FRAMES - 1);
    for (uint32_t frame = first; frame < first + count; frame++) {
        if (state_read(section, frame) != STATE_CACHED) {
            port_panic("page_free: frame 0x%lx: double free: two CPUs freed it at once",
                       low + (frame - first));
        }
    }
    memset(section->state + first, STATE_NONE, count);
    if (count == 1) {
        section_put(section, first, 0);
    } else {
        section_put_range(section, first, first + count);
    }
}

// Gives `count` frames back, in as many turns as there are sections among them. Destroys `frames`.
static void put_frames(struct page_allocator *allocator, uint64_t *frames, unsigned count) {
    while (count != 0) {
        uint64_t index = frames[0] >> SECTION_SHIFT;
        struct section *section = &allocator->sections[index];
        unsigned kept = 0, length;
        unsigned long flags = lock_acquire(&section->lock);
        for (unsigned i = 0; i < count; i += length) {
            length = run_length(frames + i, count - i);
            if (frames[i] >> SECTION_SHIFT == index) {
                put_run(section, frames + i, length);
            } else {
                memmove(frames + kept, frames + i, length * sizeof(frames[0]));
                kept += length;
            }
        }
        page_update_hint(allocator, index);
        lock_release(&section->lock, flags);
        count = kept;
    }
}

bool page_stack_flush(struct page_allocator *allocator) {
    struct page_stack *stack = page_stack_of(allocator, 0);
    if (!page_gate_enter(stack)) {
        return false;
    }
    if (stack->count == PAGE_STACK_FRAMES) {
        const uint32_t rest = PAGE_STACK_FRAMES - PAGE_STACK_BATCH;
        put_frames(allocator, stack->frames, PAGE_STACK_BATCH);
        page_stack_set_count(stack, rest);
        memcpy(stack->frames, stack->frames + PAGE_STACK_BATCH, rest * sizeof(stack->frames[0]));
        memcpy(stack->states, stack->states + PAGE_STACK_BATCH, rest * sizeof(stack->states[0]));
    }
    page_gate_leave(stack);
    return true;
}

static void put_large(struct page_allocator *allocator, uint64_t block) {
    uint64_t index = block >> SECTION_SHIFT;
    struct section *section = &allocator->sections[index];
    unsigned long flags = lock_acquire(&section->lock);
    state_write(section, block & (SECTION_FRAMES - 1), STATE_NONE);
    section_put(section, block & (SECTION_FRAMES - 1), BITMAP_ORDERS - 1);
    page_update_hint(allocator, index);
    lock_release(&section->lock, flags);
}

static void empty_frames(struct page_allocator *allocator, struct page_stack *frames) {
    put_frames(allocator, frames->frames, frames->count);
    page_stack_set_count(frames, 0);
}

static void empty_large(struct page_allocator *allocator, struct page_stack *large) {
    for (uint32_t i = 0; i < large->count; i++) {
        put_large(allocator, large->frames[i]);
    }
    page_stack_set_count(large, 0);
}

void page_stacks_empty(struct page_allocator *allocator, struct page_cpu *cpu) {
    empty_frames(allocator, &cpu->frames);
    empty_large(allocator, &cpu->large);
}

void page_drain(struct page_allocator *allocator) {
    struct page_stack *frames = page_stack_of(allocator, 0);
    struct page_stack *large = page_stack_of(allocator, LARGE_ORDER);
    if (page_gate_enter(frames)) {
        empty_frames(allocator, frames);
        page_gate_leave(frames);
    }
    if (page_gate_enter(large)) {
        empty_large(allocator, large);
        page_gate_leave(large);
    }
}
