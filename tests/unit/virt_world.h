// SPDX-License-Identifier: MIT
// A machine for the tests of virtual memory: a page allocator, the kernel's tables with one window,
// and a watch that makes requests for memory fail.
#pragma once

#include "world.h"
#include <mm/paging.h>
#include <mm/watch.h>

#define VIRT_BEGIN UINT64_C(0xffffc00000000000)

struct virt_world {
    struct world world;
    struct page_tables kernel;
    struct page_watch watch;
    bool watched;
};

// RAM is [1 MiB, 1 MiB + bytes). [VIRT_BEGIN, + window) of the kernel's half is prepared.
void virt_create(struct virt_world *virt, uint64_t bytes, uint64_t window);
void virt_destroy(struct virt_world *virt);

// The nth request for memory from now fails; virt_fail_never ends it, and with it the watch.
void virt_fail_nth(struct virt_world *virt, uint64_t n);
void virt_fail_never(struct virt_world *virt);

// What is free when nothing is kept back for later in the tables.
uint64_t virt_free_count(struct virt_world *virt);
