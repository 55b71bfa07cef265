// SPDX-License-Identifier: MIT
// Control registers (Intel SDM vol. 3, 2.5; EFER: 2.2.1; PAT: 12.12).
#include <mm/paging.h>
#include <x86/control.h>
#include <x86/cpu.h>

#define EFER_NXE  (UINT64_C(1) << 11)
#define CR0_WP    (UINT64_C(1) << 16)
#define CR4_SSE   (UINT64_C(3) << 9) // OSFXSR, OSXMMEXCPT: firmware may use SSE, the kernel never
#define CR4_PGE   (UINT64_C(1) << 7)
#define CR4_UMIP  (UINT64_C(1) << 11)
#define CR4_SMEP  (UINT64_C(1) << 20)
#define CR4_SMAP  (UINT64_C(1) << 21)
#define EVERY_CPU CPU_FEATURE_COUNT_

static const struct {
    const char *name, *without;
    enum cpu_feature feature;
    uint64_t cr4; // its bit there, when it is there
} controls_table[CONTROL_COUNT_] = {
    [CONTROL_NX] = {"nx", "everything that is mapped can be executed", CPU_FEATURE_NX, 0},
    [CONTROL_WP] = {"wp", "the kernel can write to read-only pages", EVERY_CPU, 0},
    [CONTROL_GLOBAL] = {"global", "a change of address space drops the kernel's translations",
                        CPU_FEATURE_PGE, CR4_PGE},
    [CONTROL_SMEP] = {"smep", "the kernel can execute user pages", CPU_FEATURE_SMEP, CR4_SMEP},
    [CONTROL_SMAP] = {"smap", "the kernel can read and write user pages by mistake",
                      CPU_FEATURE_SMAP, CR4_SMAP},
    [CONTROL_UMIP] = {"umip", "user code can read where the descriptor tables are",
                      CPU_FEATURE_UMIP, CR4_UMIP},
    [CONTROL_PAT] = {"pat", "the screen is uncached instead of write-combining", CPU_FEATURE_PAT,
                     0},
};

const char *control_name(enum control control) {
    return controls_table[control].name;
}

static bool cpu_has_control(const struct cpu_features *cpu, unsigned control) {
    enum cpu_feature feature = controls_table[control].feature;
    return feature == EVERY_CPU || cpu_has(cpu, feature);
}

// No page has one of the cache types that change, so all that is owed is that no line and no
// translation of before stays.
static void set_pat(void) {
    cpu_flush_caches();
    cpu_write_msr(MSR_PAT, PAGING_PAT);
    cpu_write_cr3(cpu_read_cr3());
}

static bool is_on(const struct cpu_features *cpu, unsigned control) {
    switch (control) {
    case CONTROL_NX:
        return cpu_has(cpu, CPU_FEATURE_NX) && (cpu_read_msr(MSR_EFER) & EFER_NXE) != 0;
    case CONTROL_WP:
        return (cpu_read_cr0() & CR0_WP) != 0;
    case CONTROL_PAT:
        return cpu_has(cpu, CPU_FEATURE_PAT) && cpu_read_msr(MSR_PAT) == PAGING_PAT;
    default:
        return (cpu_read_cr4() & controls_table[control].cr4) != 0;
    }
}

void controls_enable(struct controls *controls, const struct cpu_features *cpu) {
    uint64_t cr4 = cpu_read_cr4() | CR4_SSE;
    for (unsigned i = 0; i < CONTROL_COUNT_; i++) {
        cr4 |= cpu_has_control(cpu, i) ? controls_table[i].cr4 : 0;
    }
    if (cpu_has(cpu, CPU_FEATURE_NX)) {
        cpu_write_msr(MSR_EFER, cpu_read_msr(MSR_EFER) | EFER_NXE);
    }
    cpu_write_cr0(cpu_read_cr0() | CR0_WP);
    cpu_write_cr4(cr4);
    if (cpu_has(cpu, CPU_FEATURE_PAT)) {
        set_pat();
    }
    *controls = (struct controls){0, 0};
    for (unsigned i = 0; i < CONTROL_COUNT_; i++) {
        bool on = is_on(cpu, i);
        controls->on |= on ? UINT32_C(1) << i : 0;
        controls->refused |= !on && cpu_has_control(cpu, i) ? UINT32_C(1) << i : 0;
    }
}

void controls_report(struct text *out, const struct controls *controls) {
    text_puts(out, "protection:");
    for (unsigned i = 0; i < CONTROL_COUNT_; i++) {
        if ((controls->on >> i & 1) != 0) {
            text_printf(out, " %s", controls_table[i].name);
        }
    }
    text_puts(out, "\n");
    for (unsigned i = 0; i < CONTROL_COUNT_; i++) {
        if ((controls->on >> i & 1) == 0) {
            text_printf(out, "  missing: %s, which this CPU %s: %s\n", controls_table[i].name,
                        (controls->refused >> i & 1) != 0 ? "has but refuses" : "lacks",
                        controls_table[i].without);
        }
    }
}

void controls_records(struct text *out, const struct controls *controls) {
    for (unsigned i = 0; i < CONTROL_COUNT_; i++) {
        text_printf(out, "{\"record\":\"protection\",\"name\":\"%s\",\"on\":%s,\"refused\":%s}\n",
                    controls_table[i].name, (controls->on >> i & 1) != 0 ? "true" : "false",
                    (controls->refused >> i & 1) != 0 ? "true" : "false");
    }
}
