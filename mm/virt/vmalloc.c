// SPDX-License-Identifier: MIT
// Memory in a window: frames from anywhere behind contiguous addresses. window.c keeps the places.
//
// Small blocks take single frames from this CPU's stack, one table walk maps all of them, and what
// is freed waits for a common flush. Larger ones take the largest blocks of frames that are free
// and map each one whole; they are unmapped run by run, and flushed for each RUNS runs.
// An operation takes place and frames first; mapping them is what can still fail, for want of a
// table, and is then undone.
#include "window.h"

#include <mm/assert.h>
#include <string.h>

#define SMALL_PAGES VM_READY_PAGES // up to here frames are known one by one
#define LARGE_ORDER 9              // of a 2 MiB page
#define RUNS        32             // of neighbouring frames that are freed after one flush
#define MEMORY      (PAGING_WRITE | PAGING_GLOBAL)
_Static_assert(SMALL_PAGES <= TLB_PAGES, "a small block can wait");
_Static_assert(SMALL_PAGES <= SLOTS_MAX, "a small block can be reserved");

#define CALLER __builtin_return_address(0)

// What a block is made of.
struct source {
    enum page_owner owner;
    bool clear;
};

static enum page_owner owner_of(enum vm_kind kind) {
    return kind == VM_STACK ? PAGE_OWNER_STACK : PAGE_OWNER_VMALLOC;
}

// Flushes what waits, which frees frames; false when nothing waited.
static bool settle(struct vm_window *window) {
    unsigned long flags = lock_acquire(&window->lock);
    bool waited = window->waiting_count != 0;
    vm_settle(window);
    lock_release(&window->lock, flags);
    return waited;
}

static void clear(pfn_t first, uint64_t pages) {
    memset(port_direct_map(paddr_of(first)), 0, pages << PAGE_SHIFT);
}

// Takes frames in the largest blocks that there are, SMALL_PAGES at the most.
static bool take_frames(struct vm_window *window, pfn_t *frames, uint64_t count,
                        enum page_owner owner) {
    unsigned order = 5;
    for (uint64_t taken = 0; taken < count;) {
        while (count - taken < UINT64_C(1) << order) {
            order--;
        }
        pfn_t block;
        if (page_alloc(window->pages, order, PAGE_ANYWHERE, owner, &block) == PAGE_OK) {
            for (uint64_t end = taken + (UINT64_C(1) << order); taken < end; taken++) {
                frames[taken] = block;
                block.value++;
            }
        } else if (order == 0) {
            vm_free_frames(window, frames, taken);
            return false;
        } else {
            order--;
        }
    }
    return true;
}

// Maps `pages` pages, SMALL_PAGES at the most; `entries` are theirs if they are reserved.
static bool fill_small(struct vm_window *window, uint64_t begin, uint64_t pages, uint64_t *entries,
                       struct source source) {
    pfn_t frames[SMALL_PAGES];
    if (!take_frames(window, frames, pages, source.owner) &&
        (!settle(window) || !take_frames(window, frames, pages, source.owner))) {
        return false;
    }
    for (uint64_t i = 0; source.clear && i < pages; i++) {
        clear(frames[i], 1);
    }
    if (entries != NULL) {
        slots_map(entries, vaddr(begin), pages, frames, window->memory_bits);
    } else if (tables_map_frames(window->tables, vaddr(begin), pages, frames, MEMORY) !=
               TABLES_OK) {
        vm_free_frames(window, frames, pages);
        return false;
    }
    return true;
}

// Maps one block of frames.
static bool fill_block(struct vm_window *window, uint64_t begin, unsigned order,
                       struct source source) {
    pfn_t block;
    if (page_alloc(window->pages, order, PAGE_ANYWHERE, source.owner, &block) != PAGE_OK) {
        return false;
    }
    if (source.clear) {
        clear(block, UINT64_C(1) << order);
    }
    if (tables_map(window->tables, vaddr(begin), UINT64_C(1) << order, paddr_of(block), MEMORY) !=
        TABLES_OK) {
        page_free(window->pages, block, order);
        return false;
    }
    return true;
}

// Maps [begin, end); returns how far it came. What is smaller than a block of `order` has been
// found missing.
static uint64_t fill(struct vm_window *window, uint64_t begin, uint64_t end, struct source source) {
    unsigned order = LARGE_ORDER;
    while (begin < end) {
        uint64_t pages = (end - begin) >> PAGE_SHIFT;
        while (pages >> order == 0) {
            order--;
        }
        if (pages <= SMALL_PAGES || order == 0) {
            pages = pages < SMALL_PAGES ? pages : SMALL_PAGES;
            if (!fill_small(window, begin, pages, NULL, source)) {
                break;
            }
            begin += pages << PAGE_SHIFT;
        } else if (fill_block(window, begin, order, source)) {
            begin += PAGE_SIZE << order;
        } else {
            order--;
        }
    }
    return begin;
}

// Unmaps [begin, end), of which all is mapped, and frees its frames after the flush.
static void empty(struct vm_window *window, uint64_t begin, uint64_t end) {
    struct paging_range runs[RUNS];
    struct tlb_batch batch;
    tlb_batch_init(&batch, window->tables);
    while (begin < end) {
        uint64_t at = begin;
        unsigned count = 0;
        while (
            count < RUNS && at < end &&
            tables_next(window->tables, vaddr(at), (end - at) >> PAGE_SHIFT, false, &runs[count])) {
            at = runs[count].begin.value + (runs[count].pages << PAGE_SHIFT);
            count++;
        }
        enum tables_status status =
            tables_unmap(window->tables, vaddr(begin), (at - begin) >> PAGE_SHIFT, NULL, &batch);
        ASSERT(count != 0 && status == TABLES_OK);
        tlb_batch_flush(&batch);
        for (unsigned i = 0; i < count; i++) {
            page_free_run(window->pages, pfn_of(runs[i].to), runs[i].pages);
        }
        begin = at;
    }
}

static void *allocate(struct vm_window *window, uint64_t bytes, uint64_t least_align,
                      enum vm_kind kind, bool zero, const void *caller) {
    const struct source source = {owner_of(kind), zero};
    uint64_t pages = (bytes >> PAGE_SHIFT) + ((bytes & (PAGE_SIZE - 1)) != 0);
    uint64_t align = pages >> LARGE_ORDER != 0 ? PAGE_SIZE << LARGE_ORDER : PAGE_SIZE;
    align = align < least_align ? least_align : align;
    struct vm_block *block = vm_take(window, pages, align, kind, caller);
    if (block == NULL) {
        return NULL;
    }
    uint64_t begin = block->range.begin, end = block->range.end;
    uint64_t filled;
    if (pages <= SMALL_PAGES) {
        filled = fill_small(window, begin, pages, block->entries, source) ? end : begin;
    } else {
        filled = fill(window, begin, end, source);
    }
    if (filled != end) {
        empty(window, begin, filled);
        vm_cancel(window, block);
        return NULL;
    }
    return (void *)begin;
}

// Unmaps a small block; its frames are stored in `frames`. Locked.
static void unmap_small(struct vm_window *window, const struct vm_block *block, pfn_t *frames,
                        struct tlb_batch *batch) {
    vaddr_t begin = vaddr(block->range.begin);
    if (block->entries != NULL) {
        slots_unmap(block->entries, begin, vm_pages(block), frames, batch);
    } else {
        enum tables_status status =
            tables_unmap(window->tables, begin, vm_pages(block), frames, batch);
        ASSERT(status == TABLES_OK);
    }
}

// Unmaps a small block and lets it wait. Locked.
static void wait_small(struct vm_window *window, struct vm_block *block) {
    uint64_t pages = vm_pages(block);
    if (window->waiting_count == TLB_RANGES || window->waiting_pages + pages > TLB_PAGES) {
        vm_settle(window);
    }
    unmap_small(window, block, &window->waiting_frames[window->waiting_pages], &window->batch);
    block->range.tag = VM_WAITING;
    window->waiting[window->waiting_count++] = block;
    window->waiting_pages += (uint32_t)pages;
}

static void release(struct vm_window *window, uint64_t address, enum vm_kind kind,
                    const char *function) {
    unsigned long flags;
    struct vm_block *block = vm_retire(window, address, kind, function, &flags);
    if (vm_pages(block) <= SMALL_PAGES) {
        wait_small(window, block);
        lock_release(&window->lock, flags);
        return;
    }
    lock_release(&window->lock, flags);
    empty(window, block->range.begin, block->range.end);
    flags = lock_acquire(&window->lock);
    vm_give(window, block);
    lock_release(&window->lock, flags);
}

void *vmalloc(struct vm_window *window, uint64_t bytes) {
    return allocate(window, bytes, PAGE_SIZE, VM_ALLOCATED, false, CALLER);
}

void *vzalloc(struct vm_window *window, uint64_t bytes) {
    return allocate(window, bytes, PAGE_SIZE, VM_ALLOCATED, true, CALLER);
}

void vfree(struct vm_window *window, void *memory) {
    if (memory != NULL) {
        release(window, (uintptr_t)memory, VM_ALLOCATED, "vfree");
    }
}

void *vmalloc_aligned(struct vm_window *window, uint64_t bytes, uint64_t align) {
    bool power = align != 0 && (align & (align - 1)) == 0;
    return power ? allocate(window, bytes, align, VM_ALLOCATED, false, CALLER) : NULL;
}

void vm_hold(struct vm_window *window, void *memory) {
    unsigned long flags;
    struct vm_block *block = vm_retire(window, (uintptr_t)memory, VM_ALLOCATED, "vm_hold", &flags);
    uint64_t pages = vm_pages(block);
    if (pages <= SMALL_PAGES) {
        struct tlb_batch batch;
        pfn_t frames[SMALL_PAGES];
        tlb_batch_init(&batch, window->tables);
        unmap_small(window, block, frames, &batch);
        lock_release(&window->lock, flags);
        tlb_batch_flush(&batch);
        vm_free_frames(window, frames, pages);
    } else {
        lock_release(&window->lock, flags);
        empty(window, block->range.begin, block->range.end);
    }
    flags = lock_acquire(&window->lock);
    block->range.tag = VM_HELD;
    lock_release(&window->lock, flags);
}

void vm_let_go(struct vm_window *window, void *memory) {
    unsigned long flags;
    struct vm_block *block = vm_retire_held(window, (uintptr_t)memory, "vm_let_go", &flags);
    vm_give(window, block);
    lock_release(&window->lock, flags);
}

bool stack_alloc(struct vm_window *window, uint64_t pages, struct vm_stack *out) {
    if (pages > UINT64_MAX >> PAGE_SHIFT) {
        return false;
    }
    void *bottom = allocate(window, pages << PAGE_SHIFT, PAGE_SIZE, VM_STACK, false, CALLER);
    if (bottom == NULL) {
        return false;
    }
    uint64_t begin = (uintptr_t)bottom;
    *out = (struct vm_stack){vaddr(begin), vaddr(begin + (pages << PAGE_SHIFT))};
    return true;
}

void stack_free(struct vm_window *window, const struct vm_stack *stack) {
    release(window, stack->bottom.value, VM_STACK, "stack_free");
}

static bool can_be_addressed(const struct vm_window *window, const pfn_t *frames, uint64_t count) {
    uint64_t bits = 0;
#pragma clang loop unroll(disable) // there are few
    for (uint64_t i = 0; i < count; i++) {
        bits |= frames[i].value;
    }
    return bits >> (window->tables->format.physical_bits - PAGE_SHIFT) == 0;
}

// Maps the caller's frames in a block that was taken.
static bool map_frames(struct vm_window *window, struct vm_block *block, const pfn_t *frames,
                       uint32_t attributes) {
    vaddr_t begin = vaddr(block->range.begin);
    uint64_t pages = vm_pages(block);
    if (block->entries == NULL) {
        return tables_map_frames(window->tables, begin, pages, frames, attributes) == TABLES_OK;
    }
    uint64_t bits =
        attributes == MEMORY ? window->memory_bits : slots_bits(window->tables, begin, attributes);
    if (bits == 0 || !can_be_addressed(window, frames, pages)) {
        return false;
    }
    slots_map(block->entries, begin, pages, frames, bits);
    return true;
}

void *vmap(struct vm_window *window, const pfn_t *frames, uint64_t pages, uint32_t attributes) {
    struct vm_block *block = vm_take(window, pages, PAGE_SIZE, VM_MAPPED, CALLER);
    if (block == NULL) {
        return NULL;
    }
    if (!map_frames(window, block, frames, attributes | PAGING_GLOBAL)) {
        vm_cancel(window, block);
        return NULL;
    }
    return (void *)block->range.begin;
}

void vunmap(struct vm_window *window, void *address) {
    if (address != NULL) {
        unsigned long flags;
        struct vm_block *block = vm_retire(window, (uintptr_t)address, VM_MAPPED, "vunmap", &flags);
        vm_unmap(window, block, flags);
    }
}
