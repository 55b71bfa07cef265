// SPDX-License-Identifier: MIT
// The kernel's own GDT, TSS and IDT (Intel SDM vol. 3, 3.4.5, 6.14, 8.7).
//
// Long mode needs little of them: one code and one data segment, and a TSS for the stacks that the
// CPU switches to (IST) when the current one cannot be trusted: for double faults, NMIs and machine
// checks.
#pragma once

#include <lib/backtrace.h>
#include <x86/cpu.h>

#define SEGMENT_CODE      0x08
#define SEGMENT_DATA      0x10
#define SEGMENT_TSS       0x18 // two entries
#define SEGMENT_USER_DATA 0x2b // in ring 3
#define SEGMENT_USER_CODE 0x33

enum { IST_NONE, IST_DOUBLE_FAULT, IST_NMI, IST_MACHINE_CHECK, IST_COUNT_ };

#define IST_STACK_BYTES 8192

// All that one CPU's segmentation stands on.
struct segments {
    // Until there are stacks with guard pages: one for all, for the first of these exceptions ends
    // the boot.
    _Alignas(16) uint8_t early_stack[IST_STACK_BYTES];
    struct stack_range stacks[IST_COUNT_ - 1];
    uint64_t gdt[7];
    uint32_t tss[26]; // 64-bit TSS, without an I/O map
    struct {
        uint64_t low, high;
    } idt[256];
};

// Loads all three; the firmware's are left behind. After it every exception reaches trap_handle.
void segments_init(struct segments *segments);

// Where the TSS has the stack that the CPU switches to when user mode is interrupted: the address
// of 8 bytes.
uint64_t segments_rsp0(struct segments *segments);

// Gives double faults, NMIs and machine checks each a stack of its own: IST_COUNT_ - 1 ranges, in
// this order.
void segments_set_stacks(struct segments *segments, const struct stack_range *ranges);
