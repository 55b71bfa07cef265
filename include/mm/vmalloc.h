// SPDX-License-Identifier: MIT
// Windows of kernel addresses: memory that is contiguous only to the CPU, other people's frames,
// and stacks. (Devices' registers: mm/ioremap.h.)
//
//   window  |guard| block |guard| block |guard|      gap      |guard| block |guard|   gap   |
//                   │ │ │         └ a 2 MiB page
//                   └─┴─┴── frames from anywhere
//
// Each block has a guard page on both sides, on which nothing is ever mapped: running over either
// end faults. Neighbours share one. A block is at the lowest place that has room (mm/ranges.h).
//
// What vfree takes back waits until there are TLB_RANGES blocks or TLB_PAGES pages of it, and is
// flushed all at once; until then neither its addresses nor its frames go to anybody. (With several
// CPUs a flush is an interrupt on each of them.) Then a block of up to VM_READY_PAGES pages is kept
// for the next request of its size, which needs no search. Whatever waits is used before anything
// fails for want of it; vm_window_trim hands it over now.
//
// Takes the window's lock, LOCK_VMALLOC, then those of the tables and of the page allocator, for
// the time of a search or of a small change: large blocks are mapped and unmapped outside of it.
// Any context but NMI, with these locks free.
#pragma once

#include <mm/nodes.h>
#include <mm/paging.h>
#include <mm/ranges.h>

#define VM_READY_PAGES  32 // blocks of up to so many pages are kept,
#define VM_READY_BLOCKS 64 // and so many of them

enum vm_kind {
    VM_ALLOCATED, // vmalloc
    VM_MAPPED,    // vmap: the frames are the caller's
    VM_DEVICE,    // ioremap
    VM_STACK,     // stack_alloc
    VM_KIND_COUNT_,
};

// "vmalloc", "vmap", "ioremap", "stack": stable, used in records.
const char *vm_kind_name(enum vm_kind kind);

struct vm_block; // mm/virt/window.h

// A window. Fields are private to mm/virt/.
struct vm_window {
    struct lock lock;
    struct page_tables *tables;
    struct page_allocator *pages;
    struct ranges ranges;
    struct node_pool nodes;
    struct vm_block *ready[VM_READY_PAGES + 1]; // unmapped and flushed, by their number of pages
    uint32_t ready_count;
    uint32_t waiting_count, waiting_pages;
    struct vm_block *waiting[TLB_RANGES]; // unmapped, their flush is still owed
    pfn_t waiting_frames[TLB_PAGES];
    struct tlb_batch batch;
    uint64_t memory_bits; // of an entry for memory (mm/slots.h)
};

// An empty window for [begin, end), page-aligned, in the kernel's tables; the upper half of them
// that it lies in is prepared, if they are shared (tables_prepare). Nothing is taken yet.
void vm_window_init(struct vm_window *window, struct page_tables *tables,
                    struct page_allocator *pages, vaddr_t begin, vaddr_t end);

// Flushes what is owed and gives back what is kept for later.  O(what is kept).
void vm_window_trim(struct vm_window *window);

// Memory of at least `bytes`, rounded up to pages, of any content, readable and writable. Frames
// come from anywhere; from 64 KiB on the largest blocks that are free, from 2 MiB on in 2 MiB pages
// where there are such blocks. NULL, with nothing changed, for 0 bytes, or when there is no memory,
// no table or no room in the window.
// O(log blocks + frames + pages / 512).
void *vmalloc(struct vm_window *window, uint64_t bytes);
void *vzalloc(struct vm_window *window, uint64_t bytes); // the same, cleared

// The same at a multiple of `align`, a power of two; NULL for another one.
void *vmalloc_aligned(struct vm_window *window, uint64_t bytes, uint64_t align);

// Gives back what vmalloc returned; NULL does nothing. Panics on anything else, and when it was
// freed before.  O(log blocks + frames + pages).
void vfree(struct vm_window *window, void *memory);

// Gives the memory behind such a block back at once, but keeps its addresses: no CPU knows of the
// mapping when it returns, and whoever touches them faults. Panics as vfree does.
// O(log blocks + pages).
void vm_hold(struct vm_window *window, void *memory);

// Gives the addresses of a block back that is held. Panics on anything else.  O(log blocks).
void vm_let_go(struct vm_window *window, void *memory);

// Maps the caller's frames one behind the other, `attributes` of PAGING_… (global is added). NULL,
// with nothing changed, for 0 pages or when there is no table or no room.
void *vmap(struct vm_window *window, const pfn_t *frames, uint64_t pages, uint32_t attributes);

// Undoes it; no CPU knows of the mapping when it returns. NULL does nothing. Panics as vfree does.
void vunmap(struct vm_window *window, void *address);

// A kernel stack: `pages` pages with a guard on both sides, so running over either end faults.
// `top` is where the stack pointer starts. PAGE_OWNER_STACK.
struct vm_stack {
    vaddr_t bottom, top;
};

// False, with nothing changed, as vmalloc.
bool stack_alloc(struct vm_window *window, uint64_t pages, struct vm_stack *out);

// Nobody runs on it. Panics as vfree does.
void stack_free(struct vm_window *window, const struct vm_stack *stack);

// What reports say about a block.
struct vm_block_info {
    vaddr_t begin, end;
    enum vm_kind kind;
    bool freed;      // nothing is mapped there any more; the rest is what it was
    uint32_t caller; // who asked for it, as port_code_name takes it
};

// What there is at an address of the window, and beside it.
struct vm_view {
    bool is_block, has_below, has_above;
    struct vm_block_info block; // that the address lies in
    struct vm_block_info below; // the last that ends at or below it
    struct vm_block_info above; // the first that begins above it
};

// What is in use, by kind, and what is kept.
struct vm_usage {
    uint64_t blocks[VM_KIND_COUNT_], pages[VM_KIND_COUNT_];
    uint64_t waiting_blocks, waiting_pages, ready_blocks, held_blocks;
};
void vm_window_usage(struct vm_window *window, struct vm_usage *usage); // O(blocks)

// Fills in `*view`. False when the window's lock cannot be had in a moment: for reports about
// faults, which may have happened while it was held.  O(log blocks).
bool vm_window_look(struct vm_window *window, vaddr_t address, struct vm_view *view);

// The next block in use that ends above `*at`, which is moved to its end. False when there is none,
// or the window's lock cannot be had in a moment.  O(log blocks) for each that it passes.
bool vm_window_next(struct vm_window *window, vaddr_t *at, struct vm_block_info *block);

// NULL, or the sentence that does not hold.  O(blocks + pages).
const char *vm_window_check(struct vm_window *window);
