// SPDX-License-Identifier: MIT
// The kernel's port: include/mm/port.h says what each of these means.
#pragma once

#include <x86/cpu.h>

#define PORT_CPU_MAX 16

// Where physical address 0 is mapped; set once, from the boot contract.
extern uint8_t *port_direct_map_base;

// One CPU runs; the others are not started yet.
static inline unsigned port_cpu(void) {
    return 0;
}

static inline void *port_direct_map(paddr_t address) {
    return port_direct_map_base + address.value;
}

static inline unsigned long port_irq_save(void) {
    return cpu_irq_save();
}

static inline void port_irq_restore(unsigned long flags) {
    cpu_irq_restore(flags);
}

static inline void port_relax(void) {
    cpu_pause();
}
