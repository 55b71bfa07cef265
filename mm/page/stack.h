// SPDX-License-Identifier: MIT
// The per-CPU stacks: single frames, and a few blocks of each order up to 2 MiB.
//
//                  pop, push: no lock, interrupts on
//      owner  <────────────────────────────────>  order 0: 128 entries     orders 1 … 9: 32 … 4
//                                                     ^            |         filled by frees,
//                 refill: 64 to 127 frames under one lock         flush:     around them when
//                                                     |            v         empty or full
//                                                  sections (search.c)    the oldest 64
//
// A CPU uses a stack only between page_gate_enter and page_gate_leave. An interrupt that comes in
// between finds the gate held and goes to the sections; one that comes before it has gone, and has
// left the gate as it found it, when the gate is entered. So nothing needs to be atomic and nothing
// disables interrupts.
//
// The state byte of the first frame of a block in a stack says so (STATE_CACHED), so a double free
// is caught at the second push. Nothing is atomic, so when two CPUs free one block in the same
// instant both may push it; that is caught at the flush, or when both owners that got it free it.
#pragma once

#include "internal.h"

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

// The top is read by others (page_free_count).
static inline void page_stack_set_top(struct page_stack *stack, uint64_t top) {
    __atomic_store_n(&stack->top, top, __ATOMIC_RELAXED);
}

static inline bool page_stack_is_empty(const struct page_stack *stack) {
    return stack->top == stack->begin;
}

// The two halves that pop and push have in common, for an open stack that has, or has room for, an
// entry: `entry` becomes an owner's, or the owner's block becomes the entry.
static inline __attribute__((always_inline)) pfn_t page_stack_give(struct page_cpu *cpu,
                                                                   struct page_stack *stack,
                                                                   uint64_t entry, uint8_t state,
                                                                   uint64_t owner) {
    page_stack_set_top(stack, entry);
    __atomic_store_n(cpu->states[entry], state, __ATOMIC_RELAXED);
    pfn_t block = pfn(cpu->frames[entry]);
    stack->owned_blocks[owner]++;
    page_gate_leave(stack);
    return block;
}

static inline __attribute__((always_inline)) void
page_stack_keep(struct page_cpu *cpu, struct page_stack *stack, uint64_t entry, pfn_t block,
                uint8_t *state, uint8_t cached, uint64_t owner) {
    __atomic_store_n(state, cached, __ATOMIC_RELAXED);
    cpu->frames[entry] = block.value;
    cpu->states[entry] = state;
    page_stack_set_top(stack, entry + 1);
    stack->owned_blocks[owner]--;
    page_gate_leave(stack);
}

// Where the state byte of a block's first frame is, and who owns the block if it was allocated with
// the order that has the heads from `head` on. False when it was not.
static inline __attribute__((always_inline)) bool
page_stack_owner(const struct page_allocator *allocator, pfn_t block, uint8_t head, uint8_t **state,
                 uint64_t *owner) {
    uint64_t index = block.value >> SECTION_SHIFT;
    if (index >= allocator->section_count) {
        return false;
    }
    const struct section *section = &allocator->sections[index];
    *state = section->state + (block.value & section->state_mask);
    *owner = (uint64_t) * *state - head;
    return __builtin_expect(*owner < PAGE_OWNER_COUNT_, true);
}

// Pops a block of 2^order frames, order 0 … 9, that ends at or below frame `limit`, for an owner.
// False when the stack is in use, closed or empty, or its last block lies higher.
static inline __attribute__((always_inline)) bool page_stack_pop(struct page_allocator *allocator,
                                                                 unsigned order, uint64_t limit,
                                                                 enum page_owner owner,
                                                                 pfn_t *out) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stack *stack = &cpu->stacks[order];
    if (!page_gate_enter(stack)) {
        return false;
    }
    uint64_t entry = stack->top - 1;
    if (__builtin_expect(page_stack_is_empty(stack), false) ||
        __builtin_expect(cpu->frames[entry] + stack->size > limit, false)) {
        page_gate_leave(stack);
        return false;
    }
    *out = page_stack_give(cpu, stack, entry, (uint8_t)(stack->head + owner), owner);
    return true;
}

// The same for single frames from anywhere.
static inline __attribute__((always_inline)) bool
page_stack_pop_frame(struct page_allocator *allocator, enum page_owner owner, pfn_t *out) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stack *stack = &cpu->stacks[0];
    if (!page_gate_enter(stack)) {
        return false;
    }
    uint64_t entry;
    if (__builtin_expect(__builtin_sub_overflow(stack->top, 1, &entry), false)) {
        page_gate_leave(stack);
        return false;
    }
    *out = page_stack_give(cpu, stack, entry, state_of(0, owner), owner);
    return true;
}

// Pushes a block that was allocated with this order, 0 … 9. False when the stack is in use, closed
// or full, or the block is not what the caller says.
static inline __attribute__((always_inline)) bool page_stack_push(struct page_allocator *allocator,
                                                                  pfn_t block, unsigned order) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stack *stack = &cpu->stacks[order];
    uint8_t *state;
    uint64_t owner;
    if (!page_stack_owner(allocator, block, stack->head, &state, &owner) ||
        !page_gate_enter(stack)) {
        return false;
    }
    uint64_t top = stack->top;
    if (__builtin_expect(top == stack->end, false)) {
        page_gate_leave(stack);
        return false;
    }
    page_stack_keep(cpu, stack, top, block, state, stack->cached, owner);
    return true;
}

// The same for single frames.
static inline __attribute__((always_inline)) bool
page_stack_push_frame(struct page_allocator *allocator, pfn_t frame) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stack *stack = &cpu->stacks[0];
    uint8_t *state;
    uint64_t owner;
    if (!page_stack_owner(allocator, frame, state_of(0, 0), &state, &owner) ||
        !page_gate_enter(stack)) {
        return false;
    }
    uint64_t top = stack->top;
    if (__builtin_expect(top == PAGE_STACK_FRAMES, false)) {
        page_gate_leave(stack);
        return false;
    }
    page_stack_keep(cpu, stack, top, frame, state, STATE_CACHED, owner);
    return true;
}

// Makes the stacks of a CPU, empty and open.
void page_stacks_init(struct page_cpu *cpu);

// Fills this CPU's stack of frames when it is empty. False when it is in use or closed, or no
// section has any frame to give.
bool page_stack_refill(struct page_allocator *allocator);

// Gives the oldest PAGE_STACK_BATCH frames of this CPU's stack back when it is full. False when it
// is in use or closed.
bool page_stack_flush(struct page_allocator *allocator);

// Gives everything in a CPU's stacks back. The gates of all of them are the caller's.
void page_stacks_empty(struct page_allocator *allocator, struct page_cpu *cpu);
