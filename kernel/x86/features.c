// SPDX-License-Identifier: MIT
// Reading CPUID.
#include <string.h>
#include <x86/cpu.h>
#include <x86/features.h>

enum cpuid_register { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

static const struct {
    const char *name;
    uint32_t leaf;
    enum cpuid_register reg;
    unsigned bit;
} features[CPU_FEATURE_COUNT_] = {
    [CPU_FEATURE_NX] = {"nx", 0x80000001, CPUID_EDX, 20},
    [CPU_FEATURE_PGE] = {"pge", 1, CPUID_EDX, 13},
    [CPU_FEATURE_PAT] = {"pat", 1, CPUID_EDX, 16},
    [CPU_FEATURE_MTRR] = {"mtrr", 1, CPUID_EDX, 12},
    [CPU_FEATURE_GIB_PAGES] = {"1gib-pages", 0x80000001, CPUID_EDX, 26},
    [CPU_FEATURE_SMEP] = {"smep", 7, CPUID_EBX, 7},
    [CPU_FEATURE_SMAP] = {"smap", 7, CPUID_EBX, 20},
    [CPU_FEATURE_UMIP] = {"umip", 7, CPUID_ECX, 2},
    [CPU_FEATURE_PCID] = {"pcid", 1, CPUID_ECX, 17},
    [CPU_FEATURE_INVPCID] = {"invpcid", 7, CPUID_EBX, 10},
    [CPU_FEATURE_LA57] = {"la57", 7, CPUID_ECX, 16},
    [CPU_FEATURE_APIC] = {"apic", 1, CPUID_EDX, 9},
    [CPU_FEATURE_X2APIC] = {"x2apic", 1, CPUID_ECX, 21},
    [CPU_FEATURE_RDTSCP] = {"rdtscp", 0x80000001, CPUID_EDX, 27},
    [CPU_FEATURE_INVARIANT_TSC] = {"invariant-tsc", 0x80000007, CPUID_EDX, 8},
    [CPU_FEATURE_RDRAND] = {"rdrand", 1, CPUID_ECX, 30},
    [CPU_FEATURE_FAST_STRINGS] = {"erms", 7, CPUID_EBX, 9},
};

// A leaf, all zero when the CPU does not know it: an unknown leaf would answer with another's.
static struct cpu_cpuid leaf_or_zero(uint32_t leaf) {
    uint32_t highest = cpu_cpuid(leaf & 0x80000000, 0).eax;
    return leaf <= highest ? cpu_cpuid(leaf, 0) : (struct cpu_cpuid){0, 0, 0, 0};
}

static uint32_t feature_register(uint32_t leaf, enum cpuid_register reg) {
    struct cpu_cpuid id = leaf_or_zero(leaf);
    const uint32_t registers[] = {id.eax, id.ebx, id.ecx, id.edx};
    return registers[reg];
}

static void read_model(struct cpu_features *cpu) {
    uint32_t signature = cpu_cpuid(1, 0).eax;
    cpu->stepping = signature & 0xf;
    cpu->model = signature >> 4 & 0xf;
    cpu->family = signature >> 8 & 0xf;
    if (cpu->family == 6 || cpu->family == 15) {
        cpu->model |= (signature >> 16 & 0xf) << 4;
    }
    if (cpu->family == 15) {
        cpu->family += signature >> 20 & 0xff;
    }
}

// Twelve characters in three registers.
static void store_name(char *name, uint32_t a, uint32_t b, uint32_t c) {
    const uint32_t words[] = {a, b, c};
    memcpy(name, words, sizeof(words));
    name[12] = '\0';
}

static void read_names(struct cpu_features *cpu) {
    struct cpu_cpuid id = cpu_cpuid(0, 0);
    store_name(cpu->vendor, id.ebx, id.edx, id.ecx);
    if ((cpu_cpuid(1, 0).ecx & UINT32_C(1) << 31) != 0) {
        id = cpu_cpuid(0x40000000, 0);
        store_name(cpu->hypervisor, id.ebx, id.ecx, id.edx);
    }
    for (uint32_t part = 0; part < 3; part++) {
        id = leaf_or_zero(0x80000002 + part);
        memcpy(cpu->brand + (size_t)16 * part, &id, 16);
    }
}

// Eight bits of the ID, or all of it where the CPU numbers its APICs with more (leaf 0x0b, whose
// EBX is 0 when there is no such leaf).
static uint32_t read_apic_id(void) {
    struct cpu_cpuid topology = leaf_or_zero(0x0b);
    return topology.ebx != 0 ? topology.edx : cpu_cpuid(1, 0).ebx >> 24;
}

void cpu_features_read(struct cpu_features *cpu) {
    *cpu = (struct cpu_features){.physical_bits = 36, .virtual_bits = 48};
    cpu->apic_id = read_apic_id();
    read_names(cpu);
    read_model(cpu);
    uint32_t sizes = leaf_or_zero(0x80000008).eax;
    if (sizes != 0) {
        cpu->physical_bits = sizes & 0xff;
        cpu->virtual_bits = sizes >> 8 & 0xff;
    }
    for (unsigned i = 0; i < CPU_FEATURE_COUNT_; i++) {
        if ((feature_register(features[i].leaf, features[i].reg) >> features[i].bit & 1) != 0) {
            cpu->has |= UINT32_C(1) << i;
        }
    }
}

#define LIST_COLUMNS 80

// The names of a set behind a heading; what does not fit the line goes on below.
static void report_list(struct text *out, const char *heading, uint32_t set) {
    size_t indent = strlen(heading), column = indent;
    text_puts(out, heading);
    for (unsigned i = 0; i < CPU_FEATURE_COUNT_; i++) {
        size_t length = strlen(features[i].name) + 1;
        if ((set >> i & 1) == 0) {
            continue;
        }
        if (column + length > LIST_COLUMNS) {
            text_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        text_printf(out, " %s", features[i].name);
        column += length;
    }
    text_puts(out, set == 0 ? " nothing\n" : "\n");
}

void cpu_features_lists(struct text *out, const struct cpu_features *cpu) {
    uint32_t all = (UINT32_C(1) << CPU_FEATURE_COUNT_) - 1;
    report_list(out, "  has:", cpu->has);
    report_list(out, "  lacks:", all & ~cpu->has);
}

const char *cpu_name(const struct cpu_features *cpu) {
    const char *brand = cpu->brand + strspn(cpu->brand, " ");
    return brand[0] != '\0' ? brand : cpu->vendor;
}

void cpu_features_report(struct text *out, const struct cpu_features *cpu) {
    text_printf(out, "cpu: %s (%s family %u model %u stepping %u), %u physical and %u virtual bits",
                cpu_name(cpu), cpu->vendor, cpu->family, cpu->model, cpu->stepping,
                cpu->physical_bits, cpu->virtual_bits);
    if (cpu->hypervisor[0] != '\0') {
        text_printf(out, ", under %s", cpu->hypervisor);
    }
    text_puts(out, "\n");
    cpu_features_lists(out, cpu);
}
