# SPDX-License-Identifier: MIT
# Page allocators side by side, hosted: $(BUILD)/bench/pages. Everything is compiled with the hosted library's own
# flags, each file by itself (no link-time optimisation), so that every allocator is called the same way.
BENCH_SOURCES := $(wildcard tests/bench/*.c tests/bench/contestants/*.c tests/bench/peers/*.c)
BENCH := $(BUILD)/bench/pages
$(BENCH): $(BENCH_SOURCES:%.c=$(BUILD)/host/%.o) $(BUILD)/host/libstrata-mm.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -o $@ $^ -lm -lpthread

# kmalloc beside general allocators: $(BUILD)/bench/objects, with the same table, report and machine.
OBJECTS_SOURCES := $(wildcard tests/bench/objects/*.c) $(addprefix tests/bench/,medians.c report.c machine.c)
OBJECTS := $(BUILD)/bench/objects
OBJECTS_FLAGS := $(HOST_FLAGS) -DBENCH_OBJECTS -fno-builtin
$(BUILD)/bench/objects-parts/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC_HOST) $(OBJECTS_FLAGS) -c -o $@ $<
$(OBJECTS): $(OBJECTS_SOURCES:%.c=$(BUILD)/bench/objects-parts/%.o) $(BUILD)/host/libstrata-mm.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -o $@ $^ -ljemalloc -lmimalloc -lm -lpthread

REPEATS ?= 9
ROWS ?=
ONLY ?=
PAGES ?= huge
.PHONY: bench
bench: $(BENCH) $(OBJECTS) ## allocators side by side: build/bench*.json, .svg (ROWS= ONLY= REPEATS= PAGES=small)
	$(Q)$(BENCH) --repeats $(REPEATS) --rows '$(ROWS)' --only '$(ONLY)' \
	  $(if $(filter small,$(PAGES)),--small-pages) --json $(BUILD)/bench.json
	$(Q)$(PYTHON) tests/bench/plot.py $(BUILD)/bench.json $(BUILD)/bench.svg
	$(Q)$(OBJECTS) --repeats $(REPEATS) --json $(BUILD)/bench-objects.json
	$(Q)$(PYTHON) tests/bench/plot.py $(BUILD)/bench-objects.json $(BUILD)/bench-objects.svg

.PHONY: bench-kernel
bench-kernel: all $(BUILD)/strata.img ## instructions of each operation in the booted kernel, beside Linux 6.1's
	$(Q)$(PYTHON) tests/bench/kernel.py $(BUILD)

-include $(BENCH_SOURCES:%.c=$(BUILD)/host/%.d)
