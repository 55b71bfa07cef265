// SPDX-License-Identifier: MIT
// Splitting a large page, and joining its parts again.
//
//     level 1:  [ 2 MiB page, attributes A ]   ── split ──>   level 1: [ table ]
//                                              <── join ──    level 0: [A][A][A] … [A]
//
// Neither changes what any address means. A change of size and of meaning in one write would leave
// it open which of the two a CPU uses, and some CPUs stop when they find both (SDM vol. 3A,
// 4.10.2.3, last paragraph; AMD family 10h erratum 383): so a page is split into equal parts, every
// CPU forgets the large one, and then a part is changed. Going through "not present" instead is not
// possible: the kernel itself may stand on the page.
//
// Invariants:
//   J1  a split or a join changes no translation, and loses no accessed or dirty bit
//                                                                     splits_change_nothing
//   J2  a joined page stands for 512 equal, present, contiguous parts  parts_join_when_equal
#include "internal.h"

// What all parts of a page have in common.
#define JOINED_BITS (~ENTRY_NOTED)

static uint64_t noted_by_all(const uint64_t *table) {
    uint64_t noted = 0;
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        noted |= entry_read(&table[i]) & ENTRY_NOTED;
    }
    return noted;
}

// The first part's flat form when `table`, of `level`, holds the 512 parts of one page; 0
// otherwise.
static uint64_t common_part(const uint64_t *table, unsigned level) {
    uint64_t step = level_pages(level) << PAGE_SHIFT;
    uint64_t first = entry_flat(entry_read(&table[0]), level) & JOINED_BITS;
    if (!entry_is_leaf(entry_read(&table[0]), level) || (first & ENTRY_SMALL) != 0 ||
        (first & ENTRY_ADDRESS & (step * TABLE_ENTRIES - 1)) != 0) {
        return 0;
    }
    // The last one first: a table that fills up from below is dismissed at once.
    for (unsigned i = TABLE_ENTRIES - 1; i > 0; i--) {
        uint64_t entry = entry_read(&table[i]);
        if (!entry_is_leaf(entry, level) ||
            (entry_flat(entry, level) & JOINED_BITS) != first + i * step) {
            return 0;
        }
    }
    return first;
}

bool join(struct page_tables *tables, uint64_t *entry, uint64_t page, unsigned level,
          struct tlb_batch *batch) {
    uint64_t old = entry_read(entry);
    if (level > (tables->format.gib_pages ? 2u : 1u)) {
        return false;
    }
    uint64_t *table = entry_table(old);
    uint64_t flat = common_part(table, level - 1);
    if (flat == 0) {
        return false;
    }
    if (batch->joined != 0) {
        tlb_batch_flush(batch);
    }
    page = align_down(page, level_pages(level));
    // A CPU may note a write in a part until it has forgotten the parts: what may be written counts
    // as written.
    flat |= ENTRY_ACCESSED | noted_by_all(table);
    flat |= (flat & ENTRY_WRITE) != 0 ? ENTRY_DIRTY : 0;
    hint_forget(tables);
    entry_write(entry, entry_leaf(flat, level), page, level);
    batch_add(batch, page, TABLE_ENTRIES, level - 1);
    batch->joined = old & ENTRY_ADDRESS;
    batch->flush.tables = true;
    tables->table_pages--;
    return true;
}

void join_up(struct page_tables *tables, uint64_t page, struct tlb_batch *batch) {
    uint64_t *path[LEVEL_MAX + 1], *table = root_table(tables);
    for (unsigned level = root_level(tables); level > 0; level--) {
        path[level] = &table[level_index(page, level)];
        table = entry_table(entry_read(path[level]));
    }
    for (unsigned level = 1; level < root_level(tables); level++) {
        if (entry_count(entry_read(path[level])) != TABLE_ENTRIES ||
            !join(tables, path[level], page, level, batch)) {
            return;
        }
    }
}

void split(struct page_tables *tables, uint64_t *entry, uint64_t page, unsigned level,
           struct spares *spares, struct tlb_batch *batch) {
    uint64_t address = spares_pop(tables, spares), *table = port_direct_map(paddr(address));
    uint64_t step = level_pages(level - 1) << PAGE_SHIFT;
    uint64_t old, made = table_entry(tables, address, TABLE_ENTRIES);
    page = align_down(page, level_pages(level));
    do {
        old = entry_read(entry);
        uint64_t flat = entry_flat(old, level);
        for (unsigned i = 0; i < TABLE_ENTRIES; i++, flat += step) {
            table[i] = entry_leaf(flat, level - 1);
        }
    } while (!entry_exchange(entry, old, made, page, level));
    batch_add(batch, page, 1, level);
}
