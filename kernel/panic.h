// SPDX-License-Identifier: MIT
// The end: what went wrong, who called whom, and a stop.
//
// Nothing here allocates, waits without bound or trusts what it reads. A second failure on the way
// prints one line less; a third stops at once.
#pragma once

#include <strata/text.h>
#include <strata/types.h>

// What QEMU's isa-debug-exit device makes of these: exit status (value << 1) | 1.
enum panic_exit {
    PANIC_EXIT_PASS = 0x10,   // status 33
    PANIC_EXIT_FAILED = 0x11, // status 35: a panic or an exception
    PANIC_EXIT_CHECK = 0x12,  // status 37: powered off in order, but a check had failed
};

// Begins a report that ends in panic_stop: interrupts off, what the log still keeps is printed.
// Returns the console, or NULL when this is already the third failure in a row. `*again` tells
// whether a report was under way: then keep it short.
struct text *panic_begin(bool *again);

// Writes the calls that led to `frame_pointer`; `address` is the innermost instruction and `caller`
// a return address before the frame pointer's, 0 to leave either out.
void panic_backtrace(struct text *out, uint64_t address, uint64_t caller, uint64_t frame_pointer);

// Writes an address of code: "0xffffffff80201234 page_free+0x34", or without a name.
void panic_print_code(struct text *out, uint64_t address);

// Sends everything out, ends QEMU when the option exit_on_panic asks for it, and stops.
_Noreturn void panic_stop(void);

// Ends QEMU through isa-debug-exit if it is there and the options allow it; otherwise comes back.
void panic_exit_emulator(enum panic_exit value);
