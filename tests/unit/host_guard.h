// SPDX-License-Identifier: MIT
// Pages for guarded objects, and catching the faults that they are for.
#pragma once

#include <mm/object_guard.h>

// Makes them with mmap and mprotect; counts what is open and what is hidden.
struct host_guard {
    uint64_t open_pages, hidden_pages;
    uint64_t most_pages; // open and hidden ones together, when it is not 0: take returns NULL
    bool refuse;         // take returns NULL
};
#define HOST_GUARD_WINDOW 1000 // freed objects that keep their addresses

struct object_guard_pages host_guard_pages(struct host_guard *guard);

// A world (object_world.h) whose heap has a guard with these pages; and its end, when everything
// has to have come back.
void host_guard_open(struct host_guard *host, struct object_guard *guard);
void host_guard_close(struct host_guard *host, struct object_guard *guard);

// Whether a read of this byte, or a write to it, faults there; `*value` is what was read.
bool host_read_faults(const volatile uint8_t *address, uint8_t *value);
bool host_write_faults(volatile uint8_t *address, uint8_t value);
