// SPDX-License-Identifier: MIT
// Page tables: what they refuse, that a refusal changes nothing, and what tables_check finds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tables_machine.h"
#include <mm/watch.h>
#include <paging/internal.h>
#include <string.h>

// All tables of a handle as they stand, address by address; the order is that of the walk.
struct dump {
    size_t count;
    struct {
        uint64_t page;
        unsigned level;
        uint64_t entry;
    } entries[20000];
};

static void dump_table(struct dump *dump, const uint64_t *table, unsigned level, uint64_t page) {
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if (table[i] == 0) {
            continue;
        }
        assert_true(dump->count < sizeof(dump->entries) / sizeof(dump->entries[0]));
        uint64_t first = page + i * level_pages(level);
        dump->entries[dump->count].page = first;
        dump->entries[dump->count].level = level;
        dump->entries[dump->count++].entry = table[i];
        if (level > 0 && entry_is_table(table[i])) {
            dump_table(dump, entry_table(table[i]), level - 1, first);
        }
    }
}

static void dump_tables(struct dump *dump, const struct page_tables *tables) {
    memset(dump, 0, sizeof(*dump));
    dump_table(dump, root_table(tables), root_level(tables), 0);
}

static const struct {
    uint64_t begin, pages, to;
    uint32_t attributes;
} bad[] = {
    {KERNEL_BASE + 1, 1, 0, 0},                           // not a page
    {KERNEL_BASE, 1, 1, 0},                               // not a frame
    {KERNEL_BASE, 0, 0, 0},                               // nothing
    {0x0000800000000000, 1, 0, 0},                        // in the hole
    {0xffff7ffffffff000, 1, 0, 0},                        //
    {0x00007ffffffff000, 2, 0, 0},                        // into the hole
    {0xffff7ffffffff000, 2, 0, 0},                        // out of it
    {0xfffffffffffff000, 2, 0, 0},                        // over the top
    {KERNEL_BASE, UINT64_C(1) << 52, 0, 0},               //
    {KERNEL_BASE, UINT64_MAX, 0, 0},                      //
    {KERNEL_BASE, 1, UINT64_C(1) << 46, 0},               // beyond the CPU's reach
    {KERNEL_BASE, 2, (UINT64_C(1) << 46) - PAGE_SIZE, 0}, //
    {KERNEL_BASE, 1, UINT64_MAX - 0xfff, 0},              //
    {KERNEL_BASE, 1, 0, PAGING_WRITE | PAGING_EXECUTE},   //
    {KERNEL_BASE, 1, 0, PAGING_USER},                     //
    {MIB, 1, 0, PAGING_GLOBAL},                           //
    {KERNEL_BASE, 1, 0, 0x400},                           // no such attribute
    {KERNEL_BASE, 1, 0, 0x10},                            // no such cache types
    {KERNEL_BASE, 1, 0, PAGING_WC | PAGING_WT},           //
    {KERNEL_BASE, 1, 0, PAGING_WC | PAGING_UC},           //
};

static const struct {
    uint32_t attributes, mask;
} changes[] = {
    {PAGING_WRITE, PAGING_WRITE},     // executable pages would be both
    {PAGING_EXECUTE, PAGING_EXECUTE}, //
    {PAGING_WRITE, 0},                // not in the mask
    {PAGING_SMALL, PAGING_SMALL},     // cannot be had afterwards
    {PAGING_WT, PAGING_WT},           // part of a cache type
    {PAGING_USER, PAGING_USER},       //
    {0, 0x400},                       //
    {PAGING_WRITE | PAGING_EXECUTE, PAGING_WRITE | PAGING_EXECUTE},
};

static void bad_requests_are_refused(void **state) {
    struct tables_machine *m = *state;
    struct page_tables user;
    assert_int_equal(tables_init(&user, &tables_all, &m->world.pages, &m->kernel), TABLES_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pfn_t frame = pfn_of(paddr(bad[i].to));
        assert_int_equal(tables_map(&m->kernel, vaddr(bad[i].begin), bad[i].pages, paddr(bad[i].to),
                                    bad[i].attributes),
                         TABLES_BAD_REQUEST);
        if (bad[i].to % PAGE_SIZE == 0 && bad[i].pages == 1) {
            assert_int_equal(
                tables_map_frames(&m->kernel, vaddr(bad[i].begin), 1, &frame, bad[i].attributes),
                TABLES_BAD_REQUEST);
            assert_int_equal(
                tables_replace(&m->kernel, vaddr(bad[i].begin), frame, bad[i].attributes, NULL),
                TABLES_BAD_REQUEST);
        }
    }
    assert_int_equal(tables_map(&user, vaddr(KERNEL_BASE), 1, paddr(0), 0), TABLES_BAD_REQUEST);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        assert_int_equal(tables_protect(&m->kernel, vaddr(KERNEL_BASE), 1, changes[i].attributes,
                                        changes[i].mask, NULL),
                         TABLES_BAD_REQUEST);
    }
    assert_int_equal(tables_protect(&user, vaddr(KERNEL_BASE), 1, 0, PAGING_WRITE, NULL),
                     TABLES_BAD_REQUEST);
    assert_int_equal(m->kernel.table_pages, 1);
    tables_destroy(&user);
    assert_string_equal(tables_status_name(TABLES_NOT_PREPARED), "not prepared");
    assert_string_equal(tables_status_name(TABLES_OK), "ok");
}

// Each operation with the n-th allocation failing, for all n until it succeeds: a refusal leaves
// every entry and every frame as it was.
typedef enum tables_status (*operation)(struct page_tables *tables);

static enum tables_status map_many(struct page_tables *tables) {
    return tables_map(tables, vaddr(KERNEL_BASE + 512 * GIB - GIB - PAGE_SIZE),
                      2 * GIB / PAGE_SIZE + 2, paddr(GIB - PAGE_SIZE), DATA);
}

static enum tables_status map_over_the_idle(struct page_tables *tables) {
    return tables_map(tables, vaddr(KERNEL_BASE + 64 * MIB - PAGE_SIZE), 514,
                      paddr(64 * MIB - PAGE_SIZE), DATA);
}

static enum tables_status map_frames(struct page_tables *tables) {
    static const pfn_t frames[4] = {{5}, {9}, {2}, {7}};
    return tables_map_frames(tables, vaddr(KERNEL_BASE + 5 * GIB - 2 * PAGE_SIZE), 4, frames, DATA);
}

static enum tables_status unmap_middle(struct page_tables *tables) {
    return tables_unmap(tables, vaddr(KERNEL_BASE + 10 * GIB + PAGE_SIZE), 900 * MIB / PAGE_SIZE,
                        NULL, NULL);
}

static enum tables_status unmap_two(struct page_tables *tables) {
    return tables_unmap(tables, vaddr(KERNEL_BASE + 10 * GIB + PAGE_SIZE), 2, NULL, NULL);
}

static enum tables_status protect_across(struct page_tables *tables) {
    return tables_protect(tables, vaddr(KERNEL_BASE + 11 * GIB - 5 * MIB - PAGE_SIZE),
                          10 * MIB / PAGE_SIZE + 2, 0, PAGING_WRITE, NULL);
}

static enum tables_status replace_one(struct page_tables *tables) {
    return tables_replace(tables, vaddr(KERNEL_BASE + 10 * GIB), pfn(77), DATA, NULL);
}

static enum tables_status prepare_many(struct page_tables *tables) {
    return tables_prepare(tables, vaddr(KERNEL_BASE + 4 * 512 * GIB), 3 * 512 * GIB / PAGE_SIZE);
}

static void fail_each_allocation(struct tables_machine *m, operation operate, uint64_t expected) {
    static struct page_watch watch;
    static struct dump before, after;
    assert_true(page_watch_start(&m->world.pages, &watch));
    for (uint64_t n = 1;; n++) {
        dump_tables(&before, &m->kernel);
        uint64_t free = page_free_count(&m->world.pages), tables = m->kernel.table_pages;
        page_fail(&watch, PAGE_FAIL_NTH, n, 0);
        enum tables_status status = operate(&m->kernel);
        page_fail(&watch, PAGE_FAIL_NEVER, 1, 0);
        assert_null(tables_check(&m->kernel));
        if (status == TABLES_OK) {
            assert_int_equal(n, expected + 1);
            break;
        }
        assert_int_equal(status, TABLES_NO_MEMORY);
        dump_tables(&after, &m->kernel);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_int_equal(page_free_count(&m->world.pages), free);
        assert_int_equal(m->kernel.table_pages, tables);
    }
    page_watch_stop(&m->world.pages);
}

static void refusals_change_nothing(void **state) {
    struct tables_machine *m = *state;
    // 3 GiB in large pages, and an empty table that is kept.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE + 10 * GIB), 3 * GIB / PAGE_SIZE,
                                paddr(10 * GIB), DATA),
                     TABLES_OK);
    assert_int_equal(
        tables_map(&m->kernel, vaddr(KERNEL_BASE + 64 * MIB), 1, paddr(64 * MIB), DATA), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE + 64 * MIB), 1, NULL, NULL),
                     TABLES_OK);
    fail_each_allocation(m, map_many, 5);
    fail_each_allocation(m, map_over_the_idle, 3);
    fail_each_allocation(m, map_frames, 4);
    fail_each_allocation(m, unmap_two, 2);
    fail_each_allocation(m, replace_one, 0);
    fail_each_allocation(m, unmap_middle, 1);
    fail_each_allocation(m, protect_across, 3);
    fail_each_allocation(m, prepare_many, 3);
    // A handle's root.
    static struct page_watch watch;
    struct page_tables other;
    uint64_t free = page_free_count(&m->world.pages);
    assert_true(page_watch_start(&m->world.pages, &watch));
    page_fail(&watch, PAGE_FAIL_NTH, 1, 0);
    assert_int_equal(tables_init(&other, &tables_all, &m->world.pages, &m->kernel),
                     TABLES_NO_MEMORY);
    page_watch_stop(&m->world.pages);
    assert_int_equal(page_free_count(&m->world.pages), free);
}

// Every sentence of tables_check, each from an entry that is spoiled and mended again.
static void check_finds(void **state) {
    struct tables_machine *m = *state;
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), 3, paddr(MIB), DATA), TABLES_OK);
    assert_int_equal(
        tables_map(&m->kernel, vaddr(KERNEL_BASE + GIB), GIB / PAGE_SIZE, paddr(GIB), 0),
        TABLES_OK);
    assert_int_equal(tables_map(&m->kernel, vaddr(MIB), 1, paddr(MIB), 0), TABLES_OK);
    uint64_t *small = tables_leaf(&m->kernel, KERNEL_BASE),
             *large = tables_leaf(&m->kernel, KERNEL_BASE + GIB);
    uint64_t *low = tables_leaf(&m->kernel, MIB), *missing = small + 7;
    uint64_t *above = find_last_table(&m->kernel, KERNEL_BASE >> PAGE_SHIFT);
    uint64_t *root = &root_table(&m->kernel)[TABLE_ENTRIES / 2];
    pfn_t foreign = page_alloc_frame(&m->world.pages, PAGE_OWNER_TEST);
    const struct {
        uint64_t *entry, spoiled;
        const char *sentence;
    } cases[] = {
        {small, *small | UINT64_C(1) << 46, "an entry has reserved bits set"},
        {small, *small | UINT64_C(1) << 53, "an entry has reserved bits set"},
        {small, *small | UINT64_C(1) << 10, "an entry has reserved bits set"},
        {large, *large | UINT64_C(1) << 20, "an entry has reserved bits set"},
        {root, *root | ENTRY_LARGE, "a page is larger than the CPU knows"},
        {large, *large | ENTRY_SMALL, "a page that must be small is large"},
        {small, *small | ENTRY_USER, "a page of the upper half is open to ring 3"},
        {low, *low | ENTRY_GLOBAL, "a page of the lower half is global"},
        {small, *small & ~ENTRY_NO_EXECUTE, "a page is writable and executable"},
        {missing, ENTRY_WRITE, "an entry that is not present is not 0"},
        {above, (*above & ~ENTRY_ADDRESS) | foreign.value << PAGE_SHIFT,
         "a table is not a frame that was allocated for one"},
        {above, *above | ENTRY_NO_CACHE, "an entry for a table has other bits than it was given"},
        {above, *above + ENTRY_COUNT_ONE, "a table's count disagrees with its entries"},
        {small, 0, "a table's count disagrees with its entries"},
        {above + 1, *above, "there are more tables than were counted, or one in two places"},
        {above, 0, "a table's count disagrees with its entries"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t sound = *cases[i].entry;
        *cases[i].entry = cases[i].spoiled;
        const char *broken = tables_check(&m->kernel);
        *cases[i].entry = sound;
        assert_non_null(broken);
        assert_string_equal(broken, cases[i].sentence);
        assert_null(tables_check(&m->kernel));
    }
    page_free_frame(&m->world.pages, foreign);
    m->kernel.table_pages++;
    assert_string_equal(tables_check(&m->kernel), "a table that was counted is not reached");
    m->kernel.table_pages--;
    m->kernel.hint_number = KERNEL_BASE >> 21;
    m->kernel.hint = above + 1;
    assert_string_equal(tables_check(&m->kernel), "the hint leads to another table");
    assert_null(tables_check(&m->kernel)); // it has found the right one
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE), 3, NULL, NULL), TABLES_OK);
    uint64_t idle = m->kernel.idle;
    m->kernel.idle = IDLE_NONE;
    assert_string_equal(tables_check(&m->kernel), "an empty table was not freed");
    m->kernel.idle = idle;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_requests_are_refused, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(refusals_change_nothing, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(check_finds, tables_set_up, tables_tear_down),
    };
    return cmocka_run_group_tests_name("page_tables_refusals", tests, NULL, NULL);
}
