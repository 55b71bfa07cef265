// SPDX-License-Identifier: MIT
// Refilling and flushing the per-CPU stacks. stack.h has the drawing.
//
// A flush returns frames in the order in which they were freed: what is free determines the
// bitmaps, so their order does not matter to the sections. Neighbours that were freed one after the
// other are given back as one range, which is what makes freeing in sequence cheap.
#include "stack.h"

#include "search.h"
#include <mm/assert.h>
#include <string.h>

_Static_assert(PAGE_STACK_BATCH + (1u << SECTION_PART_ORDER) <= PAGE_STACK_FRAMES, "a refill fits");

// How many blocks of each order a CPU keeps: 1 MiB at most, but four of the largest.
static const uint8_t capacities[PAGE_STACK_ORDERS] = {
    PAGE_STACK_FRAMES, 32, 32, 32, 16, 8, 4, 4, 4, 4,
};

void page_stacks_init(struct page_cpu *cpu) {
    uint32_t begin = 0;
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        cpu->stacks[order] = (struct page_stack){
            .top = begin,
            .begin = begin,
            .end = begin + capacities[order],
            .size = 1u << order,
            .head = state_of(order, 0),
            .cached = (uint8_t)(STATE_CACHED + order),
        };
        begin = cpu->stacks[order].end;
    }
    ASSERT(begin == PAGE_STACK_ENTRIES);
}

// Fills an empty stack whose gate is held. What was found first is popped first.
static void refill(struct page_allocator *allocator, struct page_cpu *cpu) {
    struct search search = {
        .min = PAGE_STACK_BATCH, .state = STATE_CACHED, .limit = UINT64_MAX >> PAGE_SHIFT};
    struct taken taken;
    if (!page_take(allocator, &search, &taken)) {
        return;
    }
    uint32_t count = 0;
    for (unsigned i = taken.run_count; i-- != 0;) {
        uint64_t frame = taken.base + taken.runs[i].first;
        uint8_t *state = taken.states + taken.runs[i].first;
        for (uint32_t end = count + taken.runs[i].count; count < end; count++) {
            cpu->frames[count] = frame++;
            cpu->states[count] = state++;
        }
    }
    page_stack_set_top(&cpu->stacks[0], count);
}

bool page_stack_refill(struct page_allocator *allocator) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stack *stack = &cpu->stacks[0];
    if (!page_gate_enter(stack)) {
        return false;
    }
    if (page_stack_is_empty(stack)) {
        refill(allocator, cpu);
    }
    bool filled = !page_stack_is_empty(stack);
    page_gate_leave(stack);
    return filled;
}

// How many frames from `frames` on are neighbours, each one above or each one below the last, in
// one section.
static unsigned run_length(const uint64_t *frames, unsigned count) {
    uint64_t step = count > 1 ? frames[1] - frames[0] : 0;
    unsigned length = 1;
    if (step == 1 || step == UINT64_MAX) {
        uint64_t index = frames[0] >> SECTION_SHIFT;
        while (length < count && frames[length] - frames[length - 1] == step &&
               frames[length] >> SECTION_SHIFT == index) {
            length++;
        }
    }
    return length;
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
    if (count == 1) {
        state_write(section, first, STATE_NONE);
        section_put(section, first, 0);
    } else {
        memset(section->state + first, STATE_NONE, count);
        section_put_range(section, first, first + count);
    }
}

// Gives `count` frames back, those that follow one another in a section under one lock.
static void put_frames(struct page_allocator *allocator, const uint64_t *frames, unsigned count) {
    unsigned i = 0;
    while (i < count) {
        uint64_t index = frames[i] >> SECTION_SHIFT;
        struct section *section = &allocator->sections[index];
        unsigned long flags = lock_acquire(&section->lock);
        while (i < count && frames[i] >> SECTION_SHIFT == index) {
            unsigned length = run_length(frames + i, count - i);
            put_run(section, frames + i, length);
            i += length;
        }
        page_update_hint(allocator, index);
        lock_release(&section->lock, flags);
    }
}

bool page_stack_flush(struct page_allocator *allocator) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stack *stack = &cpu->stacks[0];
    if (!page_gate_enter(stack)) {
        return false;
    }
    if (stack->top == PAGE_STACK_FRAMES) {
        const uint32_t rest = PAGE_STACK_FRAMES - PAGE_STACK_BATCH;
        put_frames(allocator, cpu->frames, PAGE_STACK_BATCH);
        page_stack_set_top(stack, rest);
        memcpy(cpu->frames, cpu->frames + PAGE_STACK_BATCH, rest * sizeof(cpu->frames[0]));
        memcpy(cpu->states, cpu->states + PAGE_STACK_BATCH, rest * sizeof(cpu->states[0]));
    }
    page_gate_leave(stack);
    return true;
}

static void put_block(struct page_allocator *allocator, uint64_t block, unsigned order) {
    uint64_t index = block >> SECTION_SHIFT;
    struct section *section = &allocator->sections[index];
    unsigned long flags = lock_acquire(&section->lock);
    state_write(section, block & (SECTION_FRAMES - 1), STATE_NONE);
    section_put(section, block & (SECTION_FRAMES - 1), order);
    page_update_hint(allocator, index);
    lock_release(&section->lock, flags);
}

static void empty(struct page_allocator *allocator, struct page_cpu *cpu, unsigned order) {
    struct page_stack *stack = &cpu->stacks[order];
    if (order == 0) {
        put_frames(allocator, cpu->frames, (unsigned)stack->top);
    }
    for (uint64_t i = stack->begin; order != 0 && i < stack->top; i++) {
        put_block(allocator, cpu->frames[i], order);
    }
    page_stack_set_top(stack, stack->begin);
}

void page_stacks_empty(struct page_allocator *allocator, struct page_cpu *cpu) {
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        empty(allocator, cpu, order);
    }
}

void page_drain(struct page_allocator *allocator) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        if (page_gate_enter(&cpu->stacks[order])) {
            empty(allocator, cpu, order);
            page_gate_leave(&cpu->stacks[order]);
        }
    }
}
