// SPDX-License-Identifier: MIT
// Who called whom, from the saved frame pointers on a stack that may be broken.
//
//        higher addresses
//      | …              |
//      | return address |   frame pointer + 8
//   ┌──| saved pointer  |<─ frame pointer
//   │  | locals         |
//   └─> the caller's frame, always higher up in the same stack
//
// Nothing is read outside the stacks that the caller names, and each frame must lie above the one
// before, so the walk ends and never faults whatever it finds. Pure: tests/unit/test_backtrace.c.
#pragma once

#include <strata/types.h>

struct stack_range {
    uint64_t begin, end; // virtual addresses
};

enum backtrace_end {
    BACKTRACE_COMPLETE, // reached the outermost frame, whose saved pointer is 0
    BACKTRACE_FULL,     // there is more than `most`
    BACKTRACE_BROKEN,   // a saved pointer leads off the stacks, or backwards, or is not aligned
};

// Stores up to `most` return addresses, innermost first, and how the walk ended in `*end`; returns
// how many.  O(most * stack_count). Any context.
size_t backtrace_walk(const struct stack_range *stacks, size_t stack_count, uint64_t frame_pointer,
                      uint64_t *addresses, size_t most, enum backtrace_end *end);
