// SPDX-License-Identifier: MIT
// Reserved entries: a few pages of one level-0 table that one user maps and unmaps time and again.
//
//   level-0 table   | … | reserved | reserved | page | reserved | … |   not present, but not free:
//                         ^ entries                                    the table stays
//
// While entries are reserved their table stays, and nobody else may map there. So mapping them
// needs no walk, no lock and no memory, and cannot fail; neither can unmapping. The user has the
// range to himself: that is the caller's to see to, as is the flush that unmapping owes.
#pragma once

#include <mm/paging.h>

// Reserves the entries of a range that lies in one level-0 table and is not mapped; the first one
// is stored in `*entries`. TABLES_BAD_REQUEST when the range lies in several, or has more than
// SLOTS_MAX pages; TABLES_MAPPED, TABLES_NO_MEMORY, TABLES_NOT_PREPARED with nothing changed.
#define SLOTS_MAX 32
enum tables_status slots_reserve(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                 uint64_t **entries);

// Gives them up. Nothing is mapped there any more, and all of it was flushed.
void slots_release(struct page_tables *tables, vaddr_t begin, uint64_t pages, uint64_t *entries);

// What an entry for a page at `begin` with these attributes holds beside the address; 0 when a page
// there cannot have them.
uint64_t slots_bits(const struct page_tables *tables, vaddr_t begin, uint32_t attributes);

// Maps the pages to these frames, which the CPU can address. Nothing is mapped there.
void slots_map(uint64_t *entries, vaddr_t begin, uint64_t pages, const pfn_t *frames,
               uint64_t bits);

// Maps the pages to the physical memory from `to` on.
void slots_map_range(uint64_t *entries, vaddr_t begin, uint64_t pages, paddr_t to, uint64_t bits);

// Unmaps pages, all of which are mapped, and flushes them. O(pages).
void slots_unmap_now(struct page_tables *tables, uint64_t *entries, vaddr_t begin, uint64_t pages);

// Unmaps pages, all of which are mapped. Their frames are stored in `frames` unless that is NULL.
// They and the addresses must not be used again before the batch is flushed.
void slots_unmap(uint64_t *entries, vaddr_t begin, uint64_t pages, pfn_t *frames,
                 struct tlb_batch *batch);
