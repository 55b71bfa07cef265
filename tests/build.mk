# SPDX-License-Identifier: MIT
# Unit tests: each tests/unit/test_NAME.c is a cmocka program, linked with the checked library. What it tests beyond mm/
# is named in TEST_SOURCES_NAME (pure files of efi/ or kernel/, compiled with the same checks).
UNIT_TESTS := $(patsubst tests/unit/test_%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(BUILD)/test/unit/test_%)

.SECONDEXPANSION:
$(UNIT_PROGRAMS): $(BUILD)/test/unit/test_%: $(BUILD)/test/tests/unit/test_%.o \
    $$(patsubst %.c,$(BUILD)/test/%.o,$$(TEST_SOURCES_$$*)) $(BUILD)/test/libstrata-mm.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC_HOST) $(TEST_SANITIZERS) -o $@ $^ -lcmocka -lpthread
