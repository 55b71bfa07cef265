// SPDX-License-Identifier: MIT
// Memory from the firmware. Each piece is noted, so that a failure can give all of it back, and the
// pieces for the kernel are named in the contract. All of it is EfiLoaderData: types of one's own
// hang some firmware.
#pragma once

#include <loader.h>

// Takes pages that the kernel gets under the name of `kind`, zeroed; below 4 GiB if there is room,
// for some firmware maps no more. Says what was wanted, and what there was, when it fails.
EFI_STATUS memory_take(struct loader *loader, enum boot_range_kind kind, uint64_t pages,
                       uint64_t *address);

// The same, below `limit` (its last byte is limit - 1) and, when `align` is not 0, at a multiple of
// it. Fails silently: the caller knows what to say.
EFI_STATUS memory_take_below(struct loader *loader, enum boot_range_kind kind, uint64_t pages,
                             uint64_t limit, uint64_t align, uint64_t *address);

// Takes pages for the loader's own use, not zeroed. Fails silently.
EFI_STATUS memory_scratch(struct loader *loader, uint64_t bytes, void **out);

// Gives back what memory_take or memory_scratch gave; NULL is ignored.
void memory_release(struct loader *loader, const void *memory);

// Gives back everything.
void memory_release_all(struct loader *loader);

// Says that memory ran out: for what, how much was wanted, how much the firmware has. Returns the
// status.
EFI_STATUS memory_short(struct loader *loader, EFI_STATUS status, const char *what, uint64_t bytes);

// "kernel image", "page tables", …
const char *memory_kind_name(enum boot_range_kind kind);
