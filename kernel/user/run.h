// SPDX-License-Identifier: MIT
// Running a program in user mode until it ends or is stopped.
//
// Page faults of the program are its address space's to resolve (mm/space.h); it is stopped by one
// that cannot be, and by every other exception. Interrupts are off all the while.
#pragma once

#include <mm/space.h>
#include <strata/text.h>

struct kernel;
struct trap_frame;

#define USER_VECTOR_EXIT 0x80 // INT 0x80 ends the program, its result in RDI

// What works in enter.S.
struct user_call {
    uint64_t entry, arguments[2], stack;
    uint64_t kernel_stack; // RSP to come back to
    uint64_t rsp0;         // where the TSS has it
};

struct user_result {
    bool exited;
    uint64_t value; // when it exited
    // When it was stopped:
    uint64_t vector, error, address, rip; // of the exception
    enum space_fault fault;               // why a page fault was not resolved
    uint64_t resolved;                    // page faults that were, either way
};

// What runs now; NULL: nothing.
struct user {
    struct user_call *call;
    struct space *space;
    struct user_result *result;
};

// Runs the program at `entry` of `space` with two arguments.
void user_run(struct kernel *kernel, struct space *space, vaddr_t entry, uint64_t first,
              uint64_t second, struct user_result *result);

// Called for an exception or an interrupt: true when it came from user mode and was dealt with.
bool user_trap(struct kernel *kernel, struct trap_frame *frame);

// Writes in a line how it ended, with the reason when it was stopped.
void user_explain(struct text *out, struct space *space, const struct user_result *result);
