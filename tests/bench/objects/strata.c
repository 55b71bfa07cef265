// SPDX-License-Identifier: MIT
// Strata's kmalloc in the comparison, over a page allocator of 4 GiB.
#include <host/host.h>
#include <mm/bootmem.h>
#include <mm/kmalloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bench.h"

#define PEER            strata_contestant
#define PEER_ID         "strata"
#define PEER_TITLE      "Strata"
#define PEER_TAKES_PART true

static struct memmap map;
static struct bootmem boot;
static struct page_allocator pages;
static struct kmalloc kmalloc;

static void peer_open(void) {
    const uint64_t end = 4 * GIB;
    const struct efi_descriptor descriptor = {.type = 7,
                                              .physical_start = MIB,
                                              .pages = (end - MIB) >> PAGE_SHIFT,
                                              .attributes = EFI_ATTRIBUTE_WB};
    struct memmap_input input = {.map = {&descriptor, sizeof(descriptor), sizeof(descriptor), 1}};
    size_t bytes = align_up(memmap_storage_bytes(1, 0), 16);
    void *storage = aligned_alloc(16, bytes);
    const struct object_options options = {.seed = 1};
    host_memory(paddr(0), end);
    machine_advise(host_ram, end);
    if (memmap_convert(&map, &input, storage, bytes) != MEMMAP_OK) {
        fputs("bench: the map was refused\n", stderr);
        exit(1);
    }
    bootmem_init(&boot, &map);
    if (!page_init(&pages, &boot) || !kmalloc_init(&kmalloc, &pages, &options)) {
        fputs("bench: no memory to begin with\n", stderr);
        exit(1);
    }
    kmalloc_free(&kmalloc, kmalloc_alloc(&kmalloc, 64, 0));
}

static void peer_thread(unsigned number) {
    host_cpu_set(number);
}

static inline void *peer_alloc(size_t size) {
    return kmalloc_alloc(&kmalloc, size, 0);
}

static inline void peer_free(void *memory) {
    kmalloc_free(&kmalloc, memory);
}

static inline void *peer_realloc(void *memory, size_t size) {
    return kmalloc_realloc(&kmalloc, memory, size, 0);
}

// What the page allocator gave out and what it took for itself.
static double peer_taken(void) {
    struct page_census census;
    page_census(&pages, &census);
    uint64_t taken = census.metadata_pages;
    for (unsigned owner = 0; owner < PAGE_OWNER_COUNT_; owner++) {
        taken += census.owned_pages[owner];
    }
    return (double)(taken * PAGE_SIZE);
}

static void peer_shrink(void) {
    object_heap_shrink(&kmalloc.heap);
}

#include "shape.h"
