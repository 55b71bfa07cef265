# SPDX-License-Identifier: MIT
TEST_SOURCES_qr := $(sort $(wildcard kernel/qr/*.c))
$(BUILD)/test/tests/unit/test_qr.o $(TEST_SOURCES_qr:%.c=$(BUILD)/test/%.o): TEST_FLAGS += -Ikernel
$(BUILD)/test/unit/test_qr: TEST_LIBRARIES := -lqrcodegen
