# SPDX-License-Identifier: MIT
# The loader, hosted: its pure files as they are; and all of it against a fake firmware, but for the machine itself.
TEST_SOURCES_elf := efi/kernel/elf.c efi/text/format.c tests/support/elf_file.c
LOADER_OPTIONS := $(filter-out %/read.c %/encoding.c,$(sort $(wildcard efi/options/*.c))) efi/text/format.c \
  efi/text/utf.c
TEST_SOURCES_badram := efi/options/badram_pattern.c tests/unit/world.c
TEST_SOURCES_boot_replay := efi/handover/replay.c
TEST_SOURCES_options := $(LOADER_OPTIONS)
TEST_SOURCES_loader_text := efi/text/format.c efi/options/encoding.c efi/text/utf.c
TEST_SOURCES_paging := efi/handover/layout.c efi/handover/paging.c
TEST_SOURCES_loader := $(filter-out efi/machine/machine.c efi/machine/runtime.c,$(EFI_SOURCES)) \
  tests/support/elf_file.c tests/support/firmware.c tests/support/firmware_files.c tests/support/firmware_machine.c \
  tests/support/loader.c
TEST_SOURCES_loader_hostile := $(TEST_SOURCES_loader)
TEST_SOURCES_loader_report := $(TEST_SOURCES_loader)
LOADER_HOSTED := $(TEST_SOURCES_loader) tests/unit/test_loader.c tests/unit/test_loader_hostile.c \
  tests/unit/test_loader_report.c
$(LOADER_HOSTED:%.c=$(BUILD)/test/%.o): TEST_FLAGS += -DGNU_EFI_USE_MS_ABI -fshort-wchar -isystem $(GNU_EFI) \
  -isystem $(GNU_EFI)/x86_64
$(addprefix $(BUILD)/test/,$(patsubst %.c,%.o,$(sort $(LOADER_HOSTED) $(foreach name,elf boot_replay badram options \
  loader_text paging,tests/unit/test_$(name).c $(TEST_SOURCES_$(name)))))): TEST_FLAGS += -Iefi
