# SPDX-License-Identifier: MIT
TEST_SOURCES_watch := tests/unit/world.c
TEST_SOURCES_sites := tests/unit/world.c
TEST_SOURCES_trace := tests/unit/world.c
