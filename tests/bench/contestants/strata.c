// SPDX-License-Identifier: MIT
// Strata in the comparison. Its machine has 2 GiB of memory below the hole under 4 GiB and the rest
// above it, the first MiB kept, as a PC has.
#include "../bench.h"

#include <host/host.h>
#include <mm/bootmem.h>
#include <mm/page.h>
#include <stdio.h>
#include <stdlib.h>

#define PEER            strata_contestant
#define PEER_ID         "strata"
#define PEER_TITLE      "Strata"
#define PEER_ORDER_MAX  PAGE_ORDER_MAX
#define PEER_NEEDS_LOCK false
#define PEER_IS_REAL    true

static struct machine {
    struct memmap map;
    struct bootmem boot;
    void *storage;
    struct page_allocator pages;
    uint64_t top; // one past the last byte of memory
} machine;

// The map of a machine with `bytes` of memory, converted.
static void convert_map(uint64_t bytes) {
    const uint64_t hole = 2 * GIB, above = 4 * GIB;
    uint64_t low = bytes < hole ? bytes : hole;
    const struct efi_descriptor descriptors[] = {
        {.type = 7, .physical_start = 0, .pages = 0xa0, .attributes = EFI_ATTRIBUTE_WB},
        {.type = 7,
         .physical_start = MIB,
         .pages = (low - MIB) >> PAGE_SHIFT,
         .attributes = EFI_ATTRIBUTE_WB},
        {.type = 7,
         .physical_start = above,
         .pages = (bytes - low) >> PAGE_SHIFT,
         .attributes = EFI_ATTRIBUTE_WB},
    };
    size_t count = bytes > low ? 3 : 2;
    struct memmap_input input = {
        .map = {descriptors, count * sizeof(descriptors[0]), sizeof(descriptors[0]), 1},
    };
    size_t storage_bytes = align_up(memmap_storage_bytes(count, 0), 16);
    free(machine.storage);
    machine.storage = aligned_alloc(16, storage_bytes);
    machine.top = bytes > low ? above + bytes - low : low;
    if (memmap_convert(&machine.map, &input, machine.storage, storage_bytes) != MEMMAP_OK) {
        fprintf(stderr, "bench: the map was refused\n");
        exit(1);
    }
}

static void build(void) {
    bootmem_init(&machine.boot, &machine.map);
    if (!page_init(&machine.pages, &machine.boot)) {
        fprintf(stderr, "bench: page_init refused\n");
        exit(1);
    }
}

// Fresh simulated memory for the converted map.
static void map_memory(void) {
    host_memory(paddr(0), machine.top);
    machine_advise(host_ram, machine.top);
}

static void peer_open(uint32_t frames) {
    convert_map((uint64_t)frames << PAGE_SHIFT);
    map_memory();
    build();
}

static void peer_close(void) {}

// Single frames through the calls made for them, as whoever knows that it wants a frame does; the
// orders are constants where a row has one.
static inline uint32_t peer_alloc(unsigned order) {
    if (__builtin_constant_p(order) && order == 0) {
        return (uint32_t)page_alloc_frame(&machine.pages, PAGE_OWNER_TEST).value; // NO_FRAME too
    }
    pfn_t block;
    enum page_status status =
        page_alloc(&machine.pages, order, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block);
    return status == PAGE_OK ? (uint32_t)block.value : NO_FRAME;
}

static inline void peer_free(uint32_t block, unsigned order) {
    if (__builtin_constant_p(order) && order == 0) {
        page_free_frame(&machine.pages, pfn(block));
    } else {
        page_free(&machine.pages, pfn(block), order);
    }
}

static void peer_drain(void) {
    page_drain(&machine.pages);
}

static uint32_t peer_frame_end(void) {
    return (uint32_t)(machine.top >> PAGE_SHIFT);
}

static uint64_t peer_metadata_bytes(void) {
    return machine.pages.metadata_bytes + sizeof(machine.pages);
}

static double peer_fresh_metadata_bytes(uint64_t bytes) {
    convert_map(bytes);
    map_memory();
    build();
    return (double)peer_metadata_bytes();
}

static double peer_init_ns(uint64_t bytes, bool warm) {
    convert_map(bytes);
    map_memory();
    if (warm) {
        build();
        convert_map(bytes);
    }
    double begin = cpu_ns();
    build();
    return cpu_ns() - begin;
}

#include "../rows.h"
