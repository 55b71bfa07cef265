// SPDX-License-Identifier: MIT
// L: the list buddy in the comparison.
#include "../bench.h"
#include "../peers/peers.h"

#define PEER            list_buddy_contestant
#define PEER_ID         "list"
#define PEER_TITLE      "L"
#define PEER_ORDER_MAX  9
#define PEER_NEEDS_LOCK false
#define PEER_IS_REAL    true

static struct list_buddy buddy;
static void *storage;
static uint32_t frame_count;

static void peer_open(uint32_t frames) {
    if (frame_count != frames) {
        machine_unmap(storage, list_buddy_bytes(frame_count));
        storage = machine_map(list_buddy_bytes(frames));
        frame_count = frames;
    }
    list_buddy_init(&buddy, frames, storage);
}

static void peer_close(void) {}

static inline uint32_t peer_alloc(unsigned order) {
    return list_buddy_alloc(&buddy, order);
}

static inline void peer_free(uint32_t block, unsigned order) {
    list_buddy_free(&buddy, block, order);
}

static void peer_drain(void) {
    list_buddy_drain(&buddy);
}

static uint32_t peer_frame_end(void) {
    return frame_count;
}

static double peer_fresh_metadata_bytes(uint64_t bytes) {
    return (double)list_buddy_bytes((uint32_t)(bytes >> PAGE_SHIFT)) + sizeof(buddy);
}

static uint64_t peer_metadata_bytes(void) {
    return list_buddy_bytes(frame_count) + sizeof(buddy);
}

// The structs of 1 TiB are 16 GiB: more than many a machine that measures can spare.
static double peer_init_ns(uint64_t bytes, bool warm) {
    static struct list_buddy other;
    uint32_t frames = (uint32_t)(bytes >> PAGE_SHIFT);
    if (bytes > UINT64_C(64) << 30) {
        return NAN;
    }
    void *memory = machine_map(list_buddy_bytes(frames));
    if (warm) {
        list_buddy_init(&other, frames, memory);
    }
    double begin = cpu_ns();
    list_buddy_init(&other, frames, memory);
    double ns = cpu_ns() - begin;
    machine_unmap(memory, list_buddy_bytes(frames));
    return ns;
}

#include "../rows.h"
