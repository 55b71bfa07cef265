// SPDX-License-Identifier: MIT
// The loader's port: include/mm/port.h says what each of these means.
//
// Of mm/ the loader has what is pure: the map's conversion and the text of its report. They call
// nothing of the port. What else of mm/ gets in here does not link, and that is meant: nothing
// below is defined.
#pragma once

#include <strata/types.h>

#define PORT_CPU_MAX 1

unsigned port_cpu(void);
uint32_t *port_cpu_gate(void);
void *port_direct_map(paddr_t address);
const void *port_text(void);
unsigned long port_irq_save(void);
void port_irq_restore(unsigned long flags);
void port_memory_hide(const void *begin, uint64_t bytes);
void port_memory_show(const void *begin, uint64_t bytes);
void port_relax(void);
void port_entry_written(const uint64_t *entry, uint64_t address, unsigned level);
void port_tables_load(pfn_t root);
