# SPDX-License-Identifier: MIT
# From `llvm-nm --numeric-sort --defined-only` of the kernel: the symbol table of kernel/lib/symbols.h, as assembly.
# Only functions; where two names share an address, the first. From an empty input: an empty table.
# Addresses are compared as text: to awk 0e60 is a number like any other.
($2 == "t" || $2 == "T") && $3 == "kernel_text_end" { end = $1; next }
($2 == "t" || $2 == "T") && $3 != "kernel_image_begin" && ($1 "") != last {
    last = $1 ""
    offsets = offsets "    .long 0x" $1 "\n"
    names = names "    .long " length_so_far "\n"
    strings = strings "    .asciz \"" $3 "\"\n"
    length_so_far += length($3) + 1
    count++
}
BEGIN { length_so_far = 0; end = "0"; last = "none" }
END {
    print "    .section .symbols.data, \"a\", @progbits\n    .balign 4"
    printf "symbol_offsets:\n%ssymbol_names:\n%ssymbol_strings:\n%s    .balign 8\n", offsets, names, strings
    print "    .section .data.rel.ro.symbols, \"aw\", @progbits\n    .balign 8"
    print "    .globl symbol_table_kernel\n    .hidden symbol_table_kernel\nsymbol_table_kernel:"
    print "    .long " count + 0 ", 0\n    .quad symbol_offsets, symbol_names, symbol_strings"
    print "    .long 0x" end ", 0"
}
