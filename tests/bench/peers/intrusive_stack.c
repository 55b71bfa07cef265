// SPDX-License-Identifier: MIT
// A linked list through the free frames, last in first out: no metadata at all. Each step touches
// the frame itself, which is rarely in a cache. xv6's allocator has this shape.
#include "peers.h"

struct intrusive_link {
    struct intrusive_link *next;
};

void intrusive_stack_init(struct intrusive_stack *stack, uint32_t frames, void *memory) {
    stack->memory = memory;
    stack->first = NULL;
    for (uint32_t i = frames; i-- > 0;) {
        intrusive_stack_free(stack, i);
    }
}

uint32_t intrusive_stack_alloc(struct intrusive_stack *stack) {
    struct intrusive_link *link = stack->first;
    if (link == NULL) {
        return PEER_NONE;
    }
    stack->first = link->next;
    return (uint32_t)((uint64_t)((uint8_t *)link - stack->memory) >> PAGE_SHIFT);
}

void intrusive_stack_free(struct intrusive_stack *stack, uint32_t frame) {
    struct intrusive_link *link = (void *)(stack->memory + ((uint64_t)frame << PAGE_SHIFT));
    link->next = stack->first;
    stack->first = link;
}
