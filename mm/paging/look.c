// SPDX-License-Identifier: MIT
// Looking at page tables: one page, the next range, the entries on the way.
#include "internal.h"

static uint32_t attributes_of(uint64_t flat) {
    uint64_t attributes = flat & (PAGING_ALL & ~PAGING_EXECUTE);
    if ((attributes & PAGING_CACHE) == ENTRY_NO_CACHE) {
        attributes = (attributes & ~(uint64_t)PAGING_CACHE) | PAGING_WC; // what asked for it
    }
    bool executes = (flat & ENTRY_NO_EXECUTE) == 0;
    return (uint32_t)attributes | (executes ? PAGING_EXECUTE : 0);
}

// What a leaf says about all of its page, the one that page number `page` lies in.
static struct paging_range range_of(uint64_t entry, uint64_t page, unsigned level) {
    uint64_t flat = entry_flat(entry, level);
    return (struct paging_range){
        .begin = vaddr(align_down(page, level_pages(level)) << PAGE_SHIFT),
        .pages = level_pages(level),
        .to = paddr(flat & ENTRY_ADDRESS),
        .attributes = attributes_of(flat),
        .level = level,
        .accessed = (flat & ENTRY_ACCESSED) != 0,
        .dirty = (flat & ENTRY_DIRTY) != 0,
    };
}

bool tables_query(struct page_tables *tables, vaddr_t address, struct paging_range *page) {
    if (!range_is_good(tables, vaddr(align_down(address.value, PAGE_SIZE)), 1)) {
        return false;
    }
    uint64_t number = address.value >> PAGE_SHIFT;
    unsigned level = root_level(tables);
    unsigned long flags = lock_acquire(&tables->lock);
    uint64_t entry = entry_read(&root_table(tables)[level_index(number, level)]);
    for (; level > 0 && entry_is_table(entry); level--) {
        entry = entry_read(&entry_table(entry)[level_index(number, level - 1)]);
    }
    lock_release(&tables->lock, flags);
    if (!entry_is_present(entry)) {
        return false;
    }
    *page = range_of(entry, number, level);
    return true;
}

// A walk that gathers one range.
struct look {
    bool scattered, found;
    struct paging_range *range;
};

// Takes a page into the range. False when it does not belong to it.
static bool gather(struct look *look, uint64_t entry, uint64_t page, uint64_t next,
                   unsigned level) {
    struct paging_range *range = look->range, part = range_of(entry, page, level);
    uint64_t offset = page - (part.begin.value >> PAGE_SHIFT);
    part.begin = vaddr(page << PAGE_SHIFT);
    part.to.value += offset << PAGE_SHIFT;
    part.pages = next - page;
    if (!look->found) {
        look->found = true;
        *range = part;
        return true;
    }
    uint64_t bytes = range->pages << PAGE_SHIFT;
    if (part.begin.value != range->begin.value + bytes || part.level != range->level ||
        part.attributes != range->attributes ||
        (!look->scattered && part.to.value != range->to.value + bytes)) {
        return false;
    }
    range->pages += part.pages;
    range->accessed |= part.accessed;
    range->dirty |= part.dirty;
    return true;
}

// Takes the pages behind `page` that go on exactly as it does, in a level-0 table; returns how
// many.
static uint64_t follow(struct look *look, const uint64_t *table, uint64_t page, uint64_t end) {
    unsigned first = level_index(page, 0);
    uint64_t expected = entry_read(&table[first]), count = 0;
    uint64_t most = end - page < TABLE_ENTRIES - first ? end - page : TABLE_ENTRIES - first;
    do {
        count++;
        expected += PAGE_SIZE;
    } while (count < most && entry_read(&table[first + count]) == expected);
    look->range->pages += count - 1;
    return count - 1;
}

// False when the range has come to its end.
static bool look_in(struct look *look, const uint64_t *table, unsigned level, uint64_t page,
                    uint64_t end) {
    for (uint64_t next; page < end; page = next) {
        next = part_end(page, end, level);
        uint64_t entry = entry_read(&table[level_index(page, level)]);
        bool goes_on = !look->found;
        if (entry_is_leaf(entry, level)) {
            goes_on = gather(look, entry, page, next, level);
            next += goes_on && level == 0 ? follow(look, table, page, end) : 0;
        } else if (entry_is_present(entry)) {
            goes_on = look_in(look, entry_table(entry), level - 1, page, next);
        }
        if (!goes_on) {
            return false;
        }
    }
    return true;
}

bool tables_next(struct page_tables *tables, vaddr_t begin, uint64_t pages, bool scattered,
                 struct paging_range *range) {
    if (!range_is_good(tables, begin, pages)) {
        return false;
    }
    uint64_t first = begin.value >> PAGE_SHIFT;
    struct look look = {.scattered = scattered, .range = range};
    unsigned long flags = lock_acquire(&tables->lock);
    look_in(&look, root_table(tables), root_level(tables), first, first + pages);
    lock_release(&tables->lock, flags);
    return look.found;
}

unsigned tables_trace(const struct page_tables *tables, vaddr_t address, uint64_t entries[5]) {
    uint64_t number = address.value >> PAGE_SHIFT;
    const uint64_t *table = root_table(tables);
    unsigned count = 0;
    for (unsigned level = root_level(tables);; level--) {
        uint64_t entry = entry_read(&table[level_index(number, level)]);
        entries[count++] = entry;
        if (level == 0 || !entry_is_table(entry)) {
            return count;
        }
        table = entry_table(entry);
    }
}
