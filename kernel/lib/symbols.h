// SPDX-License-Identifier: MIT
// The names of the kernel's functions, carried in its own image.
//
// kernel/symbols.awk makes the table from a first link; the second link includes it. All of it is
// offsets from the start of the image, so it needs no relocation. Pure: tests/unit/test_symbols.c.
#pragma once

#include <strata/types.h>

struct symbol_table {
    uint32_t count;
    const uint32_t *offsets; // count of them, ascending; each function reaches to the next
    const uint32_t *names;   // where each name begins in `strings`
    const char *strings;
    uint32_t end; // where the last function ends
};

// The function that `offset` lies in, and how far into it; NULL when it lies in none.
// O(log count). Any context.
const char *symbol_find(const struct symbol_table *table, uint64_t offset, uint64_t *into);

// The running kernel's own table.
extern const struct symbol_table symbol_table_kernel;
