# SPDX-License-Identifier: MIT
TEST_SOURCES_memtest := tests/unit/world.c
