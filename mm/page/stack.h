// SPDX-License-Identifier: MIT
// The per-CPU stacks: single frames, and a few blocks of 2 MiB.
//
//                  pop, push: no lock, interrupts on
//      owner  <────────────────────────────────>  frames[0 … 127], large[0 … 3]
//                                                     ^            |
//                          refill: 64 frames under one lock       flush: the oldest 64
//                                                     |            v
//                                                  sections (search.c)
//
// The gate. A CPU's stacks are used between page_gate_enter and page_gate_leave. An interrupt that
// comes in between finds the gate closed and goes to the sections, so nothing needs to be atomic
// and nothing disables interrupts.
//
// The state byte of a frame in a stack says so (STATE_CACHED), so a double free is caught at the
// second push; when two CPUs free one frame in the same instant, at the flush.
#pragma once

#include "internal.h"

#define PAGE_GATE_BUSY 1u // in use by this CPU, below an interrupt

static inline bool page_gate_enter(struct page_cpu *cpu) {
    if (__atomic_load_n(&cpu->gate, __ATOMIC_RELAXED) != 0) {
        return false;
    }
    __atomic_store_n(&cpu->gate, PAGE_GATE_BUSY, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return true;
}

static inline void page_gate_leave(struct page_cpu *cpu) {
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&cpu->gate, 0, __ATOMIC_RELAXED);
}

// Pops a block of order 0 or 9 (a constant: the two are compiled apart) for an owner. False when
// the stacks are in use or there is none.
static inline __attribute__((always_inline)) bool page_stack_pop(struct page_allocator *allocator,
                                                                 unsigned order,
                                                                 enum page_owner owner,
                                                                 pfn_t *out) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stacked *stack = order == 0 ? cpu->frames : cpu->large;
    uint32_t *count = order == 0 ? &cpu->frame_count : &cpu->large_count;
    if (!page_gate_enter(cpu)) {
        return false;
    }
    uint32_t left = *count;
    if (__builtin_expect(left == 0, false)) {
        page_gate_leave(cpu);
        return false;
    }
    left--;
    __atomic_store_n(count, left, __ATOMIC_RELAXED); // others read it (page_free_count)
    __atomic_store_n(stack[left].state, state_of(order, owner), __ATOMIC_RELAXED);
    *out = pfn(stack[left].frame);
    cpu->stack_owned[owner] += 1 << order;
    page_gate_leave(cpu);
    return true;
}

// Pushes a block that was allocated with this order, a constant as above. False when the stacks are
// in use or full, or the block is not what the caller says.
static inline __attribute__((always_inline)) bool page_stack_push(struct page_allocator *allocator,
                                                                  pfn_t block, unsigned order) {
    struct page_cpu *cpu = &allocator->cpus[port_cpu()];
    struct page_stacked *stack = order == 0 ? cpu->frames : cpu->large;
    uint32_t *count = order == 0 ? &cpu->frame_count : &cpu->large_count;
    uint64_t index = block.value >> SECTION_SHIFT;
    uint32_t frame = block.value & (SECTION_FRAMES - 1);
    const struct section *section = &allocator->sections[index];
    if (index >= allocator->section_count || frame >= section->span || !page_gate_enter(cpu)) {
        return false;
    }
    uint8_t *state = section->state + frame;
    uint8_t owner = (uint8_t)(__atomic_load_n(state, __ATOMIC_RELAXED) - state_of(order, 0));
    uint32_t top = *count;
    if (__builtin_expect(owner >= PAGE_OWNER_COUNT_ ||
                             top == (order == 0 ? PAGE_STACK_FRAMES : PAGE_STACK_LARGE),
                         false)) {
        page_gate_leave(cpu);
        return false;
    }
    __atomic_store_n(state, order == 0 ? STATE_CACHED : STATE_CACHED_2M, __ATOMIC_RELAXED);
    stack[top] = (struct page_stacked){block.value, state};
    __atomic_store_n(count, top + 1, __ATOMIC_RELAXED);
    cpu->stack_owned[owner] -= 1 << order;
    page_gate_leave(cpu);
    return true;
}

// Fills this CPU's stack of frames when it is empty. False when no section has any, or the stacks
// are in use.
bool page_stack_refill(struct page_allocator *allocator);

// Gives the oldest PAGE_STACK_BATCH frames of this CPU's stack back when it is full. False when the
// stacks are in use.
bool page_stack_flush(struct page_allocator *allocator);
