# SPDX-License-Identifier: MIT
TEST_SOURCES_object := tests/unit/world.c
TEST_SOURCES_object_debug := tests/unit/world.c
DEFECTS := kernel/monitor/defects.c kernel/monitor/defects_rows.c
TEST_SOURCES_object_defects := tests/unit/world.c tests/unit/host_guard.c $(DEFECTS)
$(BUILD)/test/tests/unit/test_object_defects.o $(DEFECTS:%.c=$(BUILD)/test/%.o): TEST_FLAGS += -Ikernel
TEST_SOURCES_object_threads := tests/unit/world.c
TEST_SOURCES_mempool := tests/unit/world.c
TEST_SOURCES_object_guard := tests/unit/world.c tests/unit/host_guard.c
TEST_SOURCES_object_returns := tests/unit/world.c
TEST_SOURCES_object_asan := tests/unit/world.c
TEST_SOURCES_object_check := tests/unit/world.c
TEST_SOURCES_object_cpus := tests/unit/world.c
TEST_SOURCES_report_cpu := tests/unit/world.c
TEST_SOURCES_object_blocks := tests/unit/world.c tests/unit/host_guard.c
TEST_SOURCES_object_directory := tests/unit/world.c
