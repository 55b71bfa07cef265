// SPDX-License-Identifier: MIT
// The kernel's file inside the loader: one file to copy, to sign, to boot over a network.
// KERNEL_ELF comes from efi/build.mk.
    .section .kernel, "dr"
    .globl kernel_blob_begin
    .globl kernel_blob_end
    .balign 16
kernel_blob_begin:
    .incbin KERNEL_ELF
kernel_blob_end:
    .byte 0 // the section is never empty, and the end is inside it
