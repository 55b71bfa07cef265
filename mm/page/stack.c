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

bool page_stack_refill(struct page_allocator *allocator, struct page_cpu *cpu) {
    uint64_t frames[PAGE_STACK_BATCH];
    struct search search = {
        .max = PAGE_STACK_BATCH, .state = STATE_CACHED, .limit = UINT64_MAX >> PAGE_SHIFT};
    unsigned count = page_take(allocator, search, frames);
    // The first that was found is the first to be popped.
    for (unsigned i = 0; i < count; i++) {
        cpu->frames[i] = frames[count - 1 - i];
    }
    set_count(&cpu->frame_count, count);
    return count != 0;
}

// How many frames from `frames` on are neighbours, each one above or each one below the last, in
// one section.
static unsigned run_length(const uint64_t *frames, unsigned count) {
    unsigned up = 1, down = 1;
    uint64_t index = frames[0] >> SECTION_SHIFT;
    while (up < count && frames[up] == frames[0] + up && frames[up] >> SECTION_SHIFT == index) {
        up++;
    }
    while (down < count && frames[down] == frames[0] - down &&
           frames[down] >> SECTION_SHIFT == index) {
        down++;
    }
    return up > down ? up : down;
}

// Gives a run of frames back to its locked section.
static void put_run(struct section *section, const uint64_t *frames, unsigned count) {
    uint64_t low = frames[0] < frames[count - 1] ? frames[0] : frames[count - 1];
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

void page_stack_flush(struct page_allocator *allocator, struct page_cpu *cpu) {
    put_frames(allocator, cpu->frames, PAGE_STACK_BATCH);
    set_count(&cpu->frame_count, cpu->frame_count - PAGE_STACK_BATCH);
    memcpy(cpu->frames, cpu->frames + PAGE_STACK_BATCH, cpu->frame_count * sizeof(cpu->frames[0]));
}

void page_stack_empty(struct page_allocator *allocator, struct page_cpu *cpu) {
    put_frames(allocator, cpu->frames, cpu->frame_count);
    set_count(&cpu->frame_count, 0);
    while (cpu->large_count != 0) {
        set_count(&cpu->large_count, cpu->large_count - 1);
        uint64_t block = cpu->large[cpu->large_count];
        uint64_t index = block >> SECTION_SHIFT;
        struct section *section = &allocator->sections[index];
        unsigned long flags = lock_acquire(&section->lock);
        state_write(section, block & (SECTION_FRAMES - 1), STATE_NONE);
        section_put(section, block & (SECTION_FRAMES - 1), BITMAP_ORDERS - 1);
        page_update_hint(allocator, index);
        lock_release(&section->lock, flags);
    }
}

void page_drain(struct page_allocator *allocator) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    if (page_gate_enter(cpu)) {
        page_stack_empty(allocator, cpu);
        page_gate_leave(cpu);
    }
}
