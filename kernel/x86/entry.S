// SPDX-License-Identifier: MIT
// Where the loader jumps to. include/strata/boot.h has the state of the machine here.
//
// The time stamp is taken first, so that "ticks since entry" means it. The frame pointer is zeroed:
// every backtrace ends here.
    .section .text.entry, "ax", @progbits
    .globl kernel_entry
    .type kernel_entry, @function
kernel_entry:
    rdtsc
    shlq $32, %rdx
    leaq (%rax, %rdx), %rsi
    cli
    cld
    xorl %ebp, %ebp
    andq $-16, %rsp
    call kernel_start
1:  hlt
    jmp 1b
    .size kernel_entry, . - kernel_entry
