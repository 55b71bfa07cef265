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
    uint64_t expected = entry_read(&table[first]), count = 1;
    uint64_t most = end - page < TABLE_ENTRIES - first ? end - page : TABLE_ENTRIES - first;
    uint64_t step = look->scattered ? 0 : PAGE_SIZE;
    uint64_t mask = look->scattered ? ~ENTRY_ADDRESS : UINT64_MAX;
    for (expected = (expected & mask) + step; count < most; count++, expected += step) {
        if ((entry_read(&table[first + count]) & mask) != expected) {
            break;
        }
    }
    look->range->pages += count - 1;
    return count - 1;
}

// The first page from `page` on whose entry in `table` is not 0, or `end`.
static uint64_t skip_absent(const uint64_t *table, unsigned level, uint64_t page, uint64_t end) {
    unsigned first = level_index(page, level), index = first;
    while (index < TABLE_ENTRIES && entry_read(&table[index]) == 0) {
        index++;
    }
    if (index != first) {
        page = align_down(page, level_pages(level)) + (index - first) * level_pages(level);
    }
    return page < end ? page : end;
}

// False when the range has come to its end.
static bool look_in(struct look *look, const uint64_t *table, unsigned level, uint64_t page,
                    uint64_t end) {
    for (uint64_t next; page < end; page = next) {
        if (!look->found && (page = skip_absent(table, level, page, end)) == end) {
            return true;
        }
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

// The frame of one page, in whatever size it is mapped.
static pfn_t frame_of(struct page_tables *tables, uint64_t page) {
    struct paging_range found = {.pages = 0};
    if (!tables_query(tables, vaddr(page << PAGE_SHIFT), &found)) {
        return PAGE_NO_FRAME;
    }
    return pfn(pfn_of(found.to).value + page - (found.begin.value >> PAGE_SHIFT));
}

// The frames of pages of one level-0 table. False when there is no such table.
static bool frames_in_table(struct page_tables *tables, uint64_t page, uint64_t count,
                            pfn_t *frames) {
    unsigned long flags = lock_acquire(&tables->lock);
    const uint64_t *above = find_last_table(tables, page);
    if (above != NULL) {
        const uint64_t *table = entry_table(entry_read(above)) + level_index(page, 0);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t entry = entry_read(&table[i]);
            frames[i] = entry_is_present(entry) ? pfn((entry & ENTRY_ADDRESS) >> PAGE_SHIFT)
                                                : PAGE_NO_FRAME;
        }
    }
    lock_release(&tables->lock, flags);
    return above != NULL;
}

void tables_frames(struct page_tables *tables, vaddr_t begin, uint64_t pages, pfn_t *frames) {
    uint64_t first = begin.value >> PAGE_SHIFT, end = first + pages;
    for (uint64_t page = first, next; page < end; page = next) {
        next = part_end(page, end, 1);
        if (!frames_in_table(tables, page, next - page, frames + (page - first))) {
            for (uint64_t at = page; at < next; at++) {
                frames[at - first] = frame_of(tables, at);
            }
        }
    }
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
