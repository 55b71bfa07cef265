# SPDX-License-Identifier: MIT
TEST_SOURCES_plain := kernel/screen/plain.c kernel/screen/pixels.c
$(BUILD)/test/tests/unit/test_plain.o $(TEST_SOURCES_plain:%.c=$(BUILD)/test/%.o): TEST_FLAGS += -Ikernel
