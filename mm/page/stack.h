// SPDX-License-Identifier: MIT
// The per-CPU stacks: single frames, and a few blocks of 2 MiB.
//
//                  pop, push: no lock, interrupts on
//      owner  <────────────────────────────────>  frames: 128 entries      large: 4 entries
//                                                     ^            |
//                          refill: 64 frames under one lock       flush: the oldest 64
//                                                     |            v
//                                                  sections (search.c)
//
// A CPU uses a stack only between page_gate_enter and page_gate_leave. An interrupt that comes in
// between finds the gate held and goes to the sections; one that comes before it has gone, and has
// left the gate as it found it, when the gate is entered. So nothing needs to be atomic and nothing
// disables interrupts.
//
// The state byte of a frame in a stack says so (STATE_CACHED), so a double free is caught at the
// second push; when two CPUs free one frame in the same instant, at the flush.
#pragma once

#include "internal.h"

#define LARGE_ORDER (BITMAP_ORDERS - 1)

#define PAGE_GATE_HELD   1u
#define PAGE_GATE_CLOSED 2u // while a watch is attached (watch.c); the stack is empty

static inline bool page_gate_enter(struct page_stack *stack) {
    if (__builtin_expect(stack->gate != 0, false)) {
        return false;
    }
    stack->gate = PAGE_GATE_HELD;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return true;
}

static inline void page_gate_leave(struct page_stack *stack) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    stack->gate = 0;
}

// The count is read by others (page_free_count).
static inline void page_stack_set_count(struct page_stack *stack, uint32_t count) {
    __atomic_store_n(&stack->count, count, __ATOMIC_RELAXED);
}

// The stack for an order, 0 or 9, and how many entries it holds at most. Constants: each caller is
// compiled for one of the two.
static inline __attribute__((always_inline)) struct page_stack *
page_stack_of(struct page_allocator *allocator, unsigned order) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    return order == 0 ? &cpu->frames : &cpu->large;
}

static inline __attribute__((always_inline)) uint32_t page_stack_capacity(unsigned order) {
    return order == 0 ? PAGE_STACK_FRAMES : PAGE_STACK_LARGE;
}

// Pops a block that ends at or below frame `limit` for an owner. False when the stack is in use,
// closed or empty, or its last block lies higher.
static inline __attribute__((always_inline)) bool page_stack_pop(struct page_allocator *allocator,
                                                                 unsigned order, uint64_t limit,
                                                                 enum page_owner owner,
                                                                 pfn_t *out) {
    struct page_stack *stack = page_stack_of(allocator, order);
    if (!page_gate_enter(stack)) {
        return false;
    }
    uint32_t count = stack->count;
    if (__builtin_expect(count == 0, false) ||
        __builtin_expect(stack->frames[count - 1] + (UINT64_C(1) << order) > limit, false)) {
        page_gate_leave(stack);
        return false;
    }
    page_stack_set_count(stack, --count);
    __atomic_store_n(stack->states[count], state_of(order, owner), __ATOMIC_RELAXED);
    *out = pfn(stack->frames[count]);
    stack->owned_blocks[owner]++;
    page_gate_leave(stack);
    return true;
}

// Pushes a block that was allocated with this order. False when the stack is in use, closed or
// full, or the block is not what the caller says.
static inline __attribute__((always_inline)) bool page_stack_push(struct page_allocator *allocator,
                                                                  pfn_t block, unsigned order) {
    struct page_stack *stack = page_stack_of(allocator, order);
    uint64_t index = block.value >> SECTION_SHIFT;
    uint32_t frame = block.value & (SECTION_FRAMES - 1);
    if (index >= allocator->section_count || frame >= allocator->sections[index].span) {
        return false;
    }
    uint8_t *state = allocator->sections[index].state + frame;
    uint64_t owner = (uint64_t)*state - state_of(order, 0);
    if (__builtin_expect(owner >= PAGE_OWNER_COUNT_, false) || !page_gate_enter(stack)) {
        return false;
    }
    uint32_t count = stack->count;
    if (__builtin_expect(count == page_stack_capacity(order), false)) {
        page_gate_leave(stack);
        return false;
    }
    __atomic_store_n(state, order == 0 ? STATE_CACHED : STATE_CACHED_2M, __ATOMIC_RELAXED);
    stack->frames[count] = block.value;
    stack->states[count] = state;
    page_stack_set_count(stack, count + 1);
    stack->owned_blocks[owner]--;
    page_gate_leave(stack);
    return true;
}

// Fills this CPU's stack of frames when it is empty. False when it is in use or closed, or no
// section has any frame to give.
bool page_stack_refill(struct page_allocator *allocator);

// Gives the oldest PAGE_STACK_BATCH frames of this CPU's stack back when it is full. False when it
// is in use or closed.
bool page_stack_flush(struct page_allocator *allocator);

// Gives everything in a CPU's stacks back. Both gates are the caller's.
void page_stacks_empty(struct page_allocator *allocator, struct page_cpu *cpu);
