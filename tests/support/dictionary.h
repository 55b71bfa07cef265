// SPDX-License-Identifier: MIT
// What page tables should mean, as a flat dictionary: one number a page, in a few windows of
// addresses. It knows nothing of levels, large pages, tables or flushes.
#pragma once

#include <mm/paging.h>

#define WINDOW_MAX 6

struct window {
    uint64_t begin; // page number
    uint64_t pages;
    uint64_t *entries;
};

struct dictionary {
    struct window windows[WINDOW_MAX];
    size_t count;
    bool gib_pages;
    bool no_execute; // without it everything is executable
    bool global_pages;
};

// A page: where it goes, its attributes, and whether it was written to since it was mapped.
#define DICTIONARY_NOTHING UINT64_C(0)
#define DICTIONARY_WRITTEN (UINT64_C(1) << 62)

// Adds a window of addresses. Storage is the dictionary's until dictionary_free.
void dictionary_add(struct dictionary *dictionary, uint64_t begin, uint64_t pages);
void dictionary_free(struct dictionary *dictionary);

// What a page number should mean; 0 when nothing, or outside all windows.
uint64_t dictionary_at(const struct dictionary *dictionary, uint64_t page);

// An entry as the dictionary keeps it, and its parts.
uint64_t dictionary_entry(const struct dictionary *dictionary, uint64_t frame, uint32_t attributes);
uint64_t dictionary_frame(uint64_t entry);
uint32_t dictionary_attributes(uint64_t entry);

// The entries of [page, page + pages), which lie in one window; NULL when they do not.
uint64_t *dictionary_range(struct dictionary *dictionary, uint64_t page, uint64_t pages);

// How large the page should be that holds a page number: the largest aligned block of equal
// attributes and frames that follow one another, all of it inside a window.
unsigned dictionary_level(const struct dictionary *dictionary, uint64_t page);

// NULL, or the first thing that `tables` say differently about a window: walks all of it.
const char *dictionary_compare(const struct dictionary *dictionary, struct page_tables *tables);
