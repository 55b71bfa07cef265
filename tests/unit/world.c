// SPDX-License-Identifier: MIT
// The machine that world.h describes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <stdlib.h>

void world_create(struct world *world, const struct world_range *ranges, size_t count) {
    struct efi_descriptor *descriptors = calloc(count, sizeof(*descriptors));
    uint64_t top = 0;
    for (size_t i = 0; i < count; i++) {
        descriptors[i] = (struct efi_descriptor){
            .type = ranges[i].type,
            .physical_start = ranges[i].begin,
            .pages = (ranges[i].end - ranges[i].begin) / PAGE_SIZE,
            .attributes = EFI_ATTRIBUTE_WB,
        };
        top = ranges[i].end > top ? ranges[i].end : top;
    }
    host_memory(paddr(0), top);
    struct memmap_input input = {
        .map = {descriptors, count * sizeof(*descriptors), sizeof(*descriptors), 1},
    };
    size_t bytes = memmap_storage_bytes(count, 0);
    world->storage = aligned_alloc(16, align_up(bytes, 16));
    assert_int_equal(memmap_convert(&world->map, &input, world->storage, bytes), MEMMAP_OK);
    free(descriptors);
    bootmem_init(&world->boot, &world->map);
    assert_true(page_init(&world->pages, &world->boot));
    assert_null(page_check(&world->pages));
    assert_null(memmap_check(&world->map));
}

void world_destroy(struct world *world) {
    free(world->storage);
}
