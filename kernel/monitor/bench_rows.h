// SPDX-License-Identifier: MIT
// The rows of the monitor's `bench` that are one operation, measured many times over.
#pragma once

#include <strata/types.h>

// A row's operation, `count` times. False when memory runs out, with nothing held.
struct bench_operation {
    const char *name, *title;
    bool (*run)(uint64_t count, unsigned argument);
    unsigned argument;
};

// Virtual memory: kernel addresses, devices, address spaces. Only when the kernel is on its own
// tables.
extern const struct bench_operation bench_virt_operations[];
extern const size_t bench_virt_count;
