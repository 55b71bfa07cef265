// SPDX-License-Identifier: MIT
// Doing again what a recording says, with the same code.
#pragma once

#include "recording.h"

struct replay {
    struct page_allocator *allocator;
    bool exact;         // every allocation has to be placed where it was
    uint64_t elsewhere; // allocations that this code would have placed elsewhere
    uint64_t otherwise; // requests that were refused there and are not here, or the other way round
    char expected[200], found[400]; // of the first bad event
};

// Whether a recording can be done again to the frame: it is whole, and of one CPU. Otherwise events
// may have happened in another order than they were recorded in.
bool replay_can_be_exact(const struct recording *recording);

// Does one event again. False when it is bad, with what was expected and what was found.
bool replay_event(struct replay *replay, const struct page_event *event);

// Says what an event is: "alloc [0x1000, 0x2000), order 0, for slab".
void replay_describe(const struct page_event *event, char *out, size_t capacity);
