// SPDX-License-Identifier: MIT
// Reading page tables, against tables that the tests make entry by entry.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"
#include <cmocka.h>
#include <host/host.h>
#include <paging/walk.h>
#include <string.h>

#define RAM_BEGIN   MIB
#define RAM_END     (4 * MIB)
#define TABLE_COUNT 512
#define PW          (WALK_PRESENT | WALK_WRITE)

static struct world world;

static int make_world(void **state) {
    (void)state;
    const struct world_range ram = {RAM_BEGIN, RAM_END, EFI_CONVENTIONAL};
    world_create(&world, &ram, 1);
    return 0;
}

static int drop_world(void **state) {
    (void)state;
    world_destroy(&world);
    return 0;
}

// Table `number` of the tests: frames from 2 MiB on, zeroed when the world was made.
static uint64_t table(unsigned number) {
    return 2 * MIB + number * PAGE_SIZE;
}

static void set(unsigned number, unsigned index, uint64_t entry) {
    uint64_t *entries = port_direct_map(paddr(table(number)));
    entries[index] = entry;
}

static struct walker walker_of(unsigned levels) {
    return (struct walker){paddr(table(0)), levels, true, &world.map};
}

// A page of each size, four levels:
//   0x0000000000403000  4 KiB, read-only, user      0x0000000000404000  the same, next frame
//   0xffff800040000000  1 GiB, write-combining      0xffffffff80200000  2 MiB, global, no-execute
static void make_tables(void) {
    set(0, 0, table(1) | PW | WALK_USER);
    set(1, 0, table(2) | PW | WALK_USER);
    set(2, 2, table(3) | PW | WALK_USER);
    set(3, 3, 0x123000 | WALK_PRESENT | WALK_USER);
    set(3, 4, 0x124000 | WALK_PRESENT | WALK_USER);
    set(0, 256, table(4) | PW);
    set(4, 1, 7 * GIB | PW | WALK_LARGE | WALK_PWT | WALK_LARGE_PAT);
    set(0, 511, table(5) | PW);
    set(5, 510, table(6) | PW | WALK_NO_EXECUTE);
    set(6, 1, 6 * MIB | PW | WALK_LARGE | WALK_GLOBAL);
}

static void assert_mapped(const struct walker *walker, uint64_t address, uint64_t physical,
                          uint64_t page, unsigned permissions, unsigned cache, bool global) {
    struct walk walk;
    walk_address(&walk, walker, vaddr(address));
    assert_int_equal(walk.end, WALK_MAPPED);
    assert_int_equal(walk.physical.value, physical);
    assert_int_equal(walk.page_bytes, page);
    assert_int_equal(walk.permissions, permissions);
    assert_int_equal(walk.cache, cache);
    assert_int_equal(walk.global, global);
}

static void assert_ends(const struct walker *walker, uint64_t address, enum walk_end end,
                        unsigned steps) {
    struct walk walk;
    walk_address(&walk, walker, vaddr(address));
    assert_int_equal(walk.end, end);
    assert_int_equal(walk.count, steps);
}

static void translates(void **state) {
    (void)state;
    make_tables();
    struct walker walker = walker_of(4);
    assert_mapped(&walker, 0x403abc, 0x123abc, 4 * KIB, WALK_CAN_EXECUTE | WALK_BY_USER, 0, false);
    assert_mapped(&walker, 0xffff800040001234, 7 * GIB + 0x1234, GIB,
                  WALK_CAN_WRITE | WALK_CAN_EXECUTE, 5, false);
    assert_mapped(&walker, 0xffffffff803fffff, 8 * MIB - 1, 2 * MIB, WALK_CAN_WRITE, 0, true);
    assert_ends(&walker, 0x402fff, WALK_ABSENT, 4);
    assert_ends(&walker, 0x600000, WALK_ABSENT, 3);
    assert_ends(&walker, 0x8000000000, WALK_ABSENT, 1);
    assert_ends(&walker, UINT64_C(1) << 47, WALK_NOT_CANONICAL, 0);
    walker.no_execute = false; // then the bit means nothing to us
    assert_mapped(&walker, 0xffffffff80200000, 6 * MIB, 2 * MIB, WALK_CAN_WRITE | WALK_CAN_EXECUTE,
                  0, true);
}

static void translates_with_five_levels(void **state) {
    (void)state;
    set(0, 256, table(1) | PW);
    set(1, 3, table(2) | PW);
    set(2, 0, 3 * GIB | PW | WALK_LARGE);
    struct walker walker = walker_of(5);
    uint64_t address = 0xff00000000000000 + (UINT64_C(3) << 39);
    assert_mapped(&walker, address + 5, 3 * GIB + 5, GIB, WALK_CAN_WRITE | WALK_CAN_EXECUTE, 0,
                  false);
    assert_ends(&walker, UINT64_C(1) << 47, WALK_ABSENT, 1);
    assert_ends(&walker, UINT64_C(1) << 56, WALK_NOT_CANONICAL, 0);
}

static void tables_outside_of_ram_are_not_followed(void **state) {
    (void)state;
    struct walker walker = walker_of(4);
    set(0, 0, 0xfee00000 | PW);
    assert_ends(&walker, 0, WALK_UNREADABLE, 1);
    set(0, 0, table(1) | PW);
    set(1, 0, table(100) | PW);
    assert_ends(&walker, 0, WALK_ABSENT, 3);
    walker.root = paddr(RAM_END);
    assert_ends(&walker, 0, WALK_UNREADABLE, 0);
}

static void runs_are_merged(void **state) {
    (void)state;
    make_tables();
    struct walker walker = walker_of(4);
    struct walk_run run;
    assert_true(walk_next(&run, &walker, vaddr(0), vaddr(UINT64_MAX)));
    assert_int_equal(run.begin.value, 0x403000);
    assert_int_equal(run.last.value, 0x404fff);
    assert_int_equal(run.physical.value, 0x123000);
    assert_true(walk_next(&run, &walker, vaddr(run.last.value + 1), vaddr(UINT64_MAX)));
    assert_int_equal(run.begin.value, 0xffff800040000000);
    assert_int_equal(run.last.value, 0xffff80007fffffff);
    assert_true(walk_next(&run, &walker, vaddr(run.last.value + 1), vaddr(UINT64_MAX)));
    assert_int_equal(run.begin.value, 0xffffffff80200000);
    assert_false(walk_next(&run, &walker, vaddr(run.last.value + 1), vaddr(UINT64_MAX)));
    assert_false(walk_next(&run, &walker, vaddr(0x405000), vaddr(0xffff80003fffffff)));
    set(3, 4, 0x125000 | WALK_PRESENT | WALK_USER); // no longer the next frame
    assert_true(walk_next(&run, &walker, vaddr(0x403123), vaddr(UINT64_MAX)));
    assert_int_equal(run.begin.value, 0x403123);
    assert_int_equal(run.physical.value, 0x123123);
    assert_int_equal(run.last.value, 0x403fff);
}

static void neighbours_below(void **state) {
    (void)state;
    make_tables();
    struct walker walker = walker_of(4);
    vaddr_t found;
    assert_true(walk_previous(&found, &walker, vaddr(UINT64_MAX), vaddr(0)));
    assert_int_equal(found.value, 0xffffffff803fffff);
    assert_true(walk_previous(&found, &walker, vaddr(0xffffffff801fffff), vaddr(0)));
    assert_int_equal(found.value, 0xffff80007fffffff);
    assert_true(walk_previous(&found, &walker, vaddr(0xffff80003fffffff), vaddr(0)));
    assert_int_equal(found.value, 0x404fff);
    assert_false(walk_previous(&found, &walker, vaddr(0x402fff), vaddr(0)));
    assert_false(
        walk_previous(&found, &walker, vaddr(0xffffffff801fffff), vaddr(0xffff800080000000)));
}

struct seen {
    unsigned count, sum;
};

static void see(void *context, paddr_t at, unsigned level) {
    struct seen *seen = context;
    assert_true(at.value >= table(0) && at.value < table(TABLE_COUNT));
    seen->count++;
    seen->sum += level;
}

static void every_table_is_visited_once(void **state) {
    (void)state;
    make_tables();
    struct walker walker = walker_of(4);
    struct seen seen = {0, 0};
    walk_tables(&walker, see, &seen);
    assert_int_equal(seen.count, 7);
    assert_int_equal(seen.sum, 4 + (3 + 2 + 1) + 3 + (3 + 2));
}

// Entries at random, most of them nonsense. The runs and single translations must agree.
static void survives_garbage(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        for (unsigned i = 0; i < 64; i++) {
            uint64_t number = world_random(&random) % 16; // a table that may come again
            uint64_t target = world_random(&random) % 4 == 0 ? world_random(&random) & WALK_ADDRESS
                                                             : table(1 + (unsigned)number);
            set(i < 4 ? 0 : (unsigned)(world_random(&random) % 16),
                (unsigned)(world_random(&random) % 512),
                target | (world_random(&random) & ~(uint64_t)WALK_ADDRESS) | 1);
        }
        struct walker walker = walker_of(seed % 2 == 0 ? 4 : 5);
        struct walk_run run;
        uint64_t at = 0;
        for (unsigned i = 0; i < 2000 && walk_next(&run, &walker, vaddr(at), vaddr(UINT64_MAX));
             i++) {
            struct walk walk;
            assert_true(run.begin.value >= at && run.last.value >= run.begin.value);
            walk_address(&walk, &walker, run.begin);
            assert_int_equal(walk.end, WALK_MAPPED);
            assert_int_equal(walk.physical.value, run.physical.value);
            walk_address(&walk, &walker, run.last);
            assert_int_equal(walk.physical.value - run.physical.value,
                             run.last.value - run.begin.value);
            vaddr_t found;
            assert_true(walk_previous(&found, &walker, run.last, vaddr(at)));
            assert_int_equal(found.value, run.last.value);
            if (run.last.value == UINT64_MAX) {
                break;
            }
            at = run.last.value + 1;
        }
    }
}

// Every byte that translates lies in exactly one run, looked at page by page.
static void runs_cover_what_is_mapped(void **state) {
    (void)state;
    make_tables();
    set(2, 3, 0x800000 | PW | WALK_LARGE);
    set(3, 9, 0x200000 | PW);
    set(3, 511, 0x7ff000 | PW);
    struct walker walker = walker_of(4);
    uint64_t at = 0, mapped = 0, in_runs = 0, end = 16 * MIB;
    for (uint64_t page = 0; page < end; page += PAGE_SIZE) {
        struct walk walk;
        walk_address(&walk, &walker, vaddr(page));
        mapped += walk.end == WALK_MAPPED ? PAGE_SIZE : 0;
    }
    struct walk_run run;
    while (walk_next(&run, &walker, vaddr(at), vaddr(end - 1))) {
        in_runs += run.last.value - run.begin.value + 1;
        at = run.last.value + 1;
    }
    assert_int_equal(in_runs, mapped);
    assert_int_equal(mapped, 4 * PAGE_SIZE + 2 * MIB);
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, drop_world)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(translates),
        WITH_WORLD(translates_with_five_levels),
        WITH_WORLD(tables_outside_of_ram_are_not_followed),
        WITH_WORLD(runs_are_merged),
        WITH_WORLD(neighbours_below),
        WITH_WORLD(every_table_is_visited_once),
        WITH_WORLD(survives_garbage),
        WITH_WORLD(runs_cover_what_is_mapped),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
