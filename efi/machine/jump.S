// SPDX-License-Identifier: MIT
// The way out: the last instructions of the loader, and the first that run on its page tables.
//
// Called as C on this target calls (Microsoft's convention): the pointer to struct machine_jump is
// in RCX. All that is needed is taken into registers first, for neither the structure nor the
// firmware's stack is mapped in the new tables: of the loader only these instructions are.
#define CR0_STATE         0x80010033 // PG WP NE ET MP PE: cached, no emulation
#define CR4_PAE           0x20
#define CR4_KEPT          0x1040 // LA57 cannot change here; MCE stays as the firmware has it
#define MSR_EFER          0xc0000080
#define EFER_NXE          0x800

    .text
    .balign 128
    .globl machine_jump
    .globl machine_jump_begin
    .globl machine_jump_end
machine_jump_begin:
machine_jump:
    cli
    cld
    movq 0(%rcx), %r8       // page tables
    movq 8(%rcx), %r9       // stack
    movq 16(%rcx), %r10     // entry
    movq 24(%rcx), %rdi     // boot_info
    movq 32(%rcx), %r11     // whether there is NX

    // The tables use bit 63, which faults as a reserved bit while NXE is clear (and U-Boot leaves
    // it clear): so first this, then CR3.
    testq %r11, %r11
    jz 1f
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_NXE, %eax
    wrmsr
1:
    // CR4 without PGE drops the firmware's global translations too; without CET, which could not
    // stay on while CR0.WP changes; SMEP, SMAP and the like are the kernel's to switch on.
    movq %cr4, %rax
    andl $CR4_KEPT, %eax
    orl $CR4_PAE, %eax
    movq %rax, %cr4
    movl $CR0_STATE, %eax
    movq %rax, %cr0
    movq %r8, %cr3
    movq %r9, %rsp
    xorl %ebp, %ebp
    jmpq *%r10
machine_jump_end:
