# SPDX-License-Identifier: MIT
# The kernel: a static PIE of three segments, for the loader to place and relocate.
#   $(BUILD)/kernel/strata.elf        what boots (and what the loader embeds): no debug information
#   $(BUILD)/kernel/strata.debug.elf  the same with DWARF, for gdb
KERNEL_SOURCES := $(sort $(wildcard kernel/*.c kernel/*/*.c)) $(MM_PURE)
KERNEL_ASSEMBLY := $(sort $(wildcard kernel/*/*.S))
KERNEL_OBJECTS := $(KERNEL_SOURCES:%.c=$(BUILD)/kernel/%.o) $(KERNEL_ASSEMBLY:%.S=$(BUILD)/kernel/%.S.o) \
  $(BUILD)/kernel/font.o

# stb's folder under /usr/include is all that the kernel sees of the host's headers.
STB ?= /usr/include/stb
KERNEL_TARGET := --target=x86_64-unknown-none-elf
KERNEL_INCLUDES := -Ikernel -Ikernel/port -Ikernel/lib/include -isystem $(BUILD)/kernel/include
KERNEL_FLAGS := $(COMMON) $(KERNEL_TARGET) -ffreestanding -nostdlibinc -fpie -fvisibility=hidden \
  -mgeneral-regs-only -mno-red-zone -fno-stack-protector -fno-omit-frame-pointer \
  -fno-asynchronous-unwind-tables -O2 $(KERNEL_INCLUDES)
KERNEL_LINK := $(LD_ELF) -pie --no-dynamic-linker -z text -z norelro -z max-page-size=4096 -z noexecstack \
  --build-id=none --fatal-warnings -T kernel/strata.lds

$(BUILD)/kernel/mm/%.o: KERNEL_INCLUDES += -Imm
# They call nothing but last, so they are never in a backtrace: no frame.
$(BUILD)/kernel/mm/page/page.o $(BUILD)/kernel/mm/object/quick.o: KERNEL_FLAGS += -fomit-frame-pointer

$(BUILD)/kernel/include/stb:
	@mkdir -p $(@D)
	$(Q)ln -sfn $(STB) $@

# What the banner says; it is compiled anew when that changes.
STRATA_VERSION := 0.1
STRATA_BUILD := $(shell git describe --always --dirty --exclude='*' 2>/dev/null || echo no git)
$(eval $(call note,$(BUILD)/kernel/version,$(STRATA_VERSION) $(STRATA_BUILD)))
$(BUILD)/kernel/kernel/banner.o: $(BUILD)/kernel/version
$(BUILD)/kernel/kernel/banner.o: KERNEL_FLAGS += -DSTRATA_VERSION='"$(STRATA_VERSION)"' \
  -DSTRATA_BUILD='"$(STRATA_BUILD)"'

$(eval $(call note,$(BUILD)/kernel/flags,$(CLANG) $(KERNEL_FLAGS)))
$(eval $(call note,$(BUILD)/kernel/sources,$(KERNEL_SOURCES) $(KERNEL_ASSEMBLY)))
$(BUILD)/kernel/%.o: %.c $(BUILD)/kernel/flags | $(BUILD)/kernel/include/stb
	@mkdir -p $(@D)
	$(call say,CC,$< (kernel))
	$(Q)$(CLANG) $(KERNEL_FLAGS) -MJ $@.json -c -o $@ $<

# What the screen is written with: the font of a Debian package (kernel/screen/font.h).
FONT ?= /usr/share/consolefonts/FullGreek-VGA16.psf.gz
$(BUILD)/kernel/font.c: kernel/screen/font.py $(FONT)
	@mkdir -p $(@D)
	$(call say,FONT,$(FONT))
	$(Q)$(PYTHON) $< $(FONT) $(into)
$(BUILD)/kernel/font.o: $(BUILD)/kernel/font.c
	$(Q)$(CLANG) $(KERNEL_FLAGS) -c -o $@ $<

$(BUILD)/kernel/%.S.o: %.S
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CLANG) $(KERNEL_TARGET) -g -MMD -MP -Iinclude -Ikernel -c -o $@ $<

# Linked twice: the first link gives every function its place, the second carries their names. The names lie behind the
# text and so do not move it, which the comparison makes sure of.
$(BUILD)/kernel/symbols.none.S: kernel/symbols.awk
	@mkdir -p $(@D)
	$(Q)awk -f $< /dev/null $(into)
$(BUILD)/kernel/strata.first.elf: $(KERNEL_OBJECTS) $(BUILD)/kernel/symbols.none.S.o kernel/strata.lds \
    $(BUILD)/kernel/sources
	$(Q)$(KERNEL_LINK) -o $@ $(filter %.o,$^)
$(BUILD)/kernel/symbols.S: $(BUILD)/kernel/strata.first.elf kernel/symbols.awk
	$(Q)llvm-nm --numeric-sort --defined-only $< >$@.names
	$(Q)awk -f kernel/symbols.awk $@.names $(into)
$(BUILD)/kernel/symbols.%.o: $(BUILD)/kernel/symbols.%
	$(Q)$(CLANG) $(KERNEL_TARGET) -c -o $@ $<

$(BUILD)/kernel/strata.debug.elf: $(KERNEL_OBJECTS) $(BUILD)/kernel/symbols.S.o kernel/strata.lds \
    $(BUILD)/kernel/sources
	$(call say,LINK,$@)
	$(Q)$(KERNEL_LINK) -o $@ $(filter %.o,$^)
	$(Q)llvm-nm --numeric-sort --defined-only $@ | awk -f kernel/symbols.awk | cmp -s - $(BUILD)/kernel/symbols.S || \
	  { echo "the symbol table moved the functions that it names" >&2; rm -f $@; exit 1; }

$(BUILD)/kernel/strata.elf: $(BUILD)/kernel/strata.debug.elf
	$(call say,STRIP,$@)
	$(Q)llvm-strip --strip-all -o $@ $<

all: $(BUILD)/kernel/strata.elf
