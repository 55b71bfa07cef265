// SPDX-License-Identifier: MIT
// S: the intrusive stack in the comparison. Its arena is real memory, touched and warm.
#include "../bench.h"
#include "../peers/peers.h"

#define PEER            intrusive_stack_contestant
#define PEER_ID         "intrusive"
#define PEER_TITLE      "S"
#define PEER_ORDER_MAX  0
#define PEER_NEEDS_LOCK true
#define PEER_IS_REAL    true

static struct intrusive_stack stack;
static void *memory;
static uint32_t frame_count;

static void peer_open(uint32_t frames) {
    uint64_t bytes = (uint64_t)frames << PAGE_SHIFT;
    if (frame_count != frames) {
        machine_unmap(memory, (uint64_t)frame_count << PAGE_SHIFT);
        memory = machine_map(bytes);
        frame_count = frames;
    }
    intrusive_stack_init(&stack, frames, memory);
}

static void peer_close(void) {}

static inline uint32_t peer_alloc(unsigned order) {
    (void)order;
    return intrusive_stack_alloc(&stack);
}

static inline void peer_free(uint32_t block, unsigned order) {
    (void)order;
    intrusive_stack_free(&stack, block);
}

static void peer_drain(void) {}

static uint32_t peer_frame_end(void) {
    return frame_count;
}

static double peer_fresh_metadata_bytes(uint64_t bytes) {
    (void)bytes;
    return 0;
}

static uint64_t peer_metadata_bytes(void) {
    return 0;
}

// It would write to every frame of a machine that is larger than this one.
static double peer_init_ns(uint64_t bytes, bool warm) {
    (void)bytes, (void)warm;
    return NAN;
}

#include "../rows.h"
