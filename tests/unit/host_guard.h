// SPDX-License-Identifier: MIT
// Pages for guarded objects, and catching the faults that they are for.
#pragma once

#include <mm/object_guard.h>

// Makes them with mmap and mprotect; counts what is open and what is hidden.
struct host_guard {
    uint64_t open_pages, hidden_pages;
    bool refuse; // take returns NULL
};
struct object_guard_pages host_guard_pages(struct host_guard *guard);

// Whether a read of this byte, or a write to it, faults there; `*value` is what was read.
bool host_read_faults(const volatile uint8_t *address, uint8_t *value);
bool host_write_faults(volatile uint8_t *address, uint8_t value);
