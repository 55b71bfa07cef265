// SPDX-License-Identifier: MIT
// The naive converter that the real one is compared with, and what tests of maps share.
//
// The oracle knows the rules page by page and nothing else: for one page it asks every descriptor
// and every claim what it has to say. Between two neighbouring ends of descriptors all pages are
// alike, so it asks for one page of each such stretch; that makes terabytes feasible and leaves the
// rule a page's rule. It shares no code with mm/map/.
#pragma once

#include <mm/memmap.h>

// The class of one page, or -1 when nothing describes it.  O(descriptors + claims).
int oracle_page(const struct memmap_input *input, uint64_t page);

// The regions as they must come out, merged and in order. The caller frees `*regions`. O(n²).
size_t oracle_regions(const struct memmap_input *input, struct memory_region **regions);

// Converts `input` into malloc'ed storage of exactly memmap_storage_bytes (which the caller frees
// through `*storage`), and compares. Returns NULL, or a sentence with what differs (static buffer).
const char *oracle_compare(const struct memmap_input *input, struct memmap *map, void **storage);

// A map in memory: `count` descriptors laid out with `stride`, the bytes between them filled with
// rubbish. The caller frees `descriptors`.
struct efi_map encode_map(const struct efi_descriptor *entries, size_t count, uint32_t stride);

// A pseudo-random number (splitmix64: Steele, Lea, Flood, OOPSLA 2014).
uint64_t random_next(uint64_t *state);
void shuffle_entries(struct efi_descriptor *entries, size_t count, uint64_t *state);
