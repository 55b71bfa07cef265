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

// Fills an empty stack of frames. False when no section has any. The gate is held.
bool page_stack_refill(struct page_allocator *allocator, struct page_cpu *cpu);

// Makes room in a full stack: gives the oldest PAGE_STACK_BATCH frames back. The gate is held.
void page_stack_flush(struct page_allocator *allocator, struct page_cpu *cpu);

// Gives all of it back. The gate is held.
void page_stack_empty(struct page_allocator *allocator, struct page_cpu *cpu);
