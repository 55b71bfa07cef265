# SPDX-License-Identifier: MIT
# The loader, a PE32+ application linked directly (no ELF in between), with the kernel inside:
#   $(BUILD)/efi/BOOTX64.EFI         what boots
#   $(BUILD)/efi/BOOTX64.debug.efi   the same with DWARF, for gdb
KERNEL_ELF ?= $(BUILD)/kernel/strata.elf
GNU_EFI ?= /usr/include/efi

EFI_SOURCES := $(sort $(wildcard efi/*.c efi/*/*.c))
# Of mm/ what is pure: the map's conversion, and its report.
EFI_MM := mm/text.c $(filter-out mm/map/compare.c,$(sort $(wildcard mm/map/*.c))) mm/report/finding.c mm/report/map.c
EFI_OBJECTS := $(EFI_SOURCES:efi/%.c=$(BUILD)/efi/%.o) $(BUILD)/efi/machine/jump.S.o \
  $(BUILD)/efi/kernel/blob.S.o $(EFI_MM:%.c=$(BUILD)/efi/%.o)
# The options that the loader carries.
EMBEDDED_OPTIONS ?= esp/strata.conf
EFI_OPTIONS := $(BUILD)/efi/options/embedded.S.o

# Without -fno-ms-* this target makes gnu-efi define __attribute__ away; without
# -mno-stack-arg-probe large frames call __chkstk; U-Boot enters with SSE off.
EFI_TARGET := --target=x86_64-unknown-windows
EFI_CODE := -ffreestanding -nostdlibinc -fshort-wchar -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
  -mno-stack-arg-probe -gdwarf-4 -O2 -Iefi -Iefi/include -Iefi/port
EFI_FLAGS := $(COMMON) $(EFI_TARGET) -fno-ms-extensions -fno-ms-compatibility -DGNU_EFI_USE_MS_ABI \
  $(EFI_CODE) -isystem $(GNU_EFI) -isystem $(GNU_EFI)/x86_64
# mm/ prints 64-bit numbers with %lu, which on Windows is another size. This target has the same objects and the same
# calls, and a long of 64 bits as the kernel and the hosted library have.
EFI_MM_TARGET := --target=x86_64-pc-windows-cygnus
EFI_MM_FLAGS := $(COMMON) $(EFI_MM_TARGET) $(EFI_CODE) -ffunction-sections -fdata-sections -Imm \
  -isystem $(BUILD)/kernel/include
EFI_LINK := $(LD_PE) /nologo /subsystem:efi_application /entry:efi_main /nodefaultlib /Brepro \
  /base:0

$(eval $(call note,$(BUILD)/efi/flags,$(CLANG) $(EFI_FLAGS)))
$(eval $(call note,$(BUILD)/efi/mm.flags,$(CLANG) $(EFI_MM_FLAGS)))
$(eval $(call note,$(BUILD)/efi/sources,$(EFI_OBJECTS)))
$(BUILD)/efi/%.o: efi/%.c $(BUILD)/efi/flags
	@mkdir -p $(@D)
	$(call say,CC,$< (loader))
	$(Q)$(CLANG) $(EFI_FLAGS) -MJ $@.json -c -o $@ $<

$(BUILD)/efi/mm/%.o: mm/%.c $(BUILD)/efi/mm.flags | $(BUILD)/kernel/include/stb
	@mkdir -p $(@D)
	$(call say,CC,$< (loader))
	$(Q)$(CLANG) $(EFI_MM_FLAGS) -c -o $@ $<

$(BUILD)/efi/%.S.o: efi/%.S
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CLANG) $(EFI_TARGET) -g -gdwarf-4 -MMD -MP -DKERNEL_ELF='"$(KERNEL_ELF)"' -c -o $@ $<
$(eval $(call note,$(BUILD)/efi/inside,$(KERNEL_ELF) $(EMBEDDED_OPTIONS)))
$(BUILD)/efi/kernel/blob.S.o: $(KERNEL_ELF) $(BUILD)/efi/inside
$(EFI_OPTIONS): efi/options/embedded.S $(EMBEDDED_OPTIONS) $(BUILD)/efi/inside
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CLANG) $(EFI_TARGET) -DEMBEDDED_OPTIONS='"$(EMBEDDED_OPTIONS)"' -c -o $@ $<

# link.rsp: how to link it again with other options (esp/sign).
$(BUILD)/efi/BOOTX64.EFI: $(EFI_OBJECTS) $(EFI_OPTIONS) $(BUILD)/efi/sources efi/build.mk
	$(call say,LINK,$@)
	$(Q)echo '$(filter-out $(LD_PE),$(EFI_LINK)) $(EFI_OBJECTS)' >$(@D)/link.rsp
	$(Q)$(EFI_LINK) /out:$@ $(EFI_OBJECTS) $(EFI_OPTIONS)

$(BUILD)/efi/BOOTX64.debug.efi: $(EFI_OBJECTS) $(EFI_OPTIONS) $(BUILD)/efi/sources
	$(call say,LINK,$@)
	$(Q)$(EFI_LINK) /debug:dwarf /out:$@ $(EFI_OBJECTS) $(EFI_OPTIONS)

all: $(BUILD)/efi/BOOTX64.EFI $(BUILD)/efi/BOOTX64.debug.efi
