// SPDX-License-Identifier: MIT
// Reserved entries of page tables: what is mapped through them is found by everybody, nobody else
// gets their place, their tables stay.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"
#include <host/host.h>
#include <mm/slots.h>

#define MEMORY (PAGING_WRITE | PAGING_GLOBAL)

static struct virt_world virt;
static struct tlb_flush flushed;
static unsigned flushes;

static vaddr_t page_at(uint64_t page) {
    return vaddr(VIRT_BEGIN + page * PAGE_SIZE);
}

static void note_flush(const struct tlb_flush *flush) {
    flushed = *flush;
    flushes++;
}

static int create(void **state) {
    (void)state;
    virt_create(&virt, 16 * MIB, 4 * GIB);
    host_tlb_flush = note_flush;
    flushes = 0;
    return 0;
}

static int destroy(void **state) {
    (void)state;
    host_tlb_flush = NULL;
    assert_null(tables_check(&virt.kernel));
    virt_destroy(&virt);
    return 0;
}

static void mapped_through_slots(void **state) {
    (void)state;
    uint64_t *entries;
    pfn_t frames[4] = {pfn(700), pfn(300), pfn(301), pfn(302)}, back[4];
    struct paging_range range;
    uint64_t bits = slots_bits(&virt.kernel, page_at(0), MEMORY | PAGING_WC);
    assert_int_not_equal(bits, 0);
    assert_int_equal(slots_reserve(&virt.kernel, page_at(5), 4, &entries), TABLES_OK);
    assert_false(tables_next(&virt.kernel, page_at(0), 512, true, &range));
    slots_map(entries, page_at(5), 4, frames, bits);
    assert_null(tables_check(&virt.kernel));
    for (uint64_t i = 0; i < 4; i++) {
        assert_true(tables_query(&virt.kernel, page_at(5 + i), &range));
        assert_int_equal(pfn_of(range.to).value, frames[i].value);
        assert_int_equal(range.attributes, MEMORY | PAGING_WC | PAGING_SMALL);
    }
    assert_true(tables_next(&virt.kernel, page_at(0), 512, false, &range));
    assert_int_equal(range.pages, 1);
    assert_true(tables_next(&virt.kernel, page_at(6), 512, false, &range));
    assert_int_equal(range.pages, 3);
    assert_true(tables_next(&virt.kernel, page_at(0), 512, true, &range));
    assert_int_equal(range.pages, 4);
    struct tlb_batch batch;
    tlb_batch_init(&batch, &virt.kernel);
    slots_unmap(entries, page_at(5), 4, back, &batch);
    assert_int_equal(flushes, 0);
    tlb_batch_flush(&batch);
    assert_int_equal(flushes, 1);
    assert_int_equal(flushed.count, 1);
    assert_int_equal(flushed.ranges[0].begin, page_at(5).value);
    assert_int_equal(flushed.ranges[0].pages, 4);
    assert_memory_equal(back, frames, sizeof(frames));
    assert_false(tables_query(&virt.kernel, page_at(5), &range));
    slots_map_range(entries, page_at(5), 4, paddr(8 * MIB), bits);
    assert_true(tables_next(&virt.kernel, page_at(0), 512, false, &range));
    assert_int_equal(range.to.value, 8 * MIB);
    assert_int_equal(range.pages, 4);
    slots_unmap(entries, page_at(5), 4, NULL, &batch);
    tlb_batch_flush(&batch);
    slots_release(&virt.kernel, page_at(5), 4, entries);
}

static void frames_of_a_range(void **state) {
    (void)state;
    static pfn_t frames[3 * 512];
    uint64_t *entries;
    pfn_t frame = pfn(77);
    assert_int_equal(tables_map(&virt.kernel, page_at(512), 512, paddr(4 * MIB), MEMORY),
                     TABLES_OK); // one page
    assert_int_equal(slots_reserve(&virt.kernel, page_at(3), 2, &entries), TABLES_OK);
    slots_map(entries, page_at(3), 1, &frame, slots_bits(&virt.kernel, page_at(3), MEMORY));
    assert_int_equal(tables_map_frames(&virt.kernel, page_at(1030), 1, &frame, MEMORY), TABLES_OK);
    tables_frames(&virt.kernel, page_at(2), 3 * 512, frames);
    for (uint64_t i = 0; i < 3 * 512; i++) {
        uint64_t page = i + 2;
        uint64_t expected = page == 3 || page == 1030    ? 77
                            : page >= 512 && page < 1024 ? 4 * MIB / PAGE_SIZE + page - 512
                                                         : PAGE_NO_FRAME.value;
        assert_int_equal(frames[i].value, expected);
    }
    struct tlb_batch batch;
    tlb_batch_init(&batch, &virt.kernel);
    slots_unmap(entries, page_at(3), 1, NULL, &batch);
    tlb_batch_flush(&batch);
    slots_release(&virt.kernel, page_at(3), 2, entries);
    assert_int_equal(tables_unmap(&virt.kernel, page_at(0), 2048, NULL, NULL), TABLES_OK);
}

static void tables_stay(void **state) {
    (void)state;
    uint64_t before = virt_free_count(&virt);
    uint64_t *entries, *more;
    assert_int_equal(slots_reserve(&virt.kernel, page_at(0), 1, &entries), TABLES_OK);
    assert_int_equal(slots_reserve(&virt.kernel, page_at(1), 31, &more), TABLES_OK);
    assert_ptr_equal(entries + 1, more);
    uint64_t with_table = virt_free_count(&virt);
    // Others come and go in the same table and in others; all 512 entries are in use for a while.
    assert_int_equal(tables_map(&virt.kernel, page_at(32), 480, paddr(MIB), MEMORY), TABLES_OK);
    assert_null(tables_check(&virt.kernel));
    assert_int_equal(tables_unmap(&virt.kernel, page_at(32), 480, NULL, NULL), TABLES_OK);
    assert_int_equal(tables_map(&virt.kernel, page_at(600), 1, paddr(MIB), MEMORY), TABLES_OK);
    assert_int_equal(tables_unmap(&virt.kernel, page_at(600), 1, NULL, NULL), TABLES_OK);
    assert_int_equal(virt_free_count(&virt), with_table);
    assert_null(tables_check(&virt.kernel));
    slots_release(&virt.kernel, page_at(0), 1, entries);
    assert_int_equal(virt_free_count(&virt), with_table);
    slots_release(&virt.kernel, page_at(1), 31, more);
    assert_int_equal(virt_free_count(&virt), before);
}

static void others_are_refused(void **state) {
    (void)state;
    uint64_t *entries, *more;
    pfn_t frame = pfn(300);
    assert_int_equal(slots_reserve(&virt.kernel, page_at(100), 8, &entries), TABLES_OK);
    assert_int_equal(slots_reserve(&virt.kernel, page_at(107), 1, &more), TABLES_MAPPED);
    assert_int_equal(tables_map(&virt.kernel, page_at(107), 1, paddr(MIB), 0), TABLES_MAPPED);
    assert_int_equal(tables_map(&virt.kernel, page_at(0), 2048, paddr(MIB), 0), TABLES_MAPPED);
    assert_int_equal(tables_map_frames(&virt.kernel, page_at(100), 1, &frame, 0), TABLES_MAPPED);
    // What is not mapped is not unmapped, protected or replaced.
    assert_int_equal(tables_unmap(&virt.kernel, page_at(0), 2048, NULL, NULL), TABLES_OK);
    assert_int_equal(tables_protect(&virt.kernel, page_at(0), 512, 0, PAGING_WRITE, NULL),
                     TABLES_OK);
    assert_int_equal(tables_replace(&virt.kernel, page_at(100), frame, 0, NULL), TABLES_NOT_MAPPED);
    assert_null(tables_check(&virt.kernel));
    slots_release(&virt.kernel, page_at(100), 8, entries);
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    uint64_t *entries;
    assert_int_equal(slots_reserve(&virt.kernel, page_at(0), 0, &entries), TABLES_BAD_REQUEST);
    assert_int_equal(slots_reserve(&virt.kernel, page_at(0), SLOTS_MAX + 1, &entries),
                     TABLES_BAD_REQUEST);
    assert_int_equal(slots_reserve(&virt.kernel, page_at(511), 2, &entries), TABLES_BAD_REQUEST);
    assert_int_equal(slots_reserve(&virt.kernel, vaddr(VIRT_BEGIN + 1), 1, &entries),
                     TABLES_BAD_REQUEST);
    assert_int_equal(slots_reserve(&virt.kernel, vaddr(UINT64_C(1) << 60), 1, &entries),
                     TABLES_BAD_REQUEST);
    assert_int_equal(slots_bits(&virt.kernel, page_at(0), PAGING_WRITE | PAGING_EXECUTE), 0);
    assert_int_equal(slots_bits(&virt.kernel, page_at(0), PAGING_USER), 0);
    virt_fail_nth(&virt, 1);
    assert_int_equal(slots_reserve(&virt.kernel, page_at(0), 1, &entries), TABLES_NO_MEMORY);
    virt_fail_never(&virt);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mapped_through_slots, create, destroy),
        cmocka_unit_test_setup_teardown(frames_of_a_range, create, destroy),
        cmocka_unit_test_setup_teardown(tables_stay, create, destroy),
        cmocka_unit_test_setup_teardown(others_are_refused, create, destroy),
        cmocka_unit_test_setup_teardown(bad_requests_are_refused, create, destroy),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
