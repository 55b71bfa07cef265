// SPDX-License-Identifier: MIT
// An array of the numbers of the free frames, used as a stack: the shape that many a first kernel
// has, and the fastest there can be for single frames. It has no contiguous blocks, no limits on
// addresses, and believes everything that it is told.
#include "peers.h"

uint64_t array_stack_bytes(uint32_t frames) {
    return frames * sizeof(uint32_t);
}

void array_stack_init(struct array_stack *stack, uint32_t frames, void *storage) {
    stack->frames = storage;
    stack->count = frames;
    for (uint32_t i = 0; i < frames; i++) {
        stack->frames[i] = frames - 1 - i;
    }
}

uint32_t array_stack_alloc(struct array_stack *stack) {
    return stack->count == 0 ? PEER_NONE : stack->frames[--stack->count];
}

void array_stack_free(struct array_stack *stack, uint32_t frame) {
    stack->frames[stack->count++] = frame;
}
