// SPDX-License-Identifier: MIT
// Catching what would stop the kernel, where it is provoked on purpose: for the self-test, which so
// sees the very report that somebody else would get.
//
// A panic is caught before anything of it is printed; then what called it is left in the middle.
// So nothing may be provoked that panics with a lock held. One at a time, on one CPU.
#pragma once

#include <stdarg.h>
#include <strata/types.h>

#define CATCH_BYTES 512

// What is being waited for. Fields are private to catch.c.
struct catcher {
    bool panics, faults;    // is waited for
    vaddr_t address;        // where the fault is expected
    void *back[5];          // __builtin_setjmp
    char said[CATCH_BYTES]; // what the last panic would have said
};

// Calls `act`. Returns what the panic says that it ends in, or NULL when it comes back. The text is
// valid until the next call.
const char *catch_panic(struct catcher *catcher, void (*act)(void *context), void *context);

// Reads the byte, or writes a 0 to it. Whether that faulted.
bool catch_fault(struct catcher *catcher, volatile uint8_t *byte, bool write);

// Asked by port_panic, and when a page fault is reported: do not come back when it was waited for.
void catch_panicked(struct catcher *catcher, const char *format, va_list arguments);
void catch_faulted(struct catcher *catcher, vaddr_t address);
