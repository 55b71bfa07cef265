// SPDX-License-Identifier: MIT
// The time stamp counter's rate (Intel SDM vol. 3, 18.7.3; Intel 8254 data sheet).
#include <clock.h>
#include <x86/cpu.h>

#define PIT_HZ            UINT64_C(1193182)
#define PIT_CHANNEL_2     0x42
#define PIT_COMMAND       0x43
#define PIT_ONE_SHOT_2    0xb0 // channel 2, low then high byte, mode 0
#define PIT_GATE          0x61
#define PIT_GATE_ENABLE   0x01
#define PIT_GATE_SPEAKER  0x02
#define PIT_GATE_FINISHED 0x20
#define PIT_COUNT         11932 // 10 ms

// Ticks after which the PIT is taken for dead: 40 ms at 5 GHz.
#define PIT_PATIENCE UINT64_C(200000000)

#define FALLBACK_KHZ UINT64_C(1000000)

// Leaf 15h: the TSC's ratio to a crystal whose rate many CPUs leave out.
static uint64_t khz_from_crystal(void) {
    if (cpu_cpuid(0, 0).eax < 0x15) {
        return 0;
    }
    struct cpu_cpuid id = cpu_cpuid(0x15, 0);
    return id.eax == 0 ? 0 : (uint64_t)id.ecx * id.ebx / id.eax / 1000;
}

// A leaf that VMware began and that KVM, Hyper-V's neighbours and QEMU share: the TSC in kHz.
static uint64_t khz_from_hypervisor(void) {
    bool guest = (cpu_cpuid(1, 0).ecx & UINT32_C(1) << 31) != 0;
    if (!guest || cpu_cpuid(0x40000000, 0).eax < 0x40000010) {
        return 0;
    }
    return cpu_cpuid(0x40000010, 0).eax;
}

// Counts ticks while the PIT's channel 2 counts down 10 ms. 0 when it does not run.
static uint64_t khz_from_pit(void) {
    uint8_t gate = cpu_in8(PIT_GATE);
    cpu_out8(PIT_GATE, (uint8_t)((gate & ~PIT_GATE_SPEAKER) | PIT_GATE_ENABLE));
    cpu_out8(PIT_COMMAND, PIT_ONE_SHOT_2);
    cpu_out8(PIT_CHANNEL_2, PIT_COUNT & 0xff);
    cpu_out8(PIT_CHANNEL_2, PIT_COUNT >> 8);
    bool running = (cpu_in8(PIT_GATE) & PIT_GATE_FINISHED) == 0, finished = false;
    uint64_t begin = cpu_tsc(), ticks = 0;
    while (!finished && ticks < PIT_PATIENCE) {
        finished = (cpu_in8(PIT_GATE) & PIT_GATE_FINISHED) != 0;
        ticks = cpu_tsc() - begin;
    }
    cpu_out8(PIT_GATE, gate);
    return running && finished ? ticks * PIT_HZ / PIT_COUNT / 1000 : 0;
}

void clock_calibrate(struct clock *clock) {
    static const struct {
        uint64_t (*khz)(void);
        const char *name;
    } sources[] = {
        {khz_from_crystal, "CPUID 15h"},
        {khz_from_hypervisor, "the hypervisor"},
        {khz_from_pit, "measured against the PIT"},
    };
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        uint64_t khz = sources[i].khz();
        if (khz != 0) {
            clock->khz = khz;
            clock->source = sources[i].name;
            return;
        }
    }
    clock->khz = FALLBACK_KHZ;
    clock->source = "assumed: nothing here tells";
}

uint64_t clock_ticks(const struct clock *clock) {
    return cpu_tsc() - clock->entry;
}

uint64_t clock_microseconds(const struct clock *clock, uint64_t ticks) {
    if (clock->khz == 0) {
        return 0;
    }
    return ticks / clock->khz * 1000 + ticks % clock->khz * 1000 / clock->khz;
}

void clock_wait(const struct clock *clock, uint64_t microseconds) {
    uint64_t begin = clock_ticks(clock), ticks = microseconds * clock->khz / 1000;
    while (clock_ticks(clock) - begin < ticks) {
        cpu_pause();
    }
}
