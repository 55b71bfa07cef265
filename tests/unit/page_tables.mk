# SPDX-License-Identifier: MIT
# What the tests of the page tables are made of beside mm/.
TEST_SOURCES_page_tables := tests/unit/world.c tests/unit/tables_machine.c
TEST_SOURCES_page_tables_refusals := $(TEST_SOURCES_page_tables)
TEST_SOURCES_page_tables_noted := $(TEST_SOURCES_page_tables)
TEST_SOURCES_page_tables_random := tests/unit/world.c tests/support/dictionary.c tests/support/tlb_model.c
TEST_SOURCES_page_tables_tlb := tests/unit/world.c tests/support/tlb_model.c
TEST_SOURCES_page_tables_threads := tests/unit/world.c
