// SPDX-License-Identifier: MIT
// glibc's malloc, found in its library: the other two take its place and its other names.
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bench.h"

#define PEER            glibc_contestant
#define PEER_ID         "glibc"
#define PEER_TITLE      "glibc"
#define PEER_TAKES_PART true

static void *(*libc_malloc)(size_t size);
static void (*libc_free)(void *memory);
static int (*libc_trim)(size_t pad);
static void *(*libc_realloc)(void *memory, size_t size);

static void peer_open(void) {
    void *library = dlopen("libc.so.6", RTLD_NOW);
    *(void **)&libc_malloc = dlsym(library, "malloc");
    *(void **)&libc_free = dlsym(library, "free");
    *(void **)&libc_realloc = dlsym(library, "realloc");
    *(void **)&libc_trim = dlsym(library, "malloc_trim");
    libc_free(libc_malloc(64));
}

static void peer_thread(unsigned number) {
    (void)number;
}

static inline void *peer_alloc(size_t size) {
    return libc_malloc(size);
}

static inline void peer_free(void *memory) {
    libc_free(memory);
}

static inline void *peer_realloc(void *memory, size_t size) {
    return libc_realloc(memory, size);
}

static void peer_shrink(void) {
    libc_trim(0);
}

#include "resident.h"
#include "shape.h"
