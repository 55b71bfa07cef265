// SPDX-License-Identifier: MIT
// What the files of this folder share.
#pragma once

#include <state.h>

// What call.S works with.
struct firmware_call {
    uint64_t function, arguments[5];
    uint64_t tables;        // CR3 while it runs
    uint64_t stack;         // RSP, 16-byte aligned
    uint64_t kernel_stack;  // RSP to come back to,
    uint64_t kernel_tables; // and CR3
};

// Makes the address space, tells the firmware of virtual addresses when it is asked for, and leaves
// the state READY or OFF with a reason.
void runtime_start(struct kernel *kernel);

// Calls a service whatever the state is.
uint64_t runtime_enter(struct kernel *kernel, enum runtime_service service,
                       const uint64_t arguments[5]);
