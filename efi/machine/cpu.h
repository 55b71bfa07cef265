// SPDX-License-Identifier: MIT
// The instructions that C does not have. All of the loader's inline assembly is in this header.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpu_id {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpu_id cpu_id(uint32_t leaf, uint32_t subleaf) {
    struct cpu_id id;
    __asm__ volatile("cpuid"
                     : "=a"(id.eax), "=b"(id.ebx), "=c"(id.ecx), "=d"(id.edx)
                     : "a"(leaf), "c"(subleaf));
    return id;
}

static inline uint64_t cpu_time_stamp(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

// False when the generator had nothing ready. Only where CPUID says that there is one.
static inline bool cpu_random(uint64_t *out) {
    uint64_t value;
    bool ready;
    __asm__ volatile("rdrand %0" : "=r"(value), "=@ccc"(ready));
    *out = value;
    return ready;
}

static inline uint64_t cpu_control_4(void) {
    uint64_t value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static inline void cpu_interrupts_off(void) {
    __asm__ volatile("cli" ::: "memory");
}

static inline void cpu_halt(void) {
    __asm__ volatile("hlt");
}

static inline void cpu_out_byte(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t cpu_in_byte(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void cpu_copy_bytes(void *to, const void *from, size_t count) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
}

static inline void cpu_fill_bytes(void *to, uint8_t value, size_t count) {
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
}
