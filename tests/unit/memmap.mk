# SPDX-License-Identifier: MIT
TEST_SOURCES_memmap := tests/support/oracle.c
TEST_SOURCES_memmap_random := tests/support/oracle.c
TEST_SOURCES_memmap_corpus := tests/support/oracle.c tests/support/maps.c
