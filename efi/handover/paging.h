// SPDX-License-Identifier: MIT
// The first page tables: built once, from lists of ranges, never changed after.
//
// Pure: the tables are made in memory of the caller's, whose addresses are taken to be the physical
// ones. The number of tables is counted exactly before any is made, so that memory for them can be
// had in one piece. Source of the format: Intel SDM volume 3, 4.5.
#pragma once

#include <strata/types.h>

struct paging_format {
    unsigned levels; // 4 or 5
    bool no_execute; // the CPU has the NX bit
    bool gib_pages;  // the CPU has 1 GiB pages
};

enum paging_permission { PAGING_READ = 0, PAGING_WRITE = 1, PAGING_EXECUTE = 2 };

// `bytes` from `virtual` on are mapped to `physical` on. All page-aligned, none wrapping.
struct paging_range {
    uint64_t virtual, physical, bytes;
    unsigned permissions; // of enum paging_permission
};

// A place to build tables in: whole pages, zeroed. The first becomes the root.
struct paging {
    struct paging_format format;
    uint64_t *root;
    uint64_t next, end; // addresses of the pages still free
};

// How many tables below the root these ranges need, when nothing else is mapped near them. The
// ranges are sorted by virtual address and disjoint.  O(pages mapped).
size_t paging_count(const struct paging_format *format, const struct paging_range *ranges,
                    size_t count);

// Starts with an empty root. `pages` >= 1.
void paging_init(struct paging *paging, const struct paging_format *format, void *memory,
                 size_t pages);

// Maps the ranges with the largest pages that alignment and the CPU allow; the first 2 MiB of
// physical memory, where cache types change, with 4 KiB pages. The ranges are as for paging_count
// and overlap nothing that is mapped. False when the memory is used up.
bool paging_map(struct paging *paging, const struct paging_range *ranges, size_t count);
