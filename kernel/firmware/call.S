// SPDX-License-Identifier: MIT
// Calling the firmware's runtime services: in their own page tables, on a stack that is mapped in
// them at its physical address, with the floating-point unit as UEFI 2.10, 2.3.4.2 wants it.
//
// uint64_t firmware_enter(struct firmware_call *call): the service's status. The fields' offsets
// are checked in runtime.c.
#define CALL_FUNCTION      0
#define CALL_ARGUMENTS     8
#define CALL_TABLES        48
#define CALL_STACK         56
#define CALL_KERNEL_STACK  64
#define CALL_KERNEL_TABLES 72
#define MXCSR_ALL_MASKED   0x1f80

    .text
    .globl firmware_enter
    .hidden firmware_enter
    .type firmware_enter, @function
firmware_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq
    cli
    cld
    movq %rdi, %rbx
    movq %rsp, CALL_KERNEL_STACK(%rbx)
    movq %cr3, %rax
    movq %rax, CALL_KERNEL_TABLES(%rbx)
    movq CALL_TABLES(%rbx), %rax
    movq %rax, %cr3
    movq CALL_STACK(%rbx), %rsp
    fninit
    pushq $MXCSR_ALL_MASKED
    ldmxcsr (%rsp)
    // Microsoft's convention: four arguments in registers, room for them on the stack, then the
    // fifth; the stack is aligned to 16 bytes at the call.
    subq $40, %rsp
    movq CALL_ARGUMENTS + 32(%rbx), %rax
    movq %rax, 32(%rsp)
    movq CALL_ARGUMENTS(%rbx), %rcx
    movq CALL_ARGUMENTS + 8(%rbx), %rdx
    movq CALL_ARGUMENTS + 16(%rbx), %r8
    movq CALL_ARGUMENTS + 24(%rbx), %r9
    xorl %ebp, %ebp
    callq *CALL_FUNCTION(%rbx)

    // A fault inside the service goes on here as well (runtime_recover): RBX is the call, RAX the
    // status, and everything else may be anything.
    .globl firmware_leave
    .hidden firmware_leave
firmware_leave:
    cli
    cld
    movq CALL_KERNEL_TABLES(%rbx), %rcx
    movq %rcx, %cr3
    movq CALL_KERNEL_STACK(%rbx), %rsp
    popfq
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    retq
    .size firmware_enter, . - firmware_enter
