// SPDX-License-Identifier: MIT
// The first instructions after an exception or an interrupt: one entry of 16 bytes for each of the
// 256 vectors, which makes all stack frames alike (a 0 where the CPU pushes no error code), and one
// common path that saves the registers as a struct trap_frame (trap.h).
//
// The CPU aligns the stack to 16 bytes before it pushes anything (Intel SDM vol. 3, 6.14.2); 22
// words are pushed until the call, so the stack is aligned there as well.
    .altmacro

// Vectors 8, 10-14, 17, 21, 29 and 30 come with an error code (Intel SDM vol. 3, table 6-1; AMD APM
// vol. 2, 8.2).
    .macro vector number
    .balign 16
    .if (\number >= 32) || (((1 << \number) & 0x60227d00) == 0)
    pushq $0
    .endif
    pushq $\number
    jmp trap_common
    .endm

    .text
    .balign 16
    .globl trap_vectors
    .hidden trap_vectors
    .type trap_vectors, @function
trap_vectors:
    .set next_vector, 0
    .rept 256
    vector %next_vector
    .set next_vector, next_vector + 1
    .endr
    .size trap_vectors, . - trap_vectors

    .type trap_common, @function
trap_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    // A program may have set AC, which would let the kernel touch user pages in spite of SMAP.
    pushfq
    andl $~0x40000, (%rsp)
    popfq
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call trap_handle
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq
    .size trap_common, . - trap_common
