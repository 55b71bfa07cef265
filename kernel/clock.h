// SPDX-License-Identifier: MIT
// Time since the kernel's entry, from the time stamp counter.
//
// Ticks are the TSC's. How long one takes is known only after clock_calibrate, which is left until
// the boot's quiet part is over: waiting for a timer would drown what is measured.
#pragma once

#include <strata/types.h>

struct clock {
    uint64_t entry;     // the TSC at the kernel's entry
    uint64_t khz;       // ticks in a millisecond; 0 until calibrated
    const char *source; // where `khz` is from
};

// From CPUID when the CPU tells (leaf 15h, or a hypervisor's 40000010h), else measured against the
// PIT for 10 ms, else assumed: 1 GHz. Interrupts stay as they are.
void clock_calibrate(struct clock *clock);

// Ticks since the entry.
uint64_t clock_ticks(const struct clock *clock);

// Ticks as microseconds, without overflow for 500,000 years' worth; 0 before calibration.
uint64_t clock_microseconds(const struct clock *clock, uint64_t ticks);

// Lets that much time pass, or none before calibration.
void clock_wait(const struct clock *clock, uint64_t microseconds);
