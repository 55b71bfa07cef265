// SPDX-License-Identifier: MIT
// What the CPU can do to protect memory: switched on, read back, and named when it is missing.
#pragma once

#include <strata/text.h>
#include <x86/features.h>

enum control {
    CONTROL_NX,     // pages that cannot be executed
    CONTROL_WP,     // read-only pages are so for the kernel too
    CONTROL_GLOBAL, // translations that outlive a change of address space
    CONTROL_SMEP,   // the kernel cannot execute user pages
    CONTROL_SMAP,   // … nor read or write them unless it says so
    CONTROL_UMIP,   // user code cannot read where the descriptor tables are
    CONTROL_PAT,    // write-combining pages
    CONTROL_COUNT_,
};

struct controls {
    uint32_t on;      // a bit for each control: read back from the CPU
    uint32_t refused; // which the CPU says it has, and which did not stay on
};

// Switches on all that this CPU has: EFER, CR0, CR4 and the PAT, whose cache types become those of
// mm/paging.h. The page tables in use have no global pages and are written back.
void controls_enable(struct controls *controls, const struct cpu_features *cpu);

static inline bool controls_have(const struct controls *controls, enum control control) {
    return (controls->on >> control & 1) != 0;
}

// "nx", "wp", …: stable, used in records.
const char *control_name(enum control control);

// A line with those that are on, and one for each that is missing: what follows from it. Records:
//   {"record":"protection","name":"smep","on":false,"refused":false}
void controls_report(struct text *out, const struct controls *controls);
void controls_records(struct text *out, const struct controls *controls);
