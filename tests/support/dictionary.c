// SPDX-License-Identifier: MIT
// The flat dictionary that dictionary.h describes.
#include "dictionary.h"

#include <stdio.h>
#include <stdlib.h>

#define ENTRY_SET      (UINT64_C(1) << 63)
#define ATTRIBUTE_BITS 12

void dictionary_add(struct dictionary *dictionary, uint64_t begin, uint64_t pages) {
    uint64_t *entries = calloc(pages, sizeof(*entries));
    if (entries == NULL || dictionary->count == WINDOW_MAX) {
        fprintf(stderr, "no memory for a dictionary of %lu pages\n", pages);
        exit(2);
    }
    dictionary->windows[dictionary->count++] = (struct window){begin, pages, entries};
}

void dictionary_free(struct dictionary *dictionary) {
    for (size_t i = 0; i < dictionary->count; i++) {
        free(dictionary->windows[i].entries);
    }
    dictionary->count = 0;
}

uint64_t dictionary_entry(const struct dictionary *dictionary, uint64_t frame,
                          uint32_t attributes) {
    attributes |= dictionary->no_execute ? 0 : PAGING_EXECUTE;
    attributes &= dictionary->global_pages ? ~UINT32_C(0) : ~PAGING_GLOBAL;
    return ENTRY_SET | frame << ATTRIBUTE_BITS | attributes;
}

uint64_t dictionary_frame(uint64_t entry) {
    return (entry & ~(ENTRY_SET | DICTIONARY_WRITTEN)) >> ATTRIBUTE_BITS;
}

uint32_t dictionary_attributes(uint64_t entry) {
    return (uint32_t)entry & PAGING_ALL;
}

uint64_t *dictionary_range(struct dictionary *dictionary, uint64_t page, uint64_t pages) {
    for (size_t i = 0; i < dictionary->count; i++) {
        const struct window *window = &dictionary->windows[i];
        if (page >= window->begin && page + pages <= window->begin + window->pages) {
            return &window->entries[page - window->begin];
        }
    }
    return NULL;
}

uint64_t dictionary_at(const struct dictionary *dictionary, uint64_t page) {
    for (size_t i = 0; i < dictionary->count; i++) {
        const struct window *window = &dictionary->windows[i];
        if (page - window->begin < window->pages) {
            return window->entries[page - window->begin];
        }
    }
    return DICTIONARY_NOTHING;
}

// Whether the block of this size around `page` is one run of equal pages on an aligned frame.
static bool is_block(const struct window *window, uint64_t page, uint64_t size) {
    uint64_t first = page & ~(size - 1);
    if (first < window->begin || first + size > window->begin + window->pages) {
        return false;
    }
    const uint64_t *entries = &window->entries[first - window->begin];
    if (entries[0] == DICTIONARY_NOTHING || (entries[0] & PAGING_SMALL) != 0 ||
        dictionary_frame(entries[0]) % size != 0) {
        return false;
    }
    uint64_t expected = entries[0] & ~DICTIONARY_WRITTEN;
    for (uint64_t i = 1; i < size; i++) {
        if ((entries[i] & ~DICTIONARY_WRITTEN) != expected + (i << ATTRIBUTE_BITS)) {
            return false;
        }
    }
    return true;
}

static unsigned level_in(const struct dictionary *dictionary, const struct window *window,
                         uint64_t page) {
    if (dictionary->gib_pages && is_block(window, page, UINT64_C(1) << 18)) {
        return 2;
    }
    return is_block(window, page, UINT64_C(1) << 9) ? 1 : 0;
}

unsigned dictionary_level(const struct dictionary *dictionary, uint64_t page) {
    for (size_t i = 0; i < dictionary->count; i++) {
        if (page - dictionary->windows[i].begin < dictionary->windows[i].pages) {
            return level_in(dictionary, &dictionary->windows[i], page);
        }
    }
    return 0;
}

static const char *compare_range(const struct dictionary *dictionary, const struct window *window,
                                 const struct paging_range *range) {
    uint64_t first = range->begin.value >> PAGE_SHIFT, frame = range->to.value >> PAGE_SHIFT;
    uint64_t step = UINT64_C(1) << (9 * range->level);
    for (uint64_t i = 0; i < range->pages; i++) {
        uint64_t entry = window->entries[first + i - window->begin];
        if (entry == DICTIONARY_NOTHING) {
            return "a page is mapped that should not be";
        }
        if (dictionary_frame(entry) != frame + i) {
            return "a page is mapped to another frame";
        }
        if (dictionary_attributes(entry) != range->attributes) {
            return "a page has other attributes";
        }
        if ((first + i) % step == 0 && level_in(dictionary, window, first + i) != range->level) {
            return "a page is of another size";
        }
    }
    return NULL;
}

static const char *compare_window(const struct dictionary *dictionary, const struct window *window,
                                  struct page_tables *tables) {
    uint64_t page = window->begin, end = window->begin + window->pages;
    while (page < end) {
        struct paging_range range;
        bool found = tables_next(tables, vaddr(page << PAGE_SHIFT), end - page, false, &range);
        uint64_t first = found ? range.begin.value >> PAGE_SHIFT : end;
        for (; page < first; page++) {
            if (window->entries[page - window->begin] != DICTIONARY_NOTHING) {
                return "a page is not mapped that should be";
            }
        }
        if (found) {
            const char *differs = compare_range(dictionary, window, &range);
            if (differs != NULL) {
                return differs;
            }
            page += range.pages;
        }
    }
    return NULL;
}

const char *dictionary_compare(const struct dictionary *dictionary, struct page_tables *tables) {
    for (size_t i = 0; i < dictionary->count; i++) {
        const char *differs = compare_window(dictionary, &dictionary->windows[i], tables);
        if (differs != NULL) {
            return differs;
        }
    }
    return NULL;
}
