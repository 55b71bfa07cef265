// SPDX-License-Identifier: MIT
// Binary search in the symbol table.
#include <lib/symbols.h>

const char *symbol_find(const struct symbol_table *table, uint64_t offset, uint64_t *into) {
    if (table->count == 0 || offset < table->offsets[0] || offset >= table->end) {
        return NULL;
    }
    uint32_t low = 0, high = table->count; // offsets[low] <= offset < offsets[high]
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (table->offsets[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *into = offset - table->offsets[low];
    return table->strings + table->names[low];
}
