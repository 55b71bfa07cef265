// SPDX-License-Identifier: MIT
// The firmware's memory map. To take memory for the map changes the map, so the buffer has room to
// spare; and the room for the converted map goes by the buffer's size, so that it is enough for
// whatever the last map turns out to be.
#include "memory.h"
#include <string.h>
#include <text/console.h>

#define SLACK_DESCRIPTORS 64
#define TRIES_MAX         8
#define MAP_MAX           (16 * MIB) // some 350,000 descriptors: more is a mistake

EFI_STATUS map_reread(struct loader *loader) {
    UINTN size = loader->map_capacity, stride = 0;
    EFI_STATUS status = loader->boot->GetMemoryMap(
        &size, (EFI_MEMORY_DESCRIPTOR *)(uintptr_t)loader->map.descriptors, &loader->map_key,
        &stride, &loader->map.version);
    if (EFI_ERROR(status)) {
        loader->map.bytes = size; // for EFI_BUFFER_TOO_SMALL: what is wanted
        return status;
    }
    loader->map.bytes = size;
    loader->map.stride = (uint32_t)stride;
    return EFI_SUCCESS;
}

static EFI_STATUS check(struct loader *loader) {
    const struct efi_map *map = &loader->map;
    if (map->stride < sizeof(struct efi_descriptor) || map->bytes < map->stride) {
        return fail(loader, EFI_UNSUPPORTED,
                    "the firmware's memory map is empty or damaged: " U64 " bytes, %u each",
                    map->bytes, map->stride);
    }
    return EFI_SUCCESS;
}

static EFI_STATUS take_buffer(struct loader *loader, uint64_t wanted) {
    uint64_t address;
    uint64_t bytes = wanted + SLACK_DESCRIPTORS * (sizeof(struct efi_descriptor) + 8);
    if (wanted > MAP_MAX) {
        return fail(loader, EFI_UNSUPPORTED, "the firmware's memory map wants " U64 " bytes",
                    wanted);
    }
    memory_release(loader, loader->map.descriptors);
    loader->map.descriptors = NULL;
    loader->map_capacity = 0;
    uint64_t pages = align_up(bytes, PAGE_SIZE) / PAGE_SIZE;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_MAP, pages, &address);
    if (!EFI_ERROR(status)) {
        loader->map.descriptors = (const void *)(uintptr_t)address;
        loader->map_capacity = pages * PAGE_SIZE;
    }
    return status;
}

static EFI_STATUS take_workspace(struct loader *loader) {
    struct boot_info *info = loader->info;
    uint64_t address;
    uint64_t descriptors = loader->map_capacity / loader->map.stride + loader->replay.capacity;
    uint64_t pages = align_up(BOOT_WORKSPACE_BYTES(descriptors), PAGE_SIZE) / PAGE_SIZE;
    if (info->workspace_bytes >= pages * PAGE_SIZE) {
        return EFI_SUCCESS;
    }
    memory_release(loader, (void *)(uintptr_t)info->workspace.value);
    info->workspace_bytes = 0;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_WORKSPACE, pages, &address);
    if (!EFI_ERROR(status)) {
        info->workspace = paddr(address);
        info->workspace_bytes = pages * PAGE_SIZE;
    }
    return status;
}

EFI_STATUS map_read(struct loader *loader) {
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        EFI_STATUS status = map_reread(loader);
        if (status == EFI_BUFFER_TOO_SMALL) {
            status = take_buffer(loader, loader->map.bytes);
            if (EFI_ERROR(status)) {
                return status;
            }
            continue;
        }
        if (EFI_ERROR(status)) {
            return fail(loader, status, "the firmware does not give its memory map");
        }
        status = check(loader);
        return EFI_ERROR(status) ? status : take_workspace(loader);
    }
    return fail(loader, EFI_BUFFER_TOO_SMALL,
                "the firmware's memory map outgrew its buffer %u times", TRIES_MAX);
}

EFI_STATUS map_keep_first(struct loader *loader) {
    uint64_t address, bytes = loader->map.bytes;
    uint64_t pages = align_up(bytes, PAGE_SIZE) / PAGE_SIZE;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_FIRST_MAP, pages, &address);
    if (EFI_ERROR(status)) {
        return status;
    }
    memcpy((void *)(uintptr_t)address, loader->map.descriptors, bytes);
    loader->info->first_map = paddr(address);
    loader->info->first_map_bytes = bytes;
    return EFI_SUCCESS;
}
