# SPDX-License-Identifier: MIT
TEST_SOURCES_map_code = $(MAP_READING_SOURCES) tests/support/maps.c
