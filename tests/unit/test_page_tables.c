// SPDX-License-Identifier: MIT
// Page tables: what they promise, case by case. test_page_tables_random.c holds them against a
// dictionary, test_page_tables_tlb.c against a TLB that forgets only what it is told to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/paging.h>
#include <paging/internal.h>
#include <string.h>

#define KERNEL_BASE UINT64_C(0xffff800000000000)
#define DATA        (PAGING_WRITE | PAGING_GLOBAL)

static const struct world_range machine[] = {{MIB, 64 * MIB, EFI_CONVENTIONAL}};
static const struct paging_format all = {.levels = 4,
                                         .physical_bits = 46,
                                         .no_execute = true,
                                         .gib_pages = true,
                                         .global_pages = true,
                                         .pat = true};

struct machine {
    struct world world;
    struct page_tables kernel;
};

static int set_up(void **state) {
    static struct machine m;
    world_create(&m.world, machine, 1);
    assert_int_equal(tables_init(&m.kernel, &all, &m.world.pages, NULL), TABLES_OK);
    *state = &m;
    return 0;
}

static int tear_down(void **state) {
    struct machine *m = *state;
    const char *broken = tables_check(&m->kernel);
    tables_destroy(&m->kernel);
    struct page_census census;
    page_census(&m->world.pages, &census);
    const char *pages = page_check(&m->world.pages);
    world_destroy(&m->world);
    if (broken != NULL || pages != NULL || census.owned_pages[PAGE_OWNER_PAGE_TABLE] != 0) {
        print_error("%s, %s, %lu table pages left\n", broken != NULL ? broken : "tables ok",
                    pages != NULL ? pages : "pages ok", census.owned_pages[PAGE_OWNER_PAGE_TABLE]);
        return -1;
    }
    return 0;
}

static void a_page_is_mapped_and_unmapped(void **state) {
    struct machine *m = *state;
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
    struct machine *m = *state;
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

static void a_part_splits_and_joins(void **state) {
    struct machine *m = *state;
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_is_mapped_and_unmapped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_largest_page_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_part_splits_and_joins, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("page_tables", tests, NULL, NULL);
}
