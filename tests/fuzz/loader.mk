# SPDX-License-Identifier: MIT
FUZZ_SOURCES_elf := efi/kernel/elf.c efi/text/format.c
FUZZ_SOURCES_boot_replay := efi/handover/replay.c
FUZZ_SOURCES_options := $(LOADER_OPTIONS) efi/options/encoding.c
$(patsubst %.c,$(BUILD)/fuzz/%.o,$(sort $(foreach name,elf boot_replay options,tests/fuzz/fuzz_$(name).c \
  $(FUZZ_SOURCES_$(name))))): FUZZ_FLAGS += -Iefi
