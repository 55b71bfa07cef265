// SPDX-License-Identifier: MIT
// The kernel's file inside the loader: one file to copy, to sign, to boot over a network.
// KERNEL_ELF comes from efi/build.mk.
    .section .kernel, "dr"
    .globl kernel_blob
    .globl kernel_blob_bytes
    .balign 16
kernel_blob_bytes:
    .quad 1f - kernel_blob
kernel_blob:
    .incbin KERNEL_ELF
1:
