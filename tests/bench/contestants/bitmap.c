// SPDX-License-Identifier: MIT
// B: the bitmap with a next-fit hint in the comparison.
#include "../bench.h"
#include "../peers/peers.h"

#define PEER            bitmap_contestant
#define PEER_ID         "bitmap"
#define PEER_TITLE      "B"
#define PEER_ORDER_MAX  9
#define PEER_NEEDS_LOCK true
#define PEER_IS_REAL    true

static struct bitmap_pages bitmap;
static void *storage;
static uint32_t frame_count;

static void peer_open(uint32_t frames) {
    if (frame_count != frames) {
        machine_unmap(storage, bitmap_pages_bytes(frame_count));
        storage = machine_map(bitmap_pages_bytes(frames));
        frame_count = frames;
    }
    bitmap_pages_init(&bitmap, frames, storage);
}

static void peer_close(void) {}

static inline uint32_t peer_alloc(unsigned order) {
    return bitmap_pages_alloc(&bitmap, order);
}

static inline void peer_free(uint32_t block, unsigned order) {
    bitmap_pages_free(&bitmap, block, order);
}

static void peer_drain(void) {}

static uint32_t peer_frame_end(void) {
    return frame_count;
}

static double peer_fresh_metadata_bytes(uint64_t bytes) {
    return (double)bitmap_pages_bytes((uint32_t)(bytes >> PAGE_SHIFT));
}

static uint64_t peer_metadata_bytes(void) {
    return bitmap_pages_bytes(frame_count);
}

static double peer_init_ns(uint64_t bytes, bool warm) {
    struct bitmap_pages other;
    uint32_t frames = (uint32_t)(bytes >> PAGE_SHIFT);
    void *memory = machine_map(bitmap_pages_bytes(frames));
    if (warm) {
        bitmap_pages_init(&other, frames, memory);
    }
    double begin = cpu_ns();
    bitmap_pages_init(&other, frames, memory);
    double ns = cpu_ns() - begin;
    machine_unmap(memory, bitmap_pages_bytes(frames));
    return ns;
}

#include "../rows.h"
