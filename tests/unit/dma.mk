# SPDX-License-Identifier: MIT
TEST_SOURCES_dma := tests/unit/world.c
