// SPDX-License-Identifier: MIT
// Exceptions and interrupts: what the CPU was doing, and what becomes of it.
//
// What nobody resolves is explained as well as it can be, and the kernel stops. Interrupts stay
// off; one that arrives all the same is counted and named.
#pragma once

#include <strata/text.h>
#include <strata/types.h>

// The registers, as vectors.S pushes them.
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss; // pushed by the CPU
};

enum trap_vector {
    TRAP_NMI = 2,
    TRAP_DOUBLE_FAULT = 8,
    TRAP_INVALID_TSS = 10,
    TRAP_NOT_PRESENT = 11,
    TRAP_STACK = 12,
    TRAP_PROTECTION = 13,
    TRAP_PAGE_FAULT = 14,
    TRAP_MACHINE_CHECK = 18,
    TRAP_EXCEPTIONS = 32, // from here on interrupts
};

// Bits of a page fault's error code (Intel SDM vol. 3, 4.7).
#define TRAP_ERROR_PRESENT UINT64_C(0x1)
#define TRAP_ERROR_WRITE   UINT64_C(0x2)
#define TRAP_ERROR_USER    UINT64_C(0x4)
#define TRAP_ERROR_FETCH   UINT64_C(0x10)

// Called by vectors.S for every exception and interrupt. Comes back, to where the frame says, when
// the exception was resolved or was somebody else's, and after an interrupt.
void trap_handle(struct trap_frame *frame);

// "page fault", "general protection", …; "reserved exception" where the CPU defines none.
// Pure, as trap_explain_error: kernel/x86/explain.c.
const char *trap_name(uint64_t vector);

// Writes what the error code of this vector says, without a newline: for a page fault the access
// and the address, for a selector fault which entry of which table. Writes nothing and returns
// false for a vector whose error code says nothing.
bool trap_explain_error(struct text *out, uint64_t vector, uint64_t error, uint64_t fault_address);
