// SPDX-License-Identifier: MIT
// Flushes: what is flushed, when, how often, and in which order with everything else. Two CPUs that
// remember all that they may look on (tests/support/tlb_model.h).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/tlb_model.h"
#include "world.h"
#include <host/host.h>
#include <paging/internal.h>
#include <string.h>

#define KERNEL_BASE UINT64_C(0xffff800000000000)
#define KERNEL_PAGE (KERNEL_BASE >> PAGE_SHIFT)
#define DATA        (PAGING_WRITE | PAGING_GLOBAL)

static const struct world_range machine[] = {{MIB, 64 * MIB, EFI_CONVENTIONAL}};
static const struct paging_format all = {.levels = 4,
                                         .physical_bits = 46,
                                         .no_execute = true,
                                         .gib_pages = true,
                                         .global_pages = true,
                                         .pat = true};

static struct world world;
static struct page_tables kernel;
static struct tlb_model model;
static void (*model_flush)(const struct tlb_flush *flush);

// What the port saw, in order.
static struct tlb_flush flushes[64];
static size_t flush_count;

static void note_flush(const struct tlb_flush *flush) {
    assert_true(flush_count < sizeof(flushes) / sizeof(flushes[0]));
    flushes[flush_count++] = *flush;
    model_flush(flush);
}

static int set_up(void **state) {
    (void)state;
    world_create(&world, machine, 1);
    assert_int_equal(tables_init(&kernel, &all, &world.pages, NULL), TABLES_OK);
    tlb_model_start(&model, &world.pages, &kernel);
    model_flush = host_tlb_flush;
    host_tlb_flush = note_flush;
    flush_count = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tlb_model_stop(&model);
    tables_destroy(&kernel);
    const char *broken = page_check(&world.pages);
    world_destroy(&world);
    return broken == NULL ? 0 : -1;
}

// Both CPUs touch the page, and see this frame (UINT64_MAX: nothing).
static bool both_see(uint64_t page, uint64_t frame, uint32_t attributes) {
    const struct tlb_expected expected = {frame != UINT64_MAX, frame, attributes};
    return tlb_model_access(&model, 0, page, false, &expected) &&
           tlb_model_access(&model, 1, page, true, &expected);
}

static vaddr_t at(uint64_t page) {
    return vaddr((KERNEL_PAGE + page) << PAGE_SHIFT);
}

static void map(uint64_t page, uint64_t pages, uint64_t frame) {
    assert_int_equal(tables_map(&kernel, at(page), pages, paddr(frame << PAGE_SHIFT), DATA),
                     TABLES_OK);
}

static void unmap(uint64_t page, uint64_t pages, struct tlb_batch *batch) {
    assert_int_equal(tables_unmap(&kernel, at(page), pages, NULL, batch), TABLES_OK);
}

static void protect(uint64_t page, uint64_t pages, struct tlb_batch *batch) {
    assert_int_equal(tables_protect(&kernel, at(page), pages, 0, PAGING_WRITE, batch), TABLES_OK);
}

static void nothing_stale_is_left(void **state) {
    (void)state;
    for (uint64_t pages = 1; pages <= 1 << 18; pages = pages < 64 ? pages * 2 : pages * 8) {
        uint64_t last = KERNEL_PAGE + pages - 1;
        map(0, pages, 1 << 18);
        assert_true(both_see(KERNEL_PAGE, 1 << 18, DATA));
        assert_true(both_see(last, (1 << 18) + pages - 1, DATA));
        protect(0, pages, NULL);
        assert_true(both_see(KERNEL_PAGE, 1 << 18, PAGING_GLOBAL));
        assert_true(both_see(last, (1 << 18) + pages - 1, PAGING_GLOBAL));
        unmap(0, pages, NULL);
        assert_true(both_see(KERNEL_PAGE, UINT64_MAX, 0));
        assert_true(both_see(last, UINT64_MAX, 0));
    }
    // A large page and small ones behind it, and before it.
    for (uint64_t first = 512 - 3; first <= 512; first += 3) {
        map(first, 515, first);
        for (uint64_t page = first; page < first + 515; page++) {
            assert_true(both_see(KERNEL_PAGE + page, page, DATA));
        }
        unmap(first, 515, NULL);
        assert_false(flushes[flush_count - 1].everything);
        for (uint64_t page = first; page < first + 515; page++) {
            assert_true(both_see(KERNEL_PAGE + page, UINT64_MAX, 0));
        }
    }
    // A part of a 1 GiB page.
    map(0, 1 << 18, 1 << 18);
    assert_true(both_see(KERNEL_PAGE + 1000, (1 << 18) + 1000, DATA));
    protect(1000, 1, NULL);
    assert_true(both_see(KERNEL_PAGE + 1000, (1 << 18) + 1000, PAGING_GLOBAL));
    assert_true(both_see(KERNEL_PAGE + 1001, (1 << 18) + 1001, DATA));
    assert_int_equal(tables_replace(&kernel, at(1000), pfn(5), DATA, NULL), TABLES_OK);
    assert_true(both_see(KERNEL_PAGE + 1000, 5, DATA));
    assert_int_equal(tables_replace(&kernel, at(1000), pfn((1 << 18) + 1000), DATA, NULL),
                     TABLES_OK);
    assert_int_equal(kernel.table_pages, 2); // joined again
    unmap(1000, 1, NULL);
    assert_true(both_see(KERNEL_PAGE + 1000, UINT64_MAX, 0));
    assert_true(both_see(KERNEL_PAGE + 999, (1 << 18) + 999, DATA));
}

static void one_flush_for_each_change(void **state) {
    (void)state;
    map(0, 20, 100);
    assert_int_equal(flush_count, 0); // nothing was cached before
    protect(3, 4, NULL);
    assert_int_equal(flush_count, 1);
    assert_false(flushes[0].everything || flushes[0].tables);
    assert_int_equal(flushes[0].count, 1);
    assert_int_equal(flushes[0].ranges[0].begin, at(3).value);
    assert_int_equal(flushes[0].ranges[0].pages, 4);
    assert_int_equal(flushes[0].ranges[0].shift, PAGE_SHIFT);
    protect(3, 4, NULL); // they are so already
    assert_int_equal(flush_count, 1);
    unmap(0, 20, NULL);
    assert_int_equal(flush_count, 2);
    unmap(0, 20, NULL); // nothing there
    assert_int_equal(flush_count, 2);
    map(0, 40, 100);
    unmap(0, 40, NULL); // more than one by one
    assert_int_equal(flush_count, 3);
    assert_true(flushes[2].everything);
    // Large pages are one each.
    map(0, 1024, 1024);
    unmap(0, 1024, NULL);
    // (the table that was kept went to make room: a flush of its own)
    assert_int_equal(flush_count, 5);
    assert_true(flushes[3].tables);
    assert_int_equal(flushes[4].ranges[0].pages, 2);
    assert_int_equal(flushes[4].ranges[0].shift, 21);
}

static void a_batch_is_one_flush(void **state) {
    (void)state;
    struct tlb_batch batch;
    map(0, 300, 1000);
    tlb_batch_init(&batch, &kernel);
    tlb_batch_flush(&batch); // empty: none
    assert_int_equal(flush_count, 0);
    for (uint64_t i = 0; i < TLB_RANGES; i++) {
        unmap(i * 10, 2, &batch);
    }
    unmap(TLB_RANGES * 10 - 8, 2, &batch); // goes on where the last one ended
    assert_int_equal(flush_count, 0);
    tlb_batch_flush(&batch);
    assert_int_equal(flush_count, 1);
    assert_false(flushes[0].everything);
    assert_int_equal(flushes[0].count, TLB_RANGES);
    assert_int_equal(flushes[0].pages, 2 * TLB_RANGES + 2);
    for (uint64_t i = 0; i <= TLB_RANGES; i++) {
        protect(100 + i * 10, 1, &batch); // one range too many
    }
    tlb_batch_flush(&batch);
    assert_true(flushes[1].everything);
    assert_int_equal(flush_count, 2);
    for (uint64_t i = 0; i < 300; i++) {
        assert_true(both_see(KERNEL_PAGE + i,
                             i < 80 && i % 10 < (i / 10 == 7 ? 4 : 2) ? UINT64_MAX : 1000 + i,
                             i >= 100 && i <= 180 && i % 10 == 0 ? PAGING_GLOBAL : DATA));
    }
}

// The flush finds the tables that go out of the tree, but still allocated and harmless.
static uint64_t allocated_tables_at_flush;

static uint64_t allocated_tables(void) {
    struct page_census census;
    page_census(&world.pages, &census);
    return census.owned_pages[PAGE_OWNER_PAGE_TABLE];
}

static void count_tables(const struct tlb_flush *flush) {
    allocated_tables_at_flush = allocated_tables();
    assert_true(lock_is_held(&kernel.lock)); // nobody maps in their place meanwhile
    note_flush(flush);
}

static void tables_are_freed_last(void **state) {
    (void)state;
    map(0, 3, 100);
    map(1 << 18, 3, 100);
    assert_int_equal(allocated_tables(), 6);
    unmap(0, 3, NULL);
    host_tlb_flush = count_tables;
    unmap(1 << 18, 3, NULL); // the empty table that was kept goes
    assert_true(flushes[1].tables);
    assert_int_equal(allocated_tables_at_flush, 6);
    assert_int_equal(allocated_tables(), 4);
    tables_trim(&kernel);
    assert_int_equal(allocated_tables_at_flush, 4);
    assert_int_equal(allocated_tables(), 2);
    map(1, 511, (1 << 18) + 1);
    map(0, 1, 1 << 18); // joins: the table of parts goes, and was as good as the page until then
    assert_int_equal(allocated_tables_at_flush, 4);
    assert_int_equal(allocated_tables(), 3);
    // With a batch of the caller's, too.
    struct tlb_batch batch;
    tlb_batch_init(&batch, &kernel);
    unmap(0, 1024, &batch);
    assert_int_equal(allocated_tables_at_flush, 3);
    assert_int_equal(allocated_tables(), 2);
    tlb_batch_flush(&batch);
    assert_true(both_see(KERNEL_PAGE, UINT64_MAX, 0));
}

// A large page is first made into equal parts, then forgotten, then a part changes.
static unsigned part_writes;
static size_t flushes_before_part;

static void watch_part(const uint64_t *entry, uint64_t address, unsigned level) {
    if (level == 0 && address == at(7).value) {
        assert_int_equal(part_writes++, 0);
        assert_false((*entry & ENTRY_WRITE) != 0);
        flushes_before_part = flush_count;
    }
}

static void no_write_changes_size_and_meaning(void **state) {
    (void)state;
    part_writes = 0;
    map(0, 512, 512);
    assert_true(both_see(KERNEL_PAGE + 7, 519, DATA));
    host_entry_written = watch_part;
    protect(7, 1, NULL);
    assert_int_equal(part_writes, 1);
    assert_int_equal(flushes_before_part, 1);
    assert_int_equal(flush_count, 2);
    assert_int_equal(flushes[0].ranges[0].shift, 21);
    assert_int_equal(flushes[1].ranges[0].begin, at(7).value);
}

// A page that gets another frame is nobody's while it is flushed.
static void watch_replacement(const struct tlb_flush *flush) {
    uint64_t entries[5];
    assert_int_equal(tables_trace(&kernel, at(0), entries), 4);
    assert_int_equal(entries[3], 0);
    note_flush(flush);
}

static void no_two_cpus_see_two_frames(void **state) {
    (void)state;
    map(0, 1, 100);
    assert_true(both_see(KERNEL_PAGE, 100, DATA));
    host_tlb_flush = watch_replacement;
    assert_int_equal(tables_replace(&kernel, at(0), pfn(200), DATA, NULL), TABLES_OK);
    assert_int_equal(flush_count, 1);
    assert_true(both_see(KERNEL_PAGE, 200, DATA));
}

// The lower half belongs to those who have it loaded; the kernel's to all.
static void flushes_go_to_those_concerned(void **state) {
    (void)state;
    struct page_tables user;
    assert_int_equal(tables_prepare(&kernel, at(0), 1), TABLES_OK);
    assert_int_equal(tables_init(&user, &all, &world.pages, &kernel), TABLES_OK);
    assert_int_equal(tables_map(&user, vaddr(MIB), 1, paddr(MIB), PAGING_USER), TABLES_OK);
    tlb_model_load(&model, 1, &user);
    assert_int_equal(user.space.cpus, 2);
    assert_int_equal(kernel.space.cpus, 1);
    assert_int_equal(tables_unmap(&user, vaddr(MIB), 1, NULL, NULL), TABLES_OK);
    assert_int_equal(flush_count, 1);
    assert_false(flushes[0].space->kernel);
    assert_int_equal(flushes[0].space->cpus, 2);
    map(0, 1, 100);
    assert_true(both_see(KERNEL_PAGE, 100, DATA)); // CPU 1 through the shared half
    unmap(0, 1, NULL);
    assert_true(flushes[1].space->kernel);
    assert_true(both_see(KERNEL_PAGE, UINT64_MAX, 0));
    tlb_model_load(&model, 1, &kernel);
    tables_destroy(&user);
}

// What the model finds when somebody forgets: each of these is one planted fault.
static void planted_faults_are_found(void **state) {
    (void)state;
    // A flush that never comes.
    map(0, 1, 100);
    assert_true(both_see(KERNEL_PAGE, 100, DATA));
    host_tlb_flush = NULL;
    unmap(0, 1, NULL);
    assert_false(both_see(KERNEL_PAGE, UINT64_MAX, 0));
    assert_string_equal(model.failure, "a CPU uses a translation that is no longer so");
    assert_int_equal(model.failed_at, KERNEL_BASE);
    // A table that is freed before the paging-structure caches are flushed.
    model.failure = NULL;
    map(1 << 18, 1, 100);
    assert_true(both_see(KERNEL_PAGE + (1 << 18), 100, DATA));
    host_tlb_flush = NULL;
    unmap(1 << 18, 1, NULL);
    tables_trim(&kernel);
    assert_false(both_see(KERNEL_PAGE + (1 << 18) + 1, UINT64_MAX, 0));
    assert_string_equal(model.failure, "a CPU remembers a table that was freed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_stale_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_flush_for_each_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_is_one_flush, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_are_freed_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_write_changes_size_and_meaning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_two_cpus_see_two_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flushes_go_to_those_concerned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(planted_faults_are_found, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("page_tables_tlb", tests, NULL, NULL);
}
