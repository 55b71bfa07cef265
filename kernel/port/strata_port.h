// SPDX-License-Identifier: MIT
// The kernel's port: include/mm/port.h says what each of these means.
#pragma once

#include <x86/cpu.h>

#define PORT_CPU_MAX 16

// Where physical address 0 is mapped; set once, from the boot contract.
extern uint8_t *port_direct_map_base __attribute__((visibility("hidden")));

// One CPU runs; the others are not started yet.
static inline unsigned port_cpu(void) {
    return 0;
}

static inline void *port_direct_map(paddr_t address) {
    return port_direct_map_base + address.value;
}

// Of the one CPU that runs.
extern uint32_t port_gate __attribute__((visibility("hidden")));

static inline uint32_t *port_cpu_gate(void) {
    return &port_gate;
}

// The image's first byte, from the linker script.
extern const uint8_t kernel_image_begin[] __attribute__((visibility("hidden")));

static inline const void *port_text(void) {
    return kernel_image_begin;
}

static inline unsigned long port_irq_save(void) {
    return cpu_irq_save();
}

static inline void port_irq_restore(unsigned long flags) {
    cpu_irq_restore(flags);
}

static inline void port_memory_hide(const void *begin, uint64_t bytes) {
    (void)begin;
    (void)bytes;
}

static inline void port_memory_show(const void *begin, uint64_t bytes) {
    (void)begin;
    (void)bytes;
}

static inline void port_relax(void) {
    cpu_pause();
}

// x86 walks tables in the order in which they were written.
static inline void port_entry_written(const uint64_t *entry, uint64_t address, unsigned level) {
    (void)entry;
    (void)address;
    (void)level;
}

static inline void port_tables_load(pfn_t root) {
    cpu_write_cr3(paddr_of(root).value);
}
