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

// Others read the counts (page_free_count).
static void set_count(uint32_t *count, uint32_t value) {
    __atomic_store_n(count, value, __ATOMIC_RELAXED);
}

static void refill(struct page_allocator *allocator, struct page_cpu *cpu) {
    uint64_t frames[PAGE_STACK_BATCH];
    struct search search = {
        .max = PAGE_STACK_BATCH, .state = STATE_CACHED, .limit = UINT64_MAX >> PAGE_SHIFT};
    unsigned count = page_take(allocator, search, frames);
    // The first that was found is the first to be popped.
    for (unsigned i = 0; i < count; i++) {
        uint64_t frame = frames[count - 1 - i];
        struct section *section = &allocator->sections[frame >> SECTION_SHIFT];
        cpu->frames[i] =
            (struct page_stacked){frame, section->state + (frame & (SECTION_FRAMES - 1))};
    }
    set_count(&cpu->frame_count, count);
}

bool page_stack_refill(struct page_allocator *allocator) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    if (!page_gate_enter(cpu)) {
        return false;
    }
    if (cpu->frame_count == 0) {
        refill(allocator, cpu);
    }
    bool filled = cpu->frame_count != 0;
    page_gate_leave(cpu);
    return filled;
}

// How many frames from `frames` on are neighbours, each one above or each one below the last, in
// one section.
static unsigned run_length(const struct page_stacked *stack, unsigned count) {
    unsigned up = 1, down = 1;
    uint64_t first = stack[0].frame, index = first >> SECTION_SHIFT;
    while (up < count && stack[up].frame == first + up &&
           stack[up].frame >> SECTION_SHIFT == index) {
        up++;
    }
    while (down < count && stack[down].frame == first - down &&
           stack[down].frame >> SECTION_SHIFT == index) {
        down++;
    }
    return up > down ? up : down;
}

// Gives a run of frames back to its locked section.
static void put_run(struct section *section, const struct page_stacked *stack, unsigned count) {
    uint64_t one = stack[0].frame, other = stack[count - 1].frame, low = one < other ? one : other;
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

// Gives `count` frames back, in as many turns as there are sections among them. Destroys `stack`.
static void put_frames(struct page_allocator *allocator, struct page_stacked *stack,
                       unsigned count) {
    while (count != 0) {
        uint64_t index = stack[0].frame >> SECTION_SHIFT;
        struct section *section = &allocator->sections[index];
        unsigned kept = 0, length;
        unsigned long flags = lock_acquire(&section->lock);
        for (unsigned i = 0; i < count; i += length) {
            length = run_length(stack + i, count - i);
            if (stack[i].frame >> SECTION_SHIFT == index) {
                put_run(section, stack + i, length);
            } else {
                memmove(stack + kept, stack + i, length * sizeof(stack[0]));
                kept += length;
            }
        }
        page_update_hint(allocator, index);
        lock_release(&section->lock, flags);
        count = kept;
    }
}

bool page_stack_flush(struct page_allocator *allocator) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    if (!page_gate_enter(cpu)) {
        return false;
    }
    if (cpu->frame_count == PAGE_STACK_FRAMES) {
        put_frames(allocator, cpu->frames, PAGE_STACK_BATCH);
        set_count(&cpu->frame_count, PAGE_STACK_FRAMES - PAGE_STACK_BATCH);
        memcpy(cpu->frames, cpu->frames + PAGE_STACK_BATCH,
               cpu->frame_count * sizeof(cpu->frames[0]));
    }
    page_gate_leave(cpu);
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

void page_drain(struct page_allocator *allocator) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    if (!page_gate_enter(cpu)) {
        return;
    }
    put_frames(allocator, cpu->frames, cpu->frame_count);
    set_count(&cpu->frame_count, 0);
    while (cpu->large_count != 0) {
        set_count(&cpu->large_count, cpu->large_count - 1);
        put_large(allocator, cpu->large[cpu->large_count].frame);
    }
    page_gate_leave(cpu);
}
