# SPDX-License-Identifier: MIT
TEST_SOURCES_report_frames := tests/unit/world.c
