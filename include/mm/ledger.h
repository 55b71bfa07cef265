// SPDX-License-Identifier: MIT
// The ledger: every frame of RAM belongs to exactly one account.
//
// It is computed from the structures themselves (the regions, the bitmaps, the state bytes), not
// from the counters that it is compared with; so `unaccounted` is a finding about Strata, and has
// to be 0.
#pragma once

#include <mm/page.h>

enum account {
    ACCOUNT_FREE,
    ACCOUNT_CACHED,       // free, in the CPUs' stacks
    ACCOUNT_KERNEL_IMAGE, // MEMORY_KERNEL: the image and the ranges the loader named
    ACCOUNT_PAGE_METADATA,
    ACCOUNT_OWNER_FIRST, // one for each page_owner from here
    ACCOUNT_OWNER_LAST = ACCOUNT_OWNER_FIRST + PAGE_OWNER_COUNT_ - 1,
    ACCOUNT_RESERVED_RANGES, // page_reserve
    ACCOUNT_LOADER,          // not reclaimed yet
    ACCOUNT_BOOTSVC,         // not reclaimed yet, or pinned
    ACCOUNT_ACPI,            // not reclaimed, or pinned
    ACCOUNT_NVS,
    ACCOUNT_RUNTIME,
    ACCOUNT_LOW,
    ACCOUNT_SPECIAL,
    ACCOUNT_UNACCEPTED,
    ACCOUNT_BAD,
    ACCOUNT_COUNT_,
};

// "free", "kernel-image", "page-metadata", "slab", … : stable, used in records.
const char *account_name(enum account account);

struct ledger {
    uint64_t bytes[ACCOUNT_COUNT_];
    uint64_t total;       // RAM that the map describes
    uint64_t left;        // of the total, what the firmware does not keep for itself
    uint64_t own;         // of the total, what the memory manager and the kernel use themselves
    int64_t unaccounted;  // total minus the sum of the accounts
    uint64_t not_ram;     // described, but reserved, MMIO or persistent
    uint64_t described;   // total + not_ram: what the firmware described
    const char *mismatch; // NULL, or which counter disagrees with what was counted
};

// The account of one frame, and in `*frames` how many frames from it on certainly have the same, at
// least 1. ACCOUNT_COUNT_ for a frame that is no RAM.  O(log regions + orders); in a hole of the
// map, which is one step, O(regions).
enum account ledger_account_of(const struct memmap *map, struct page_allocator *allocator,
                               pfn_t frame, uint64_t *frames);

// O(regions + frames of split sections).
void ledger_compute(struct ledger *ledger, const struct memmap *map,
                    struct page_allocator *allocator);
