// SPDX-License-Identifier: MIT
// What runs in user mode for the self-test: a few programs without memory of their own, each with
// two arguments in RDI and RSI. INT 0x80 ends a program; its result is in RDI. The kernel copies
// all of it into an address space, so nothing here may depend on where it is.
    .section .rodata.user, "a", @progbits
    .balign 16
    .globl user_programs
    .hidden user_programs
user_programs:

// Finds RSI pages from RDI on zero, the first word and the last of each, and writes to them.
// Result: how many were.
    .globl user_touch
    .hidden user_touch
user_touch:
    xorl %eax, %eax
1:  testq %rsi, %rsi
    jz 2f
    movq (%rdi), %rcx
    orq 4088(%rdi), %rcx
    jnz 2f
    movq %rsi, (%rdi)
    movq %rsi, 4088(%rdi)
    addq $4096, %rdi
    decq %rsi
    incq %rax
    jmp 1b
2:  movq %rax, %rdi
    int $0x80

// Writes RSI to the word at RDI. Result: 0.
    .globl user_write
    .hidden user_write
user_write:
    movq %rsi, (%rdi)
    xorl %edi, %edi
    int $0x80

// Result: the word at RDI.
    .globl user_read
    .hidden user_read
user_read:
    movq (%rdi), %rdi
    int $0x80

// Goes on at RDI.
    .globl user_jump
    .hidden user_jump
user_jump:
    jmpq *%rdi

// Executes what only the kernel may.
    .globl user_privileged
    .hidden user_privileged
user_privileged:
    movq %rdi, %cr3
    int $0x80

    .globl user_programs_end
    .hidden user_programs_end
user_programs_end:
