# SPDX-License-Identifier: MIT
# The pure parts of kernel/.
TEST_SOURCES_backtrace := kernel/lib/backtrace.c
TEST_SOURCES_explain := kernel/x86/explain.c
TEST_SOURCES_line := kernel/monitor/line.c
TEST_SOURCES_log := kernel/log.c kernel/clock.c kernel/phases.c
TEST_SOURCES_mtrr := kernel/x86/mtrr.c
TEST_SOURCES_symbols := kernel/lib/symbols.c
TEST_SOURCES_words := kernel/monitor/words.c

$(foreach name,backtrace explain line log mtrr symbols words,\
  $(BUILD)/test/tests/unit/test_$(name).o $(TEST_SOURCES_$(name):%.c=$(BUILD)/test/%.o)): TEST_FLAGS += -Ikernel
