// SPDX-License-Identifier: MIT
// Files on the volume that the loader was started from.
#pragma once

#include <loader.h>

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

// Writes a file anew, its folder made if it is not there. Says nothing.
EFI_STATUS file_write(struct loader *loader, const char *folder, const char *name,
                      const void *bytes, size_t size);
