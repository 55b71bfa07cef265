// SPDX-License-Identifier: MIT
// The machine, as it is: CPUID, control registers, ports. See machine.h.
#include "machine.h"

#include "cpu.h"

#define CR4_LA57             (UINT64_C(1) << 12)
#define CPUID_1_ECX_RDRAND   (UINT32_C(1) << 30)
#define CPUID_X1_EDX_NX      (UINT32_C(1) << 20)
#define CPUID_X1_EDX_GIB     (UINT32_C(1) << 26)
#define CPUID_EXTENDED       UINT32_C(0x80000000)
#define CPUID_X1             UINT32_C(0x80000001)
#define CPUID_ADDRESS_WIDTHS UINT32_C(0x80000008)
#define RANDOM_TRIES         16 // Intel SDM volume 1, 7.3.17.1: 10 are enough

// jump.S
extern const uint8_t machine_jump_begin[], machine_jump_end[];

struct machine_features machine_features(void) {
    struct machine_features features = {.paging_levels = 4, .physical_bits = 36};
    uint32_t extended = cpu_id(CPUID_EXTENDED, 0).eax;
    if (extended >= CPUID_X1) {
        uint32_t edx = cpu_id(CPUID_X1, 0).edx;
        features.no_execute = (edx & CPUID_X1_EDX_NX) != 0;
        features.gib_pages = (edx & CPUID_X1_EDX_GIB) != 0;
    }
    if (extended >= CPUID_ADDRESS_WIDTHS) {
        features.physical_bits = cpu_id(CPUID_ADDRESS_WIDTHS, 0).eax & 0xff;
    }
    features.random = (cpu_id(1, 0).ecx & CPUID_1_ECX_RDRAND) != 0;
    if ((cpu_control_4() & CR4_LA57) != 0) {
        features.paging_levels = 5;
    }
    return features;
}

uint64_t machine_ticks(void) {
    return cpu_time_stamp();
}

bool machine_random(uint64_t *out) {
    for (unsigned i = 0; i < RANDOM_TRIES; i++) {
        if (cpu_random(out)) {
            return true;
        }
    }
    return false;
}

uint8_t machine_in(uint16_t port) {
    return cpu_in_byte(port);
}

void machine_out(uint16_t port, uint8_t value) {
    cpu_out_byte(port, value);
}

void machine_interrupts_off(void) {
    cpu_interrupts_off();
}

_Noreturn void machine_stop(void) {
    for (;;) {
        cpu_interrupts_off();
        cpu_halt();
    }
}

void machine_jump_code(uint64_t *begin, uint64_t *end) {
    *begin = (uintptr_t)machine_jump_begin;
    *end = (uintptr_t)machine_jump_end;
}
