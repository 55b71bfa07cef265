// SPDX-License-Identifier: MIT
// What this CPU is and can do, by CPUID (Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E).
#pragma once

#include <strata/text.h>
#include <strata/types.h>

enum cpu_feature {
    CPU_FEATURE_NX,
    CPU_FEATURE_PGE,
    CPU_FEATURE_PAT,
    CPU_FEATURE_MTRR,
    CPU_FEATURE_GIB_PAGES,
    CPU_FEATURE_SMEP,
    CPU_FEATURE_SMAP,
    CPU_FEATURE_UMIP,
    CPU_FEATURE_PCID,
    CPU_FEATURE_INVPCID,
    CPU_FEATURE_LA57,
    CPU_FEATURE_APIC,
    CPU_FEATURE_X2APIC,
    CPU_FEATURE_RDTSCP,
    CPU_FEATURE_INVARIANT_TSC,
    CPU_FEATURE_RDRAND,
    CPU_FEATURE_FAST_STRINGS,
    CPU_FEATURE_COUNT_,
};

struct cpu_features {
    char vendor[13];     // "GenuineIntel"
    char brand[49];      // the CPU's own name for itself, or ""
    char hypervisor[13]; // "TCGTCGTCGTCG"; "" on bare hardware
    unsigned family, model, stepping;
    unsigned physical_bits, virtual_bits;
    uint32_t apic_id; // of this CPU
    uint32_t has;     // a bit for each cpu_feature
};

void cpu_features_read(struct cpu_features *cpu);

static inline bool cpu_has(const struct cpu_features *cpu, enum cpu_feature feature) {
    return (cpu->has >> feature & 1) != 0;
}

// What the CPU calls itself, else its vendor.
const char *cpu_name(const struct cpu_features *cpu);

// The features that it has and that it lacks: a line each, or several that fit a narrow screen.
void cpu_features_lists(struct text *out, const struct cpu_features *cpu);

// Two or three lines: who it is, what it has, what it lacks.
void cpu_features_report(struct text *out, const struct cpu_features *cpu);
