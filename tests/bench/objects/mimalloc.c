// SPDX-License-Identifier: MIT
// mimalloc (Debian's libmimalloc), by its own names.
#include <mimalloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bench.h"

#define PEER            mimalloc_contestant
#define PEER_ID         "mimalloc"
#define PEER_TITLE      "mimalloc"
#define PEER_TAKES_PART true

static void peer_open(void) {
    mi_free(mi_malloc(64));
}

static void peer_thread(unsigned number) {
    (void)number;
}

static inline void *peer_alloc(size_t size) {
    return mi_malloc(size);
}

static inline void peer_free(void *memory) {
    mi_free(memory);
}

static inline void *peer_realloc(void *memory, size_t size) {
    return mi_realloc(memory, size);
}

static void peer_shrink(void) {
    mi_collect(true);
}

#include "resident.h"
#include "shape.h"
