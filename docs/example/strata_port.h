// SPDX-License-Identifier: MIT
// The example's port: all that mm/ asks of a kernel (include/mm/port.h says what each of these
// means). This kernel has one CPU, maps physical memory where it is, and changes no page table.
#pragma once

#include <strata/types.h>

#define PORT_CPU_MAX 1

// entry.S
unsigned long machine_irq_save(void);
void machine_irq_restore(unsigned long flags);
extern const uint8_t image_begin[];

// main.c
extern uint32_t machine_gate;

static inline unsigned port_cpu(void) {
    return 0;
}

static inline uint32_t *port_cpu_gate(void) {
    return &machine_gate;
}

static inline void *port_direct_map(paddr_t address) {
    return (void *)(uintptr_t)address.value;
}

static inline const void *port_text(void) {
    return image_begin;
}

static inline unsigned long port_irq_save(void) {
    return machine_irq_save();
}

static inline void port_irq_restore(unsigned long flags) {
    machine_irq_restore(flags);
}

// For a tool that watches accesses; there is none here.
static inline void port_memory_hide(const void *begin, uint64_t bytes) {
    (void)begin;
    (void)bytes;
}

static inline void port_memory_show(const void *begin, uint64_t bytes) {
    (void)begin;
    (void)bytes;
}

static inline void port_relax(void) {
    __builtin_ia32_pause();
}

// For mm/paging/, which this kernel does not call.
static inline void port_entry_written(const uint64_t *entry, uint64_t address, unsigned level) {
    (void)entry;
    (void)address;
    (void)level;
}

static inline void port_tables_load(pfn_t root) {
    (void)root;
}
