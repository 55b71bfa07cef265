# SPDX-License-Identifier: MIT
# The memory manager as a hosted library, fast and checked:
#   $(BUILD)/host/libstrata-mm.a   -O2, what the map tool and the benchmarks link
#   $(BUILD)/test/libstrata-mm.a   debug assertions, AddressSanitizer, UndefinedBehaviorSanitizer, lines counted
MM_SOURCES := $(sort $(wildcard mm/*.c mm/*/*.c))
MM_PURE := $(filter-out mm/host/%,$(MM_SOURCES))
MM_LIBRARY_SOURCES := $(MM_PURE) mm/host/host.c

HOST_FLAGS := $(COMMON) -D_GNU_SOURCE -O2 -Imm/host -Imm
TEST_SANITIZERS ?= -fsanitize=address,undefined -fno-sanitize-recover=all
TEST_FLAGS := $(COMMON) -D_GNU_SOURCE -O1 -fno-omit-frame-pointer -DSTRATA_DEBUG -Imm/host -Imm $(TEST_SANITIZERS)
# How often each line is executed is counted, and written to where LLVM_PROFILE_FILE says (tests/coverage). clang calls
# a static function after the last part of its file's name; with the whole name, two folders' check.c are two files.
TEST_COUNTS := -fprofile-instr-generate=/dev/null -fcoverage-mapping
TEST_COUNTED = $(TEST_COUNTS) -Xclang -main-file-name -Xclang $<

$(eval $(call note,$(BUILD)/host/flags,$(CC_HOST) $(HOST_FLAGS)))
$(eval $(call note,$(BUILD)/test/flags,$(CC_HOST) $(TEST_FLAGS) $(TEST_COUNTS)))
$(BUILD)/host/%.o: %.c $(BUILD)/host/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC_HOST) $(HOST_FLAGS) $(HOST_DEFINES) -MJ $@.json -c -o $@ $<

$(BUILD)/test/%.o: %.c $(BUILD)/test/flags
	@mkdir -p $(@D)
	$(call say,CC,$< (checked))
	$(Q)$(CC_HOST) $(TEST_FLAGS) $(TEST_COUNTED) -MJ $@.json -c -o $@ $<

$(BUILD)/host/libstrata-mm.a: $(MM_LIBRARY_SOURCES:%.c=$(BUILD)/host/%.o)
$(BUILD)/test/libstrata-mm.a: $(MM_LIBRARY_SOURCES:%.c=$(BUILD)/test/%.o)
$(eval $(call note,$(BUILD)/mm.sources,$(MM_LIBRARY_SOURCES)))
$(BUILD)/%.a: $(BUILD)/mm.sources
	$(call say,AR,$@)
	$(Q)rm -f $@.$$$$ && ar rcs $@.$$$$ $(filter %.o,$^) && mv $@.$$$$ $@

# strata-map: the kernel's report from a memory map as text.
MAP_TOOL_SOURCES := $(sort $(wildcard mm/host/strata-map/*.c))
# Its HTML page is kept as the files of page/, its scripts as several in order.
MAP_TOOL := mm/host/strata-map
MAP_PAGE := $(BUILD)/host/$(MAP_TOOL)/page
MAP_SCRIPTS := $(sort $(wildcard $(MAP_TOOL)/page/*.js))
$(eval $(call note,$(BUILD)/host/strata-map.sources,$(MAP_TOOL_SOURCES) $(MAP_SCRIPTS)))
$(MAP_PAGE)/page.js: $(MAP_SCRIPTS) $(BUILD)/host/strata-map.sources
	@mkdir -p $(@D)
	$(Q)cat $(MAP_SCRIPTS) $(into)
$(MAP_PAGE)/parts.o: $(MAP_TOOL)/page/parts.S $(MAP_TOOL)/page/page.html $(MAP_TOOL)/page/page.css $(MAP_PAGE)/page.js
	$(call say,AS,$<)
	$(Q)$(CC_HOST) -DPAGE_TEMPLATE='"$(MAP_TOOL)/page/page.html"' -DPAGE_STYLE='"$(MAP_TOOL)/page/page.css"' \
	  -DPAGE_SCRIPT='"$(MAP_PAGE)/page.js"' -c -o $@ $<

$(BUILD)/host/mm/host/strata-map/%.o: HOST_DEFINES = -DSTRATA_VERSION='"$(STRATA_VERSION)"'
$(BUILD)/host/strata-map: $(MAP_TOOL_SOURCES:%.c=$(BUILD)/host/%.o) $(MAP_PAGE)/parts.o $(BUILD)/host/libstrata-mm.a \
    $(BUILD)/host/strata-map.sources
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -o $@ $(filter %.o %.a,$^)

# strata-replay: does again what a page allocator did, from a recording.
REPLAY_SOURCES := $(sort $(wildcard mm/host/strata-replay/*.c))
$(BUILD)/host/mm/host/strata-replay/%.o: HOST_DEFINES = -DSTRATA_VERSION='"$(STRATA_VERSION)"'
$(eval $(call note,$(BUILD)/host/strata-replay.sources,$(REPLAY_SOURCES)))
$(BUILD)/host/strata-replay: $(REPLAY_SOURCES:%.c=$(BUILD)/host/%.o) $(BUILD)/host/libstrata-mm.a \
    $(BUILD)/host/strata-replay.sources
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -o $@ $(filter %.o %.a,$^)

# The picture of a machine. FROM=: any log that strata-map reads; without it, the last `make dump`, or a first one.
$(BUILD)/dump.jsonl:
	$(Q)$(MAKE) --no-print-directory dump
.PHONY: view
view: $(if $(FROM),,$(BUILD)/dump.jsonl)
view: $(BUILD)/host/strata-map ## build/view.html: a page that shows the last dump (FROM=: another log)
	$(Q)$(BUILD)/host/strata-map --html $(or $(FROM),$(BUILD)/dump.jsonl) >$(BUILD)/view.html.new
	$(Q)mv $(BUILD)/view.html.new $(BUILD)/view.html
	@echo "view: open file://$(abspath $(BUILD)/view.html) in a browser"

all: $(BUILD)/host/libstrata-mm.a $(BUILD)/host/strata-map $(BUILD)/host/strata-replay
