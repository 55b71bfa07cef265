// SPDX-License-Identifier: MIT
// Memory that changes behind the kernel's back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "world.h"
#include <cmocka.h>
#include <host/host.h>
#include <string.h>
#include <tripwire.h>

#define LAST_BEGIN (192 * MIB)

// Usable memory between three pieces of boot services', the last of 8 MiB; and low memory.
static const struct world_range ranges[] = {
    {0, 0x9f000, EFI_CONVENTIONAL},           {MIB, 2 * MIB, EFI_BOOT_SERVICES_DATA},
    {2 * MIB, 32 * MIB, EFI_CONVENTIONAL},    {32 * MIB, 33 * MIB, EFI_BOOT_SERVICES_CODE},
    {33 * MIB, LAST_BEGIN, EFI_CONVENTIONAL}, {LAST_BEGIN, 200 * MIB, EFI_BOOT_SERVICES_DATA},
};

static struct world world;
static struct tripwire tripwire;

static int make_world(void **state) {
    (void)state;
    world_create(&world, ranges, sizeof(ranges) / sizeof(ranges[0]));
    uint64_t random = 11;
    for (uint64_t at = MIB; at < 2 * MIB; at += 8) {
        uint64_t word = world_random(&random);
        memcpy(port_direct_map(paddr(at)), &word, sizeof(word));
    }
    return 0;
}

static int drop_world(void **state) {
    (void)state;
    tripwire_free(&tripwire, &world.pages);
    world_destroy(&world);
    return 0;
}

static uint8_t *byte_at(uint64_t address) {
    return port_direct_map(paddr(address));
}

static bool next(uint64_t begin, uint64_t end, struct tripwire_change *change) {
    return tripwire_next(&tripwire, pfn_of(paddr(begin)), pfn_of(paddr(end)), change);
}

static void nothing_is_found_without_a_change(void **state) {
    (void)state;
    struct tripwire_change change;
    tripwire_set(&tripwire, &world.map, MEMORY_BOOTSVC, &world.pages);
    assert_int_equal(tripwire.watched_pages, 10 * MIB / PAGE_SIZE);
    assert_int_equal(tripwire.unwatched_pages, 0);
    assert_false(next(0, 256 * MIB, &change));
    *byte_at(3 * MIB) ^= 1; // usable memory is anybody's
    assert_false(next(0, 256 * MIB, &change));
    assert_int_equal(tripwire.changed_pages, 0);
}

static void every_byte_counts(void **state) {
    (void)state;
    tripwire_set(&tripwire, &world.map, MEMORY_BOOTSVC, &world.pages);
    for (uint64_t at = 0; at < 3 * PAGE_SIZE; at++) {
        struct tripwire_change change;
        uint64_t address = MIB + PAGE_SIZE * 2 + at;
        uint8_t bit = (uint8_t)(1u << at % 8);
        *byte_at(address) ^= bit;
        assert_true(next(MIB, 2 * MIB, &change));
        assert_int_equal(change.frame.value, address / PAGE_SIZE);
        assert_int_equal(change.block, address % PAGE_SIZE / TRIPWIRE_BLOCK * TRIPWIRE_BLOCK);
        assert_int_equal(change.blocks, 1);
        *byte_at(address) ^= bit;
    }
}

static void words_that_change_places_count(void **state) {
    (void)state;
    struct tripwire_change change;
    tripwire_set(&tripwire, &world.map, MEMORY_BOOTSVC, &world.pages);
    uint64_t words[2], swapped[2];
    memcpy(words, byte_at(MIB + 0x40), sizeof(words));
    swapped[0] = words[1];
    swapped[1] = words[0];
    memcpy(byte_at(MIB + 0x40), swapped, sizeof(swapped));
    assert_true(next(0, 256 * MIB, &change));
}

static void all_changes_come_in_turn(void **state) {
    (void)state;
    struct tripwire_change change;
    tripwire_set(&tripwire, &world.map, MEMORY_BOOTSVC, &world.pages);
    memset(byte_at(32 * MIB + 0x1100), 0xff, 0x400);
    *byte_at(LAST_BEGIN + 5 * PAGE_SIZE + 4095) = 9;
    assert_true(next(0, 256 * MIB, &change));
    assert_int_equal(change.frame.value, 32 * MIB / PAGE_SIZE + 1);
    assert_int_equal(change.block, 0);
    assert_int_equal(change.blocks, 3);
    assert_true(next((change.frame.value + 1) * PAGE_SIZE, 256 * MIB, &change));
    assert_int_equal(change.frame.value, LAST_BEGIN / PAGE_SIZE + 5);
    assert_int_equal(change.block, 7 * TRIPWIRE_BLOCK);
    assert_false(next((change.frame.value + 1) * PAGE_SIZE, 256 * MIB, &change));
    assert_false(next(2 * MIB, 32 * MIB, &change));
    assert_int_equal(tripwire.changed_pages, 2);
}

static void low_memory_is_watched_too(void **state) {
    (void)state;
    struct tripwire_change change;
    tripwire_set(&tripwire, &world.map, MEMORY_LOW, &world.pages);
    assert_int_equal(tripwire.watched_pages, 0x9f);
    *byte_at(0x46c) += 1;
    assert_true(next(0, MIB, &change));
    assert_int_equal(change.frame.value, 0);
    assert_int_equal(change.block, 0x400);
}

static void the_sums_go_back(void **state) {
    (void)state;
    uint64_t free = page_free_count(&world.pages);
    tripwire_set(&tripwire, &world.map, MEMORY_BOOTSVC, &world.pages);
    assert_true(page_free_count(&world.pages) < free);
    tripwire_free(&tripwire, &world.pages);
    assert_int_equal(page_free_count(&world.pages), free);
    struct tripwire_change change;
    assert_false(next(0, 256 * MIB, &change));
    tripwire_free(&tripwire, &world.pages); // does nothing
}

static void without_memory_nothing_is_watched(void **state) {
    (void)state;
    pfn_t first;
    while (page_alloc_frame(&world.pages, PAGE_OWNER_TEST).value != PAGE_NO_FRAME.value) {
    }
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &first),
                     PAGE_NO_MEMORY);
    tripwire_set(&tripwire, &world.map, MEMORY_BOOTSVC, &world.pages);
    struct tripwire_change change;
    *byte_at(MIB) ^= 1;
    assert_false(next(0, 256 * MIB, &change));
    assert_int_equal(tripwire.watched_pages, 0);
    assert_int_equal(tripwire.unwatched_pages, 10 * MIB / PAGE_SIZE);
}

static void what_is_too_much_is_counted(void **state) {
    (void)state;
    const struct world_range much[] = {{MIB, 16 * MIB, EFI_CONVENTIONAL},
                                       {16 * MIB, 100 * MIB, EFI_BOOT_SERVICES_DATA}};
    world_destroy(&world);
    world_create(&world, much, 2);
    tripwire_set(&tripwire, &world.map, MEMORY_BOOTSVC, &world.pages);
    assert_int_equal(tripwire.watched_pages, TRIPWIRE_PAGES);
    assert_int_equal(tripwire.unwatched_pages, 84 * MIB / PAGE_SIZE - TRIPWIRE_PAGES);
    struct tripwire_change change;
    *byte_at(16 * MIB + TRIPWIRE_PAGES * PAGE_SIZE) ^= 1;
    assert_false(next(0, 256 * MIB, &change));
    *byte_at(16 * MIB + TRIPWIRE_PAGES * PAGE_SIZE - 1) ^= 1;
    assert_true(next(0, 256 * MIB, &change));
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, drop_world)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(nothing_is_found_without_a_change), WITH_WORLD(every_byte_counts),
        WITH_WORLD(words_that_change_places_count),    WITH_WORLD(all_changes_come_in_turn),
        WITH_WORLD(low_memory_is_watched_too),         WITH_WORLD(the_sums_go_back),
        WITH_WORLD(without_memory_nothing_is_watched), WITH_WORLD(what_is_too_much_is_counted),
    };
    return cmocka_run_group_tests_name("tripwire", tests, NULL, NULL);
}
