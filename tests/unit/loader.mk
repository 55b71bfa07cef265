# SPDX-License-Identifier: MIT
# The loader, hosted: its pure files as they are.
TEST_SOURCES_elf := efi/elf.c efi/format.c
LOADER_OPTIONS := efi/options.c efi/options_parse.c efi/options_badram.c efi/format.c efi/utf.c
TEST_SOURCES_options := $(LOADER_OPTIONS)
TEST_SOURCES_loader_text := efi/format.c efi/optiontext.c efi/utf.c
TEST_SOURCES_paging := efi/layout.c efi/paging.c
