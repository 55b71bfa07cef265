// SPDX-License-Identifier: MIT
// replay=FILE: the map of another machine, from the boot volume. It is read here; what is handed
// over is made of it after the exit, when the real map is known for good.
#include "file.h"
#include "memory.h"
#include <handover/replay.h>
#include <text/console.h>

#define FILE_MAX        (1 * MIB)
#define DESCRIPTORS_MAX 4096
#define PIECES_MAX      (UINT64_C(4) * DESCRIPTORS_MAX)

static EFI_STATUS take(struct loader *loader, uint64_t descriptors, struct efi_descriptor **out) {
    uint64_t address;
    uint64_t pages = align_up(descriptors * sizeof(**out), PAGE_SIZE) / PAGE_SIZE;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_MAP, pages, &address);
    *out = (struct efi_descriptor *)(uintptr_t)address;
    return status;
}

// Descriptors that a text can have: no more than lines.
static uint64_t most_descriptors(const char *text, size_t length) {
    uint64_t lines = 1;
    for (size_t i = 0; i < length && lines < DESCRIPTORS_MAX; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

// What the map of now asks for twice over, since it is not the last; of a map without overlaps no
// more pieces can come than descriptors of both.
static EFI_STATUS take_pieces(struct loader *loader, uint64_t *capacity) {
    const struct efi_descriptor *asked = loader->replay.asked;
    uint64_t count = loader->replay.asked_count;
    uint64_t pieces = 2 * replay_room(&loader->map, asked, count);
    pieces = pieces > 4 * count ? pieces : 4 * count;
    pieces = pieces < PIECES_MAX ? pieces : PIECES_MAX;
    *capacity = pieces + loader->map_capacity / loader->map.stride;
    return take(loader, *capacity, &loader->replay.handed);
}

static void tell(struct loader *loader, const char *path) {
    const struct efi_descriptor *asked = loader->replay.asked;
    uint64_t first, count = replay_wrapping(asked, loader->replay.asked_count, &first);
    if (count != 0) {
        say(loader, BOOT_LOG_WARNING,
            "replay %s: " U64 " of its descriptors reach 2^64 or wrap, and are left out: the first "
            "is number " U64 ", of type %u at " X64 " with " U64 " pages",
            path, count, first, asked[first].type, asked[first].physical_start, asked[first].pages);
    }
    say(loader, BOOT_LOG_WARNING,
        "replay %s: " U64 " descriptors of another machine are laid over the memory that is free "
        "here",
        path, loader->replay.asked_count);
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
    uint64_t capacity = most_descriptors(text, length);
    EFI_STATUS status = take(loader, capacity, &loader->replay.asked);
    if (EFI_ERROR(status)) {
        return status;
    }
    if (!replay_parse(text, length, loader->replay.asked, capacity, &loader->replay.asked_count,
                      &error)) {
        return fail(loader, EFI_LOAD_ERROR,
                    "replay %s:%u: expected %s; strata-map --plain writes it", path, error.line,
                    error.expected);
    }
    memory_release(loader, text);
    status = take_pieces(loader, &capacity);
    if (EFI_ERROR(status)) {
        return status;
    }
    loader->replay.capacity = capacity; // from now on the room for the converted map goes by it
    tell(loader, path);
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
