# SPDX-License-Identifier: MIT
# The loader, hosted: its pure files as they are; and all of it against a fake firmware, but for the machine itself.
TEST_SOURCES_elf := efi/elf.c efi/format.c tests/support/elf_file.c
LOADER_OPTIONS := efi/options.c efi/options_parse.c efi/options_badram.c efi/options_fail.c efi/options_reserve.c \
  efi/options_size.c efi/badram_pattern.c efi/format.c efi/utf.c
TEST_SOURCES_badram := efi/badram_pattern.c tests/unit/world.c
TEST_SOURCES_options := $(LOADER_OPTIONS)
TEST_SOURCES_loader_text := efi/format.c efi/optiontext.c efi/utf.c
TEST_SOURCES_paging := efi/layout.c efi/paging.c
TEST_SOURCES_loader := $(filter-out efi/machine.c efi/runtime.c,$(EFI_SOURCES)) tests/support/elf_file.c \
  tests/support/firmware.c tests/support/firmware_files.c tests/support/firmware_machine.c tests/support/loader.c
TEST_SOURCES_loader_hostile := $(TEST_SOURCES_loader)
LOADER_HOSTED := $(TEST_SOURCES_loader) tests/unit/test_loader.c tests/unit/test_loader_hostile.c
$(LOADER_HOSTED:%.c=$(BUILD)/test/%.o): TEST_FLAGS += -DGNU_EFI_USE_MS_ABI -fshort-wchar -isystem $(GNU_EFI) \
  -isystem $(GNU_EFI)/x86_64
