# SPDX-License-Identifier: MIT
OBJECT_WORLD := tests/unit/world.c tests/unit/object_world.c
TEST_SOURCES_object := $(OBJECT_WORLD)
TEST_SOURCES_object_memory := $(OBJECT_WORLD)
TEST_SOURCES_object_debug := $(OBJECT_WORLD)
DEFECTS := kernel/monitor/defects.c kernel/monitor/defects_rows.c
TEST_SOURCES_object_defects := $(OBJECT_WORLD) tests/unit/host_guard.c $(DEFECTS)
$(BUILD)/test/tests/unit/test_object_defects.o $(DEFECTS:%.c=$(BUILD)/test/%.o): TEST_FLAGS += -Ikernel
TEST_SOURCES_object_threads := tests/unit/world.c
TEST_SOURCES_mempool := tests/unit/world.c
TEST_SOURCES_object_guard := $(OBJECT_WORLD) tests/unit/host_guard.c
TEST_SOURCES_object_guard_pages := $(OBJECT_WORLD) tests/unit/host_guard.c
TEST_SOURCES_object_returns := $(OBJECT_WORLD)
TEST_SOURCES_object_visits := $(OBJECT_WORLD)
TEST_SOURCES_object_refill := $(OBJECT_WORLD)
TEST_SOURCES_object_asan := tests/unit/world.c
TEST_SOURCES_object_check := tests/unit/world.c
TEST_SOURCES_object_cpus := tests/unit/world.c
TEST_SOURCES_report_cpu := tests/unit/world.c
TEST_SOURCES_object_blocks := $(OBJECT_WORLD) tests/unit/host_guard.c
TEST_SOURCES_object_directory := tests/unit/world.c
TEST_SOURCES_object_trim := tests/unit/world.c
