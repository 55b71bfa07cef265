// SPDX-License-Identifier: MIT
// Firmware that writes to memory it has given up.
//
// After the exit boot services' memory and low memory are summed up, block by block; before the
// pages are given to anybody they are summed again. A page that changed in between is named, and
// stays out: whoever wrote to it once may do so again.
//
//    exit ── buddy ready ── set: sums ────…──── next: sums again ── page given back, or kept
//
// Pure: tests/unit/test_tripwire.c.
#pragma once

#include <mm/memmap.h>
#include <mm/page.h>
#include <strata/text.h>

#define TRIPWIRE_SPANS  96              // pieces of memory that are watched,
#define TRIPWIRE_PAGES  UINT64_C(16384) // and pages in them: 64 MiB, the lowest ones
#define TRIPWIRE_BLOCK  512             // bytes to a sum
#define TRIPWIRE_BLOCKS (PAGE_SIZE / TRIPWIRE_BLOCK)

struct tripwire_span {
    pfn_t begin, end;
    uint64_t first; // number of its first page among all that are watched
};

struct tripwire {
    uint32_t (*sums)[TRIPWIRE_BLOCKS]; // for each page watched; NULL: none is
    pfn_t storage;                     // frames of `sums`,
    uint64_t storage_pages;            // so many
    struct tripwire_span spans[TRIPWIRE_SPANS];
    size_t span_count;
    uint64_t watched_pages, unwatched_pages;
    uint64_t changed_pages; // that tripwire_next has found
};

// Sums up the regions of `class`, from the lowest on. Room for the sums is taken from `pages`; when
// there is none, nothing is watched.  O(bytes watched).
void tripwire_set(struct tripwire *tripwire, const struct memmap *map, enum memory_class class,
                  struct page_allocator *pages);

// What changed in a page: its first block that did, and how many.
struct tripwire_change {
    pfn_t frame;
    uint64_t block; // byte of the page where the first changed block begins
    unsigned blocks;
};

// The first page of [begin, end) that is watched and has changed. False when there is none.
// O(bytes watched there).
bool tripwire_next(struct tripwire *tripwire, pfn_t begin, pfn_t end,
                   struct tripwire_change *change);

// Gives the sums back; what was counted stays.
void tripwire_free(struct tripwire *tripwire, struct page_allocator *pages);
