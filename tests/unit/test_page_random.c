// SPDX-License-Identifier: MIT
// Random operations on the page allocator against an oracle that is one byte a frame and knows
// nothing of buddies.
//
// The oracle knows for each frame whether it is free and, for the first frame of a live block, its
// order. A refusal is checked by brute force: no aligned run of free frames below the ceiling may
// exist. Metadata that the allocator makes on the way is learnt from page_inspect, and must have
// come from free frames.
// Bad frames are out for good, so every so often a fresh world with the next seed takes over.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence (`make test-long`).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <mm/ledger.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES      (4 * SECTION_FRAMES)
#define LIVE_MAX    4096
#define WORLD_STEPS 200000 // operations in one world
#define SECTIONS    (FRAMES >> SECTION_SHIFT)

enum { KEPT, FREE, USED, RESERVED, BAD, METADATA };

static uint8_t oracle[FRAMES];
static struct live {
    uint64_t frame;
    unsigned order;
} live[LIVE_MAX];
static size_t live_count;
static uint64_t seed;
static struct world world;

static uint64_t pick(uint64_t below) {
    return world_random(&seed) % below;
}

static void mark(uint64_t begin, uint64_t end, uint8_t state) {
    memset(oracle + begin, state, end - begin);
}

static bool all(uint64_t begin, uint64_t end, uint8_t state) {
    for (uint64_t frame = begin; frame < end; frame++) {
        if (oracle[frame] != state) {
            return false;
        }
    }
    return true;
}

// Metadata may have been made, or dropped, since the last look.
static uint64_t known_metadata;
static void learn_metadata(void) {
    if (world.pages.metadata_bytes == known_metadata) {
        return;
    }
    known_metadata = world.pages.metadata_bytes;
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        bool metadata = page_inspect(&world.pages, pfn(frame)).state == PAGE_STATE_METADATA;
        if (metadata) {
            assert_true(oracle[frame] == FREE || oracle[frame] == METADATA);
            oracle[frame] = METADATA;
        } else if (oracle[frame] == METADATA) {
            oracle[frame] = FREE;
        }
    }
}

static bool can_be_satisfied(unsigned order, uint64_t ceiling) {
    uint64_t size = UINT64_C(1) << order;
    for (uint64_t frame = 0; frame + size <= ceiling && frame < FRAMES; frame += size) {
        if (all(frame, frame + size, FREE)) {
            return true;
        }
    }
    return false;
}

static void random_alloc(void) {
    unsigned order = (unsigned)(pick(4) == 0 ? pick(19) : pick(6));
    uint64_t ceiling = pick(3) == 0 ? pick(FRAMES) + 1 : FRAMES;
    pfn_t block;
    if (live_count == LIVE_MAX) {
        return;
    }
    enum page_status status =
        page_alloc(&world.pages, order, paddr(ceiling * PAGE_SIZE), PAGE_OWNER_TEST, &block);
    learn_metadata();
    if (status != PAGE_OK) {
        assert_int_equal(status, PAGE_NO_MEMORY);
        assert_false(can_be_satisfied(order, ceiling));
        return;
    }
    uint64_t size = UINT64_C(1) << order;
    assert_true((block.value & (size - 1)) == 0 && block.value + size <= ceiling);
    assert_true(all(block.value, block.value + size, FREE));
    mark(block.value, block.value + size, USED);
    live[live_count++] = (struct live){block.value, order};
}

static void random_free(void) {
    if (live_count == 0) {
        return;
    }
    size_t i = pick(live_count);
    struct live block = live[i];
    live[i] = live[--live_count];
    page_free(&world.pages, pfn(block.frame), block.order);
    mark(block.frame, block.frame + (UINT64_C(1) << block.order), FREE);
    learn_metadata();
}

enum { TO_RESERVE, TO_RELEASE, TO_RETIRE };

static bool can_change(unsigned which, uint8_t state) {
    return which == TO_RELEASE ? state == RESERVED || state == KEPT
                               : state == FREE || (which == TO_RETIRE && state == RESERVED);
}

static void random_range(void) {
    static enum page_status (*const change[])(struct page_allocator *, pfn_t, pfn_t,
                                              pfn_t *) = {page_reserve, page_release, page_retire};
    uint64_t begin = pick(FRAMES);
    uint64_t length = 1 + (pick(50) == 0 ? pick(2 * SECTION_FRAMES) : pick(300));
    uint64_t end = begin + length < FRAMES ? begin + length : FRAMES;
    unsigned which = (unsigned)(pick(40) == 0 ? 2 : pick(2));
    pfn_t obstacle = pfn(0);
    enum page_status status = change[which](&world.pages, pfn(begin), pfn(end), &obstacle);
    learn_metadata();
    if (status == PAGE_NO_MEMORY) {
        return;
    }
    for (uint64_t frame = begin; frame < (status == PAGE_OK ? end : obstacle.value); frame++) {
        assert_true(can_change(which, oracle[frame]));
    }
    if (status == PAGE_OK) {
        mark(begin, end, which == TO_RESERVE ? RESERVED : which == TO_RELEASE ? FREE : BAD);
    } else {
        assert_false(can_change(which, oracle[obstacle.value]));
    }
}

static void compare_counts(void) {
    uint64_t counts[METADATA + 1] = {0};
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        counts[oracle[frame]]++;
    }
    struct page_census census;
    page_census(&world.pages, &census);
    assert_int_equal(census.free_pages + census.cached_pages, counts[FREE]);
    assert_int_equal(census.reserved_pages, counts[RESERVED]);
    assert_int_equal(census.bad_pages, counts[BAD]);
    assert_int_equal(census.metadata_pages, counts[METADATA]);
    assert_int_equal(census.owned_pages[PAGE_OWNER_TEST], counts[USED]);
    assert_int_equal(page_free_count(&world.pages), counts[FREE]);
}

// page_section_report's blocks, against aligned runs of free frames that cannot be larger.
static void compare_report(uint64_t index) {
    struct section_report report;
    uint64_t counts[PAGE_ORDER_COUNT] = {0};
    page_drain(&world.pages);
    page_section_report(&world.pages, index, &report);
    uint64_t base = index * SECTION_FRAMES;
    for (uint64_t frame = base; frame < base + SECTION_FRAMES;) {
        if (oracle[frame] != FREE) {
            frame++;
            continue;
        }
        unsigned order = 0;
        while (order < PAGE_ORDER_MAX && (frame & ((UINT64_C(2) << order) - 1)) == 0 &&
               all(frame + (UINT64_C(1) << order), frame + (UINT64_C(2) << order), FREE)) {
            order++;
        }
        counts[order]++;
        frame += UINT64_C(1) << order;
    }
    for (unsigned order = 0; order < PAGE_ORDER_COUNT; order++) {
        assert_int_equal(report.free_blocks[order], counts[order]);
    }
}

static uint64_t environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 0) : otherwise;
}

static void start_world(void) {
    const struct world_range ranges[] = {{MIB, 300 * MIB, EFI_CONVENTIONAL},
                                         {301 * MIB, 700 * MIB, EFI_CONVENTIONAL},
                                         {700 * MIB, 720 * MIB, EFI_BOOT_SERVICES_DATA},
                                         {GIB, 3 * GIB, EFI_CONVENTIONAL},
                                         {3 * GIB, 4 * GIB, EFI_BOOT_SERVICES_DATA}};
    world_create(&world, ranges, sizeof(ranges) / sizeof(ranges[0]));
    known_metadata = 0;
    mark(0, FRAMES, KEPT);
    for (size_t i = 0; i < world.map.region_count; i++) {
        const struct memory_region *region = &world.map.regions[i];
        if (region->class == MEMORY_USABLE) {
            mark(region->begin.value / PAGE_SIZE, region->end.value / PAGE_SIZE, FREE);
        }
    }
}

static void random_step(void) {
    uint64_t what = pick(100);
    if (what < 55) {
        random_alloc();
    } else if (what < 90) {
        random_free();
    } else {
        random_range();
    }
}

static void check_everything(void) {
    assert_null(page_check(&world.pages));
    compare_counts();
    compare_report(pick(SECTIONS));
}

static void random_operations_agree_with_the_oracle(void **state) {
    (void)state;
    uint64_t first_seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    uint64_t steps = environment("STRATA_STEPS", 30000), worlds = 0, checks = 0;
    for (uint64_t done = 0; done < steps; worlds++) {
        uint64_t end = steps - done < WORLD_STEPS ? steps : done + WORLD_STEPS;
        seed = first_seed + worlds != 0 ? first_seed + worlds : 1; // xorshift stays at 0
        start_world();
        while (done < end) {
            random_step();
            if (++done % 1000 == 0) {
                check_everything();
                checks++;
            }
        }
        while (live_count != 0) {
            random_free();
        }
        check_everything();
        checks++;
        world_destroy(&world);
    }
    printf("seed 0x%lx: %lu operations in %lu worlds, checked %lu times, nothing wrong\n",
           first_seed, steps, worlds, checks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_oracle),
    };
    return cmocka_run_group_tests_name("page_random", tests, NULL, NULL);
}
