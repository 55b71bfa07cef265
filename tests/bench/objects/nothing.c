// SPDX-License-Identifier: MIT
#include "nothing.h"

static char place[8];

void *nothing_alloc(size_t size) {
    (void)size;
    return place;
}

void nothing_free(void *memory) {
    (void)memory;
}

void *nothing_realloc(void *memory, size_t size) {
    (void)size;
    return memory;
}
