// SPDX-License-Identifier: MIT
// The page allocator: what it promises, case by case. test_page_random.c holds it against an
// oracle, tests/exhaustive visits every state of a small one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/ledger.h>
#include <page/internal.h>
#include <string.h>

#define RAM EFI_CONVENTIONAL

// 3 GiB: a section with a hole, a whole one, and one that ends early with ACPI memory at its end.
static const struct world_range machine[] = {
    {0, 0xa0000, RAM},
    {MIB, 200 * MIB, RAM},
    {201 * MIB, 2 * GIB, RAM},
    {2 * GIB, 2 * GIB + 600 * MIB, RAM},
    {2 * GIB + 600 * MIB, 2 * GIB + 601 * MIB, EFI_ACPI_RECLAIM},
};

static int set_up(void **state) {
    static struct world world;
    world_create(&world, machine, sizeof(machine) / sizeof(machine[0]));
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    struct ledger ledger;
    ledger_compute(&ledger, &world->map, &world->pages);
    const char *broken = page_check(&world->pages);
    world_destroy(world);
    // A fixture's failure counts only as its return value.
    if (ledger.unaccounted != 0 || ledger.mismatch != NULL || broken != NULL) {
        print_error("unaccounted %ld, %s, %s\n", ledger.unaccounted,
                    ledger.mismatch != NULL ? ledger.mismatch : "no mismatch",
                    broken != NULL ? broken : "check ok");
        return -1;
    }
    return 0;
}

static pfn_t alloc(struct world *world, unsigned order, paddr_t ceiling) {
    pfn_t block = pfn(~UINT64_C(0));
    assert_int_equal(page_alloc(&world->pages, order, ceiling, PAGE_OWNER_TEST, &block), PAGE_OK);
    return block;
}

static void the_boot_allocator_leaves_the_rest(void **state) {
    struct world *world = *state;
    assert_true(world->boot.closed);
    assert_int_equal(page_free_count(&world->pages) * PAGE_SIZE,
                     world->map.class_bytes[MEMORY_USABLE]);
    assert_int_equal(world->pages.metadata_bytes, world->map.class_bytes[MEMORY_METADATA]);
    assert_int_equal(world->boot.bytes, world->pages.metadata_bytes);
}

static void blocks_are_aligned_and_high_first(void **state) {
    struct world *world = *state;
    uint64_t before = page_free_count(&world->pages);
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
        pfn_t block = alloc(world, order, PAGE_ANYWHERE);
        assert_int_equal(block.value & ((1u << order) - 1), 0);
        struct page_info info = page_inspect(&world->pages, pfn(block.value + (1u << order) - 1));
        assert_int_equal(info.state, PAGE_STATE_ALLOCATED);
        assert_int_equal(info.block.value, block.value);
        assert_int_equal(info.order, order);
        assert_int_equal(info.owner, PAGE_OWNER_TEST);
        page_free(&world->pages, block, order);
        assert_null(page_check(&world->pages));
    }
    assert_int_equal(page_free_count(&world->pages), before);
}

static void a_ceiling_is_kept(void **state) {
    struct world *world = *state;
    for (unsigned order = 0; order <= 12; order++) {
        uint64_t size = PAGE_SIZE << order;
        // Just enough room above 1 MiB, and a byte less.
        uint64_t ceiling = align_up(MIB, size) + size;
        pfn_t block = alloc(world, order, paddr(ceiling)), none = pfn(42);
        assert_int_equal(paddr_of(block).value + size, ceiling);
        page_free(&world->pages, block, order);
        assert_int_equal(
            page_alloc(&world->pages, order, paddr(ceiling - 1), PAGE_OWNER_TEST, &none),
            PAGE_NO_MEMORY);
        assert_int_equal(none.value, 42);
    }
    pfn_t none;
    assert_int_equal(page_alloc(&world->pages, 0, paddr(0), PAGE_OWNER_TEST, &none),
                     PAGE_NO_MEMORY);
    assert_int_equal(page_alloc(&world->pages, 0, paddr(MIB), PAGE_OWNER_TEST, &none),
                     PAGE_NO_MEMORY);
}

static void impossible_requests_are_refused(void **state) {
    struct world *world = *state;
    pfn_t none = pfn(42);
    assert_int_equal(page_alloc(&world->pages, 19, PAGE_ANYWHERE, PAGE_OWNER_TEST, &none),
                     PAGE_BAD_REQUEST);
    assert_int_equal(page_alloc(&world->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_COUNT_, &none),
                     PAGE_BAD_REQUEST);
    assert_int_equal(page_reserve(&world->pages, pfn(5), pfn(5), NULL), PAGE_BAD_REQUEST);
    assert_int_equal(page_reserve(&world->pages, pfn(5), pfn(4), NULL), PAGE_BAD_REQUEST);
    assert_int_equal(page_reserve(&world->pages, pfn(0), pfn(4 * SECTION_FRAMES), NULL),
                     PAGE_BAD_REQUEST);
    assert_int_equal(none.value, 42);
}

static void an_untouched_section_has_no_metadata(void **state) {
    struct world *world = *state;
    struct section_report report;
    page_section_report(&world->pages, 1, &report);
    assert_int_equal(report.kind, SECTION_WHOLE);
    uint64_t metadata = world->pages.metadata_bytes;
    pfn_t whole = alloc(world, PAGE_ORDER_MAX, PAGE_ANYWHERE);
    assert_int_equal(whole.value, SECTION_FRAMES);
    assert_int_equal(world->pages.metadata_bytes, metadata);
    page_free(&world->pages, whole, PAGE_ORDER_MAX);
    // Reserving a part of it makes the metadata; a request for all of it drops it again.
    assert_int_equal(
        page_reserve(&world->pages, pfn(SECTION_FRAMES), pfn(SECTION_FRAMES + 1), NULL), PAGE_OK);
    assert_int_equal(world->pages.metadata_bytes - metadata,
                     section_metadata_bytes(SECTION_FRAMES));
    pfn_t none;
    assert_int_equal(page_alloc(&world->pages, 18, PAGE_ANYWHERE, PAGE_OWNER_TEST, &none),
                     PAGE_NO_MEMORY);
    assert_int_equal(
        page_release(&world->pages, pfn(SECTION_FRAMES), pfn(SECTION_FRAMES + 1), NULL), PAGE_OK);
    whole = alloc(world, PAGE_ORDER_MAX, PAGE_ANYWHERE);
    assert_int_equal(world->pages.metadata_bytes, metadata);
    page_free(&world->pages, whole, PAGE_ORDER_MAX);
}

static void ranges_come_and_go(void **state) {
    struct world *world = *state;
    uint64_t before = page_free_count(&world->pages);
    pfn_t obstacle = pfn(0);
    // Across a section border, and across the hole at 200 MiB.
    pfn_t begin = pfn(SECTION_FRAMES - 1000), end = pfn(SECTION_FRAMES + 5);
    assert_int_equal(page_reserve(&world->pages, begin, end, NULL), PAGE_OK);
    assert_int_equal(page_inspect(&world->pages, begin).state, PAGE_STATE_RESERVED);
    assert_null(page_check(&world->pages));
    assert_int_equal(page_reserve(&world->pages, pfn(begin.value - 1), end, &obstacle),
                     PAGE_NOT_FREE);
    assert_int_equal(obstacle.value, begin.value);
    assert_int_equal(page_reserve(&world->pages, pfn(199 * 256), pfn(202 * 256), &obstacle),
                     PAGE_NOT_FREE);
    assert_int_not_equal(page_inspect(&world->pages, obstacle).state, PAGE_STATE_FREE);
    assert_true(obstacle.value >= 199 * 256 && obstacle.value <= 200 * 256);
    assert_int_equal(page_release(&world->pages, pfn(begin.value - 1), end, &obstacle),
                     PAGE_NOT_RESERVED);
    assert_int_equal(obstacle.value, begin.value - 1);
    assert_int_equal(page_release(&world->pages, begin, end, NULL), PAGE_OK);
    uint64_t metadata = section_metadata_bytes(SECTION_FRAMES) / PAGE_SIZE;
    assert_int_equal(page_free_count(&world->pages), before - metadata);
}

static void reclaimed_memory_is_given(void **state) {
    struct world *world = *state;
    uint64_t before = page_free_count(&world->pages);
    paddr_t begin = paddr(2 * GIB + 600 * MIB), end = paddr(2 * GIB + 601 * MIB);
    assert_int_equal(page_inspect(&world->pages, pfn_of(begin)).state, PAGE_STATE_UNMANAGED);
    assert_int_equal(page_release(&world->pages, pfn_of(begin), pfn_of(end), NULL), PAGE_OK);
    assert_true(memmap_set_class(&world->map, begin, end, MEMORY_USABLE));
    assert_int_equal(page_free_count(&world->pages), before + 256);
    assert_int_equal(page_release(&world->pages, pfn_of(begin), pfn_of(end), NULL),
                     PAGE_NOT_RESERVED);
}

static void memory_is_plugged_in_later(void **state) {
    struct world *world = *state;
    // In the last section, beyond all that the map called RAM. The map is not told: taken back
    // below.
    pfn_t begin = pfn(3 * SECTION_FRAMES - 100), end = pfn(3 * SECTION_FRAMES);
    uint64_t before = page_free_count(&world->pages), metadata = world->pages.metadata_bytes;
    assert_int_equal(page_release(&world->pages, begin, end, NULL), PAGE_OK);
    assert_null(page_check(&world->pages));
    assert_int_equal(world->pages.metadata_bytes, metadata);
    assert_int_equal(page_free_count(&world->pages), before + 100);
    pfn_t block = alloc(world, 2, PAGE_ANYWHERE);
    page_free(&world->pages, block, 2);
    assert_int_equal(page_retire(&world->pages, begin, end, NULL), PAGE_OK);
    assert_int_equal(page_inspect(&world->pages, begin).state, PAGE_STATE_BAD);
    assert_int_equal(page_release(&world->pages, begin, end, NULL), PAGE_NOT_RESERVED);
    struct section *section = &world->pages.sections[2];
    memset(section->state + SECTION_FRAMES - 100, STATE_UNMANAGED, 100);
}

static void a_reserved_section_is_released_in_part(void **state) {
    struct world *world = *state;
    uint64_t before = page_free_count(&world->pages);
    pfn_t begin = pfn(SECTION_FRAMES), end = pfn(2 * SECTION_FRAMES);
    assert_int_equal(page_reserve(&world->pages, begin, end, NULL), PAGE_OK);
    struct section_report report;
    page_section_report(&world->pages, 1, &report);
    assert_int_equal(report.kind, SECTION_TAKEN);
    assert_int_equal(page_inspect(&world->pages, begin).state, PAGE_STATE_RESERVED);
    pfn_t middle = pfn(begin.value + 12345);
    assert_int_equal(page_release(&world->pages, begin, middle, NULL), PAGE_OK);
    assert_null(page_check(&world->pages));
    assert_int_equal(page_release(&world->pages, middle, end, NULL), PAGE_OK);
    assert_int_equal(page_free_count(&world->pages),
                     before - section_metadata_bytes(SECTION_FRAMES) / PAGE_SIZE);
}

// Reserved or free, in one step; what is bad already is in the way.
static void reserved_frames_are_retired(void **state) {
    struct world *world = *state;
    struct page_allocator *pages = &world->pages;
    pfn_t begin = pfn(1000), end = pfn(1100), obstacle;
    assert_int_equal(page_reserve(pages, pfn(1010), pfn(1020), NULL), PAGE_OK);
    assert_int_equal(page_reserve(pages, pfn(1090), pfn(1100), NULL), PAGE_OK);
    assert_int_equal(page_retire(pages, begin, end, NULL), PAGE_OK);
    assert_null(page_check(pages));
    assert_int_equal(page_retire(pages, pfn(999), pfn(1001), &obstacle), PAGE_NOT_FREE);
    assert_int_equal(obstacle.value, 1000);
    assert_int_equal(page_retire(pages, pfn(999), pfn(1000), NULL), PAGE_OK);
    // A part of a section that is reserved as a whole.
    begin = pfn(SECTION_FRAMES);
    assert_int_equal(page_reserve(pages, begin, pfn(2 * SECTION_FRAMES), NULL), PAGE_OK);
    pfn_t bad = pfn(begin.value + 777), after = pfn(begin.value + 778);
    assert_int_equal(page_retire(pages, bad, after, NULL), PAGE_OK);
    assert_null(page_check(pages));
    assert_int_equal(page_inspect(pages, begin).state, PAGE_STATE_RESERVED);
    assert_int_equal(page_inspect(pages, bad).state, PAGE_STATE_BAD);
    assert_int_equal(page_inspect(pages, after).state, PAGE_STATE_RESERVED);
    struct page_census census;
    page_census(pages, &census);
    assert_int_equal(census.bad_pages, 102);
    assert_int_equal(census.reserved_pages, SECTION_FRAMES - 1);
}

static void reserving_all_but_a_frame_of_a_section(void **state) {
    struct world *world = *state;
    // Neither end of the section has room for its metadata: it comes from elsewhere.
    pfn_t begin = pfn(SECTION_FRAMES + 1), end = pfn(2 * SECTION_FRAMES - 1);
    assert_int_equal(page_reserve(&world->pages, begin, end, NULL), PAGE_OK);
    assert_null(page_check(&world->pages));
    assert_int_equal(page_inspect(&world->pages, pfn(SECTION_FRAMES)).state, PAGE_STATE_FREE);
    assert_int_equal(page_release(&world->pages, begin, end, NULL), PAGE_OK);
    pfn_t whole = alloc(world, PAGE_ORDER_MAX, PAGE_ANYWHERE);
    page_free(&world->pages, whole, PAGE_ORDER_MAX);
}

static void the_end_of_a_section_is_reserved(void **state) {
    struct world *world = *state;
    pfn_t begin = pfn(2 * SECTION_FRAMES - 10), end = pfn(2 * SECTION_FRAMES);
    assert_int_equal(page_reserve(&world->pages, begin, end, NULL), PAGE_OK);
    assert_int_equal(page_inspect(&world->pages, pfn(SECTION_FRAMES)).state, PAGE_STATE_METADATA);
    assert_int_equal(page_release(&world->pages, begin, end, NULL), PAGE_OK);
}

// Everything is allocated, frame by frame, and given back: the allocator is as it was.
static void all_of_it_and_back(void **state) {
    struct world *world = *state;
    uint64_t count = 0;
    static pfn_t frames[3 * SECTION_FRAMES];
    while (page_alloc(&world->pages, 0, PAGE_ANYWHERE, PAGE_OWNER_USER, &frames[count]) ==
           PAGE_OK) {
        count++;
    }
    assert_int_equal(page_free_count(&world->pages), 0);
    assert_null(page_check(&world->pages));
    for (uint64_t i = 0; i < count; i++) {
        page_free(&world->pages, frames[i], 0);
    }
    assert_int_equal(page_free_count(&world->pages), count);
    pfn_t whole = alloc(world, PAGE_ORDER_MAX, PAGE_ANYWHERE);
    page_free(&world->pages, whole, PAGE_ORDER_MAX);
}

// Takes single frames until they are refused. Returns how many are free then.
static uint64_t use_up(struct world *world, paddr_t ceiling, bool atomic) {
    enum page_status (*take)(struct page_allocator *, unsigned, paddr_t, enum page_owner, pfn_t *) =
        atomic ? page_alloc_atomic : page_alloc;
    pfn_t frame;
    while (take(&world->pages, 0, ceiling, PAGE_OWNER_USER, &frame) == PAGE_OK) {
    }
    return page_free_count(&world->pages);
}

static void reserves_are_kept(void **state) {
    struct world *world = *state;
    const struct page_reserves reserves = {.below_16m = 700, .below_4g = 5000, .atomic = 300};
    page_set_reserves(&world->pages, &reserves);
    assert_int_equal(use_up(world, PAGE_ANYWHERE, false), 5000);
    assert_true(page_free_below(&world->pages).below_16m >= 700);
    // A ceiling of 4 GiB opens that reserve, but not the one below 16 MiB.
    assert_int_equal(use_up(world, paddr(4 * GIB), false), 700);
    pfn_t none;
    assert_int_equal(
        page_alloc_contig(&world->pages, 3, 0, PAGE_ANYWHERE, 0, PAGE_OWNER_DMA, &none, NULL),
        PAGE_NO_MEMORY);
    assert_int_equal(use_up(world, paddr(16 * MIB), false), 300);
    assert_int_equal(use_up(world, PAGE_ANYWHERE, true), 300);
    assert_int_equal(use_up(world, paddr(16 * MIB), true), 0);
}

static void usual_reserves_are_parts_of_what_is_free(void **state) {
    (void)state;
    const uint64_t mib = MIB / PAGE_SIZE;
    const struct {
        struct page_reserves free, usual;
    } machines[] = {
        {{0, 0, 0}, {0, 0, 0}},
        {{8 * mib, 64 * mib, 64 * mib}, {2 * mib, 0, mib / 8}},
        {{15 * mib, 512 * mib, 1024 * mib}, {15 * mib / 4, 32 * mib, 2 * mib}},
        {{16 * mib, 3072 * mib, 8192 * mib}, {4 * mib, 64 * mib, 2 * mib}},
    };
    for (unsigned i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        struct page_reserves usual = page_usual_reserves(&machines[i].free);
        assert_memory_equal(&usual, &machines[i].usual, sizeof(usual));
    }
}

static void summaries_are_exact(void **state) {
    (void)state;
    static struct bitmap bitmap;
    for (unsigned order = 0; order < BITMAP_ORDERS; order++) {
        uint32_t blocks = (uint32_t)SECTION_FRAMES >> order, found;
        assert_false(bitmap_last_up_to(&bitmap, order, blocks - 1, &found));
        uint32_t places[] = {0, 1, 63, 64, 65, 4095, 4096, blocks / 2, blocks - 1};
        for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            uint32_t place = places[i];
            if (place >= blocks) {
                continue;
            }
            bitmap_set(&bitmap, order, place);
            assert_int_equal(bitmap.orders, 1u << order);
            assert_int_equal(bitmap_last(&bitmap, order), place);
            assert_true(bitmap_last_up_to(&bitmap, order, blocks - 1, &found) && found == place);
            assert_true(bitmap_last_up_to(&bitmap, order, place, &found) && found == place);
            assert_false(place > 0 && bitmap_last_up_to(&bitmap, order, place - 1, &found));
            bitmap_clear(&bitmap, order, place);
            assert_int_equal(bitmap.orders, 0);
        }
    }
    assert_int_equal(sizeof(bitmap.word), sizeof(uint64_t) * BITMAP_WORDS);
    assert_int_equal(bitmap_words(&bitmap, 9) + bitmap_word_count(9) - bitmap.word, BITMAP_WORDS);
    assert_int_equal(bitmap_mids(&bitmap, 9) + 1 - bitmap.mid, BITMAP_MIDS);
}

static void a_terabyte_costs_no_more_than_its_edges(void **state) {
    (void)state;
    static struct world world;
    const struct world_range ranges[] = {
        {0, 0xa0000, RAM}, {MIB, 2 * GIB, RAM}, {4 * GIB, TIB + 2 * GIB, RAM}};
    world_create(&world, ranges, 3);
    assert_int_equal(world.pages.section_count, 1026);
    // One split section and 66 bytes for each of the others.
    assert_true(world.pages.metadata_bytes < 500 * KIB);
    uint64_t before = page_free_count(&world.pages);
    pfn_t block = alloc(&world, 9, paddr(500 * GIB));
    assert_int_equal(paddr_of(block).value / GIB, 499);
    page_free(&world.pages, block, 9);
    assert_int_equal(before - page_free_count(&world.pages),
                     section_metadata_bytes(SECTION_FRAMES) / PAGE_SIZE);
    assert_null(page_check(&world.pages));
    world_destroy(&world);
}

static void tiny_memory(void **state) {
    (void)state;
    static struct world world;
    const struct world_range ranges[] = {{2 * MIB, 3 * MIB, RAM}};
    world_create(&world, ranges, 1);
    assert_int_equal(page_free_count(&world.pages), 256 - 81 - 1);
    pfn_t block = alloc(&world, 0, PAGE_ANYWHERE);
    page_free(&world.pages, block, 0);
    world_destroy(&world);
}

static void too_little_memory_is_refused(void **state) {
    (void)state;
    struct memory_region regions[8] = {{paddr(MIB), paddr(MIB + 8 * PAGE_SIZE), MEMORY_USABLE}};
    struct memmap map = {.regions = regions, .region_count = 1, .region_capacity = 8};
    struct bootmem boot;
    static struct page_allocator pages;
    host_memory(paddr(0), 2 * MIB);
    bootmem_init(&boot, &map);
    assert_false(page_init(&pages, &boot));
    assert_false(boot.closed);
    regions[0].class = MEMORY_RESERVED; // no RAM at all
    bootmem_init(&boot, &map);
    assert_false(page_init(&pages, &boot));
}

#define assert_panics(call, message)                                                               \
    do {                                                                                           \
        if (HOST_EXPECT_PANIC()) {                                                                 \
            call;                                                                                  \
            host_panic_end();                                                                      \
            fail_msg("%s did not panic", #call);                                                   \
        }                                                                                          \
        assert_string_equal(host_panic_message, message);                                          \
    } while (0)

static void wrong_frees_are_named(void **state) {
    struct world *world = *state;
    struct page_allocator *pages = &world->pages;
    pfn_t block = pfn(MIB * 100 / PAGE_SIZE);
    assert_int_equal(page_reserve(pages, pfn(block.value - 64), block, NULL), PAGE_OK);
    block = pfn(block.value - 8);
    assert_panics(page_free(pages, block, 0), "page_free: frame 0x63f8, order 0: it is reserved");
    assert_int_equal(page_release(pages, pfn(block.value - 56), pfn(block.value + 8), NULL),
                     PAGE_OK);
    pfn_t three;
    assert_int_equal(page_alloc(pages, 3, paddr(2 * MIB), PAGE_OWNER_SLAB, &three), PAGE_OK);
    assert_int_equal(three.value, 0x1f8);
    assert_panics(page_free(pages, three, 2), "page_free: frame 0x1f8: wrong order 2: it was "
                                              "allocated with order 3 for slab");
    assert_panics(page_free(pages, pfn(0x1fa), 0),
                  "page_free: frame 0x1fa, order 0: it is inside a "
                  "block, frame 0x1f8 of order 3 for slab");
    page_free(pages, three, 3);
    assert_panics(page_free(pages, three, 3),
                  "page_free: frame 0x1f8, order 3: double free: it lies in a CPU's stack");
    page_drain(pages);
    assert_panics(
        page_free(pages, three, 3),
        "page_free: frame 0x1f8, order 3: double free: it lies in a free block of order 8");
    assert_panics(page_free(pages, pfn(0xc850), 0),
                  "page_free: frame 0xc850, order 0: it is not the allocator's memory");
    assert_panics(page_free(pages, pfn(~UINT64_C(0)), 0),
                  "page_free: frame 0xffffffffffffffff, order 0: it is not the allocator's memory");
    assert_panics(page_free(pages, pfn(SECTION_FRAMES), 18),
                  "page_free: frame 0x40000, order 18: double free: it lies in a free block of "
                  "order 18");
    assert_panics(page_free(pages, three, 19),
                  "page_free: frame 0x1f8: order 19 is beyond the largest, 18");
    assert_int_equal(page_retire(pages, three, pfn(three.value + 1), NULL), PAGE_OK);
    assert_panics(page_free(pages, three, 0),
                  "page_free: frame 0x1f8, order 0: it was taken out as bad");
    assert_int_equal(page_reserve(pages, pfn(SECTION_FRAMES), pfn(SECTION_FRAMES + 1), NULL),
                     PAGE_OK);
    assert_panics(page_free(pages, pfn(2 * SECTION_FRAMES - 1), 0),
                  "page_free: frame 0x7ffff, order 0: it holds the allocator's own metadata");
    pfn_t whole;
    assert_int_equal(page_release(pages, pfn(SECTION_FRAMES), pfn(SECTION_FRAMES + 1), NULL),
                     PAGE_OK);
    assert_int_equal(page_alloc(pages, 18, PAGE_ANYWHERE, PAGE_OWNER_DMA, &whole), PAGE_OK);
    assert_panics(page_free(pages, whole, 17), "page_free: frame 0x40000: wrong order 17: it was "
                                               "allocated with order 18 for dma");
    page_free(pages, whole, 18);
}

static void a_closed_boot_allocator_panics(void **state) {
    struct world *world = *state;
    paddr_t none;
    if (HOST_EXPECT_PANIC()) {
        (void)bootmem_alloc(&world->boot, 1, 1, MEMORY_KERNEL, &none);
        host_panic_end();
        fail();
    }
    assert_non_null(strstr(host_panic_message, "assertion failed: !boot->closed"));
}

static void the_boot_allocator_spares_large_and_low_memory(void **state) {
    (void)state;
    struct memory_region regions[16] = {
        {paddr(MIB), paddr(12 * MIB), MEMORY_USABLE},
        {paddr(12 * MIB), paddr(20 * MIB), MEMORY_USABLE},
        {paddr(32 * MIB), paddr(64 * MIB), MEMORY_USABLE},
        {paddr(80 * MIB), paddr(82 * MIB), MEMORY_NVS},
    };
    struct memmap map = {.regions = regions, .region_count = 4, .region_capacity = 16};
    struct bootmem boot;
    paddr_t place;
    bootmem_init(&boot, &map);
    assert_true(bootmem_alloc(&boot, 1, 1, MEMORY_KERNEL, &place));
    assert_int_equal(place.value, 20 * MIB - PAGE_SIZE);
    assert_true(bootmem_alloc(&boot, 5 * MIB, 2 * MIB, MEMORY_KERNEL, &place));
    assert_int_equal(place.value, 58 * MIB);
    assert_true(bootmem_alloc(&boot, 26 * MIB, 1, MEMORY_KERNEL, &place));
    assert_int_equal(place.value, 32 * MIB);
    assert_true(bootmem_alloc(&boot, 7 * MIB, 1, MEMORY_KERNEL, &place));
    assert_false(bootmem_alloc(&boot, 12 * MIB, 1, MEMORY_KERNEL, &place));
    assert_false(bootmem_alloc(&boot, 0, 1, MEMORY_KERNEL, &place));
    assert_false(bootmem_alloc(&boot, UINT64_MAX, 1, MEMORY_KERNEL, &place));
}

int main(void) {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(the_boot_allocator_leaves_the_rest),
        WITH_WORLD(blocks_are_aligned_and_high_first),
        WITH_WORLD(a_ceiling_is_kept),
        WITH_WORLD(impossible_requests_are_refused),
        WITH_WORLD(an_untouched_section_has_no_metadata),
        WITH_WORLD(ranges_come_and_go),
        WITH_WORLD(reclaimed_memory_is_given),
        WITH_WORLD(memory_is_plugged_in_later),
        WITH_WORLD(a_reserved_section_is_released_in_part),
        WITH_WORLD(reserved_frames_are_retired),
        WITH_WORLD(reserving_all_but_a_frame_of_a_section),
        WITH_WORLD(the_end_of_a_section_is_reserved),
        WITH_WORLD(all_of_it_and_back),
        WITH_WORLD(reserves_are_kept),
        cmocka_unit_test(usual_reserves_are_parts_of_what_is_free),
        WITH_WORLD(wrong_frees_are_named),
        WITH_WORLD(a_closed_boot_allocator_panics),
        cmocka_unit_test(summaries_are_exact),
        cmocka_unit_test(a_terabyte_costs_no_more_than_its_edges),
        cmocka_unit_test(tiny_memory),
        cmocka_unit_test(too_little_memory_is_refused),
        cmocka_unit_test(the_boot_allocator_spares_large_and_low_memory),
    };
    return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
