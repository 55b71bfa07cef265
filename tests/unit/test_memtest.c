// SPDX-License-Identifier: MIT
// The memory test over simulated memory with faults. march.c is compiled here with loads and stores
// that go through the simulation; everything else is the production code.
//
// Each faulty frame has one fault, chosen at random: a bit that is stuck, a bit that cannot change
// in one direction, an address whose cell is another frame's (both frames count as bad: nobody can
// know which one owns the cell), a whole frame that is another frame's, or a write that changes a
// bit of a word in another frame.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <page/section.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t simulated_load(const uint64_t *pointer);
static void simulated_store(uint64_t *pointer, uint64_t value);
#define MEMTEST_LOAD(word)         simulated_load(word)
#define MEMTEST_STORE(word, value) simulated_store(word, value)
#include "../../mm/memtest/march.c" // NOLINT(bugprone-suspicious-include)

#define RAM_BEGIN (64 * MIB)
#define FRAMES    UINT64_C(512)
#define RAM_END   (RAM_BEGIN + FRAMES * PAGE_SIZE)
#define FRAME_0   (RAM_BEGIN / PAGE_SIZE)
#define WORDS     (PAGE_SIZE / sizeof(uint64_t)) // of a frame
#define RUNS      64
#define BAD       512

enum kind { NO_FAULT, STUCK, TRANSITION, ALIAS, FRAME_ALIAS, COUPLING, KIND_COUNT_ };

struct fault {
    enum kind kind;
    unsigned word, bit, other_word;
    uint64_t other; // the frame that has the cell, or that holds the victim
    bool up;        // stuck at one; cannot become one; couples when its bit becomes one
    bool value;     // what the victim's bit becomes
};

static struct world world;
static struct memtest test;
static struct memtest_range runs[RUNS], bad[BAD];
static struct fault faults[FRAMES]; // of each frame
static uint8_t should_be_bad[FRAMES];
static uint64_t found[KIND_COUNT_], planted[KIND_COUNT_], tried;
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t *cell(uint64_t frame, uint64_t word) {
    return (uint64_t *)port_direct_map(paddr(RAM_BEGIN + frame * PAGE_SIZE)) + word;
}

// The cell that an address reaches, and the fault of its frame.
static uint64_t *reach(const uint64_t *pointer, struct fault **fault, unsigned *word) {
    uint64_t address = (uint64_t)((const uint8_t *)pointer - host_ram) + host_ram_begin;
    uint64_t frame = (address - RAM_BEGIN) / PAGE_SIZE;
    static struct fault none;
    if (frame >= FRAMES) {
        *fault = &none;
        *word = 0;
        return (uint64_t *)(uintptr_t)pointer;
    }
    *word = (unsigned)(address % PAGE_SIZE / sizeof(uint64_t));
    *fault = &faults[frame];
    bool alias =
        (*fault)->kind == FRAME_ALIAS || ((*fault)->kind == ALIAS && (*fault)->word == *word);
    return alias ? cell((*fault)->other, *word) : cell(frame, *word);
}

static uint64_t simulated_load(const uint64_t *pointer) {
    struct fault *fault;
    unsigned word;
    uint64_t *at = reach(pointer, &fault, &word);
    uint64_t bit = UINT64_C(1) << fault->bit;
    if (fault->kind == STUCK && fault->word == word) {
        return fault->up ? *at | bit : *at & ~bit;
    }
    return *at;
}

static void couple(const struct fault *fault) {
    uint64_t *victim = cell(fault->other, fault->other_word);
    uint64_t bit = UINT64_C(1) << fault->bit;
    *victim = fault->value ? *victim | bit : *victim & ~bit;
}

static void simulated_store(uint64_t *pointer, uint64_t value) {
    struct fault *fault;
    unsigned word;
    uint64_t *at = reach(pointer, &fault, &word);
    uint64_t bit = UINT64_C(1) << fault->bit, before = *at;
    bool here = fault->word == word;
    if (fault->kind == TRANSITION && here && ((before ^ value) & bit) != 0 &&
        ((value & bit) != 0) == fault->up) {
        value ^= bit;
    }
    *at = value;
    if (fault->kind == COUPLING && here && ((before ^ value) & bit) != 0 &&
        ((value & bit) != 0) == fault->up) {
        couple(fault);
    }
}

static int set_up(void **state) {
    (void)state;
    // What is tested, and beside it what holds the page allocator's own structures.
    const struct world_range ranges[] = {{16 * MIB, 20 * MIB, EFI_CONVENTIONAL},
                                         {RAM_BEGIN, RAM_END, EFI_CONVENTIONAL}};
    world_create(&world, ranges, 2);
    memset(faults, 0, sizeof(faults));
    memset(should_be_bad, 0, sizeof(should_be_bad));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    assert_null(page_check(&world.pages));
    world_destroy(&world);
    return 0;
}

static uint64_t pick(uint64_t below) {
    return world_random(&seed) % below;
}

// A frame without a fault that no fault concerns yet.
static uint64_t untouched_frame(const bool *touched) {
    uint64_t frame;
    do {
        frame = pick(FRAMES);
    } while (touched[frame]);
    return frame;
}

// Whether the allocator gives the frame out: its metadata may lie among the others.
static bool testable(uint64_t frame) {
    return page_inspect(&world.pages, pfn(FRAME_0 + frame)).state == PAGE_STATE_FREE;
}

static void plant(uint64_t frame, enum kind kind, bool *touched) {
    bool two = kind == ALIAS || kind == FRAME_ALIAS || kind == COUPLING;
    struct fault fault = {
        .kind = kind,
        .word = (unsigned)pick(WORDS),
        .bit = (unsigned)pick(64),
        .other_word = (unsigned)pick(WORDS),
        .up = pick(2) != 0,
        .value = pick(2) != 0,
    };
    touched[frame] = true;
    if (two) {
        fault.other = untouched_frame(touched);
        touched[fault.other] = true;
        should_be_bad[fault.other] = 1;
    }
    should_be_bad[frame] = kind != COUPLING; // a coupling shows in its victim
    faults[frame] = fault;
    planted[kind]++;
}

static void plant_many(unsigned count) {
    bool touched[FRAMES] = {false};
    memset(faults, 0, sizeof(faults));
    memset(should_be_bad, 0, sizeof(should_be_bad));
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        touched[frame] = !testable(frame);
    }
    for (unsigned i = 0; i < count; i++) {
        plant(untouched_frame(touched), (enum kind)(1 + pick(KIND_COUNT_ - 1)), touched);
    }
}

static void take_all(unsigned passes) {
    memtest_init(&test, runs, RUNS, bad, BAD, passes, world_random(&seed));
    pfn_t end = pfn(FRAME_0 + FRAMES);
    assert_int_equal(memtest_take(&test, &world.pages, pfn(FRAME_0), end).value, end.value);
}

static void run_to_the_end(void) {
    unsigned percent = 0;
    while (memtest_step(&test) != MEMTEST_DONE) {
        assert_true(memtest_percent(&test) >= percent);
        percent = memtest_percent(&test);
        assert_true(percent <= 100);
    }
    assert_int_equal(memtest_percent(&test), 100);
    assert_int_equal(memtest_step(&test), MEMTEST_DONE);
}

static bool failed(uint64_t frame) {
    for (size_t i = 0; i < test.bad_count; i++) {
        if (test.bad[i].begin.value <= FRAME_0 + frame && FRAME_0 + frame < test.bad[i].end.value) {
            return true;
        }
    }
    return false;
}

// M3, and the described faults are real ones.
static void check_bad(void) {
    uint64_t pages = 0;
    for (size_t i = 0; i < test.bad_count; i++) {
        assert_true(test.bad[i].begin.value < test.bad[i].end.value);
        assert_true(i == 0 || test.bad[i - 1].end.value < test.bad[i].begin.value);
        pages += test.bad[i].end.value - test.bad[i].begin.value;
    }
    assert_int_equal(pages, test.bad_pages);
    for (size_t i = 0; i < test.fault_count; i++) {
        assert_true(failed(test.faults[i].address.value / PAGE_SIZE - FRAME_0));
        assert_true(test.faults[i].expected != test.faults[i].found);
    }
}

static void count_found(void) {
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        const struct fault *fault = &faults[frame];
        bool seen = fault->kind == COUPLING ? failed(fault->other) : failed(frame);
        bool both =
            fault->kind != ALIAS && fault->kind != FRAME_ALIAS ? true : failed(fault->other);
        found[fault->kind] += seen && both;
        if (fault->kind != NO_FAULT && fault->kind != COUPLING && !(seen && both)) {
            fail_msg("frame %lu, kind %d, word %u, bit %u, %s: not found", frame, (int)fault->kind,
                     fault->word, fault->bit, fault->up ? "up" : "down");
        }
        if (failed(frame) && !should_be_bad[frame]) {
            fail_msg("frame %lu is good and failed", frame);
        }
    }
}

// Nothing that failed can be had; everything else can.
static void check_what_is_handed_out(void) {
    pfn_t block;
    static pfn_t blocks[FRAMES];
    uint64_t count = 0, good = 0;
    while (page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) == PAGE_OK) {
        if (block.value < FRAME_0) {
            page_free(&world.pages, block, 0);
            break; // those above are handed out first, and all gone
        }
        assert_false(failed(block.value - FRAME_0));
        blocks[count++] = block;
    }
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        struct page_info info = page_inspect(&world.pages, pfn(FRAME_0 + frame));
        assert_int_equal(info.state == PAGE_STATE_BAD, failed(frame));
        good += info.state == PAGE_STATE_ALLOCATED;
    }
    assert_int_equal(good, count);
    while (count != 0) {
        page_free(&world.pages, blocks[--count], 0);
    }
}

static void good_memory_never_fails(void **state) {
    (void)state;
    uint64_t before = page_free_count(&world.pages);
    take_all(2);
    assert_int_equal(test.run_count, 1);
    run_to_the_end();
    assert_int_equal(test.mismatches, 0);
    assert_int_equal(test.bad_count, 0);
    struct memtest_outcome outcome = memtest_give_back(&test, &world.pages);
    assert_int_equal(outcome.released_pages + outcome.retired_pages + outcome.kept_pages,
                     outcome.released_pages);
    assert_int_equal(page_free_count(&world.pages), before);
}

// M1 to M5, all kinds at once.
static void faults_are_found_and_retired(void **state) {
    (void)state;
    const char *more = getenv("STRATA_STEPS");
    unsigned rounds_wanted = more != NULL ? (unsigned)strtoul(more, NULL, 0) : 4;
    for (unsigned i = 0; i < rounds_wanted; i++) {
        plant_many(120);
        uint64_t before = page_free_count(&world.pages);
        take_all(1);
        run_to_the_end();
        check_bad();
        count_found();
        tried += 120;
        struct memtest_outcome outcome = memtest_give_back(&test, &world.pages);
        assert_int_equal(outcome.retired_pages, test.bad_pages);
        assert_int_equal(outcome.kept_pages, 0);
        assert_int_equal(page_free_count(&world.pages), before - test.bad_pages);
        check_what_is_handed_out();
        assert_null(page_check(&world.pages));
        tear_down(NULL);
        set_up(NULL);
    }
    static const char *const names[] = {"none",  "stuck",       "transition",
                                        "alias", "frame alias", "coupling"};
    for (unsigned kind = 1; kind < KIND_COUNT_; kind++) {
        printf("%s: %lu of %lu found\n", names[kind], found[kind], planted[kind]);
    }
    // What March C- promises: all of them, one victim and one aggressor.
    assert_int_equal(found[COUPLING], planted[COUPLING]);
    assert_int_equal(tried, rounds_wanted * UINT64_C(120));
}

static void a_fault_is_described(void **state) {
    (void)state;
    faults[7] = (struct fault){.kind = STUCK, .word = 3, .bit = 17, .up = true};
    take_all(1);
    run_to_the_end();
    assert_int_equal(test.fault_count, 1);
    const struct memtest_fault *fault = &test.faults[0];
    assert_int_equal(fault->address.value, RAM_BEGIN + 7 * PAGE_SIZE + 3 * 8);
    assert_int_equal(fault->expected ^ fault->found, UINT64_C(1) << 17);
    assert_int_equal(fault->found & UINT64_C(1) << 17, UINT64_C(1) << 17);
    assert_int_equal(fault->pattern, MEMTEST_ADDRESS);
    assert_int_equal(fault->pass, 0);
    assert_string_equal(memtest_pattern_name(fault->pattern), "own address");
    assert_string_equal(memtest_pattern_name(MEMTEST_PATTERN_COUNT_), "?");
    assert_int_equal(test.wrong_bits, UINT64_C(1) << 17);
    assert_true(test.mismatches >= 5);
    memtest_give_back(&test, &world.pages);
}

// Stopped half-way: what failed until then is out, the rest is free again.
static void a_test_can_be_stopped(void **state) {
    (void)state;
    uint64_t before = page_free_count(&world.pages);
    faults[9] = (struct fault){.kind = STUCK, .word = 0, .bit = 0, .up = true};
    take_all(3);
    while (test.fault_count == 0) {
        assert_int_not_equal(memtest_step(&test), MEMTEST_DONE);
    }
    struct memtest_outcome outcome = memtest_give_back(&test, &world.pages);
    assert_int_equal(outcome.retired_pages, 1);
    assert_int_equal(page_free_count(&world.pages), before - 1);
    assert_int_equal(memtest_step(&test), MEMTEST_DONE);
}

// More bad ranges than there is room for: good frames between them go with them, none is lost.
static void a_full_list_is_widened(void **state) {
    (void)state;
    for (uint64_t frame = 0; frame < 200; frame += 2) {
        if (testable(frame)) {
            faults[frame] = (struct fault){.kind = STUCK, .bit = 5, .up = true};
            should_be_bad[frame] = 1;
        }
    }
    memtest_init(&test, runs, RUNS, bad, 8, 1, 1);
    memtest_take(&test, &world.pages, pfn(FRAME_0), pfn(FRAME_0 + FRAMES));
    run_to_the_end();
    check_bad();
    assert_int_equal(test.bad_count, 8);
    uint64_t widened = 0;
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        assert_true(!should_be_bad[frame] || failed(frame));
        widened += failed(frame) && !should_be_bad[frame];
    }
    assert_int_equal(widened, test.widened_pages);
    assert_int_equal(test.fault_count, MEMTEST_FAULTS);
    memtest_give_back(&test, &world.pages);
    check_what_is_handed_out();
}

// Runs longer than a step; a bad frame in the last one. (The page allocator's own structures lie
// above the frames that are used here.)
static void a_long_run_in_steps(void **state) {
    (void)state;
    uint64_t begin = FRAME_0 - 1000, end = FRAME_0 + 300;
    assert_true(testable(299));
    faults[299] = (struct fault){.kind = TRANSITION, .word = WORDS - 1, .bit = 63};
    memtest_init(&test, runs, 1, bad, BAD, 1, 1);
    assert_true(memtest_add(&test, pfn(begin), pfn(begin + 900)));
    assert_true(memtest_add(&test, pfn(begin + 900), pfn(end))); // the same run
    assert_false(memtest_add(&test, pfn(end + 1), pfn(end + 2)));
    assert_int_equal(test.run_count, 1);
    assert_int_equal(test.sweep_bytes, 1300 * PAGE_SIZE);
    assert_int_equal(memtest_step(&test), MEMTEST_MORE);
    run_to_the_end();
    assert_int_equal(test.bad_count, 1);
    assert_int_equal(test.bad[0].begin.value, end - 1);
    assert_int_equal(test.faults[0].address.value, end * PAGE_SIZE - 8);
    assert_int_equal(test.swept_bytes % test.sweep_bytes, 0);
}

// When the list is full, the nearer range grows.
static void the_nearer_range_grows(void **state) {
    (void)state;
    memtest_init(&test, runs, 1, bad, 2, 1, 1);
    assert_true(add_bad(&test, 100) && add_bad(&test, 200));
    assert_true(add_bad(&test, 190) && add_bad(&test, 103) && add_bad(&test, 50));
    assert_false(add_bad(&test, 195) || add_bad(&test, 60));
    assert_true(add_bad(&test, 201) && add_bad(&test, 300));
    assert_int_equal(bad[0].begin.value, 50);
    assert_int_equal(bad[0].end.value, 104);
    assert_int_equal(bad[1].begin.value, 190);
    assert_int_equal(bad[1].end.value, 301);
    assert_int_equal(test.bad_pages, 54 + 111);
    assert_int_equal(test.widened_pages, 9 + 2 + 49 + 98);
}

// Many runs: those that do not fit wait for the next test.
static void more_runs_than_fit(void **state) {
    (void)state;
    pfn_t end = pfn(FRAME_0 + FRAMES), begin = pfn(FRAME_0);
    for (uint64_t frame = 1; frame < 200; frame += 3) {
        (void)page_reserve(&world.pages, pfn(FRAME_0 + frame), pfn(FRAME_0 + frame + 1), NULL);
    }
    uint64_t before = page_free_count(&world.pages), taken = 0;
    unsigned tests = 0;
    while (begin.value < end.value) {
        memtest_init(&test, runs, 10, bad, BAD, 1, 1);
        begin = memtest_take(&test, &world.pages, begin, end);
        taken += test.sweep_bytes / PAGE_SIZE;
        run_to_the_end();
        assert_int_equal(memtest_give_back(&test, &world.pages).kept_pages, 0);
        tests++;
    }
    assert_int_equal(page_free_count(&world.pages), before);
    assert_true(tests >= 7 && taken > 300);
    assert_int_equal(page_inspect(&world.pages, pfn(FRAME_0 + 1)).state, PAGE_STATE_RESERVED);
}

static void frames_in_a_stack_are_tested_too(void **state) {
    (void)state;
    pfn_t block;
    assert_int_equal(page_alloc(&world.pages, 0, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block), PAGE_OK);
    take_all(1);
    uint64_t free_pages = 0;
    for (size_t i = 0; i < test.run_count; i++) {
        free_pages += runs[i].end.value - runs[i].begin.value;
        assert_false(runs[i].begin.value <= block.value && block.value < runs[i].end.value);
    }
    assert_true(free_pages >= FRAMES - 100);
    memtest_give_back(&test, &world.pages);
    page_free(&world.pages, block, 0);
}

// Sections that are reserved as a whole come apart for one frame: the metadata for that comes from
// runs without bad frames, which are given back first.
static void whole_sections_come_apart(void **state) {
    (void)state;
    const struct world_range ranges[] = {{MIB, 3 * GIB, EFI_CONVENTIONAL},
                                         {4 * GIB, 6 * GIB, EFI_CONVENTIONAL}};
    struct world large;
    world_create(&large, ranges, 2);
    struct page_allocator *pages = &large.pages;
    uint64_t before = page_free_count(pages);
    pfn_t end = pfn(6 * SECTION_FRAMES);
    memtest_init(&test, runs, RUNS, bad, BAD, 1, 1);
    assert_int_equal(memtest_take(&test, pages, pfn(0), end).value, end.value);
    assert_int_equal(page_free_count(pages), 0);
    assert_int_equal(test.sweep_bytes, before * PAGE_SIZE);
    for (uint64_t frame = 4 * SECTION_FRAMES + 5; frame < end.value; frame += SECTION_FRAMES) {
        assert_true(add_bad(&test, frame));
    }
    struct memtest_outcome outcome = memtest_give_back(&test, pages);
    assert_int_equal(outcome.retired_pages, 2);
    assert_int_equal(outcome.kept_pages, 0);
    assert_int_equal(outcome.released_pages, before - 2);
    uint64_t metadata = 2 * section_metadata_bytes(SECTION_FRAMES) / PAGE_SIZE;
    assert_int_equal(page_free_count(pages), before - 2 - metadata);
    assert_null(page_check(pages));
    world_destroy(&large);
}

int main(void) {
#define WITH_WORLD(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_WORLD(good_memory_never_fails),
        WITH_WORLD(faults_are_found_and_retired),
        WITH_WORLD(a_fault_is_described),
        WITH_WORLD(a_test_can_be_stopped),
        WITH_WORLD(a_full_list_is_widened),
        WITH_WORLD(a_long_run_in_steps),
        WITH_WORLD(the_nearer_range_grows),
        WITH_WORLD(more_runs_than_fit),
        WITH_WORLD(frames_in_a_stack_are_tested_too),
        cmocka_unit_test(whole_sections_come_apart),
    };
    return cmocka_run_group_tests_name("memtest", tests, NULL, NULL);
}
