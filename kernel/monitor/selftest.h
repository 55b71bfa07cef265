// SPDX-License-Identifier: MIT
// The monitor's `selftest` command.
#pragma once

#include <strata/text.h>

// Provokes, in a kmalloc of its own over the kernel's pages, every kind of misuse in every class,
// with and without the option debug, and says what was not caught. Gives all memory back. Ends in
// "N passed, M failed".
void selftest_command(struct text *out, size_t count, char **arguments);

// Its last part: kmalloc used by a loop and by the timer interrupts that come in between. Adds to
// both counts (selftest_interrupts.c).
void selftest_interrupts(uint64_t *passed, uint64_t *failed, struct text *out);
