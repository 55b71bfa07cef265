# SPDX-License-Identifier: MIT
# The example of docs/your-kernel.md: mm/ in another kernel, with another loader.
#   $(BUILD)/docs/example.bin   what a multiboot loader starts
#   $(BUILD)/docs/example.iso   a disc that a BIOS boots: GRUB, which loads it
EXAMPLE := docs/example
EXAMPLE_OBJECTS := $(patsubst %.c,$(BUILD)/docs/%.o,$(sort $(wildcard $(EXAMPLE)/*.c)) $(MM_PURE)) \
  $(BUILD)/docs/$(EXAMPLE)/entry.S.o
EXAMPLE_FLAGS := $(COMMON) --target=x86_64-unknown-none-elf -ffreestanding -nostdlibinc -fno-pic -mno-red-zone \
  -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -O2 -I$(EXAMPLE) -I$(EXAMPLE)/include -Imm \
  -isystem $(BUILD)/kernel/include

$(eval $(call note,$(BUILD)/docs/flags,$(CLANG) $(EXAMPLE_FLAGS)))
$(BUILD)/docs/%.o: %.c $(BUILD)/docs/flags | $(BUILD)/kernel/include/stb
	@mkdir -p $(@D)
	$(call say,CC,$< (example))
	$(Q)$(CLANG) $(EXAMPLE_FLAGS) -MJ $@.json -c -o $@ $<

$(BUILD)/docs/%.S.o: %.S
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CLANG) --target=x86_64-unknown-none-elf -c -o $@ $<

$(BUILD)/docs/example.elf: $(EXAMPLE_OBJECTS) $(EXAMPLE)/example.lds
	$(call say,LINK,$@)
	$(Q)$(LD_ELF) -static -z noexecstack --build-id=none -T $(EXAMPLE)/example.lds -o $@ $(EXAMPLE_OBJECTS)

$(BUILD)/docs/example.bin: $(BUILD)/docs/example.elf
	$(Q)llvm-objcopy -O binary $< $@.new && mv $@.new $@

# Where only a BIOS's GRUB is installed this makes a disc for a BIOS alone. Some distributions say grub2-mkrescue.
GRUB_MKRESCUE ?= grub-mkrescue
$(BUILD)/docs/example.iso: $(BUILD)/docs/example.bin $(EXAMPLE)/grub.cfg
	$(call say,GRUB,$@)
	$(Q)rm -rf $(BUILD)/docs/disc && mkdir -p $(BUILD)/docs/disc/boot/grub
	$(Q)cp $< $(BUILD)/docs/disc/boot && cp $(EXAMPLE)/grub.cfg $(BUILD)/docs/disc/boot/grub
	$(Q)$(GRUB_MKRESCUE) -o $@.new $(BUILD)/docs/disc 2>$(BUILD)/docs/grub.log || \
	  { cat $(BUILD)/docs/grub.log >&2; exit 1; }
	$(Q)mv $@.new $@

test: $(BUILD)/docs/example.bin $(BUILD)/docs/example.iso

.PHONY: pictures
pictures: all $(BUILD)/strata.img ## take the pictures and the sample of README.md anew
	$(Q)$(PYTHON) docs/pictures.py $(BUILD)
