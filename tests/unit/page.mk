# SPDX-License-Identifier: MIT
# What the tests of the page allocator are made of beside mm/.
TEST_SOURCES_page := tests/unit/world.c
TEST_SOURCES_page_random := tests/unit/world.c
TEST_SOURCES_page_threads := tests/unit/world.c
TEST_SOURCES_page_cpus := tests/unit/world.c
TEST_SOURCES_page_contig := tests/unit/world.c
TEST_SOURCES_page_check := tests/unit/world.c
TEST_SOURCES_page_ranges := tests/unit/world.c
TEST_SOURCES_page_interrupts := tests/unit/world.c
TEST_SOURCES_page_resize := tests/unit/world.c
