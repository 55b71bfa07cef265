// SPDX-License-Identifier: MIT
// The memory test with its own loads and stores, on memory that really has a fault: one page of the
// process stands at two addresses, as when an address line is not connected.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/memtest.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BEGIN (64 * MIB)
#define END   (66 * MIB)

static struct world world;
static struct memtest test;
static struct memtest_range runs[8], bad[8];

static int set_up(void **state) {
    (void)state;
    const struct world_range ranges[] = {{MIB, 32 * MIB, EFI_CONVENTIONAL},
                                         {BEGIN, END, EFI_CONVENTIONAL}};
    host_cpu_set(0);
    world_create(&world, ranges, 2);
    memtest_init(&test, runs, 8, bad, 8, 1, 12345);
    pfn_t end = pfn_of(paddr(END)), begin = pfn_of(paddr(BEGIN));
    assert_int_equal(memtest_take(&test, &world.pages, begin, end).value, end.value);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    const char *broken = page_check(&world.pages);
    world_destroy(&world);
    return broken == NULL ? 0 : -1;
}

static void run_to_the_end(void) {
    while (memtest_step(&test) != MEMTEST_DONE) {
    }
}

// All of it was written: no pattern ends with zeros.
static void good_memory(void **state) {
    (void)state;
    uint64_t begin = paddr_of(runs[0].begin).value, end = paddr_of(runs[0].end).value;
    assert_true(test.run_count == 1 && end - begin > MIB);
    run_to_the_end();
    assert_int_equal(test.mismatches, 0);
    for (uint64_t at = begin; at < end; at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, port_direct_map(paddr(at)), sizeof(word));
        assert_int_not_equal(word, 0);
    }
    assert_int_equal(memtest_give_back(&test, &world.pages).retired_pages, 0);
}

static void a_page_at_two_addresses(void **state) {
    (void)state;
    uint64_t low = BEGIN + 3 * PAGE_SIZE, high = BEGIN + 100 * PAGE_SIZE;
    int file = memfd_create("page", 0);
    assert_true(file >= 0 && ftruncate(file, PAGE_SIZE) == 0);
    for (unsigned i = 0; i < 2; i++) {
        void *place = port_direct_map(paddr(i == 0 ? low : high));
        assert_ptr_equal(
            mmap(place, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0), place);
    }
    close(file);
    run_to_the_end();
    assert_true(test.mismatches != 0);
    struct memtest_outcome outcome = memtest_give_back(&test, &world.pages);
    assert_int_equal(outcome.retired_pages, 2);
    assert_int_equal(page_inspect(&world.pages, pfn_of(paddr(low))).state, PAGE_STATE_BAD);
    assert_int_equal(page_inspect(&world.pages, pfn_of(paddr(high))).state, PAGE_STATE_BAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_at_two_addresses, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("memtest_memory", tests, NULL, NULL);
}
