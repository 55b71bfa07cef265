// SPDX-License-Identifier: MIT
// One section: 1 GiB of physical space, its free blocks and its state bytes.
//
//   kind      metadata   meaning
//   ABSENT    none       nothing here is the allocator's
//   WHOLE     none       all 262,144 frames are free
//   TAKEN     none       one owner has all of it (an allocated block of order 18, reserved, or bad)
//   SPLIT     yes        the bitmaps say what is free, the state bytes what is not
//
// State byte of a frame in a SPLIT section:
//   0          in a free block, or inside an allocated block but not its first frame
//   1 … 228    first frame of an allocated block: 1 + order * 12 + owner
//   240 … 249  first frame of a block in a CPU's stack: 240 + order
//   252 … 255  STATE_…: one frame each
//
// Invariants (page_check walks them, and finds each kind of damage: tests/unit/test_page_check.c;
// it is driven after each operation by tests/unit/test_page.c and test_page_random.c, and over
// every reachable state of a small section by tests/exhaustive):
//   S1  a free block's buddy is never free at the same order below order 9     damaged_buddies
//   S2  no frame lies in two free blocks, or in a free and an allocated block  damaged_buddies
//   S3  free_pages is the sum of the free blocks                               damaged_blocks
//   S4  an allocated block is aligned to its size                              damaged_blocks
//   S5  frames at or beyond `span` are not free and have no state byte         damaged_spans
//
// Blocks larger than 2 MiB are runs of 2 MiB blocks: freeing one is setting bits, finding one a few
// shifts. This file never maps, zeroes, reads or writes the memory that it hands out. The caller
// holds the section's lock.
#pragma once

#include "bitmap.h"
#include <mm/lock.h>
#include <mm/page.h>

#define STATE_NONE      0
#define STATE_CACHED    240 // + order: the first frame of a block in a CPU's stack
#define STATE_METADATA  252
#define STATE_BAD       253
#define STATE_RESERVED  254
#define STATE_UNMANAGED 255

struct section {
    _Alignas(64) struct lock lock;
    uint8_t kind;        // enum section_kind
    uint8_t taken_state; // when TAKEN: the state byte that stands for all of it
    bool own_metadata;   // the metadata is the last thing in the section itself
    uint32_t span;       // frames that have a state byte: all of them, but in small worlds of tests
    uint32_t free_pages;
    uint32_t state_mask; // where in `state` a frame's byte is: all of its number, or nothing of it
    struct bitmap *bitmap;
    uint8_t *state; // one byte a frame; when not SPLIT, one STATE_UNMANAGED for all, never written
};

// A state byte changes without the section's lock in one case: that of a block of up to 2 MiB which
// goes between its owner and a CPU's stack. Those who walk the bytes meanwhile read them with
// state_read.
static inline uint8_t state_read(const struct section *section, uint32_t frame) {
    return __atomic_load_n(&section->state[frame], __ATOMIC_RELAXED);
}

static inline void state_write(struct section *section, uint32_t frame, uint8_t state) {
    __atomic_store_n(&section->state[frame], state, __ATOMIC_RELAXED);
}

static inline uint8_t state_of(unsigned order, enum page_owner owner) {
    return (uint8_t)(1 + order * PAGE_OWNER_COUNT_ + owner);
}

static inline bool state_is_head(uint8_t state) {
    return (uint8_t)(state - 1) < PAGE_ORDER_COUNT * PAGE_OWNER_COUNT_;
}

static inline unsigned state_order(uint8_t head) {
    return (unsigned)(head - 1) / PAGE_OWNER_COUNT_;
}

static inline enum page_owner state_owner(uint8_t head) {
    return (enum page_owner)((unsigned)(head - 1) % PAGE_OWNER_COUNT_);
}

// The order of the largest aligned block that begins at `frame` and ends at or before `end`.
static inline unsigned largest_order(uint32_t frame, uint32_t end) {
    unsigned fits = 31u - (unsigned)__builtin_clz(end - frame);
    unsigned aligned = frame == 0 ? PAGE_ORDER_MAX : (unsigned)__builtin_ctz(frame);
    return fits < aligned ? fits : aligned;
}

static inline bool state_is_cached(uint8_t state) {
    return (uint8_t)(state - STATE_CACHED) < PAGE_STACK_ORDERS;
}

// How many frames a state byte other than STATE_NONE stands for, from its own frame on.
static inline uint32_t state_pages(uint8_t state) {
    return state_is_head(state)     ? 1u << state_order(state)
           : state_is_cached(state) ? 1u << (state - STATE_CACHED)
                                    : 1;
}

// The count of free pages is read without the lock (page_free_count).
static inline void section_set_free(struct section *section, uint32_t pages) {
    __atomic_store_n(&section->free_pages, pages, __ATOMIC_RELAXED);
}

static inline void section_add_free(struct section *section, uint32_t pages) {
    section_set_free(section, section->free_pages + pages);
}

// The bytes of metadata for a section of which the first `span` frames have state bytes; whole
// pages.
uint64_t section_metadata_bytes(uint32_t span);

// Makes a section ABSENT, without metadata; its lock is left alone.
void section_close(struct section *section);

// Makes a section SPLIT with nothing free in it and every state byte `fill`. `storage` is
// section_metadata_bytes(span) long, 64-byte aligned, of any content.  O(span).
void section_open(struct section *section, void *storage, uint32_t span, uint8_t fill);

// Where in a section a block may lie: in the frames [floor, limit).
struct bounds {
    uint32_t floor, limit;
};

// Takes one free block of 2^order frames (order 0 … 18) of a SPLIT section within `bounds`, from
// the smallest blocks that will do and of these the highest. Stores its first frame in `*frame`.
// False, with nothing changed, when there is none. Does not touch state bytes.  O(orders).
bool section_take(struct section *section, unsigned order, struct bounds bounds, uint32_t *frame);

// Frames that follow one another.
struct frame_run {
    uint32_t first, count;
};

// Blocks up to this order are taken as frames in one piece, larger ones in pieces of this order.
#define SECTION_PART_ORDER 6

// Takes at least `min` single frames of a SPLIT section from `floor` (a multiple of 2 MiB) on, and
// less than `min` + 64; all that there are when there are fewer. The smallest free blocks come
// first and of these the highest; none is split that is no larger than 64 frames, so that a row of
// requests does not drag the remains of a block along. Stores them as runs, `min` of them at worst,
// and returns how many runs. Does not touch state bytes.  O(blocks taken).
unsigned section_take_frames(struct section *section, unsigned min, uint32_t floor,
                             struct frame_run *runs);

// Makes 2^order frames from `frame` free, merging with free buddies. They are not free. Does not
// touch state bytes. O(orders).
void section_put(struct section *section, uint32_t frame, unsigned order);

// The same for any range of frames.  O(frames / 512 + orders).
void section_put_range(struct section *section, uint32_t begin, uint32_t end);

// Takes the frames [begin, end) of a SPLIT section, all of them free (section_first_not_free).
void section_take_range(struct section *section, uint32_t begin, uint32_t end);

// The first frame of [begin, end) that is not free, or `end`.
uint32_t section_first_not_free(struct section *section, uint32_t begin, uint32_t end);

// Marks [begin, end) as the allocated blocks that page_alloc_contig makes of it.
void section_mark_allocated(struct section *section, uint32_t begin, uint32_t end,
                            enum page_owner owner);

// The order of the free block that holds `frame`, or -1.
int section_free_order(struct section *section, uint32_t frame);

// The first frame of the block, allocated or in a stack, that holds `frame`, or UINT32_MAX.
uint32_t section_block_of(const struct section *section, uint32_t frame);
