# SPDX-License-Identifier: MIT
# What the tests of virtual memory are made of beside mm/.
TEST_SOURCES_nodes := tests/unit/world.c
TEST_SOURCES_shares := tests/unit/world.c
TEST_SOURCES_vmalloc := tests/unit/world.c tests/unit/virt_world.c
TEST_SOURCES_ioremap := tests/unit/world.c tests/unit/virt_world.c
TEST_SOURCES_space := tests/unit/world.c tests/unit/virt_world.c
TEST_SOURCES_space_cases := tests/unit/world.c tests/unit/virt_world.c
TEST_SOURCES_virt_threads := tests/unit/world.c tests/unit/virt_world.c
TEST_SOURCES_slots := tests/unit/world.c tests/unit/virt_world.c
TEST_SOURCES_virt_tlb := tests/unit/world.c tests/unit/virt_world.c tests/support/tlb_model.c
TEST_SOURCES_report_virt := tests/unit/world.c tests/unit/virt_world.c
