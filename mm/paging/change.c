// SPDX-License-Identifier: MIT
// Changing what is mapped: unmap, protect, replace. Each has a quick way for pages of one level-0
// table, and shares the general one.
//
// The general way finds the large pages that the ends of the range cut in two and whether they
// change at all, takes the tables for the parts, splits, flushes that, and then walks the range: no
// page that it meets crosses an end any more, and nothing can fail.
//
// Invariants:
//   U1  a refused change has changed nothing and holds no memory       refusals_change_nothing
//   U2  accessed and dirty bits survive a change of attributes         noted_bits_survive
//   U3  what changes or goes is in the batch when the lock is given back  nothing_stale_is_left
#include "internal.h"

struct change {
    struct page_tables *tables;
    struct tlb_batch *batch;
    uint64_t first, end; // page numbers
    bool unmaps;
    pfn_t *frames;      // unmap: where they are stored, or NULL
    uint64_t set, mask; // protect: bits of an entry
};

static bool is_changed(const struct change *change, uint64_t flat) {
    return change->unmaps || (flat & change->mask) != change->set;
}

// Gives an entry the new attributes. False when it has them already.
static bool set_attributes(const struct change *change, uint64_t *slot, uint64_t page,
                           unsigned level) {
    uint64_t old, flat;
    do {
        old = entry_read(slot);
        flat = entry_flat(old, level);
        if (!is_changed(change, flat)) {
            return false;
        }
        flat = (flat & ~change->mask) | change->set;
    } while (!entry_exchange(slot, old, entry_leaf(flat, level), page, level));
    return true;
}

// The level of the page that is cut in two at `edge` and changes; 0 when none is.
static unsigned cut_level(const struct change *change, uint64_t edge) {
    unsigned level;
    uint64_t *entry = find_large(change->tables, edge, &level);
    if (entry == NULL || (edge & (level_pages(level) - 1)) == 0 ||
        !is_changed(change, entry_flat(entry_read(entry), level))) {
        return 0;
    }
    return level;
}

static bool cuts(uint64_t edge, unsigned level) {
    return (edge & (level_pages(level) - 1)) != 0;
}

// How many tables splitting takes; both ends may lie in one page.
static unsigned count_splits(const struct change *change) {
    unsigned first = cut_level(change, change->first), end = cut_level(change, change->end);
    unsigned count = 0;
    for (unsigned level = 1; level <= first || level <= end; level++) {
        bool at_first = level <= first && cuts(change->first, level);
        bool at_end = level <= end && cuts(change->end, level);
        bool same = change->first >> (9 * level) == change->end >> (9 * level);
        count += (at_first || at_end) + (at_first && at_end && !same);
    }
    return count;
}

static void split_at(const struct change *change, uint64_t edge, struct spares *spares) {
    for (unsigned level; (level = cut_level(change, edge)) != 0;) {
        uint64_t *entry = find_large(change->tables, edge, &level);
        split(change->tables, entry, edge, level, spares, change->batch);
    }
}

// Makes the ends of the range ends of pages. False when there is no memory.
static bool split_ends(const struct change *change) {
    struct spares spares;
    unsigned count = count_splits(change);
    if (count == 0) {
        return true;
    }
    if (!spares_take(change->tables, &spares, count)) {
        return false;
    }
    split_at(change, change->first, &spares);
    split_at(change, change->end, &spares);
    ASSERT(spares.head == 0);
    tlb_batch_flush(change->batch);
    return true;
}

// The frames that a part of the range is mapped to; none when `entry` is not present.
static void store_frames(const struct change *change, uint64_t entry, uint64_t page, uint64_t end,
                         unsigned level) {
    bool present = entry_is_present(entry);
    uint64_t frame = (entry_flat(entry, level) & ENTRY_ADDRESS) >> PAGE_SHIFT;
    for (; change->frames != NULL && page < end; page++, frame++) {
        change->frames[page - change->first] = present ? pfn(frame) : PAGE_NO_FRAME;
    }
}

// Clears entries of one table; returns how many were present.
static inline __attribute__((always_inline)) uint64_t clear_noting(uint64_t *slots, uint64_t first,
                                                                   uint64_t pages, pfn_t *frames) {
    uint64_t gone = 0;
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t old = entry_read(&slots[i]);
        if (frames != NULL) {
            frames[i] =
                entry_is_present(old) ? pfn((old & ENTRY_ADDRESS) >> PAGE_SHIFT) : PAGE_NO_FRAME;
        }
        uint64_t present = old & ENTRY_PRESENT;
        gone += present;
        entry_write(&slots[i], old & (present - 1), first + i, 0); // what is reserved stays
    }
    return gone;
}

static uint64_t clear_entries(uint64_t *slots, uint64_t first, uint64_t pages, pfn_t *frames) {
    return frames != NULL ? clear_noting(slots, first, pages, frames)
                          : clear_noting(slots, first, pages, NULL);
}

// Clears the range's entries in `table`; returns how many.
static uint64_t unmap_in(const struct change *change, uint64_t *table, unsigned level,
                         uint64_t page, uint64_t end) {
    struct page_tables *tables = change->tables;
    uint64_t gone = 0;
    if (level == 0) {
        pfn_t *frames = change->frames != NULL ? change->frames + (page - change->first) : NULL;
        gone = clear_entries(&table[level_index(page, 0)], page, end - page, frames);
        if (gone != 0) {
            batch_add(change->batch, page, end - page, 0);
        }
        return gone;
    }
    for (uint64_t next; page < end; page = next) {
        next = part_end(page, end, level);
        uint64_t *slot = &table[level_index(page, level)];
        uint64_t entry = entry_read(slot);
        if (!entry_is_present(entry) || entry_is_leaf(entry, level)) {
            store_frames(change, entry, page, next, level);
            if (entry_is_present(entry)) {
                entry_write(slot, 0, page, level);
                batch_add(change->batch, page, 1, level);
                gone++;
            }
            continue;
        }
        uint64_t below = unmap_in(change, entry_table(entry), level - 1, page, next);
        if (below != 0) {
            entry_add_count(slot, (uint64_t)-below, page, level);
        }
        if (entry_count(entry) == below &&
            (level != root_level(tables) || !root_entry_stays(tables, page))) {
            batch_drop_table(change->batch, slot, page, level);
            gone++;
        }
    }
    return gone;
}

static void protect_in(const struct change *change, uint64_t *table, unsigned level, uint64_t page,
                       uint64_t end) {
    for (uint64_t next; page < end; page = next) {
        next = part_end(page, end, level);
        uint64_t *slot = &table[level_index(page, level)];
        uint64_t entry = entry_read(slot);
        if (entry_is_leaf(entry, level)) {
            // A page that an end of the range still cuts has these attributes already.
            if (set_attributes(change, slot, page, level)) {
                batch_add(change->batch, page, 1, level);
            }
        } else if (entry_is_present(entry)) {
            protect_in(change, entry_table(entry), level - 1, page, next);
            if (entry_count(entry) == TABLE_ENTRIES) {
                join(change->tables, slot, page, level, change->batch);
            }
        }
    }
}

static __attribute__((noinline)) enum tables_status change_slow(const struct change *change) {
    struct page_tables *tables = change->tables;
    if (!split_ends(change)) {
        return TABLES_NO_MEMORY;
    }
    uint64_t *root = root_table(tables);
    if (change->unmaps) {
        unmap_in(change, root, root_level(tables), change->first, change->end);
    } else {
        protect_in(change, root, root_level(tables), change->first, change->end);
    }
    return TABLES_OK;
}

// The level-0 table's entry that all of the range is in; NULL when it takes the general way.
static uint64_t *one_table(const struct change *change) {
    uint64_t pages = change->end - change->first;
    if (level_index(change->first, 0) + pages > TABLE_ENTRIES || pages == TABLE_ENTRIES) {
        return NULL;
    }
    return find_last_table(change->tables, change->first);
}

static void protect_quick(const struct change *change, uint64_t *above) {
    uint64_t entry = entry_read(above), changed = 0;
    uint64_t *slots = entry_table(entry);
    for (uint64_t page = change->first; page < change->end; page++) {
        uint64_t *slot = &slots[level_index(page, 0)];
        changed += entry_is_present(entry_read(slot)) && set_attributes(change, slot, page, 0);
    }
    if (changed != 0) {
        batch_add(change->batch, change->first, change->end - change->first, 0);
        if (entry_count(entry) == TABLE_ENTRIES) {
            join_up(change->tables, change->first, change->batch);
        }
    }
}

static __attribute__((noinline)) enum tables_status
unmap_slow(struct page_tables *tables, uint64_t first, uint64_t pages, pfn_t *frames,
           struct tlb_batch *batch, unsigned long flags) {
    struct tlb_batch own;
    tlb_batch_init(&own, tables);
    const struct change change = {
        .tables = tables,
        .batch = batch != NULL ? batch : &own,
        .first = first,
        .end = first + pages,
        .unmaps = true,
        .frames = frames,
    };
    enum tables_status status = change_slow(&change);
    batch_release(change.batch, flags);
    tlb_batch_flush(&own);
    return status;
}

// After the quick way: a table has become empty, and another one that was kept goes for it.
static __attribute__((noinline)) void unmap_idle(struct page_tables *tables, uint64_t first,
                                                 uint64_t pages, struct tlb_batch *batch,
                                                 unsigned long flags) {
    struct tlb_batch own;
    tlb_batch_init(&own, tables);
    struct tlb_batch *used = batch != NULL ? batch : &own;
    batch_add(used, first, pages, 0);
    idle_keep(tables, first, used);
    batch_release(used, flags);
    tlb_batch_flush(&own);
}

enum tables_status tables_unmap(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                pfn_t *frames, struct tlb_batch *batch) {
    uint64_t first = begin.value >> PAGE_SHIFT;
    unsigned index = level_index(first, 0);
    if (!range_is_good(tables, begin, pages)) {
        return TABLES_BAD_REQUEST;
    }
    unsigned long flags = lock_acquire(&tables->lock);
    uint64_t *above = find_last_table(tables, first);
    if (__builtin_expect(above == NULL || index + pages > TABLE_ENTRIES || pages == TABLE_ENTRIES,
                         false)) {
        return unmap_slow(tables, first, pages, frames, batch, flags);
    }
    uint64_t entry = entry_read(above);
    uint64_t gone = clear_entries(entry_table(entry) + index, first, pages, frames);
    if (gone == 0) {
        lock_release(&tables->lock, flags);
        return TABLES_OK;
    }
    entry -= gone * ENTRY_COUNT_ONE;
    entry_write(above, entry, first, 1);
    if (__builtin_expect(
            entry_count(entry) == 0 && tables->idle != align_down(first, level_pages(1)), false)) {
        unmap_idle(tables, first, pages, batch, flags);
        return TABLES_OK;
    }
    if (batch != NULL) {
        batch_add(batch, first, pages, 0);
        lock_release(&tables->lock, flags);
        return TABLES_OK;
    }
    lock_release(&tables->lock, flags);
    flush_range(tables, first, pages);
    return TABLES_OK;
}

// Whether pages at `first` can be given these attributes, whatever else they have.
static bool protection_is_good(const struct page_tables *tables, uint64_t first,
                               uint32_t attributes, uint32_t mask) {
    const uint32_t both = PAGING_WRITE | PAGING_EXECUTE;
    if ((mask & ~(PAGING_ALL & ~PAGING_SMALL)) != 0 || (attributes & ~mask) != 0 ||
        ((mask & PAGING_CACHE) != 0 && (mask & PAGING_CACHE) != PAGING_CACHE)) {
        return false;
    }
    if ((attributes & both) != 0 && (mask & both) != both && !tables->format.write_execute) {
        return false;
    }
    return attributes_are_good(tables, first, attributes);
}

enum tables_status tables_protect(struct page_tables *tables, vaddr_t begin, uint64_t pages,
                                  uint32_t attributes, uint32_t mask, struct tlb_batch *batch) {
    struct tlb_batch own;
    uint64_t first = begin.value >> PAGE_SHIFT;
    if (!range_is_good(tables, begin, pages) ||
        !protection_is_good(tables, first, attributes, mask)) {
        return TABLES_BAD_REQUEST;
    }
    tlb_batch_init(&own, tables);
    uint64_t bits = attribute_bits(tables, mask | PAGING_EXECUTE);
    if ((mask & PAGING_CACHE) != 0) {
        bits |= PAGING_CACHE;
    }
    if ((mask & PAGING_EXECUTE) != 0) {
        bits |= tables->rules.no_execute;
    }
    const struct change change = {
        .tables = tables,
        .batch = batch != NULL ? batch : &own,
        .first = first,
        .end = first + pages,
        .set = attribute_bits(tables, attributes) & bits,
        .mask = bits,
    };
    enum tables_status status = TABLES_OK;
    unsigned long flags = lock_acquire(&tables->lock);
    uint64_t *above = one_table(&change);
    if (above != NULL) {
        protect_quick(&change, above);
    } else {
        status = change_slow(&change);
    }
    batch_release(change.batch, flags);
    tlb_batch_flush(&own);
    return status;
}

// Unmaps the page, flushes, and maps it anew. The ends are split: its level-0 table is there.
static enum tables_status replace_in(const struct change *change, uint64_t value, pfn_t *old) {
    uint64_t *above = find_last_table(change->tables, change->first);
    uint64_t *slot =
        above == NULL ? NULL : &entry_table(entry_read(above))[level_index(change->first, 0)];
    if (slot == NULL || !entry_is_present(entry_read(slot))) {
        return TABLES_NOT_MAPPED;
    }
    if (old != NULL) {
        *old = pfn((entry_read(slot) & ENTRY_ADDRESS) >> PAGE_SHIFT);
    }
    entry_write(slot, 0, change->first, 0);
    batch_add(change->batch, change->first, 1, 0);
    tlb_batch_flush(change->batch);
    entry_write(slot, value, change->first, 0);
    if (entry_count(entry_read(above)) == TABLE_ENTRIES) {
        join_up(change->tables, change->first, change->batch);
    }
    return TABLES_OK;
}

enum tables_status tables_replace(struct page_tables *tables, vaddr_t page, pfn_t frame,
                                  uint32_t attributes, pfn_t *old) {
    struct tlb_batch batch;
    uint64_t first = page.value >> PAGE_SHIFT;
    if (!range_is_good(tables, page, 1) || !attributes_are_good(tables, first, attributes) ||
        frame.value >= tables->rules.frames) {
        return TABLES_BAD_REQUEST;
    }
    tlb_batch_init(&batch, tables);
    const struct change change = {
        .tables = tables, .batch = &batch, .first = first, .end = first + 1, .unmaps = true};
    uint64_t value = page_bits(tables, attributes) + paddr_of(frame).value;
    unsigned long flags = lock_acquire(&tables->lock);
    enum tables_status status = TABLES_NO_MEMORY;
    if (split_ends(&change)) {
        status = replace_in(&change, value, old);
    }
    batch_release(&batch, flags);
    return status;
}
