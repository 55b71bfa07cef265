# SPDX-License-Identifier: MIT
FUZZ_SOURCES_replay := $(filter-out %/main.c,$(REPLAY_SOURCES))
