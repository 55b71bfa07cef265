# SPDX-License-Identifier: MIT
# What the tests of the page tables are made of beside mm/.
TEST_SOURCES_page_tables := tests/unit/world.c
