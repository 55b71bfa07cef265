# SPDX-License-Identifier: MIT
TEST_SOURCES_watch := tests/unit/world.c
