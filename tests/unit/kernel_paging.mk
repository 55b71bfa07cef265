# SPDX-License-Identifier: MIT
TEST_SOURCES_walk := kernel/paging/walk.c tests/unit/world.c
TEST_SOURCES_tripwire := kernel/tripwire.c tests/unit/world.c
TEST_SOURCES_runtime_plan := kernel/firmware/plan.c
TEST_SOURCES_kernel_layout := kernel/paging/layout.c

$(foreach name,walk kernel_layout tripwire runtime_plan,\
  $(BUILD)/test/tests/unit/test_$(name).o $(TEST_SOURCES_$(name):%.c=$(BUILD)/test/%.o)): TEST_FLAGS += -Ikernel
