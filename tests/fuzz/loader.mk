# SPDX-License-Identifier: MIT
FUZZ_SOURCES_elf := efi/elf.c efi/format.c
FUZZ_SOURCES_options := $(LOADER_OPTIONS) efi/optiontext.c
