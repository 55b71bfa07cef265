// SPDX-License-Identifier: MIT
// What the loader asks of the machine itself rather than of its firmware. The hosted tests put a
// machine of their own in this place.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <strata/types.h>

struct machine_features {
    unsigned paging_levels; // 4 or 5: as the firmware left it
    unsigned physical_bits; // width of a physical address
    bool no_execute;        // pages can be non-executable
    bool gib_pages;         // 1 GiB pages
    bool random;            // RDRAND
};

struct machine_features machine_features(void);

// The time stamp counter.
uint64_t machine_ticks(void);

// 64 random bits from the CPU; false when it had none ready in a bounded number of tries.
bool machine_random(uint64_t *out);

uint8_t machine_in(uint16_t port);
void machine_out(uint16_t port, uint8_t value);

void machine_interrupts_off(void);

// Stops for ever.
_Noreturn void machine_stop(void);

// The physical range of the code that must be mapped at its own address while the tables are
// switched: [begin, end).
void machine_jump_code(uint64_t *begin, uint64_t *end);

// Everything that the jump needs, in registers before the tables are switched.
struct machine_jump {
    uint64_t page_tables; // CR3
    uint64_t stack;       // RSP at the kernel's entry, as if it had been called
    uint64_t entry;
    uint64_t boot_info; // RDI
    uint64_t no_execute;
};

// Puts CR0, CR4 and EFER in the state that include/strata/boot.h promises, switches to the page
// tables and jumps to the kernel. Interrupts are off already.
_Noreturn void machine_jump(const struct machine_jump *jump);
