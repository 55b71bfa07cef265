# SPDX-License-Identifier: MIT
# The example of docs/your-kernel.md: mm/ in another kernel, with another loader.
#   $(BUILD)/docs/example.bin   what a multiboot loader starts
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
	$(Q)llvm-objcopy -O binary $< $@

test: $(BUILD)/docs/example.bin
