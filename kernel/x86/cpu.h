// SPDX-License-Identifier: MIT
// The instructions that C has no words for. This is the kernel's only inline assembly.
//
// Each function is one instruction (or one idiom) of the Intel SDM, volume 2, and is named after
// it. Ring 0 only.
#pragma once

#include <strata/types.h>

static inline uint8_t cpu_in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void cpu_out8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint16_t cpu_in16(uint16_t port) {
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void cpu_out16(uint16_t port, uint16_t value) {
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t cpu_in32(uint16_t port) {
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void cpu_out32(uint16_t port, uint32_t value) {
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

// The time stamp counter. Not a serialising instruction: a few instructions' slack either way.
static inline uint64_t cpu_tsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

// No instruction, but the compiler does not know: a loop around it stays.
static inline void cpu_nothing(void) {
    __asm__ volatile("" : : : "memory");
}

// Counts down to 0 in a loop of exactly two instructions a step: a length to measure with.
static inline void cpu_count_down(uint64_t steps) {
    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(steps) : : "cc");
}

struct cpu_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpu_cpuid cpu_cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpu_cpuid id;
    __asm__ volatile("cpuid"
                     : "=a"(id.eax), "=b"(id.ebx), "=c"(id.ecx), "=d"(id.edx)
                     : "a"(leaf), "c"(subleaf));
    return id;
}

// Writes all modified lines of this CPU's caches back and empties them (SDM 2, WBINVD): what is
// read next comes from the memory.
static inline void cpu_flush_caches(void) {
    __asm__ volatile("wbinvd" : : : "memory");
}

#define MSR_EFER UINT32_C(0xc0000080)
#define MSR_PAT  UINT32_C(0x277)

// What the PAT holds after a reset (Intel SDM vol. 3, 12.12.4).
#define PAT_RESET UINT64_C(0x0007040600070406)

// A model-specific register that exists: another one is a general-protection fault.
static inline uint64_t cpu_read_msr(uint32_t msr) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void cpu_write_msr(uint32_t msr, uint64_t value) {
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t cpu_read_cr0(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}

static inline uint64_t cpu_read_cr2(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}

static inline uint64_t cpu_read_cr3(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

static inline uint64_t cpu_read_cr4(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}

static inline void cpu_write_cr0(uint64_t value) {
    __asm__ volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}

static inline void cpu_write_cr3(uint64_t value) {
    __asm__ volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}

static inline void cpu_write_cr4(uint64_t value) {
    __asm__ volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}

// Forgets the translation of `address`, and the upper entries that lead to it.
static inline void cpu_invalidate_page(uint64_t address) {
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint64_t cpu_frame_pointer(void) {
    return (uint64_t)__builtin_frame_address(0);
}

static inline void cpu_pause(void) {
    __builtin_ia32_pause();
}

static inline void cpu_interrupts_off(void) {
    __asm__ volatile("cli" : : : "memory");
}

// Never comes back: interrupts off, and again to sleep when an NMI wakes it.
static inline _Noreturn void cpu_stop(void) {
    for (;;) {
        __asm__ volatile("cli; hlt" : : : "memory");
    }
}

// RFLAGS with the interrupt flag as it was; interrupts are off afterwards.
static inline unsigned long cpu_irq_save(void) {
    unsigned long flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

#define CPU_RFLAGS_FIXED UINT64_C(0x2) // always 1
#define CPU_RFLAGS_IF    UINT64_C(0x200)

static inline void cpu_irq_restore(unsigned long flags) {
    if ((flags & CPU_RFLAGS_IF) != 0) {
        __asm__ volatile("sti" : : : "memory");
    }
}

// The operand of LGDT and LIDT.
struct cpu_table {
    uint16_t limit; // bytes minus 1
    uint64_t base;
} __attribute__((packed));

static inline void cpu_load_idt(const struct cpu_table *table) {
    __asm__ volatile("lidt %0" : : "m"(*table));
}

// The GDT, and every segment register from it; `tss` is the task register's selector.
static inline void cpu_load_segments(const struct cpu_table *gdt, uint64_t code, uint16_t data,
                                     uint16_t tss) {
    uint64_t scratch;
    __asm__ volatile("lgdt %1\n\t"
                     "pushq %2\n\t"
                     "leaq 1f(%%rip), %0\n\t"
                     "pushq %0\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movw %3, %%ds\n\t"
                     "movw %3, %%es\n\t"
                     "movw %3, %%ss\n\t"
                     "movw %w5, %%fs\n\t"
                     "movw %w5, %%gs\n\t"
                     "ltr %4"
                     : "=&r"(scratch)
                     : "m"(*gdt), "r"(code), "r"(data), "r"(tss), "r"(0)
                     : "memory");
}

// Goes on in `function`, which does not come back, on another stack: as if it had been called
// there by nobody.
static inline _Noreturn void cpu_run_on_stack(uint64_t top, void (*function)(void)) {
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "callq *%1\n\t"
                     "ud2"
                     :
                     : "r"(top), "r"(function)
                     : "memory");
    __builtin_unreachable();
}

// The ways to go wrong that the monitor's `fault` command shows.
static inline void cpu_breakpoint(void) {
    __asm__ volatile("int3");
}

static inline void cpu_undefined(void) {
    __asm__ volatile("ud2");
}

static inline void cpu_divide_by_zero(void) {
    __asm__ volatile("divl %0" : : "r"(0), "a"(1), "d"(0) : "cc");
}

static inline void cpu_set_stack_and_push(uint64_t stack) {
    __asm__ volatile("movq %0, %%rsp; pushq %%rax" : : "r"(stack) : "memory");
}

static inline void cpu_load_data_segment(uint16_t selector) {
    __asm__ volatile("movw %0, %%ds" : : "r"(selector));
}

// Fills and copies, forwards, with the string instructions: 8 bytes an iteration, then the rest.
static inline void cpu_fill(void *target, uint8_t byte, size_t count) {
    uint64_t pattern = byte * UINT64_C(0x0101010101010101);
    size_t words = count / 8, rest = count % 8;
    __asm__ volatile("rep stosq" : "+D"(target), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(rest) : "a"(pattern) : "memory");
}

static inline void cpu_copy(void *target, const void *source, size_t count) {
    size_t words = count / 8, rest = count % 8;
    __asm__ volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(rest) : : "memory");
}

// Copies backwards, for ranges that overlap with the target above the source.
static inline void cpu_copy_down(void *target, const void *source, size_t count) {
    uint8_t *to = (uint8_t *)target + count - 1;
    const uint8_t *from = (const uint8_t *)source + count - 1;
    __asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}
