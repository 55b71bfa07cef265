// SPDX-License-Identifier: MIT
// Walking saved frame pointers (System V ABI, AMD64 supplement, 3.2.2, figure 3.3).
#include <lib/backtrace.h>

// Whether both words of the frame at `pointer` can be read.
static bool frame_readable(const struct stack_range *stacks, size_t stack_count, uint64_t pointer) {
    for (size_t i = 0; i < stack_count; i++) {
        if (pointer >= stacks[i].begin && pointer < stacks[i].end) {
            return pointer % 8 == 0 && stacks[i].end - pointer >= 16;
        }
    }
    return false;
}

size_t backtrace_walk(const struct stack_range *stacks, size_t stack_count, uint64_t frame_pointer,
                      uint64_t *addresses, size_t most, enum backtrace_end *end) {
    size_t count = 0;
    for (uint64_t last = 0; frame_pointer != 0; count++) {
        if (frame_pointer <= last || !frame_readable(stacks, stack_count, frame_pointer)) {
            *end = BACKTRACE_BROKEN;
            return count;
        }
        if (count == most) {
            *end = BACKTRACE_FULL;
            return count;
        }
        const uint64_t *frame = (const uint64_t *)frame_pointer;
        addresses[count] = frame[1];
        last = frame_pointer;
        frame_pointer = frame[0];
    }
    *end = BACKTRACE_COMPLETE;
    return count;
}
