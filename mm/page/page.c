// SPDX-License-Identifier: MIT
// Allocating and freeing blocks: the quick ways, a pop and a push (stack.h). Everything else is
// page_alloc_slow's and page_free_slow's business (slow.c).
//
// These functions call nothing but those two, and those last: so they save no registers, and with
// interrupts on and no lock the whole of an allocation is some two dozen instructions.
//
// Never: a write to the memory that is handed out.
#include "stack.h"
#include "watch.h"

enum page_status page_alloc(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                            enum page_owner owner, pfn_t *out) {
    uint64_t limit = ceiling.value >> PAGE_SHIFT;
    if (owner < PAGE_OWNER_COUNT_ && order < PAGE_STACK_ORDERS &&
        page_stack_pop(allocator, order, limit, owner, out)) {
        return PAGE_OK;
    }
    return page_alloc_slow(allocator, order, ceiling, owner, out, PAGE_CALLER);
}

enum page_status page_alloc_atomic(struct page_allocator *allocator, unsigned order,
                                   paddr_t ceiling, enum page_owner owner, pfn_t *out) {
    uint64_t limit = ceiling.value >> PAGE_SHIFT;
    if (owner < PAGE_OWNER_COUNT_ && order < PAGE_STACK_ORDERS &&
        page_stack_pop(allocator, order, limit, owner, out)) {
        return PAGE_OK;
    }
    return page_alloc_atomic_slow(allocator, order, ceiling, owner, out, PAGE_CALLER);
}

pfn_t page_alloc_frame(struct page_allocator *allocator, enum page_owner owner) {
    pfn_t frame;
    if (owner < PAGE_OWNER_COUNT_ && page_stack_pop_frame(allocator, owner, &frame)) {
        return frame;
    }
    return page_alloc_frame_slow(allocator, owner, PAGE_CALLER);
}

void page_free(struct page_allocator *allocator, pfn_t block, unsigned order) {
    if (order >= PAGE_STACK_ORDERS || !page_stack_push(allocator, block, order)) {
        page_free_slow(allocator, block, order, PAGE_CALLER);
    }
}

void page_free_frame(struct page_allocator *allocator, pfn_t frame) {
    if (!page_stack_push_frame(allocator, frame)) {
        page_free_slow(allocator, frame, 0, PAGE_CALLER);
    }
}
