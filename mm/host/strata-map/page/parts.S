// SPDX-License-Identifier: MIT
// The parts of the HTML page, as they are in this folder. PAGE is where the build found them and
// put the scripts one behind the other.
        .section .rodata
        .macro part name, file
        .globl \name, \name\()_end
\name:  .incbin "\file"
\name\()_end:
        .endm

        part page_template, PAGE_TEMPLATE
        part page_style, PAGE_STYLE
        part page_script, PAGE_SCRIPT

        .section .note.GNU-stack, "", @progbits
