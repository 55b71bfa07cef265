// SPDX-License-Identifier: MIT
// What CPUs remember of page tables, and making them forget it: flushes, gathered in batches.
//
// A CPU caches translations (the TLB) and the upper entries that lead to them (the
// paging-structure caches). Neither follows a change of the tables by itself (Intel SDM vol. 3A,
// 4.10.4). So whoever takes a translation away, or changes one, names the place in a batch; the
// flush that follows asks every CPU that may have used these tables to forget it; and only then are
// the table pages given back that the change has left over.
//
//   change entries ──> name the places ──> … ──> one flush on all CPUs ──> free the table pages
//        (change.c)       tlb_batch                 port_tlb_flush              page_free_frame
//
// An operation that takes a table away flushes at once, whatever batch it was given.
//
// An entry that was not present is cached nowhere (4.10.2.3, 4.10.3.1): what is only mapped anew
// needs no flush.
#pragma once

#include <strata/types.h>

#define TLB_RANGES 8  // places that a flush names one by one,
#define TLB_PAGES  32 // and pages in all of them. Beyond either it is everything

// Whose translations.
struct tlb_space {
    bool kernel;   // they may be global, and every CPU may have them
    uint64_t cpus; // otherwise: a bit for each CPU that has these tables loaded
};

// `pages` pages of 2^shift bytes each, from `begin` on. Forgetting a page means every translation
// of an address in it, whatever its size, and the upper entries that lead to its first byte:
// what INVLPG does (SDM 4.10.4.1; AMD APM vol. 2, 5.5.3, with EFER.TCE).
struct tlb_range {
    uint64_t begin;
    uint32_t pages;
    uint32_t shift;
};

struct tlb_flush {
    const struct tlb_space *space;
    bool everything; // all that belongs to the space, global translations too if it is the kernel's
    bool tables;     // table pages are freed after it: CPUs that postpone flushes must not this one
    uint32_t count;
    uint32_t pages; // of all ranges
    struct tlb_range ranges[TLB_RANGES];
};

// Places to be forgotten, and (inside an operation) table pages to be freed after that. It belongs
// to one caller, on one CPU, and to one handle at a time. Fields are private to mm/paging/.
struct page_tables;
struct tlb_batch {
    struct page_tables *tables;
    struct tlb_flush flush;
    uint64_t emptied; // table pages without entries, chained through their first word; 0: none
    uint64_t joined;  // a table page whose entries a large page has replaced; 0: none
};

// An empty batch for changes of `tables`.  O(1).
void tlb_batch_init(struct tlb_batch *batch, struct page_tables *tables);

// Flushes what was gathered, on all CPUs that may have it; nothing when nothing was gathered. The
// batch is empty again. Until then what was unmapped must not be given to anybody else, neither the
// frames nor the addresses. Context: that of tables_map.
void tlb_batch_flush(struct tlb_batch *batch);
