// SPDX-License-Identifier: MIT
// The options that the loader carries: what counts when there is no \strata.conf, and all that
// counts under Secure Boot, for the loader's signature covers them. EMBEDDED_OPTIONS comes from
// efi/build.mk.
    .section .conf, "dr"
    .globl options_embedded
    .globl options_embedded_bytes
    .balign 16
options_embedded_bytes:
    .quad 1f - options_embedded
options_embedded:
    .incbin EMBEDDED_OPTIONS
1:
