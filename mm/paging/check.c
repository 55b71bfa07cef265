// SPDX-License-Identifier: MIT
// tables_check: every invariant of a handle's tables, walked. The numbers are those of tables.c.
#include "internal.h"

// A walk over all tables.
struct check {
    const struct page_tables *tables;
    uint64_t seen; // tables
};

// SDM vol. 3A, tables 4-15 to 4-20: which bits of a leaf must be 0.
static uint64_t reserved_bits(const struct page_tables *tables, unsigned level) {
    uint64_t beyond = ENTRY_ADDRESS & ~((UINT64_C(1) << tables->format.physical_bits) - 1);
    uint64_t inside = (level_pages(level) - 1) << PAGE_SHIFT;
    uint64_t ignored = UINT64_C(0x7ff) << 52 | UINT64_C(0xc00);
    return beyond | (inside & ~ENTRY_LARGE_PAT) | ignored |
           (tables->format.no_execute ? 0 : ENTRY_NO_EXECUTE);
}

static const char *check_leaf(const struct page_tables *tables, uint64_t entry, uint64_t page,
                              unsigned level) {
    uint64_t flat = entry_flat(entry, level);
    bool executes = tables->format.no_execute && (flat & ENTRY_NO_EXECUTE) == 0;
    if (level > (tables->format.gib_pages ? 2u : 1u)) {
        return "a page is larger than the CPU knows";
    }
    if ((entry & reserved_bits(tables, level)) != 0) {
        return "an entry has reserved bits set";
    }
    if (level > 0 && (flat & ENTRY_SMALL) != 0) {
        return "a page that must be small is large";
    }
    if ((flat & ENTRY_USER) != 0 && page_is_upper(page)) {
        return "a page of the upper half is open to ring 3";
    }
    if ((flat & ENTRY_GLOBAL) != 0 && !page_is_upper(page)) {
        return "a page of the lower half is global";
    }
    if (executes && (flat & ENTRY_WRITE) != 0 && !tables->format.write_execute) {
        return "a page is writable and executable";
    }
    return NULL;
}

static const char *check_table(struct check *check, uint64_t entry, uint64_t page, unsigned level);

// The entries [0, count) of a table. Those present are counted.
static const char *check_entries(struct check *check, const uint64_t *table, unsigned count,
                                 uint64_t page, unsigned level, unsigned *present) {
    const char *broken = NULL;
    for (unsigned i = 0; i < count && broken == NULL; i++) {
        uint64_t entry = entry_read(&table[i]);
        uint64_t first = page + i * level_pages(level);
        if (level == root_level(check->tables) && i >= TABLE_ENTRIES / 2) {
            first += check->tables->rules.upper - check->tables->rules.half;
        }
        if (level == 0 && entry == ENTRY_RESERVED) {
            ++*present;
            continue;
        }
        if (!entry_is_present(entry)) {
            broken = entry != 0 ? "an entry that is not present is not 0" : NULL;
            continue;
        }
        ++*present;
        broken = entry_is_leaf(entry, level) ? check_leaf(check->tables, entry, first, level)
                                             : check_table(check, entry, first, level - 1);
    }
    return broken;
}

// The table of `level` that `entry` points to.
static const char *check_table(struct check *check, uint64_t entry, uint64_t page, unsigned level) {
    const struct page_tables *tables = check->tables;
    pfn_t frame = pfn_of(paddr(entry & ENTRY_ADDRESS));
    struct page_info info = page_inspect(tables->pages, frame);
    unsigned present = 0;
    if (info.state != PAGE_STATE_ALLOCATED || info.owner != PAGE_OWNER_PAGE_TABLE ||
        info.order != 0) {
        return "a table is not a frame that was allocated for one";
    }
    if (++check->seen > tables->table_pages) {
        return "there are more tables than were counted, or one in two places";
    }
    uint64_t made = table_entry(tables, 0, 0);
    if ((entry & ~(ENTRY_ADDRESS | ENTRY_COUNT_BITS)) != made) {
        return "an entry for a table has other bits than it was given";
    }
    const char *broken =
        check_entries(check, entry_table(entry), TABLE_ENTRIES, page, level, &present);
    if (broken == NULL && present != entry_count(entry)) {
        broken = "a table's count disagrees with its entries";
    }
    bool stays = level + 1 == root_level(tables) && root_entry_stays(tables, page);
    if (broken == NULL && present == 0 && !stays && (level > 0 || page != tables->idle)) {
        broken = "an empty table was not freed";
    }
    return broken;
}

static bool hint_is_good(struct page_tables *tables) {
    uint64_t number = tables->hint_number;
    uint64_t *hint = tables->hint;
    if (number == UINT64_MAX) {
        return true;
    }
    hint_forget(tables);
    find_last_table_anew(tables, number << 9);
    return tables->hint_number == number && tables->hint == hint;
}

const char *tables_check(struct page_tables *tables) {
    struct check check = {.tables = tables, .seen = 1};
    unsigned owned = tables->space.kernel ? TABLE_ENTRIES : TABLE_ENTRIES / 2, present = 0;
    unsigned long flags = lock_acquire(&tables->lock);
    const char *broken =
        check_entries(&check, root_table(tables), owned, 0, root_level(tables), &present);
    if (broken == NULL && check.seen != tables->table_pages) {
        broken = "a table that was counted is not reached";
    }
    if (broken == NULL && !hint_is_good(tables)) {
        broken = "the hint leads to another table";
    }
    lock_release(&tables->lock, flags);
    return broken;
}
