# SPDX-License-Identifier: MIT
TEST_SOURCES_memtest := tests/unit/world.c
TEST_SOURCES_memtest_memory := tests/unit/world.c
