# SPDX-License-Identifier: MIT
# The pure parts of kernel/.
TEST_SOURCES_backtrace := kernel/lib/backtrace.c
TEST_SOURCES_claims := kernel/monitor/claims.c
TEST_SOURCES_command_lock := kernel/monitor/lock.c
TEST_SOURCES_complete := kernel/monitor/complete.c
TEST_SOURCES_explain := kernel/x86/explain.c
TEST_SOURCES_keymap := kernel/devices/keymap.c
TEST_SOURCES_line := kernel/monitor/line.c
TEST_SOURCES_log := kernel/log.c kernel/clock.c kernel/phases.c
TEST_SOURCES_mtrr := kernel/x86/mtrr.c
TEST_SOURCES_map_diff := kernel/monitor/diff.c
TEST_SOURCES_pixels := kernel/screen/pixels.c
TEST_SOURCES_screen := kernel/screen/screen.c kernel/screen/terminal.c kernel/screen/pixels.c
TEST_SOURCES_serial := kernel/devices/serial.c
TEST_SOURCES_symbols := kernel/lib/symbols.c
TEST_SOURCES_terminal := kernel/screen/terminal.c
TEST_SOURCES_words := kernel/monitor/words.c

$(foreach name,backtrace claims command_lock complete explain keymap line log map_diff mtrr pixels screen serial \
  symbols terminal words,\
  $(BUILD)/test/tests/unit/test_$(name).o $(TEST_SOURCES_$(name):%.c=$(BUILD)/test/%.o)): TEST_FLAGS += -Ikernel
