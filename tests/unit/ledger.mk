# SPDX-License-Identifier: MIT
TEST_SOURCES_ledger := tests/unit/world.c
