# SPDX-License-Identifier: MIT
TEST_SOURCES_object := tests/unit/world.c
