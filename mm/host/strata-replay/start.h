// SPDX-License-Identifier: MIT
// The allocator as it was when a recording began.
#pragma once

#include "recording.h"

// Builds it, in simulated memory: the same sections, blocks and reserves. When the first events
// were lost, what they did is made up: a block that is freed before it is allocated was allocated
// at the start, and so on. NULL, or what about the start cannot be, with the line in `*line`.
const char *start_build(struct page_allocator *allocator, const struct recording *recording,
                        size_t *line);
void start_free(struct page_allocator *allocator);
