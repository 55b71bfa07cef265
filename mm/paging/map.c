// SPDX-License-Identifier: MIT
// Mapping: the quick way for pages whose level-0 table exists, and the general one.
//
// The general way walks the range twice. The first walk finds what is in the way and counts the
// tables that are missing; they are taken; the second walk cannot fail. Both choose page sizes by
// the same rule (fits).
//
// Invariants:
//   M1  a refused map has changed no entry and holds no memory         refusals_change_nothing
//   M2  the largest page that fits is used                             the_largest_page_fits
#include "internal.h"

#include <mm/slots.h>

// What is to be mapped.
struct mapping {
    struct page_tables *tables;
    uint64_t first;      // page number that `to` or frames[0] is for
    uint64_t to;         // first frame,
    const pfn_t *frames; // or all of them
    uint64_t bits;
    unsigned large; // highest level that may be a page
    struct spares spares;
    uint64_t missing; // tables
    bool drops_idle;  // the empty table that is kept is in the range, and in the way
    struct tlb_batch *batch;
};

static uint64_t frame_for(const struct mapping *mapping, uint64_t page) {
    uint64_t i = page - mapping->first;
    return mapping->frames != NULL ? mapping->frames[i].value : mapping->to + i;
}

// Whether [page, next), which lies in one entry of this level, can be one page.
static bool fits(const struct mapping *mapping, uint64_t page, uint64_t next, unsigned level) {
    return level <= mapping->large && next - page == level_pages(level) &&
           (frame_for(mapping, page) & (level_pages(level) - 1)) == 0;
}

// Whether the table that `entry`, which spans `page`, points to goes with the empty one.
static bool is_void(const struct page_tables *tables, uint64_t entry, uint64_t page,
                    unsigned level) {
    bool stays = level == root_level(tables) && root_entry_stays(tables, page);
    if (stays || ((page ^ tables->idle) & ~(level_pages(level) - 1)) != 0) {
        return false;
    }
    for (; level > 1 && entry_count(entry) == 1; level--) {
        entry = entry_read(&entry_table(entry)[level_index(tables->idle, level - 1)]);
        if (!entry_is_table(entry)) {
            return false;
        }
    }
    return level == 1 && entry_count(entry) == 0;
}

// Whether one of the entries is present or reserved.
static bool is_any_taken(const uint64_t *slots, uint64_t count) {
    uint64_t any = 0;
    for (uint64_t i = 0; i < count; i++) {
        any |= entry_read(&slots[i]);
    }
    return any != 0;
}

// Makes entries of one level-0 table; `frames` is NULL when they follow one another from `frame`
// on.
static inline __attribute__((always_inline)) void fill_entries(uint64_t *slots, uint64_t page,
                                                               uint64_t pages, uint64_t bits,
                                                               uint64_t frame,
                                                               const pfn_t *frames) {
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t number = frames != NULL ? frames[i].value : frame + i;
        entry_write(&slots[i], bits + (number << PAGE_SHIFT), page + i, 0);
    }
}

// Counts the missing tables below `table`, NULL if that is missing too.
static enum tables_status plan(struct mapping *mapping, const uint64_t *table, unsigned level,
                               uint64_t page, uint64_t end) {
    if (level == 0) {
        bool is_free = table == NULL || !is_any_taken(&table[level_index(page, 0)], end - page);
        return is_free ? TABLES_OK : TABLES_MAPPED;
    }
    for (uint64_t next; page < end; page = next) {
        next = part_end(page, end, level);
        uint64_t entry = table != NULL ? entry_read(&table[level_index(page, level)]) : 0;
        if (entry_is_leaf(entry, level)) {
            return TABLES_MAPPED;
        }
        bool goes = mapping->drops_idle && entry_is_present(entry) &&
                    is_void(mapping->tables, entry, page, level);
        if (entry_is_present(entry) && !goes) {
            enum tables_status status = plan(mapping, entry_table(entry), level - 1, page, next);
            if (status != TABLES_OK) {
                return status;
            }
        } else if (!fits(mapping, page, next, level)) {
            if (mapping->tables->shared && level == root_level(mapping->tables) &&
                root_entry_stays(mapping->tables, page)) {
                return TABLES_NOT_PREPARED;
            }
            mapping->missing++;
            plan(mapping, NULL, level - 1, page, next);
        }
    }
    return TABLES_OK;
}

// Makes the entries; returns how many of `table` are present that were not.
static uint64_t commit(struct mapping *mapping, uint64_t *table, unsigned level, uint64_t page,
                       uint64_t end) {
    struct page_tables *tables = mapping->tables;
    uint64_t made = 0;
    if (level == 0) {
        const pfn_t *frames = mapping->frames;
        uint64_t i = page - mapping->first;
        fill_entries(&table[level_index(page, 0)], page, end - page, mapping->bits, mapping->to + i,
                     frames != NULL ? frames + i : NULL);
        return end - page;
    }
    for (uint64_t next; page < end; page = next) {
        next = part_end(page, end, level);
        uint64_t *slot = &table[level_index(page, level)];
        uint64_t entry = entry_read(slot);
        if (!entry_is_present(entry) && fits(mapping, page, next, level)) {
            uint64_t flat = frame_for(mapping, page) << PAGE_SHIFT | mapping->bits;
            entry_write(slot, entry_leaf(flat, level), page, level);
            made++;
            continue;
        }
        made += !entry_is_present(entry);
        if (!entry_is_present(entry)) {
            entry = table_entry(tables, spares_pop(tables, &mapping->spares), 0);
        }
        uint64_t count = commit(mapping, entry_table(entry), level - 1, page, next);
        entry += count * ENTRY_COUNT_ONE;
        entry_write(slot, entry, page, level);
        if (entry_count(entry) == TABLE_ENTRIES) {
            join(tables, slot, page, level, mapping->batch);
        }
    }
    return made;
}

static bool idle_is_in(const struct page_tables *tables, uint64_t first, uint64_t end) {
    return tables->idle != IDLE_NONE && tables->idle < end && tables->idle + level_pages(1) > first;
}

static enum tables_status map_slow(struct mapping *mapping, uint64_t pages) {
    struct page_tables *tables = mapping->tables;
    unsigned root = root_level(tables);
    uint64_t first = mapping->first, end = first + pages;
    mapping->missing = 0;
    mapping->drops_idle = pages >= level_pages(1) && idle_is_in(tables, first, end);
    enum tables_status status = plan(mapping, root_table(tables), root, first, end);
    if (status != TABLES_OK) {
        return status;
    }
    if (!spares_take(tables, &mapping->spares, mapping->missing)) {
        return TABLES_NO_MEMORY;
    }
    if (mapping->drops_idle) {
        idle_drop(tables, mapping->batch);
    }
    commit(mapping, root_table(tables), root, first, end);
    ASSERT(mapping->spares.head == 0);
    return TABLES_OK;
}

// What the quick way left to do: nearly everything, or joining what it has completed. The lock is
// held, and given back.
static __attribute__((noinline)) enum tables_status map_rest(struct page_tables *tables,
                                                             struct mapping mapping, uint64_t pages,
                                                             bool is_done, unsigned long flags) {
    enum tables_status status = TABLES_OK;
    struct tlb_batch batch;
    tlb_batch_init(&batch, tables);
    mapping.batch = &batch;
    if (is_done) {
        join_up(tables, mapping.first, &batch);
    } else {
        status = map_slow(&mapping, pages);
    }
    batch_release(&batch, flags);
    return status;
}

// The quick way, for pages of one level-0 table that is there. `frames` is NULL when they follow
// one another from `frame` on.
static inline __attribute__((always_inline)) enum tables_status
map(struct page_tables *tables, uint64_t first, uint64_t pages, uint64_t frame, const pfn_t *frames,
    uint64_t bits) {
    unsigned index = level_index(first, 0);
    unsigned long flags = lock_acquire(&tables->lock);
    uint64_t *above = find_last_table(tables, first);
    bool is_done = above != NULL && index + pages <= TABLE_ENTRIES && pages != TABLE_ENTRIES;
    if (__builtin_expect(is_done, true)) {
        uint64_t entry = entry_read(above);
        uint64_t *slots = entry_table(entry) + index;
        if (__builtin_expect(entry_count(entry) != 0 && is_any_taken(slots, pages), false)) {
            lock_release(&tables->lock, flags);
            return TABLES_MAPPED;
        }
        fill_entries(slots, first, pages, bits, frame, frames);
        entry += pages * ENTRY_COUNT_ONE;
        entry_write(above, entry, first, 1);
        if (__builtin_expect(entry_count(entry) != TABLE_ENTRIES, true)) {
            lock_release(&tables->lock, flags);
            return TABLES_OK;
        }
    }
    const struct mapping mapping = {
        .tables = tables,
        .first = first,
        .to = frame,
        .frames = frames,
        .bits = bits,
        .large = frames != NULL || (bits & ENTRY_SMALL) != 0 ? 0
                 : tables->format.gib_pages                  ? 2
                                                             : 1,
    };
    return map_rest(tables, mapping, pages, is_done, flags);
}

enum tables_status tables_map(struct page_tables *tables, vaddr_t begin, uint64_t pages, paddr_t to,
                              uint32_t attributes) {
    uint64_t first = begin.value >> PAGE_SHIFT, frame = to.value >> PAGE_SHIFT;
    if (!range_is_good(tables, begin, pages) || !attributes_are_good(tables, first, attributes) ||
        (to.value & (PAGE_SIZE - 1)) != 0 || frame + pages > tables->rules.frames) {
        return TABLES_BAD_REQUEST;
    }
    return map(tables, first, pages, frame, NULL, page_bits(tables, attributes));
}

enum tables_status tables_map_frames(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                     const pfn_t *frames, uint32_t attributes) {
    uint64_t first = begin.value >> PAGE_SHIFT, bits = 0;
    if (!range_is_good(tables, begin, pages) || !attributes_are_good(tables, first, attributes)) {
        return TABLES_BAD_REQUEST;
    }
    for (uint64_t i = 0; i < pages; i++) {
        bits |= frames[i].value;
    }
    if (bits >= tables->rules.frames) {
        return TABLES_BAD_REQUEST;
    }
    return map(tables, first, pages, 0, frames, page_bits(tables, attributes));
}

enum tables_status map_reserved(struct page_tables *tables, uint64_t first, uint64_t pages) {
    static const pfn_t nowhere[SLOTS_MAX];
    return map(tables, first, pages, 0, nowhere, ENTRY_RESERVED);
}
