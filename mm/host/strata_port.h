// SPDX-License-Identifier: MIT
// The port of a hosted build: memory is one array that stands for physical memory, CPUs are
// threads. include/mm/port.h says what each of these means.
#pragma once

#include <strata/types.h>

#define PORT_CPU_MAX 16

// The library is part of the program that uses it: what the quick ways read is addressed directly.
#pragma GCC visibility push(hidden)

// Where physical address `host_ram_begin` lies in this process, and what is added to a physical
// address. Set by host_memory().
extern uint8_t *host_ram;
extern uint64_t host_ram_begin, host_direct_map;

// The number of the CPU that this thread plays; host_cpu_set() sets it, 0 until then.
extern _Thread_local unsigned host_cpu;
extern _Thread_local uint32_t host_gate; // that CPU's

#pragma GCC visibility pop

static inline unsigned port_cpu(void) {
    return host_cpu;
}

static inline uint32_t *port_cpu_gate(void) {
    return &host_gate;
}

static inline void *port_direct_map(paddr_t address) {
    return (void *)(host_direct_map + address.value);
}

// The program's first byte, from the linker.
extern const char __executable_start[];

static inline const void *port_text(void) {
    return __executable_start;
}

// A hosted program has no interrupts, but a test may play them with signals, and asks for this.
#ifdef STRATA_DEBUG
extern _Thread_local unsigned long host_interrupts_off; // 0: on

static inline unsigned long port_irq_save(void) {
    return host_interrupts_off++;
}

static inline void port_irq_restore(unsigned long flags) {
    host_interrupts_off = flags;
}
#else
static inline unsigned long port_irq_save(void) {
    return 0;
}

static inline void port_irq_restore(unsigned long flags) {
    (void)flags;
}
#endif

// With AddressSanitizer an access to hidden memory is reported.
#if defined(__has_feature) && __has_feature(address_sanitizer)
#define HOST_ADDRESS_SANITIZER 1
void host_memory_hide(const void *begin, uint64_t bytes);
void host_memory_show(const void *begin, uint64_t bytes);
#else
#define HOST_ADDRESS_SANITIZER 0
static inline void host_memory_hide(const void *begin, uint64_t bytes) {
    (void)begin;
    (void)bytes;
}

static inline void host_memory_show(const void *begin, uint64_t bytes) {
    (void)begin;
    (void)bytes;
}
#endif

static inline void port_memory_hide(const void *begin, uint64_t bytes) {
    host_memory_hide(begin, bytes);
}

static inline void port_memory_show(const void *begin, uint64_t bytes) {
    host_memory_show(begin, bytes);
}

static inline void port_relax(void) {
    __builtin_ia32_pause();
}

// What a test does when an entry of a page table was written, to flush, and to load tables; NULL:
// nothing.
struct tlb_flush;
extern void (*host_entry_written)(const uint64_t *entry, uint64_t address, unsigned level);
extern void (*host_tlb_flush)(const struct tlb_flush *flush);
extern void (*host_tables_load)(pfn_t root);

static inline void port_entry_written(const uint64_t *entry, uint64_t address, unsigned level) {
    if (host_entry_written != NULL) {
        host_entry_written(entry, address, level);
    }
}

static inline void port_tables_load(pfn_t root) {
    if (host_tables_load != NULL) {
        host_tables_load(root);
    }
}
