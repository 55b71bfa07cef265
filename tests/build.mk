# SPDX-License-Identifier: MIT
# Unit tests: each tests/unit/test_NAME.c is a cmocka program, linked with the checked library. What it tests beyond mm/
# is named in TEST_SOURCES_NAME (pure files of efi/ or kernel/, compiled with the same checks), in tests/unit/NAME.mk.
# Fuzz targets: each tests/fuzz/fuzz_NAME.c likewise, with FUZZ_SOURCES_NAME in tests/fuzz/NAME.mk; seeds in
# tests/fuzz/corpus/NAME, what is found in $(BUILD)/fuzz/NAME.
-include $(wildcard tests/unit/*.mk tests/fuzz/*.mk)

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
include tests/exhaustive/build.mk tests/bench/build.mk

UNIT_TESTS := $(patsubst tests/unit/test_%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(BUILD)/test/unit/test_%)
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/fuzz_%)

.SECONDEXPANSION:
$(UNIT_PROGRAMS): $(BUILD)/test/unit/test_%: $(BUILD)/test/tests/unit/test_%.o \
    $$(addprefix $(BUILD)/test/,$$(TEST_SOURCES_$$*:.c=.o)) $(BUILD)/test/libstrata-mm.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) $(TEST_SANITIZERS) $(TEST_COUNTS) -o $@ $^ $(TEST_LIBRARIES) -lcmocka -lpthread

FUZZ_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_FLAGS := $(COMMON) -D_GNU_SOURCE -O1 -fno-omit-frame-pointer -DSTRATA_DEBUG -Imm/host -Imm $(FUZZ_SANITIZERS)

$(eval $(call note,$(BUILD)/fuzz/flags,$(CC_HOST) $(FUZZ_FLAGS)))
$(BUILD)/fuzz/%.o: %.c $(BUILD)/fuzz/flags
	@mkdir -p $(@D)
	$(call say,CC,$< (fuzz))
	$(Q)$(CC_HOST) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MJ $@.json -c -o $@ $<

$(BUILD)/fuzz/libstrata-mm.a: $(MM_LIBRARY_SOURCES:%.c=$(BUILD)/fuzz/%.o)

$(FUZZ_PROGRAMS): $(BUILD)/fuzz/fuzz_%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o \
    $$(addprefix $(BUILD)/fuzz/,$$(FUZZ_SOURCES_$$*:.c=.o)) $(BUILD)/fuzz/libstrata-mm.a
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) $(FUZZ_SANITIZERS) -fsanitize=fuzzer -o $@ $^

# The tests with threads once more, under ThreadSanitizer.
THREAD_PROGRAMS := $(patsubst %,$(BUILD)/tsan/test_%,$(filter %_threads,$(UNIT_TESTS)))
THREAD_FLAGS := $(COMMON) -D_GNU_SOURCE -O1 -fno-omit-frame-pointer -DSTRATA_DEBUG -Imm/host -Imm -fsanitize=thread

$(eval $(call note,$(BUILD)/tsan/flags,$(CC_HOST) $(THREAD_FLAGS)))
$(BUILD)/tsan/%.o: %.c $(BUILD)/tsan/flags
	@mkdir -p $(@D)
	$(call say,CC,$< (threads))
	$(Q)$(CC_HOST) $(THREAD_FLAGS) -MJ $@.json -c -o $@ $<

$(BUILD)/tsan/libstrata-mm.a: $(MM_LIBRARY_SOURCES:%.c=$(BUILD)/tsan/%.o)

$(THREAD_PROGRAMS): $(BUILD)/tsan/test_%: $(BUILD)/tsan/tests/unit/test_%.o \
    $$(addprefix $(BUILD)/tsan/,$$(TEST_SOURCES_$$*:.c=.o)) $(BUILD)/tsan/libstrata-mm.a
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -fsanitize=thread -o $@ $^ $(TEST_LIBRARIES) -lcmocka -lpthread

# An EFI application that a boot test runs before the loader.
LA57 := $(BUILD)/test/boot/la57.efi
$(LA57): tests/boot/la57.S
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CLANG) --target=x86_64-unknown-windows -c -o $@.o $<
	$(Q)$(LD_PE) /subsystem:efi_application /entry:efi_main /nodefaultlib /Brepro /base:0 /out:$@ $@.o

# A driver likewise, which stays.
ODDMAP := $(BUILD)/test/boot/oddmap.efi
$(ODDMAP): tests/boot/oddmap.c $(BUILD)/efi/flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CLANG) $(EFI_FLAGS) -c -o $@.o $<
	$(Q)$(LD_PE) /subsystem:efi_boot_service_driver /entry:efi_main /nodefaultlib /Brepro /base:0 /out:$@ $@.o

# Tests. T= is handed to pytest: make test T='-k flash', T='-x --lf'.
.PHONY: unit test test-boot fuzz coverage lint format
unit: $(UNIT_PROGRAMS)

test: $(BENCH) $(OBJECTS) $(EXHAUSTIVE) $(BUILD)/strata.img $(LA57) $(ODDMAP)
test: all unit $(THREAD_PROGRAMS) $(FUZZ_PROGRAMS) ## run every test; last line: N passed, N failed (T= for pytest)
	$(Q)$(PYTHON) tests/run --build $(BUILD) --jobs $(JOBS) $(T)

test-boot: all $(BUILD)/strata.img $(LA57) $(ODDMAP) ## boot the whole matrix of machines
	$(Q)$(PYTHON) tests/run --build $(BUILD) --jobs $(JOBS) --matrix tests/boot $(T)

# Random operations at length, in the library without sanitizers: 10^8 on the page allocator in about a quarter of an
# hour, on page tables without and with the model of a TLB. LONG= chooses one, SEED= other sequences.
STEPS ?= 100000000
LONG ?= page_random page_tables_random
$(foreach name,$(filter-out page_random page_tables_random,$(LONG)),\
  $(error LONG=$(name): expected page_random or page_tables_random))
LONG_PROGRAMS := $(patsubst %,$(BUILD)/host/test_%,page_random page_tables_random)
$(LONG_PROGRAMS): $(BUILD)/host/test_%: $(BUILD)/host/tests/unit/test_%.o \
    $$(addprefix $(BUILD)/host/,$$(TEST_SOURCES_$$*:.c=.o)) $(BUILD)/host/libstrata-mm.a
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) -o $@ $^ -lcmocka

.PHONY: test-long $(LONG:%=long-%)
test-long: $(LONG:%=long-%) ## 10^8 random operations on the page allocator and on page tables (STEPS=, SEED=, LONG=)
$(LONG:%=long-%): long-%: $(BUILD)/host/test_%
	@echo '$(STEPS)' | grep -qxE '[1-9][0-9]*' || { echo 'STEPS=$(STEPS): expected a number' >&2; exit 2; }
	@echo '$(SEED)' | grep -qxE '|[0-9]+|0x[0-9a-fA-F]+' || { echo 'SEED=$(SEED): expected a number' >&2; exit 2; }
	$(Q)STRATA_STEPS=$(STEPS) $(if $(SEED),STRATA_SEED=$(SEED)) $<

# Fuzzing, every target for TIME seconds.
TIME ?= 60
$(foreach name,$(filter-out $(FUZZ_TARGETS),$(TARGET)),$(error TARGET=$(name): expected one of $(FUZZ_TARGETS)))
fuzz: $(addprefix fuzz-,$(or $(TARGET),$(FUZZ_TARGETS))) ## fuzz each target for TIME=60 seconds (TARGET=: that one)

.PHONY: $(FUZZ_TARGETS:%=fuzz-%)
$(FUZZ_TARGETS:%=fuzz-%): fuzz-%: $(BUILD)/fuzz/fuzz_%
	@tests/fuzz/run $< tests/fuzz/corpus/$* $(BUILD)/fuzz/$* $(TIME)

coverage: unit ## what the unit tests cover: a table here, pages in build/coverage/
	$(Q)$(PYTHON) tests/coverage --build $(BUILD) --jobs $(JOBS)

# How the code is written.
C_FILES = $(shell git ls-files --cached --others --exclude-standard '*.c' '*.h')
lint: all unit $(FUZZ_PROGRAMS) ## direction rules, headers compile alone, formatting, static analysis
	$(Q)$(PYTHON) tests/lint --build $(BUILD) --jobs $(JOBS) --format $(CLANG_FORMAT) --tidy $(CLANG_TIDY)

format: ## format all C sources with clang-format
	$(Q)$(CLANG_FORMAT) -i $(C_FILES)

# For editors: how each file is compiled, put together from what clang noted beside the objects.
$(BUILD)/compile_commands.json: $(BUILD)/host/libstrata-mm.a $(BUILD)/kernel/strata.elf $(LOADER)
	$(Q)find $(BUILD)/kernel $(BUILD)/efi $(BUILD)/host $(wildcard $(BUILD)/test) -name '*.o.json' -exec cat {} + | \
	  awk -F'"file": "' 'BEGIN { print "[" } { split($$2, f, "\""); if (!seen[f[1]]++) { sub(/,$$/, ""); \
	  printf "%s%s", sep, $$0; sep = ",\n" } } END { print "\n]" }' $(into)

all: $(BUILD)/compile_commands.json
