// SPDX-License-Identifier: MIT
// What the files of the page tables share.
//
// Inside, addresses are page numbers, all 52 bits of them: an end at the top of the address space
// is a number like any other.
#pragma once

#include "entry.h"

#include <mm/paging.h>

// No table was kept. Otherwise `idle` is the number of the first page of the table that was.
#define IDLE_NONE UINT64_C(1)

static inline unsigned root_level(const struct page_tables *tables) {
    return tables->format.levels - 1;
}

static inline uint64_t *root_table(const struct page_tables *tables) {
    return port_direct_map(paddr_of(tables->root));
}

// How many pages each half of the address space has.
static inline uint64_t half_pages(const struct page_tables *tables) {
    return UINT64_C(1) << (9 * tables->format.levels - 1);
}

static inline bool page_is_upper(uint64_t page) {
    return (page >> 51 & 1) != 0;
}

// Where the part of [page, end) stops that lies in one entry of this level.
static inline uint64_t part_end(uint64_t page, uint64_t end, unsigned level) {
    uint64_t next = (page | (level_pages(level) - 1)) + 1;
    return next < end ? next : end;
}

// Whether the handle owns all of the range.
static inline bool range_is_good(const struct page_tables *tables, vaddr_t begin, uint64_t pages) {
    uint64_t half = half_pages(tables), first = begin.value >> PAGE_SHIFT;
    if ((begin.value & (PAGE_SIZE - 1)) != 0 || pages - 1 >= half) {
        return false;
    }
    if (!page_is_upper(first)) {
        return first + pages <= half;
    }
    uint64_t top = UINT64_C(1) << 52;
    return tables->space.kernel && first >= top - half && first + pages <= top;
}

// The bits of an entry for these attributes, the address left out.
static inline uint64_t attribute_bits(const struct page_tables *tables, uint32_t attributes) {
    uint64_t bits = attributes & tables->entry_bits & ~(uint64_t)PAGING_EXECUTE;
    if ((attributes & PAGING_WC) != 0 && !tables->format.pat) {
        bits |= ENTRY_NO_CACHE;
    }
    if ((attributes & PAGING_EXECUTE) == 0) {
        bits |= tables->entry_bits & ENTRY_NO_EXECUTE;
    }
    return bits;
}

// The same for a page that is mapped now.
static inline uint64_t page_bits(const struct page_tables *tables, uint32_t attributes) {
    uint64_t noted = 0;
    if (tables->space.kernel) { // nobody asks, so the CPU need not write it
        noted = (attributes & PAGING_WRITE) != 0 ? ENTRY_NOTED : ENTRY_ACCESSED;
    }
    return ENTRY_PRESENT | noted | attribute_bits(tables, attributes);
}

// Whether pages of the range that begins at page number `first` may have these attributes.
static inline bool attributes_are_good(const struct page_tables *tables, uint64_t first,
                                       uint32_t attributes) {
    const uint32_t both = PAGING_WRITE | PAGING_EXECUTE;
    // Cache types in PAT's order: bit 2 from PAT, bits 1 and 0 from PCD and PWT.
    unsigned type = (attributes >> 3 & 3) | (attributes >> 5 & 4);
    uint32_t banned = page_is_upper(first) ? PAGING_USER : PAGING_GLOBAL;
    return (attributes & (~PAGING_ALL | banned)) == 0 && (0x1bu >> type & 1) != 0 &&
           ((attributes & both) != both || tables->format.write_execute);
}

// An entry for the table at `address`, which has `count` present entries.
static inline uint64_t table_entry(const struct page_tables *tables, uint64_t address,
                                   uint64_t count) {
    uint64_t user = tables->space.kernel ? 0 : ENTRY_USER;
    return address | ENTRY_PRESENT | ENTRY_WRITE | user | ENTRY_ACCESSED | count * ENTRY_COUNT_ONE;
}

// Counts entries that were made, or are gone, of the table that `entry` points to.
static inline void entry_add_count(uint64_t *entry, uint64_t count, uint64_t page, unsigned level) {
    entry_write(entry, entry_read(entry) + count * ENTRY_COUNT_ONE, page, level);
}

// Whether the table that this root entry points to stays when it is empty: other handles share it.
static inline bool root_entry_stays(const struct page_tables *tables, uint64_t page) {
    return tables->space.kernel && page_is_upper(page);
}

// The entry of the large page that spans page number `page`, and its level; NULL when there is none.
static inline uint64_t *find_large(const struct page_tables *tables, uint64_t page,
                                   unsigned *level) {
    uint64_t *table = root_table(tables);
    for (*level = root_level(tables); *level > 0; --*level) {
        uint64_t *slot = &table[level_index(page, *level)];
        uint64_t entry = entry_read(slot);
        if (!entry_is_table(entry)) {
            return entry_is_present(entry) ? slot : NULL;
        }
        table = entry_table(entry);
    }
    return NULL;
}

// The entry of the level-0 table that page number `page` needs; NULL when there is none.
static inline uint64_t *find_last_table(const struct page_tables *tables, uint64_t page) {
    uint64_t *table = root_table(tables);
    for (unsigned level = root_level(tables); level > 1; level--) {
        uint64_t entry = entry_read(&table[level_index(page, level)]);
        if (__builtin_expect(!entry_is_table(entry), false)) {
            return NULL;
        }
        table = entry_table(entry);
    }
    uint64_t *entry = &table[level_index(page, 1)];
    return __builtin_expect(entry_is_table(entry_read(entry)), true) ? entry : NULL;
}

// Tables taken in advance: cleared, and chained through their first word.
struct spares {
    uint64_t head; // 0: none
};

// False when there is no memory for all of them: then none is taken.
bool spares_take(struct page_tables *tables, struct spares *spares, uint64_t count);
void spares_free(struct page_tables *tables, struct spares *spares);
uint64_t spares_pop(struct page_tables *tables, struct spares *spares); // a table's address

// Names `pages` pages of the level's size as to be forgotten.
void batch_add(struct tlb_batch *batch, uint64_t page, uint64_t pages, unsigned level);

// Gives the lock of the tables back. When a table has gone this flushes before: a CPU that still
// remembered it would not find what somebody maps in its place.
static inline void batch_release(struct tlb_batch *batch, unsigned long flags) {
    if (__builtin_expect(batch->flush.tables, false)) {
        tlb_batch_flush(batch);
    }
    lock_release(&batch->tables->lock, flags);
}

// Takes the table out that `entry`, at `level`, points to, and the entry of which spans `page`. It
// has no entries. It is freed after the flush.
void batch_drop_table(struct tlb_batch *batch, uint64_t *entry, uint64_t page, unsigned level);

// Remembers the level-0 table of `page` as the one that is empty and stays, and frees the one that
// stayed until now.
void idle_keep(struct page_tables *tables, uint64_t page, struct tlb_batch *batch);

// Frees the one that stays, if there is one.
void idle_drop(struct page_tables *tables, struct tlb_batch *batch);

// Puts a large page in the place of the table that `entry`, at `level`, points to, when all 512 of
// its entries are the parts of that page; tells the batch. False when they are not.
bool join(struct page_tables *tables, uint64_t *entry, uint64_t page, unsigned level,
          struct tlb_batch *batch);

// The same for the level-0 table of `page` and, if it becomes a large page, for the table above.
void join_up(struct page_tables *tables, uint64_t page, struct tlb_batch *batch);

// Puts a table of 512 equal parts in the place of the large page that `entry`, at `level`, is;
// tells the batch. No part may be changed before that is flushed.
void split(struct page_tables *tables, uint64_t *entry, uint64_t page, unsigned level,
           struct spares *spares, struct tlb_batch *batch);
