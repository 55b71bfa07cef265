# SPDX-License-Identifier: MIT
# Connects to the machine that `make debug` started, and stops at the first instruction of the loader, then of the
# kernel. Use it as `make debug` says: symbols.gdb has the addresses.
set architecture i386:x86-64
set confirm off
target remote 127.0.0.1:1234

# Hardware breakpoints, for there is nothing at these addresses yet.
thbreak efi_main
thbreak kernel_entry
continue
