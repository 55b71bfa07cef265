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
    const struct paging_rules *rules = &tables->rules;
    uint64_t first = begin.value >> PAGE_SHIFT;
    uint64_t offset = first - (page_is_upper(first) ? rules->upper : 0);
    return (begin.value & (PAGE_SIZE - 1)) == 0 && offset < rules->half &&
           pages - 1 < rules->half - offset;
}

// Whether pages of the range that begins at page number `first` may have these attributes.
static inline bool attributes_are_good(const struct page_tables *tables, uint64_t first,
                                       uint32_t attributes) {
    // Cache types as numbers: 1 from PWT, 2 from PCD, 16 from PAT.
    const uint32_t types = 1u << 0 | 1u << 1 | 1u << 3 | 1u << 16;
    uint32_t banned =
        page_is_upper(first) ? ~PAGING_ALL | PAGING_USER : ~PAGING_ALL | PAGING_GLOBAL;
    uint32_t both = attributes & (PAGING_WRITE | PAGING_EXECUTE);
    return (attributes & banned) == 0 && (types >> (attributes >> 3 & 0x13) & 1) != 0 &&
           both != tables->rules.exclusive;
}

// The bits of an entry for these attributes, and nothing else.
static inline uint64_t attribute_bits(const struct page_tables *tables, uint32_t attributes) {
    const struct paging_rules *rules = &tables->rules;
    uint64_t bits = attributes & rules->attributes;
    if (__builtin_expect((attributes & rules->lacking) != 0, false)) {
        bits |= ENTRY_NO_CACHE;
    }
    return (attributes & PAGING_EXECUTE) != 0 ? bits : bits | rules->no_execute;
}

// All bits but the address of an entry for a page that is mapped now.
static inline uint64_t page_bits(const struct page_tables *tables, uint32_t attributes) {
    uint64_t written = (attributes & PAGING_WRITE) != 0 ? tables->rules.written : 0;
    return attribute_bits(tables, attributes) | tables->rules.fixed | written;
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

// The entry of the large page that spans page number `page`, and its level; NULL when there is
// none.
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

// The entry of the level-0 table that page number `page` needs; NULL when there is none. The table
// that was used last is found at once.
uint64_t *find_last_table_anew(struct page_tables *tables, uint64_t page);

static inline uint64_t *find_last_table(struct page_tables *tables, uint64_t page) {
    if (__builtin_expect(page >> 9 == tables->hint_number, true)) {
        return entry_is_table(entry_read(tables->hint)) ? tables->hint : NULL;
    }
    return find_last_table_anew(tables, page);
}

// A table above level 0 may have gone: forget where the last one was.
static inline void hint_forget(struct page_tables *tables) {
    tables->hint_number = UINT64_MAX;
}

// Tables taken in advance: cleared, and chained through their first word.
struct spares {
    uint64_t head; // 0: none
};

// False when there is no memory for all of them: then none is taken.
bool spares_take(struct page_tables *tables, struct spares *spares, uint64_t count);
void spares_free(struct page_tables *tables, struct spares *spares);
uint64_t spares_pop(struct page_tables *tables, struct spares *spares); // a table's address

// Makes the entries of a range reserved (slots.c), its table if it is missing: as tables_map.
enum tables_status map_reserved(struct page_tables *tables, uint64_t first, uint64_t pages);

// Names `pages` pages of the level's size as to be forgotten.
void batch_add(struct tlb_batch *batch, uint64_t page, uint64_t pages, unsigned level);

// Flushes pages of 4 KiB at once.
static inline void flush_range(struct page_tables *tables, uint64_t page, uint64_t pages) {
    struct tlb_flush flush;
    flush.space = &tables->space;
    flush.everything = pages > TLB_PAGES;
    flush.tables = false;
    flush.count = 1;
    flush.pages = (uint32_t)pages;
    flush.ranges[0] = (struct tlb_range){page << PAGE_SHIFT, (uint32_t)pages, PAGE_SHIFT};
    port_tlb_flush(&flush);
}

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
