// SPDX-License-Identifier: MIT
// replay=FILE: the map of another machine, from the boot volume. It is read here; what is handed
// over is made of it after the exit, when the real map is known for good.
#include "file.h"
#include "memory.h"
#include <handover/replay.h>
#include <text/console.h>

#define FILE_MAX        (1 * MIB)
#define DESCRIPTORS_MAX 4096
#define PIECES_EACH     4 // that a descriptor is cut into, on the average

static EFI_STATUS take(struct loader *loader, uint64_t descriptors, struct efi_descriptor **out) {
    uint64_t address;
    uint64_t pages = align_up(descriptors * sizeof(**out), PAGE_SIZE) / PAGE_SIZE;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_MAP, pages, &address);
    *out = (struct efi_descriptor *)(uintptr_t)address;
    return status;
}

static EFI_STATUS take_room(struct loader *loader, uint64_t *capacity) {
    *capacity = (uint64_t)DESCRIPTORS_MAX * PIECES_EACH + loader->map_capacity / loader->map.stride;
    EFI_STATUS status = take(loader, DESCRIPTORS_MAX, &loader->replay.asked);
    return EFI_ERROR(status) ? status : take(loader, *capacity, &loader->replay.handed);
}

EFI_STATUS replay_read(struct loader *loader) {
    const char *name = loader->options.replay;
    char path[sizeof(loader->options.replay) + 1];
    struct file_reason why;
    struct replay_error error;
    void *text;
    size_t length;
    if (name[0] == '\0') {
        return EFI_SUCCESS;
    }
    file_make_path(path, sizeof(path), name);
    if (loader->info->secure_boot) {
        return fail(loader, EFI_SECURITY_VIOLATION,
                    "replay %s: Secure Boot is on, and nobody signed this file", path);
    }
    switch (file_read(loader, path, FILE_MAX, &text, &length, &why)) {
    case FILE_ABSENT:
        return fail(loader, EFI_NOT_FOUND, "replay %s: there is no such file%s", path,
                    loader->volume == NULL ? ": the loader was not started from a volume" : "");
    case FILE_WRONG:
        return fail(loader, why.status, "replay %s %s", path, why.text);
    case FILE_READ:
        break;
    }
    uint64_t capacity;
    EFI_STATUS status = take_room(loader, &capacity);
    if (EFI_ERROR(status)) {
        return status;
    }
    if (!replay_parse(text, length, loader->replay.asked, DESCRIPTORS_MAX,
                      &loader->replay.asked_count, &error)) {
        return fail(loader, EFI_LOAD_ERROR,
                    "replay %s:%u: expected %s; strata-map --plain writes it", path, error.line,
                    error.expected);
    }
    memory_release(loader, text);
    loader->replay.capacity = capacity; // from now on the room for the converted map goes by it
    say(loader, BOOT_LOG_WARNING,
        "replay %s: " U64 " descriptors of another machine are laid over the memory that is free "
        "here",
        path, loader->replay.asked_count);
    return EFI_SUCCESS;
}

void replay_apply(struct loader *loader) {
    struct boot_info *info = loader->info;
    uint64_t left_out;
    if (loader->replay.capacity == 0) {
        return;
    }
    uint64_t count = replay_merge(&loader->map, loader->replay.asked, loader->replay.asked_count,
                                  loader->replay.handed, loader->replay.capacity, &left_out);
    if (count == 0) {
        info->replay_left_out = UINT32_MAX; // the map has outgrown the room: it stays the real one
        return;
    }
    info->replayed = (uint32_t)loader->replay.asked_count;
    info->replay_left_out = left_out < UINT32_MAX ? (uint32_t)left_out : UINT32_MAX - 1;
    info->map = paddr((uintptr_t)loader->replay.handed);
    info->map_bytes = count * sizeof(struct efi_descriptor);
    info->map_stride = sizeof(struct efi_descriptor);
}
