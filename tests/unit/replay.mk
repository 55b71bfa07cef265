# SPDX-License-Identifier: MIT
TEST_SOURCES_replay := tests/unit/world.c $(filter-out %/main.c,$(REPLAY_SOURCES))
TEST_SOURCES_watch_threads := $(TEST_SOURCES_replay)
