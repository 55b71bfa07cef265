// SPDX-License-Identifier: MIT
// A: the array stack in the comparison.
#include "../bench.h"
#include "../peers/peers.h"

#define PEER            array_stack_contestant
#define PEER_ID         "array"
#define PEER_TITLE      "A"
#define PEER_ORDER_MAX  0
#define PEER_NEEDS_LOCK true
#define PEER_IS_REAL    true

static struct array_stack stack;
static void *storage;
static uint32_t frame_count;

static void peer_open(uint32_t frames) {
    if (frame_count != frames) {
        machine_unmap(storage, array_stack_bytes(frame_count));
        storage = machine_map(array_stack_bytes(frames));
        frame_count = frames;
    }
    array_stack_init(&stack, frames, storage);
}

static void peer_close(void) {}

static inline uint32_t peer_alloc(unsigned order) {
    (void)order;
    return array_stack_alloc(&stack);
}

static inline void peer_free(uint32_t block, unsigned order) {
    (void)order;
    array_stack_free(&stack, block);
}

static void peer_drain(void) {}

static uint32_t peer_frame_end(void) {
    return frame_count;
}

static double peer_fresh_metadata_bytes(uint64_t bytes) {
    return (double)array_stack_bytes((uint32_t)(bytes >> PAGE_SHIFT));
}

static uint64_t peer_metadata_bytes(void) {
    return array_stack_bytes(frame_count);
}

// The array of 1 TiB is 1 GiB: a second for each run, and nothing new.
static double peer_init_ns(uint64_t bytes, bool warm) {
    struct array_stack other;
    uint32_t frames = (uint32_t)(bytes >> PAGE_SHIFT);
    if (bytes > UINT64_C(64) << 30) {
        return NAN;
    }
    void *memory = machine_map(array_stack_bytes(frames));
    if (warm) {
        array_stack_init(&other, frames, memory);
    }
    double begin = cpu_ns();
    array_stack_init(&other, frames, memory);
    double ns = cpu_ns() - begin;
    machine_unmap(memory, array_stack_bytes(frames));
    return ns;
}

#include "../rows.h"
