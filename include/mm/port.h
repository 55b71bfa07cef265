// SPDX-License-Identifier: MIT
// What the memory manager needs from its surroundings, and all that it needs.
//
// To use mm/ in another kernel, write one header named strata_port.h that defines the things below,
// put its folder on the include path, and compile mm/. The kernel's is kernel/port/strata_port.h;
// the hosted build's is mm/host/strata_port.h. They are chosen at link time, not through function
// pointers, so that a compiler may inline them and a reader can grep for them.
//
//   #define PORT_CPU_MAX n
//       How many CPUs there can be.
//   static inline unsigned port_cpu(void);
//       The number of the CPU that runs this, 0 … PORT_CPU_MAX-1. It must not change while a
//       function of mm/ runs: callers that can migrate pin themselves first.
//   static inline uint32_t *port_cpu_gate(void);
//       A word of this CPU's own, in a cache line that other CPUs do not write, which says
//       port_cpu() in the beginning. While the object allocator is in the middle of something the
//       word says something else, for interrupts to find. So it is the CPU's, not the thread's.
//   static inline void *port_direct_map(paddr_t address);
//       A pointer to physical memory that the memory manager owns (usable RAM). Never called for
//       anything else.
//   static inline unsigned long port_irq_save(void);
//   static inline void port_irq_restore(unsigned long);
//       Interrupts off on this CPU, and back to what they were. Nests.
//   static inline void port_relax(void);
//       A hint in a spin loop. With several CPUs it also answers what another CPU's port_tlb_flush
//       asks of this one: whoever waits for a lock has interrupts off.
//   static inline void port_memory_hide(const void *begin, uint64_t bytes);
//   static inline void port_memory_show(const void *begin, uint64_t bytes);
//       These bytes of an object are nobody's; they are somebody's again. For a tool that looks at
//       every access: the hosted build tells AddressSanitizer. Empty in a kernel.
//   static inline const void *port_text(void);
//       An address of the program: code is known by its distance from here, in 32 bits.
//   _Noreturn void port_panic(const char *format, ...);
//       An invariant is broken or a caller misused the allocator. Prints and does not come back.
//       (Tests longjmp out.)
//   void port_log(enum port_level level, const char *format, ...);
//       A line for people. No newline at the end.
//   static inline void port_entry_written(const uint64_t *entry, uint64_t address, unsigned level);
//       A page-table entry was written, the one for `address` at `level`. For ports that need a
//       barrier there, and for tests, whose MMU looks at the tables between any two writes.
//   void port_tlb_flush(const struct tlb_flush *flush);
//       Makes every CPU that may have used the space forget the ranges, or everything (mm/tlb.h),
//       and comes back when all have. Writes to tables before it are seen by walks after it. Called
//       with interrupts on or off, with the lock of the tables held or not; while it waits for
//       other CPUs it answers theirs.
//   static inline void port_tables_load(pfn_t root);
//       This CPU translates through these tables from now on; what it knew of others, global
//       translations aside, is forgotten. Called with interrupts off.
//   const char *port_code_name(uint32_t offset, uint32_t *into);
//       The function that the code at port_text() + offset belongs to, and how far into it; NULL
//       when that is not known.
#pragma once

#include <strata/types.h>

enum port_level { PORT_ERROR, PORT_WARNING, PORT_INFO, PORT_DEBUG };

_Noreturn void port_panic(const char *format, ...) __attribute__((format(printf, 1, 2), cold));
void port_log(enum port_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
const char *port_code_name(uint32_t offset, uint32_t *into);

struct tlb_flush;
void port_tlb_flush(const struct tlb_flush *flush);

#include <strata_port.h>
