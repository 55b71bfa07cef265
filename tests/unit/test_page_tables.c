// SPDX-License-Identifier: MIT
// Page tables: what they promise, case by case. test_page_tables_refusals.c has what they refuse;
// test_page_tables_random.c holds them against a dictionary, test_page_tables_tlb.c against a TLB
// that forgets only what it is told to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tables_machine.h"
#include <host/host.h>
#include <paging/internal.h>

static void a_page_is_mapped_and_unmapped(void **state) {
    struct tables_machine *m = *state;
    struct paging_range page;
    vaddr_t at = vaddr(KERNEL_BASE + 0x5000);
    assert_false(tables_query(&m->kernel, at, &page));
    assert_int_equal(tables_map(&m->kernel, at, 1, paddr(0x123000), DATA), TABLES_OK);
    assert_true(tables_query(&m->kernel, vaddr(at.value + 0xfff), &page));
    assert_int_equal(page.begin.value, at.value);
    assert_int_equal(page.pages, 1);
    assert_int_equal(page.to.value, 0x123000);
    assert_int_equal(page.attributes, DATA);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(tables_map(&m->kernel, at, 1, paddr(0x456000), DATA), TABLES_MAPPED);
    pfn_t frame;
    assert_int_equal(tables_unmap(&m->kernel, at, 1, &frame, NULL), TABLES_OK);
    assert_int_equal(frame.value, 0x123);
    assert_false(tables_query(&m->kernel, at, &page));
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 4);
    tables_trim(&m->kernel);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 2);
}

static void the_largest_page_fits(void **state) {
    struct tables_machine *m = *state;
    // From 3 pages below 1 GiB to 5 pages beyond 2 GiB and 2 MiB.
    uint64_t begin = GIB - 3 * PAGE_SIZE, end = 2 * GIB + 2 * MIB + 5 * PAGE_SIZE;
    uint64_t pages = (end - begin) / PAGE_SIZE;
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE + begin), pages, paddr(begin), DATA),
                     TABLES_OK);
    assert_null(tables_check(&m->kernel));
    static const struct {
        uint64_t begin, pages;
        unsigned level;
    } expected[] = {{GIB - 3 * PAGE_SIZE, 3, 0},
                    {GIB, GIB / PAGE_SIZE, 2},
                    {2 * GIB, 512, 1},
                    {2 * GIB + 2 * MIB, 5, 0}};
    vaddr_t at = vaddr(KERNEL_BASE);
    for (size_t i = 0; i < 4; i++) {
        struct paging_range range;
        assert_true(tables_next(&m->kernel, at, 4 * GIB / PAGE_SIZE, false, &range));
        assert_int_equal(range.begin.value, KERNEL_BASE + expected[i].begin);
        assert_int_equal(range.to.value, expected[i].begin);
        assert_int_equal(range.pages, expected[i].pages);
        assert_int_equal(range.level, expected[i].level);
        at = vaddr(range.begin.value + range.pages * PAGE_SIZE);
    }
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE + begin), pages, NULL, NULL),
                     TABLES_OK);
    assert_null(tables_check(&m->kernel));
    tables_trim(&m->kernel);
    assert_int_equal(m->kernel.table_pages, 2);
}

static void parts_join_when_equal(void **state) {
    struct tables_machine *m = *state;
    vaddr_t base = vaddr(KERNEL_BASE), middle = vaddr(KERNEL_BASE + 700 * MIB + 0x3000);
    struct paging_range page;
    assert_int_equal(tables_map(&m->kernel, base, GIB / PAGE_SIZE, paddr(GIB), DATA), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 2);
    assert_int_equal(tables_protect(&m->kernel, middle, 2, 0, PAGING_WRITE, NULL), TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 4);
    assert_true(tables_query(&m->kernel, middle, &page));
    assert_int_equal(page.attributes, PAGING_GLOBAL);
    assert_int_equal(page.to.value, GIB + 700 * MIB + 0x3000);
    assert_true(tables_query(&m->kernel, vaddr(middle.value + 2 * PAGE_SIZE), &page));
    assert_int_equal(page.attributes, DATA);
    assert_int_equal(
        tables_protect(&m->kernel, middle, 2, PAGING_WRITE, PAGING_WRITE | PAGING_EXECUTE, NULL),
        TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 2);
    assert_true(tables_query(&m->kernel, middle, &page));
    assert_int_equal(page.level, 2);
}

static uint32_t attributes_at(struct tables_machine *m, uint64_t address) {
    struct paging_range page;
    assert_true(tables_query(&m->kernel, vaddr(address), &page));
    return page.attributes;
}

static void splits_change_nothing(void **state) {
    struct tables_machine *m = *state;
    // A 1 GiB page with a cache type whose bit moves between levels, cut at both ends.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), GIB / PAGE_SIZE, paddr(2 * GIB),
                                PAGING_WRITE | PAGING_WC),
                     TABLES_OK);
    assert_int_equal(*tables_leaf(&m->kernel, KERNEL_BASE) & (ENTRY_LARGE | ENTRY_LARGE_PAT),
                     ENTRY_LARGE | ENTRY_LARGE_PAT);
    uint64_t begin = 5 * PAGE_SIZE, end = 600 * MIB + 7 * PAGE_SIZE;
    assert_int_equal(tables_protect(&m->kernel, vaddr(KERNEL_BASE + begin),
                                    (end - begin) / PAGE_SIZE, PAGING_GLOBAL, PAGING_GLOBAL, NULL),
                     TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 5);
    for (uint64_t at = 0; at < GIB; at += 31 * PAGE_SIZE) {
        struct paging_range page;
        assert_true(tables_query(&m->kernel, vaddr(KERNEL_BASE + at), &page));
        uint64_t offset = KERNEL_BASE + at - page.begin.value;
        assert_int_equal(page.to.value + offset, 2 * GIB + at);
        uint32_t global = at >= begin && at < end ? PAGING_GLOBAL : 0;
        assert_int_equal(page.attributes, PAGING_WRITE | PAGING_WC | global);
    }
    // A part that has the attributes already is not cut out.
    assert_int_equal(tables_protect(&m->kernel, vaddr(KERNEL_BASE + 10 * MIB + PAGE_SIZE), 3,
                                    PAGING_GLOBAL, PAGING_GLOBAL, NULL),
                     TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 5);
    // Unmapping the middle of a 2 MiB page leaves its ends.
    assert_int_equal(
        tables_unmap(&m->kernel, vaddr(KERNEL_BASE + 20 * MIB + PAGE_SIZE), 2, NULL, NULL),
        TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 6);
    assert_null(tables_check(&m->kernel));
    // Mapping it again makes the page whole.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE + 20 * MIB + PAGE_SIZE), 2,
                                paddr(2 * GIB + 20 * MIB + PAGE_SIZE),
                                PAGING_WRITE | PAGING_WC | PAGING_GLOBAL),
                     TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 5);
}

static void noted_bits_survive(void **state) {
    struct tables_machine *m = *state;
    struct page_tables user;
    struct paging_range page;
    assert_int_equal(tables_init(&user, &tables_all, &m->world.pages, &m->kernel), TABLES_OK);
    const uint32_t rights = PAGING_USER | PAGING_WRITE;
    assert_int_equal(tables_map(&user, vaddr(4 * MIB), 512, paddr(8 * MIB), rights), TABLES_OK);
    assert_true(tables_query(&user, vaddr(4 * MIB), &page));
    assert_int_equal(page.level, 1);
    assert_false(page.accessed || page.dirty);
    *tables_leaf(&user, 4 * MIB) |= ENTRY_ACCESSED | ENTRY_DIRTY;
    assert_int_equal(tables_protect(&user, vaddr(4 * MIB + PAGE_SIZE), 1, 0, PAGING_WRITE, NULL),
                     TABLES_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(tables_query(&user, vaddr(4 * MIB + i * PAGE_SIZE), &page));
        assert_int_equal(page.level, 0);
        assert_true(page.accessed && page.dirty);
    }
    // One 4 KiB page: what the CPU notes between two changes stays.
    assert_int_equal(tables_map(&user, vaddr(MIB), 1, paddr(MIB), rights), TABLES_OK);
    *tables_leaf(&user, MIB) |= ENTRY_ACCESSED;
    assert_int_equal(tables_protect(&user, vaddr(MIB), 1, 0, PAGING_WRITE, NULL), TABLES_OK);
    assert_true(tables_query(&user, vaddr(MIB), &page));
    assert_true(page.accessed && !page.dirty);
    // Parts that join: what one of them has noted the whole has.
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(tables_map(&user, vaddr(8 * MIB + i * PAGE_SIZE), 1,
                                    paddr(8 * MIB + i * PAGE_SIZE), PAGING_USER),
                         TABLES_OK);
        if (i == 100) {
            *tables_leaf(&user, 8 * MIB + 100 * PAGE_SIZE) |= ENTRY_NOTED;
        }
    }
    assert_true(tables_query(&user, vaddr(8 * MIB), &page));
    assert_int_equal(page.level, 1);
    assert_true(page.accessed && page.dirty);
    // What may be written may have been, by a CPU that still wrote to a part.
    assert_int_equal(tables_map(&user, vaddr(16 * MIB), 511, paddr(16 * MIB), rights), TABLES_OK);
    assert_int_equal(
        tables_map(&user, vaddr(18 * MIB - PAGE_SIZE), 1, paddr(18 * MIB - PAGE_SIZE), rights),
        TABLES_OK);
    assert_true(tables_query(&user, vaddr(16 * MIB), &page));
    assert_int_equal(page.level, 1);
    assert_true(page.accessed && page.dirty);
    assert_null(tables_check(&user));
    tables_destroy(&user);
}

static void empties_go(void **state) {
    struct tables_machine *m = *state;
    uint64_t free = page_free_count(&m->world.pages);
    // Far apart, so that each has tables of its own.
    for (uint64_t i = 0; i < 8; i++) {
        vaddr_t at = vaddr(KERNEL_BASE + i * 130 * GIB);
        assert_int_equal(tables_map(&m->kernel, at, 3, paddr(MIB), DATA), TABLES_OK);
    }
    uint64_t most = m->kernel.table_pages;
    assert_int_equal(most, 1 + 2 + 8 + 8); // for 512 GiB, 1 GiB and 2 MiB each
    for (uint64_t i = 0; i < 8; i++) {
        vaddr_t at = vaddr(KERNEL_BASE + i * 130 * GIB);
        assert_int_equal(tables_unmap(&m->kernel, at, 3, NULL, NULL), TABLES_OK);
        assert_null(tables_check(&m->kernel));
        // The last empty one is kept with those above it.
        assert_int_equal(m->kernel.table_pages, 1 + 2 + 2 * (8 - i == 1 ? 1 : 8 - i));
    }
    // A large page takes the place of the empty table.
    vaddr_t last = vaddr(KERNEL_BASE + 7 * 130 * GIB);
    assert_int_equal(tables_map(&m->kernel, last, GIB / PAGE_SIZE, paddr(GIB), DATA), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
    assert_int_equal(tables_unmap(&m->kernel, last, GIB / PAGE_SIZE, NULL, NULL), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
    assert_int_equal(page_free_count(&m->world.pages), free - 2);
    // What is remembered as kept may have gone in another way.
    assert_int_equal(tables_map(&m->kernel, last, 1, paddr(MIB), DATA), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, last, 1, NULL, NULL), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, last, 1024, NULL, NULL), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
    assert_int_equal(tables_map(&m->kernel, vaddr(last.value + 64 * MIB), 1, paddr(MIB), DATA),
                     TABLES_OK);
    assert_int_equal(tables_map(&m->kernel, last, 512, paddr(GIB), DATA), TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 1 + 2 + 2);
    assert_int_equal(tables_unmap(&m->kernel, last, GIB / PAGE_SIZE, NULL, NULL), TABLES_OK);
    // In the lower half nothing stays.
    assert_int_equal(tables_map(&m->kernel, vaddr(GIB), 3, paddr(MIB), 0), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, vaddr(GIB), 3, NULL, NULL), TABLES_OK);
    tables_trim(&m->kernel);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
}

static void upper_half_is_shared(void **state) {
    struct tables_machine *m = *state;
    struct page_tables one, other;
    vaddr_t prepared = vaddr(KERNEL_BASE), missing = vaddr(KERNEL_BASE + 5 * 512 * GIB);
    struct paging_range page;
    assert_int_equal(tables_prepare(&m->kernel, prepared, 1), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 2);
    assert_int_equal(tables_prepare(&m->kernel, vaddr(GIB), 1), TABLES_BAD_REQUEST);
    assert_int_equal(tables_init(&one, &tables_all, &m->world.pages, &m->kernel), TABLES_OK);
    assert_int_equal(tables_init(&other, &tables_all, &m->world.pages, &m->kernel), TABLES_OK);
    // What is mapped later all of them have: their root entries are the same.
    assert_int_equal(tables_map(&m->kernel, prepared, 1, paddr(MIB), DATA), TABLES_OK);
    for (unsigned i = TABLE_ENTRIES / 2; i < TABLE_ENTRIES; i++) {
        assert_int_equal(root_table(&one)[i] & ENTRY_ADDRESS,
                         root_table(&m->kernel)[i] & ENTRY_ADDRESS);
    }
    // A new root entry would be missing in them.
    assert_int_equal(tables_map(&m->kernel, missing, 1, paddr(MIB), DATA), TABLES_NOT_PREPARED);
    assert_int_equal(tables_prepare(&m->kernel, missing, 1), TABLES_NOT_PREPARED);
    assert_int_equal(tables_prepare(&m->kernel, prepared, 1), TABLES_OK);
    // An address space owns its lower half, and nothing else.
    assert_int_equal(tables_map(&one, prepared, 1, paddr(MIB), 0), TABLES_BAD_REQUEST);
    assert_int_equal(tables_unmap(&one, prepared, 1, NULL, NULL), TABLES_BAD_REQUEST);
    assert_false(tables_query(&one, prepared, &page));
    assert_int_equal(tables_map(&one, vaddr(0), 1, paddr(MIB), PAGING_USER), TABLES_OK);
    assert_false(tables_query(&other, vaddr(0), &page));
    assert_true(tables_query(&one, vaddr(0), &page));
    assert_int_equal(page.attributes, PAGING_USER);
    assert_null(tables_check(&one));
    // Emptied, the upper half keeps its tables.
    assert_int_equal(tables_unmap(&m->kernel, prepared, 1, NULL, NULL), TABLES_OK);
    tables_trim(&m->kernel);
    assert_int_equal(m->kernel.table_pages, 2);
    tables_destroy(&one);
    tables_destroy(&other);
    // Loaded tables are not destroyed.
    m->kernel.space.cpus = 1;
    if (HOST_EXPECT_PANIC()) {
        tables_destroy(&m->kernel);
        host_panic_end();
        fail();
    }
    m->kernel.space.cpus = 0;
}

// The last page there is.
static void the_top_page_can_be_mapped(void **state) {
    struct tables_machine *m = *state;
    struct paging_range range;
    vaddr_t top = vaddr(0xfffffffffffff000);
    assert_int_equal(tables_map(&m->kernel, top, 1, paddr(MIB), DATA), TABLES_OK);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), UINT64_C(1) << 35, false, &range));
    assert_int_equal(range.begin.value, top.value);
    assert_int_equal(range.pages, 1);
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE), UINT64_C(1) << 35, NULL, NULL),
                     TABLES_OK);
    assert_false(tables_next(&m->kernel, vaddr(KERNEL_BASE), UINT64_C(1) << 35, false, &range));
}

// What a CPU lacks is left out or replaced; what firmware needs can be had.
static void lesser_cpus_are_served(void **state) {
    struct tables_machine *m = *state;
    const struct paging_format none = {.levels = 5, .physical_bits = 36};
    struct page_tables lesser;
    struct paging_range page;
    assert_int_equal(tables_init(&lesser, &none, &m->world.pages, NULL), TABLES_OK);
    vaddr_t at = vaddr(0xff00000000000000);
    assert_int_equal(tables_map(&lesser, at, GIB / PAGE_SIZE, paddr(GIB), DATA | PAGING_WC),
                     TABLES_OK);
    assert_true(tables_query(&lesser, at, &page));
    assert_int_equal(page.level, 1);
    assert_int_equal(page.attributes, PAGING_WRITE | PAGING_EXECUTE | PAGING_WC);
    uint64_t entries[5];
    assert_int_equal(tables_trace(&lesser, at, entries), 4);
    assert_int_equal(entries[3] & ~ENTRY_ADDRESS,
                     ENTRY_PRESENT | ENTRY_WRITE | ENTRY_NO_CACHE | ENTRY_NOTED | ENTRY_LARGE);
    assert_null(tables_check(&lesser));
    tables_destroy(&lesser);

    struct paging_format firmware = tables_all;
    firmware.write_execute = true;
    assert_int_equal(tables_init(&lesser, &firmware, &m->world.pages, &m->kernel), TABLES_OK);
    assert_int_equal(tables_map(&lesser, vaddr(MIB), 1, paddr(MIB), PAGING_WRITE | PAGING_EXECUTE),
                     TABLES_OK);
    assert_int_equal(tables_protect(&lesser, vaddr(MIB), 1, 0, PAGING_EXECUTE, NULL), TABLES_OK);
    assert_int_equal(tables_protect(&lesser, vaddr(MIB), 1, PAGING_EXECUTE, PAGING_EXECUTE, NULL),
                     TABLES_OK);
    assert_null(tables_check(&lesser));
    assert_int_equal(tables_trace(&lesser, vaddr(GIB), entries), 2);
    assert_int_equal(entries[1], 0);
    tables_destroy(&lesser);
}

static void small_pages_stay_small(void **state) {
    struct tables_machine *m = *state;
    struct paging_range range;
    assert_int_equal(
        tables_map(&m->kernel, vaddr(KERNEL_BASE), 1024, paddr(0), DATA | PAGING_SMALL), TABLES_OK);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), 1024, false, &range));
    assert_int_equal(range.pages, 1024);
    assert_int_equal(range.level, 0);
    assert_int_equal(range.attributes, DATA | PAGING_SMALL);
    assert_int_equal(
        tables_protect(&m->kernel, vaddr(KERNEL_BASE), 1024, PAGING_UC, PAGING_CACHE, NULL),
        TABLES_OK);
    assert_int_equal(attributes_at(m, KERNEL_BASE + 2 * MIB), DATA | PAGING_SMALL | PAGING_UC);
    assert_null(tables_check(&m->kernel));
}

static void ranges_are_found(void **state) {
    struct tables_machine *m = *state;
    const pfn_t frames[] = {{7}, {8}, {3}, {4}, {5}};
    struct paging_range range;
    vaddr_t at = vaddr(KERNEL_BASE + 2 * MIB - 2 * PAGE_SIZE); // in two tables
    assert_int_equal(tables_map_frames(&m->kernel, at, 5, frames, DATA), TABLES_OK);
    assert_int_equal(
        tables_map(&m->kernel, vaddr(at.value + 5 * PAGE_SIZE), 2, paddr(6 * PAGE_SIZE), 0),
        TABLES_OK);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), 4096, false, &range));
    assert_int_equal(range.begin.value, at.value);
    assert_int_equal(range.pages, 2);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), 4096, true, &range));
    assert_int_equal(range.pages, 5);
    assert_int_equal(range.to.value, 7 * PAGE_SIZE);
    // From the middle, and no further than asked.
    assert_true(tables_next(&m->kernel, vaddr(at.value + 3 * PAGE_SIZE), 1, false, &range));
    assert_int_equal(range.to.value, 4 * PAGE_SIZE);
    assert_int_equal(range.pages, 1);
    assert_true(tables_next(&m->kernel, vaddr(at.value + 5 * PAGE_SIZE), 100, true, &range));
    assert_int_equal(range.attributes, 0);
    assert_false(tables_next(&m->kernel, vaddr(at.value + 7 * PAGE_SIZE), 100, true, &range));
    assert_false(tables_next(&m->kernel, vaddr(KERNEL_BASE + 1), 100, true, &range));
    // What is in the way is found in the second table, too.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), 513, paddr(0), DATA),
                     TABLES_MAPPED);
}

static void a_frame_is_replaced(void **state) {
    struct tables_machine *m = *state;
    struct paging_range page;
    pfn_t old = pfn(1);
    vaddr_t at = vaddr(KERNEL_BASE + 3 * PAGE_SIZE);
    assert_int_equal(tables_replace(&m->kernel, at, pfn(9), DATA, &old), TABLES_NOT_MAPPED);
    assert_int_equal(old.value, 1);
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), 512, paddr(0), DATA), TABLES_OK);
    assert_int_equal(tables_replace(&m->kernel, at, pfn(9), 0, &old), TABLES_OK);
    assert_int_equal(old.value, 3);
    assert_true(tables_query(&m->kernel, at, &page));
    assert_int_equal(page.to.value, 9 * PAGE_SIZE);
    assert_int_equal(page.attributes, 0);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 4);
    assert_int_equal(tables_replace(&m->kernel, at, pfn(3), DATA, NULL), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 3);
    assert_null(tables_check(&m->kernel));
}

// Tables for each GiB: a root and one for 512 GiB, and then one for each GiB in pages of 2 MiB, and
// 512 more in pages of 4 KiB.
static void tables_cost_what_is_said(void **state) {
    struct tables_machine *m = *state;
    static const struct {
        bool gib_pages;
        uint32_t attributes;
        uint64_t gib, for_each;
    } cases[] = {{true, DATA, 64, 0}, {false, DATA, 64, 1}, {true, DATA | PAGING_SMALL, 4, 513}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct page_tables tables;
        struct paging_format format = tables_all;
        format.gib_pages = cases[i].gib_pages;
        assert_int_equal(tables_init(&tables, &format, &m->world.pages, NULL), TABLES_OK);
        assert_int_equal(tables_map(&tables, vaddr(KERNEL_BASE), cases[i].gib * GIB / PAGE_SIZE,
                                    paddr(0), cases[i].attributes),
                         TABLES_OK);
        assert_int_equal(tables.table_pages, 2 + cases[i].gib * cases[i].for_each);
        assert_null(tables_check(&tables));
        tables_destroy(&tables);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_is_mapped_and_unmapped, tables_set_up,
                                        tables_tear_down),
        cmocka_unit_test_setup_teardown(the_largest_page_fits, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(parts_join_when_equal, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(splits_change_nothing, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(noted_bits_survive, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(empties_go, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(upper_half_is_shared, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(the_top_page_can_be_mapped, tables_set_up,
                                        tables_tear_down),
        cmocka_unit_test_setup_teardown(lesser_cpus_are_served, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(small_pages_stay_small, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(ranges_are_found, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(a_frame_is_replaced, tables_set_up, tables_tear_down),
        cmocka_unit_test_setup_teardown(tables_cost_what_is_said, tables_set_up, tables_tear_down),
    };
    return cmocka_run_group_tests_name("page_tables", tests, NULL, NULL);
}
