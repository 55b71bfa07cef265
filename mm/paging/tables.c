// SPDX-License-Identifier: MIT
// Handles of page tables, the tables they are made of, and when a table goes.
//
// Invariants (tables_check walks them):
//   P1  a table is reached from one entry, and is an allocated frame of its owner's   check_finds
//   P2  the count in an entry is how many entries its table has present               check_finds
//   P3  no table is empty, but for one of level 0 (`idle`), tables above it that are empty with it
//       are not, and those of the root's entries in the upper half                    empties_go
//   P4  the root entries of a shared upper half never change           upper_half_is_shared
//   P5  table_pages is how many tables the handle has                                 check_finds
//   P6  the hint is the entry of its number's level-0 table                           check_finds
#include "internal.h"

#include <string.h>

const char *tables_status_name(enum tables_status status) {
    static const char *const names[] = {"ok",     "no memory",  "bad request",
                                        "mapped", "not mapped", "not prepared"};
    return status < sizeof(names) / sizeof(names[0]) ? names[status] : "?";
}

bool spares_take(struct page_tables *tables, struct spares *spares, uint64_t count) {
    spares->head = 0;
    for (uint64_t i = 0; i < count; i++) {
        pfn_t frame = page_alloc_frame(tables->pages, PAGE_OWNER_PAGE_TABLE);
        if (frame.value == PAGE_NO_FRAME.value) {
            spares_free(tables, spares);
            return false;
        }
        uint64_t *table = port_direct_map(paddr_of(frame));
        memset(table, 0, PAGE_SIZE);
        table[0] = spares->head;
        spares->head = paddr_of(frame).value;
        tables->table_pages++;
    }
    return true;
}

uint64_t spares_pop(struct page_tables *tables, struct spares *spares) {
    (void)tables;
    uint64_t address = spares->head;
    ASSERT(address != 0);
    uint64_t *table = port_direct_map(paddr(address));
    spares->head = table[0];
    table[0] = 0;
    return address;
}

void spares_free(struct page_tables *tables, struct spares *spares) {
    while (spares->head != 0) {
        page_free_frame(tables->pages, pfn_of(paddr(spares_pop(tables, spares))));
        tables->table_pages--;
    }
}

// Frees the table of `level` that `entry` points to, and all tables below it.
static void free_tree(struct page_tables *tables, uint64_t entry, unsigned level) {
    const uint64_t *table = entry_table(entry);
    for (unsigned i = 0; level > 0 && i < TABLE_ENTRIES; i++) {
        if (entry_is_table(table[i])) {
            free_tree(tables, table[i], level - 1);
        }
    }
    page_free_frame(tables->pages, pfn_of(paddr(entry & ENTRY_ADDRESS)));
    tables->table_pages--;
}

static struct paging_rules rules_for(const struct paging_format *format, bool kernel) {
    uint64_t half = UINT64_C(1) << (9 * format->levels - 1);
    uint64_t attributes = PAGING_ALL & ~PAGING_EXECUTE;
    attributes &= format->global_pages ? attributes : ~ENTRY_GLOBAL;
    attributes &= format->pat ? attributes : ~ENTRY_PAT;
    return (struct paging_rules){
        .half = half,
        .upper = kernel ? (UINT64_C(1) << 52) - half : UINT64_MAX,
        .frames = UINT64_C(1) << (format->physical_bits - PAGE_SHIFT),
        .attributes = attributes,
        .lacking = format->pat ? 0 : PAGING_WC,
        // Nobody asks what of the kernel's was accessed or written: the CPU need not note it.
        .fixed = ENTRY_PRESENT | (kernel ? ENTRY_ACCESSED : 0),
        .written = kernel ? ENTRY_DIRTY : 0,
        .no_execute = format->no_execute ? ENTRY_NO_EXECUTE : 0,
        .exclusive = format->write_execute ? UINT32_MAX : PAGING_WRITE | PAGING_EXECUTE,
    };
}

uint64_t *find_last_table_anew(struct page_tables *tables, uint64_t page) {
    uint64_t *table = root_table(tables);
    for (unsigned level = root_level(tables); level > 1; level--) {
        uint64_t entry = entry_read(&table[level_index(page, level)]);
        if (!entry_is_table(entry)) {
            return NULL;
        }
        table = entry_table(entry);
    }
    tables->hint_number = page >> 9;
    tables->hint = &table[level_index(page, 1)];
    return entry_is_table(entry_read(tables->hint)) ? tables->hint : NULL;
}

enum tables_status tables_init(struct page_tables *tables, const struct paging_format *format,
                               struct page_allocator *pages, struct page_tables *kernel) {
    pfn_t root = page_alloc_frame(pages, PAGE_OWNER_PAGE_TABLE);
    if (root.value == PAGE_NO_FRAME.value) {
        return TABLES_NO_MEMORY;
    }
    *tables = (struct page_tables){
        .lock = {.rank = LOCK_TABLES},
        .root = root,
        .space = {.kernel = kernel == NULL},
        .pages = pages,
        .format = *format,
        .table_pages = 1,
        .rules = rules_for(format, kernel == NULL),
        .idle = IDLE_NONE,
        .hint_number = UINT64_MAX,
    };
    uint64_t *table = root_table(tables);
    memset(table, 0, PAGE_SIZE);
    if (kernel != NULL) {
        unsigned long flags = lock_acquire(&kernel->lock);
        kernel->shared = true;
        memcpy(table + TABLE_ENTRIES / 2, root_table(kernel) + TABLE_ENTRIES / 2, PAGE_SIZE / 2);
        lock_release(&kernel->lock, flags);
    }
    return TABLES_OK;
}

void tables_destroy(struct page_tables *tables) {
    ASSERT(tables->space.cpus == 0);
    const uint64_t *table = root_table(tables);
    unsigned owned = tables->space.kernel ? TABLE_ENTRIES : TABLE_ENTRIES / 2;
    for (unsigned i = 0; i < owned; i++) {
        if (entry_is_present(table[i])) {
            free_tree(tables, table[i], root_level(tables) - 1);
        }
    }
    page_free_frame(tables->pages, tables->root);
    tables->table_pages--;
    ASSERT(tables->table_pages == 0);
}

static enum tables_status prepare_locked(struct page_tables *tables, uint64_t first, uint64_t end) {
    unsigned level = root_level(tables);
    uint64_t *root = root_table(tables), missing = 0, span = level_pages(level);
    for (uint64_t page = align_down(first, span); page < end; page += span) {
        missing += !entry_is_present(entry_read(&root[level_index(page, level)]));
    }
    struct spares spares;
    if (missing != 0 && tables->shared) {
        return TABLES_NOT_PREPARED;
    }
    if (!spares_take(tables, &spares, missing)) {
        return TABLES_NO_MEMORY;
    }
    for (uint64_t page = align_down(first, span); page < end; page += span) {
        uint64_t *entry = &root[level_index(page, level)];
        if (!entry_is_present(entry_read(entry))) {
            entry_write(entry, table_entry(tables, spares_pop(tables, &spares), 0), page, level);
        }
    }
    return TABLES_OK;
}

enum tables_status tables_prepare(struct page_tables *tables, vaddr_t begin, uint64_t pages) {
    uint64_t first = begin.value >> PAGE_SHIFT;
    if (!range_is_good(tables, begin, pages) || !root_entry_stays(tables, first)) {
        return TABLES_BAD_REQUEST;
    }
    unsigned long flags = lock_acquire(&tables->lock);
    enum tables_status status = prepare_locked(tables, first, first + pages);
    lock_release(&tables->lock, flags);
    return status;
}

// Takes the level-0 table of `page` out if it is empty, and every table above it that is empty
// then.
static void drop_empty(struct page_tables *tables, uint64_t page, struct tlb_batch *batch) {
    uint64_t *path[LEVEL_MAX + 1], *table = root_table(tables);
    unsigned root = root_level(tables);
    for (unsigned level = root; level > 0; level--) {
        path[level] = &table[level_index(page, level)];
        uint64_t entry = entry_read(path[level]);
        if (!entry_is_table(entry)) {
            return;
        }
        table = entry_table(entry);
    }
    for (unsigned level = 1; level <= root && entry_count(entry_read(path[level])) == 0; level++) {
        if (level == root && root_entry_stays(tables, page)) {
            return;
        }
        batch_drop_table(batch, path[level], page, level);
        if (level < root) {
            entry_add_count(path[level + 1], (uint64_t)-1, page, level + 1);
        }
    }
}

void idle_drop(struct page_tables *tables, struct tlb_batch *batch) {
    if (tables->idle != IDLE_NONE) {
        drop_empty(tables, tables->idle, batch);
        tables->idle = IDLE_NONE;
    }
}

void idle_keep(struct page_tables *tables, uint64_t page, struct tlb_batch *batch) {
    uint64_t first = align_down(page, level_pages(1));
    if (tables->idle != first) {
        idle_drop(tables, batch);
        tables->idle = first;
    }
}

void tables_trim(struct page_tables *tables) {
    struct tlb_batch batch;
    tlb_batch_init(&batch, tables);
    unsigned long flags = lock_acquire(&tables->lock);
    idle_drop(tables, &batch);
    batch_release(&batch, flags);
}
