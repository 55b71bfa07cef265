// SPDX-License-Identifier: MIT
// From a multiboot loader's 32-bit protected mode to C in long mode, with the first 4 GiB of
// physical memory mapped where they are.
// (Multiboot specification 0.6.96; Intel SDM vol. 3, 10.8.5.)
        .section .multiboot, "ax"
        .balign 4
header: .long   0x1badb002              // multiboot
        .long   0x00010002              // wants a memory map; the addresses below count
        .long   -(0x1badb002 + 0x00010002)
        .long   header, image_begin, image_loaded, image_end, machine_entry

        .text
        .code32
        .globl  machine_entry
machine_entry:
        cld
        movl    $stack_top, %esp
        movl    %eax, %esi              // 0x2badb002 from a multiboot loader
        movl    %ebx, %edx              // what it has to say
        movl    $image_loaded, %edi
        movl    $image_end, %ecx
        subl    %edi, %ecx
        xorl    %eax, %eax
        rep stosb

        // Tables: one of 512 GiB, one of 1 GiB, four of 2 MiB pages.
        movl    $pages_1g + 3, pages_512g
        movl    $pages_2m + 3, %eax
        movl    $pages_1g, %edi
        movl    $4, %ecx
1:      movl    %eax, (%edi)
        addl    $4096, %eax
        addl    $8, %edi
        loop    1b
        movl    $0x83, %eax             // present, writable, large
        movl    $pages_2m, %edi
        movl    $2048, %ecx
2:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    2b

        movl    %cr4, %eax
        orl     $0x20, %eax             // PAE
        movl    %eax, %cr4
        movl    $pages_512g, %eax
        movl    %eax, %cr3
        pushl   %edx
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax            // EFER.LME
        wrmsr
        popl    %edx
        movl    %cr0, %eax
        orl     $0x80010000, %eax       // PG, WP
        movl    %eax, %cr0
        lgdt    gdt_pointer
        ljmp    $8, $long_mode

        .code64
long_mode:
        xorl    %eax, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $stack_top, %esp
        movl    %esi, %edi
        movl    %edx, %esi
        xorl    %ebp, %ebp
        call    example_main
        ud2

        .globl  machine_out, machine_in, machine_irq_save, machine_irq_restore, machine_stop
machine_out:                            // (port, byte)
        movl    %edi, %edx
        movl    %esi, %eax
        outb    %al, %dx
        ret
machine_in:                             // (port)
        movl    %edi, %edx
        xorl    %eax, %eax
        inb     %dx, %al
        ret
machine_irq_save:
        pushfq
        popq    %rax
        cli
        ret
machine_irq_restore:                    // (flags)
        pushq   %rdi
        popfq
        ret
machine_stop:
        cli
        hlt
        jmp     machine_stop

        .balign 8
gdt:    .quad   0, 0x00209a0000000000   // 64-bit code
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .quad   gdt

        .bss
        .balign 4096
pages_512g: .skip 4096
pages_1g:   .skip 4096
pages_2m:   .skip 4 * 4096
        .balign 16
        .skip   65536
stack_top:
