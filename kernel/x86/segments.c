// SPDX-License-Identifier: MIT
// Descriptors for segments, interrupts and the task state (Intel SDM vol. 3, 3.4.5, 6.14.1, 8.7).
#include <user/run.h>
#include <x86/segments.h>
#include <x86/trap.h>

// In vectors.S: 256 entries of 16 bytes.
extern const uint8_t trap_vectors[] __attribute__((visibility("hidden")));

#define GDT_CODE           UINT64_C(0x00209b0000000000) // present, ring 0, executable, 64-bit
#define GDT_DATA           UINT64_C(0x0000930000000000) // present, ring 0, writable
#define GDT_USER_CODE      UINT64_C(0x0020fb0000000000) // the same for ring 3
#define GDT_USER_DATA      UINT64_C(0x0000f30000000000)
#define GDT_TSS_AVAILABLE  UINT64_C(0x0000890000000000)
#define IDT_INTERRUPT_GATE UINT64_C(0x00008e0000000000) // present, ring 0, interrupts off

#define IDT_RING_3 UINT64_C(0x0000600000000000) // programs may call it

// Word indices into the 64-bit TSS.
#define TSS_RSP0        1
#define TSS_IST(number) (7 + 2 * (number))
#define TSS_IO_MAP      25

void segments_set_stacks(struct segments *segments, const struct stack_range *ranges) {
    for (unsigned ist = 1; ist < IST_COUNT_; ist++) {
        segments->stacks[ist - 1] = ranges[ist - 1];
        segments->tss[TSS_IST(ist)] = (uint32_t)ranges[ist - 1].end;
        segments->tss[TSS_IST(ist) + 1] = (uint32_t)(ranges[ist - 1].end >> 32);
    }
}

uint64_t segments_rsp0(struct segments *segments) {
    return (uint64_t)&segments->tss[TSS_RSP0];
}

static void make_tss(struct segments *segments) {
    uint64_t begin = (uint64_t)segments->early_stack;
    const struct stack_range early = {begin, begin + IST_STACK_BYTES};
    const struct stack_range stacks[IST_COUNT_ - 1] = {early, early, early};
    segments_set_stacks(segments, stacks);
    segments->tss[TSS_IO_MAP] = (uint32_t)sizeof(segments->tss) << 16; // beyond the limit: no map
}

static void make_gdt(struct segments *segments) {
    uint64_t base = (uint64_t)segments->tss;
    uint64_t limit = sizeof(segments->tss) - 1;
    segments->gdt[SEGMENT_CODE / 8] = GDT_CODE;
    segments->gdt[SEGMENT_DATA / 8] = GDT_DATA;
    segments->gdt[SEGMENT_TSS / 8] =
        GDT_TSS_AVAILABLE | limit | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
    segments->gdt[SEGMENT_TSS / 8 + 1] = base >> 32;
    segments->gdt[SEGMENT_USER_DATA / 8] = GDT_USER_DATA;
    segments->gdt[SEGMENT_USER_CODE / 8] = GDT_USER_CODE;
}

static unsigned ist_of(unsigned vector) {
    switch (vector) {
    case TRAP_DOUBLE_FAULT:
        return IST_DOUBLE_FAULT;
    case TRAP_NMI:
        return IST_NMI;
    case TRAP_MACHINE_CHECK:
        return IST_MACHINE_CHECK;
    default:
        return IST_NONE;
    }
}

static void make_idt(struct segments *segments) {
    for (unsigned vector = 0; vector < 256; vector++) {
        uint64_t entry = (uint64_t)trap_vectors + UINT64_C(16) * vector;
        segments->idt[vector].low = IDT_INTERRUPT_GATE | (entry & 0xffff) | SEGMENT_CODE << 16 |
                                    (uint64_t)ist_of(vector) << 32 | (entry >> 16 & 0xffff) << 48;
        segments->idt[vector].high = entry >> 32;
    }
    segments->idt[USER_VECTOR_EXIT].low |= IDT_RING_3;
}

void segments_init(struct segments *segments) {
    make_tss(segments);
    make_gdt(segments);
    make_idt(segments);
    const struct cpu_table gdt = {sizeof(segments->gdt) - 1, (uint64_t)segments->gdt};
    const struct cpu_table idt = {sizeof(segments->idt) - 1, (uint64_t)segments->idt};
    cpu_load_segments(&gdt, SEGMENT_CODE, SEGMENT_DATA, SEGMENT_TSS);
    cpu_load_idt(&idt);
}
