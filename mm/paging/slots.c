// SPDX-License-Identifier: MIT
// Reserved entries. A reserved entry that is not mapped holds ENTRY_RESERVED: not present to the
// CPU, counted as if it were by the entry for its table, in the way of everybody who maps.
// Invariants (tests/unit/test_slots.c):
//   V1  the table of a reserved entry is neither freed nor made a large page       tables_stay
//   V2  what is reserved is mapped by nobody else                           others_are_refused
#include "internal.h"

#include <mm/slots.h>

// Loops over few pages: preparing to do eight at a time costs more than it saves.
#define FEW _Pragma("clang loop unroll(disable)")

uint64_t slots_bits(const struct page_tables *tables, vaddr_t begin, uint32_t attributes) {
    bool good = attributes_are_good(tables, begin.value >> PAGE_SHIFT, attributes);
    return good ? page_bits(tables, attributes | PAGING_SMALL) : 0;
}

void slots_map(uint64_t *entries, vaddr_t begin, uint64_t pages, const pfn_t *frames,
               uint64_t bits) {
    uint64_t first = begin.value >> PAGE_SHIFT;
    FEW for (uint64_t i = 0; i < pages; i++) {
        DEBUG_ASSERT(entry_read(&entries[i]) == ENTRY_RESERVED);
        entry_write(&entries[i], bits | frames[i].value << PAGE_SHIFT, first + i, 0);
    }
}

void slots_map_range(uint64_t *entries, vaddr_t begin, uint64_t pages, paddr_t to, uint64_t bits) {
    uint64_t first = begin.value >> PAGE_SHIFT, value = bits | to.value;
    FEW for (uint64_t i = 0; i < pages; i++, value += PAGE_SIZE) {
        DEBUG_ASSERT(entry_read(&entries[i]) == ENTRY_RESERVED);
        entry_write(&entries[i], value, first + i, 0);
    }
}

void slots_unmap_now(struct page_tables *tables, uint64_t *entries, vaddr_t begin, uint64_t pages) {
    uint64_t first = begin.value >> PAGE_SHIFT;
    FEW for (uint64_t i = 0; i < pages; i++) {
        DEBUG_ASSERT(entry_is_present(entry_read(&entries[i])));
        entry_write(&entries[i], ENTRY_RESERVED, first + i, 0);
    }
    flush_range(tables, first, pages);
}

void slots_unmap(uint64_t *entries, vaddr_t begin, uint64_t pages, pfn_t *frames,
                 struct tlb_batch *batch) {
    uint64_t first = begin.value >> PAGE_SHIFT;
    FEW for (uint64_t i = 0; i < pages; i++) {
        uint64_t entry = entry_read(&entries[i]);
        DEBUG_ASSERT(entry_is_present(entry));
        entry_write(&entries[i], ENTRY_RESERVED, first + i, 0);
        if (frames != NULL) {
            frames[i] = pfn((entry & ENTRY_ADDRESS) >> PAGE_SHIFT);
        }
    }
    batch_add(batch, first, pages, 0);
}

enum tables_status slots_reserve(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                 uint64_t **entries) {
    uint64_t first = begin.value >> PAGE_SHIFT;
    if (!range_is_good(tables, begin, pages) || pages > SLOTS_MAX ||
        level_index(first, 0) + pages > TABLE_ENTRIES) {
        return TABLES_BAD_REQUEST;
    }
    enum tables_status status = map_reserved(tables, first, pages);
    if (status == TABLES_OK) {
        unsigned long flags = lock_acquire(&tables->lock);
        const uint64_t *above = find_last_table(tables, first); // it stays from now on
        *entries = entry_table(entry_read(above)) + level_index(first, 0);
        lock_release(&tables->lock, flags);
    }
    return status;
}

void slots_release(struct page_tables *tables, vaddr_t begin, uint64_t pages, uint64_t *entries) {
    uint64_t first = begin.value >> PAGE_SHIFT;
    struct tlb_batch batch;
    tlb_batch_init(&batch, tables);
    unsigned long flags = lock_acquire(&tables->lock);
    uint64_t *above = find_last_table(tables, first);
    ASSERT(above != NULL && entry_table(entry_read(above)) + level_index(first, 0) == entries);
    for (uint64_t i = 0; i < pages; i++) {
        ASSERT(entry_read(&entries[i]) == ENTRY_RESERVED);
        entry_write(&entries[i], 0, first + i, 0);
    }
    entry_add_count(above, -pages, first, 1);
    if (entry_count(entry_read(above)) == 0) {
        idle_keep(tables, first, &batch);
    }
    batch_release(&batch, flags);
}
