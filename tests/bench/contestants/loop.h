// SPDX-License-Identifier: MIT
// The empty loop as a contestant: every row with calls that do nothing.
#pragma once

#include "../bench.h"
#include "nothing.h"

#define PEER            loop_contestant
#define PEER_ID         "loop"
#define PEER_TITLE      "loop"
#define PEER_ORDER_MAX  9
#define PEER_NEEDS_LOCK false
#define PEER_IS_REAL    false

static struct nothing nothing[2]; // each thread's, so that they do not meet
static uint32_t frame_count;

static void peer_open(uint32_t frames) {
    frame_count = frames;
    nothing[0].mask = nothing[1].mask = (1u << (31 - __builtin_clz(frames))) - 1;
}

static void peer_close(void) {}

static inline uint32_t peer_alloc(unsigned order) {
    return nothing_alloc(&nothing[0], order);
}

static inline void peer_free(uint32_t block, unsigned order) {
    nothing_free(&nothing[0], block, order);
}

static void peer_drain(void) {}

static uint32_t peer_frame_end(void) {
    return frame_count;
}

static double peer_fresh_metadata_bytes(uint64_t bytes) {
    (void)bytes;
    return NAN;
}

static uint64_t peer_metadata_bytes(void) {
    return 0;
}

static double peer_init_ns(uint64_t bytes, bool warm) {
    (void)bytes, (void)warm;
    return NAN;
}
