// SPDX-License-Identifier: MIT
// Into user mode and back out of it.
//
// void user_enter(struct user_call *call): leaves ring 0 by IRETQ, with two registers for the
// program and zeros in the others. The kernel's stack here becomes the one that the CPU switches to
// when the program is interrupted (TSS.RSP0), so the frame of every exception lies right below what
// is pushed here; user_stop (run.c) makes the last of them go on at user_leave.
// The fields' offsets are checked in run.c.
#define CALL_ENTRY        0
#define CALL_ARGUMENTS    8
#define CALL_STACK        24
#define CALL_KERNEL_STACK 32
#define CALL_RSP0         40
#define USER_DATA         0x2b
#define USER_CODE         0x33
#define RFLAGS_FIXED      2 // interrupts off: nothing would handle them

    .text
    .globl user_enter
    .hidden user_enter
    .type user_enter, @function
user_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rdi, %rbx
    movq %rsp, CALL_KERNEL_STACK(%rbx)
    movq CALL_RSP0(%rbx), %rax
    movq %rsp, (%rax)
    pushq $USER_DATA
    pushq CALL_STACK(%rbx)
    pushq $RFLAGS_FIXED
    pushq $USER_CODE
    pushq CALL_ENTRY(%rbx)
    movq CALL_ARGUMENTS(%rbx), %rdi
    movq CALL_ARGUMENTS + 8(%rbx), %rsi
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    iretq

    // RSP is what it was after the pushes above.
    .globl user_leave
    .hidden user_leave
user_leave:
    cld
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    retq
    .size user_enter, . - user_enter
