// SPDX-License-Identifier: MIT
// What a hosted program does to play the machine: physical memory, CPUs, and catching panics.
#pragma once

#include <mm/port.h>
#include <setjmp.h>

// Makes [begin, begin + bytes) the physical memory: address space only, a page costs nothing until
// it is touched, so terabytes are fine. Zeroed. Replaces what was there before. Exits with a
// message when the host refuses.
void host_memory(paddr_t begin, uint64_t bytes);

// This thread plays CPU `cpu` from now on.
void host_cpu_set(unsigned cpu);

// Catches port_panic:
//     if (HOST_EXPECT_PANIC()) { page_free(…); host_panic_end(); fail(); } else { …
//     host_panic_message … }
// Without it a panic prints its message and aborts.
#define HOST_EXPECT_PANIC() (host_panic_armed = true, setjmp(host_panic_jump) == 0)
extern _Thread_local jmp_buf host_panic_jump;
extern _Thread_local bool host_panic_armed;
extern _Thread_local char host_panic_message[512];
void host_panic_end(void);

// The function that port_code_name says all code is in, 16 bytes into it; NULL (default): unknown.
extern const char *host_code_name;

// Lines of port_log above this level are not printed (default PORT_WARNING).
extern enum port_level host_log_level;
