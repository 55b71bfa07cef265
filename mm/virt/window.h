// SPDX-License-Identifier: MIT
// The blocks of a window: taking a place, finding one by its address, giving it back.
//
//            vm_take                     vfree: vm_wait             a flush for all that wait
//   a gap ────────────> in use ────────────────────────────> waiting ──────────┐
//     ^                   ^  └────────── vunmap: vm_give ──────────┐           │
//     │                   └───── vm_take, the same size ──── ready <───────────┘
//     └──── vm_window_trim; too many are ready; a place is missing ─┘
//
//   in use ── vm_hold ──> held: nothing is mapped there ── vm_let_go: vm_give ──> as above
#pragma once

#include <mm/slots.h>
#include <mm/vmalloc.h>

enum vm_state { VM_IN_USE, VM_WAITING, VM_READY, VM_GOING, VM_HELD };

struct vm_block {
    struct range range;    // its tag: enum vm_state
    struct vm_block *next; // of those that are ready and of one size
    uint64_t *entries;     // of a small block: reserved (mm/slots.h); NULL: mapped as any range is
    void *record;          // ioremap's
    uint32_t caller;
    uint32_t kind; // enum vm_kind
};

static inline uint64_t vm_pages(const struct vm_block *block) {
    return (block->range.end - block->range.begin) >> PAGE_SHIFT;
}

// A block of `pages` pages for `kind`; its address is a multiple of `align` bytes. NULL, with
// nothing changed, when there is no room for it or no memory for its record.
struct vm_block *vm_take(struct vm_window *window, uint64_t pages, uint64_t align,
                         enum vm_kind kind, const void *caller);

// Locks the window, for lock_release(…, *flags), and takes the block of this kind that begins at
// `address` out of use: VM_GOING. Panics with the name of the function that was called, when there
// is none.
struct vm_block *vm_retire(struct vm_window *window, uint64_t address, enum vm_kind kind,
                           const char *function, unsigned long *flags);

// Locks the window likewise, and takes a block that is held: VM_GOING.
struct vm_block *vm_retire_held(struct vm_window *window, uint64_t address, const char *function,
                                unsigned long *flags);

// A block that went out of use is unmapped and flushed: its place can be used again. Locked.
void vm_give(struct vm_window *window, struct vm_block *block);

// Flushes what is owed. Locked.
void vm_settle(struct vm_window *window);

// Frees frames, all the blocks that they make up.
void vm_free_frames(struct vm_window *window, const pfn_t *frames, uint64_t count);

// Unmaps a block that is VM_GOING, flushes it, and gives its place back. Locked; gives the lock
// back.
void vm_unmap(struct vm_window *window, struct vm_block *block, unsigned long flags);

// Gives the place of a block back that was taken and is not mapped. Not locked.
void vm_cancel(struct vm_window *window, struct vm_block *block);
