// SPDX-License-Identifier: MIT
// No allocator as a contestant: what the loops around the calls cost.
#pragma once

#include <sched.h>
#include <stdlib.h>

#include "../bench.h"
#include "nothing.h"

#define PEER            loop_contestant
#define PEER_ID         "loop"
#define PEER_TITLE      "loop"
#define PEER_TAKES_PART false

static void peer_open(void) {
    nothing_free(nothing_alloc(64));
}

static void peer_thread(unsigned number) {
    (void)number;
}

static inline void *peer_alloc(size_t size) {
    return nothing_alloc(size);
}

static inline void peer_free(void *memory) {
    nothing_free(memory);
}

static inline void *peer_realloc(void *memory, size_t size) {
    return nothing_realloc(memory, size);
}

static void peer_shrink(void) {}

#include "resident.h"
