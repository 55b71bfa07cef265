// SPDX-License-Identifier: MIT
// jemalloc (Debian's libjemalloc), which the program is linked with: malloc is its.
#include <jemalloc/jemalloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bench.h"

#define PEER            jemalloc_contestant
#define PEER_ID         "jemalloc"
#define PEER_TITLE      "jemalloc"
#define PEER_TAKES_PART true

static void peer_open(void) {
    free(malloc(64));
}

static void peer_thread(unsigned number) {
    (void)number;
}

static inline void *peer_alloc(size_t size) {
    return malloc(size);
}

static inline void peer_free(void *memory) {
    free(memory);
}

static inline void *peer_realloc(void *memory, size_t size) {
    return realloc(memory, size);
}

static void peer_shrink(void) {
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl("arena.4096.purge", NULL, NULL, NULL, 0); // of all arenas
}

#include "resident.h"
#include "shape.h"
