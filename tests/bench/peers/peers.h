// SPDX-License-Identifier: MIT
// The allocators that Strata is measured against. Each manages frames 0 … count-1, is written for
// this comparison, and answers PEER_NONE when it has nothing. Storage comes from the caller.
#pragma once

#include <mm/lock.h>

#define PEER_NONE UINT32_MAX

// A stack of frame numbers in an array. Order 0 only; no checks, no locks.
struct array_stack {
    uint32_t *frames; // the free ones
    uint32_t count;
};
uint64_t array_stack_bytes(uint32_t frames);
void array_stack_init(struct array_stack *stack, uint32_t frames, void *storage);
uint32_t array_stack_alloc(struct array_stack *stack);
void array_stack_free(struct array_stack *stack, uint32_t frame);

// A stack whose links lie in the free frames themselves. Order 0 only; no checks, no locks.
struct intrusive_stack {
    uint8_t *memory; // the frames
    struct intrusive_link *first;
};
void intrusive_stack_init(struct intrusive_stack *stack, uint32_t frames, void *memory);
uint32_t intrusive_stack_alloc(struct intrusive_stack *stack);
void intrusive_stack_free(struct intrusive_stack *stack, uint32_t frame);

// One bit a frame, searched from where the last search ended. No checks, no locks.
struct bitmap_pages {
    uint64_t *words; // a set bit: not free
    uint32_t word_count;
    uint32_t next; // where the next search starts
};
uint64_t bitmap_pages_bytes(uint32_t frames);
void bitmap_pages_init(struct bitmap_pages *bitmap, uint32_t frames, void *storage);
uint32_t bitmap_pages_alloc(struct bitmap_pages *bitmap, unsigned order);
void bitmap_pages_free(struct bitmap_pages *bitmap, uint32_t block, unsigned order);

// A buddy of doubly linked lists of 64-byte frame structs, per-CPU lists before it.
#define LIST_BUDDY_ORDERS 11 // 4 KiB … 4 MiB
#define LIST_BUDDY_CACHED 5  // orders 0 … 3 and 9 have per-CPU lists

struct list_link {
    struct list_link *previous, *next;
};

struct list_frame {
    _Alignas(64) uint64_t flags; // LIST_FRAME_FREE
    struct list_link link;
    uint32_t order; // of the free block that begins here
    uint32_t references;
    uint64_t others[4]; // what else a kernel keeps for a frame
};
_Static_assert(sizeof(struct list_frame) == 64, "as large as Linux' struct page");

struct list_buddy_cpu {
    _Alignas(64) struct lock lock;
    uint32_t pages; // in the lists below
    uint32_t eagerness;
    struct list_link lists[LIST_BUDDY_CACHED];
};

struct list_buddy {
    struct list_frame *frames;
    uint32_t frame_count;
    uint32_t batch, high; // of the per-CPU lists, in pages
    _Alignas(64) struct lock lock;
    struct list_link areas[LIST_BUDDY_ORDERS];
    struct list_buddy_cpu cpus[PORT_CPU_MAX];
};
uint64_t list_buddy_bytes(uint32_t frames);
// `storage` is zeroed memory, aligned to 64 bytes.
void list_buddy_init(struct list_buddy *buddy, uint32_t frames, void *storage);
uint32_t list_buddy_alloc(struct list_buddy *buddy, unsigned order);
void list_buddy_free(struct list_buddy *buddy, uint32_t block, unsigned order);
// Gives all frames of the per-CPU lists back to the buddy.
void list_buddy_drain(struct list_buddy *buddy);
