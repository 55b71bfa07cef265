// SPDX-License-Identifier: MIT
// An EFI application for a test: it leaves the firmware running on five-level page tables, as newer
// firmware does by itself. A table above the firmware's own is made, with its first entry leading
// to them, so every address that the firmware uses means what it did.
//
// CR4.LA57 cannot change while paging is on, and paging cannot be switched off in 64-bit mode
// (Intel SDM volume 3, 4.1.2 and 10.8.5): so the way leads through 32-bit code. It needs a
// processor with LA57, and itself and its stack below 4 GiB.
#define BOOT_SERVICES  96 // in the system table
#define ALLOCATE_PAGES 40 // in the boot services
#define MAX_ADDRESS    1
#define LOADER_DATA    2
#define CODE_32        0x08
#define DATA_32        0x10
#define CODE_64        0x18
#define CR0_PG         0x80000000
#define CR4_LA57       0x1000

    .text
    .globl efi_main
efi_main:
    pushq %rbx
    pushq %rdi
    subq $40, %rsp
    movq BOOT_SERVICES(%rdx), %rax
    movl $MAX_ADDRESS, %ecx
    movl $LOADER_DATA, %edx
    movl $1, %r8d
    leaq table(%rip), %r9
    callq *ALLOCATE_PAGES(%rax)
    testq %rax, %rax
    jnz done

    cld
    movq table(%rip), %rdi
    movl $512, %ecx
    xorl %eax, %eax
    rep stosq
    movq table(%rip), %rdi
    movq %cr3, %rax
    andq $~0xfff, %rax
    orq $3, %rax
    movq %rax, (%rdi)

    pushfq
    cli
    sgdt firmware_gdt(%rip)
    movw %cs, %ax
    movw %ax, firmware_code(%rip)
    movw %ss, %ax
    movw %ax, firmware_data(%rip)
    leaq gdt(%rip), %rax
    movq %rax, gdt_pointer + 2(%rip)
    lgdt gdt_pointer(%rip)
    leaq in_64_bits(%rip), %rbx
    pushq $CODE_32
    leaq in_32_bits(%rip), %rax
    pushq %rax
    lretq

    .code32
in_32_bits:
    movl $DATA_32, %eax
    movl %eax, %ss
    movl %cr0, %eax
    andl $~CR0_PG, %eax
    movl %eax, %cr0
    movl %cr4, %eax
    orl $CR4_LA57, %eax
    movl %eax, %cr4
    movl %edi, %cr3
    movl %cr0, %eax
    orl $CR0_PG, %eax
    movl %eax, %cr0
    pushl $CODE_64
    pushl %ebx
    lretl

    .code64
in_64_bits:
    lgdt firmware_gdt(%rip)
    movzwl firmware_data(%rip), %eax
    movl %eax, %ss
    movzwl firmware_code(%rip), %eax
    pushq %rax
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
1:  popfq
    xorl %eax, %eax
done:
    addq $40, %rsp
    popq %rdi
    popq %rbx
    retq

    .data
    .balign 8
table:
    .quad 0xffffffff
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00209b0000000000
gdt_pointer:
    .word 31
    .quad 0
firmware_gdt:
    .word 0
    .quad 0
firmware_code:
    .word 0
firmware_data:
    .word 0
