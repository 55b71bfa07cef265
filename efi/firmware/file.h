// SPDX-License-Identifier: MIT
// Files on the volume that the loader was started from.
#pragma once

#include <loader.h>

#include <strata/text.h>

// Opens the volume, as loader->volume; NULL stays there when the loader came another way: over a
// network, for one.
void file_open_volume(struct loader *loader);
void file_close_volume(struct loader *loader);

// The name in the loader's own path ("BOOTX64.EFI"), for telling it from options; "" for unknown.
void file_program_name(const struct loader *loader, char *out, size_t capacity);

// `name` with backslashes, from the root on.
void file_make_path(char *out, size_t capacity, const char *name);

enum file_result {
    FILE_READ,
    FILE_ABSENT, // no such file, or no volume
    FILE_WRONG,  // the reason is in `why`
};

struct file_reason {
    EFI_STATUS status;
    char text[120];
};

// Reads a whole file of at most `limit` bytes into memory that memory_release takes back. `name`
// has backslashes and is absolute. Says nothing.
enum file_result file_read(struct loader *loader, const char *name, uint64_t limit, void **bytes,
                           size_t *size, struct file_reason *why);

// A file that is being written, as a sink for text. What comes goes through the buffer, so that a
// long file takes no more memory than a short one, and the firmware is not called for every word.
// The caller supplies the buffer, and sets it before file_create.
struct file_out {
    struct text text; // first
    uint8_t *buffer;
    size_t capacity, used;
    EFI_FILE_HANDLE file;
    EFI_STATUS status; // the first write that failed: what comes after it is dropped
    uint64_t written;  // bytes that the firmware took
};

// Begins a file anew, its folder made if it is not there. Unless it fails, file_finish has to
// follow. Both say nothing.
EFI_STATUS file_create(struct loader *loader, struct file_out *out, const char *folder,
                       const char *name);

// Hands what the buffer holds to the firmware now: what is refused later leaves it.
void file_push(struct file_out *out);

// Ends it: the status of the first thing that went wrong since it was begun.
EFI_STATUS file_finish(struct file_out *out);
