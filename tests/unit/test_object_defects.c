// SPDX-License-Identifier: MIT
// The defect matrix (kernel/monitor/defects.c), played on the desk: every kind of misuse, for every
// class of kmalloc, in the first, the middle and the last slot of a slab. With the option debug all
// of it is caught, with the address, the class, who allocated and who freed; guarded objects fault.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_guard.h"
#include "object_world.h"
#include <host/host.h>
#include <monitor/defects.h>

static struct defects test;
static struct host_guard host;
static unsigned missed;
static uint64_t free_before;

static const char *panics(struct defects *game, void (*act)(void *test)) {
    if (HOST_EXPECT_PANIC()) {
        act(game);
        host_panic_end();
        return NULL;
    }
    return host_panic_message;
}

static bool faults(struct defects *game, volatile uint8_t *byte, bool write) {
    (void)game;
    uint8_t value;
    return write ? host_write_faults(byte, 1) : host_read_faults(byte, &value);
}

static void is_missed(const struct defects *game, const char *defect, const char *said) {
    missed++;
    print_error("%lu bytes, object %p: not caught: %s: %s\n", game->size, (void *)game->object,
                defect, said != NULL ? said : "nothing was said");
}

static bool goes_on(void) {
    return false;
}

static int setup(void **state) {
    (void)state;
    const struct world_range range = {MIB, 256 * MIB, EFI_CONVENTIONAL};
    static struct object_guard_pages pages;
    world_create(&world, &range, 1);
    pages = host_guard_pages(&host);
    test = (struct defects){
        .pages = &world.pages,
        .guard_pages = &pages,
        .panics = panics,
        .faults = faults,
        .missed = is_missed,
        .stopped = goes_on,
    };
    missed = 0;
    free_before = page_free_count(&world.pages);
    host_code_name = "culprit";
    return 0;
}

// All was caught, as many as there have to be, and all memory came back.
static void expect_all(uint64_t least) {
    print_message("%lu of %lu defects caught\n", test.caught, test.played);
    assert_int_equal(missed, 0);
    assert_int_equal(test.caught, test.played);
    assert_true(test.played >= least);
}

static int teardown(void **state) {
    (void)state;
    page_drain(&world.pages);
    assert_int_equal(page_free_count(&world.pages), free_before);
    assert_int_equal(host.open_pages + host.hidden_pages, 0);
    world_destroy(&world);
    return 0;
}

static void what_is_promised_is_caught_always(void **state) {
    (void)state;
    defects_play(&test, false);
    expect_all(6000);
}

static void all_is_caught_with_debug(void **state) {
    (void)state;
    defects_play(&test, true);
    expect_all(8500);
}

static void guarded_objects_fault(void **state) {
    (void)state;
    defects_play_guarded(&test);
    expect_all(16000);
}

// A game that catches nothing says so of each defect: the matrix can fail.
static const char *never_panics(struct defects *game, void (*act)(void *test)) {
    const char *said = panics(game, act);
    return said != NULL ? "all is well" : NULL;
}

// The parameter is what the matrix calls for: NOLINTNEXTLINE(readability-non-const-parameter)
static bool never_faults(struct defects *game, volatile uint8_t *byte, bool write) {
    (void)game, (void)byte, (void)write;
    return false;
}

static void is_missed_quietly(const struct defects *game, const char *defect, const char *said) {
    (void)game, (void)defect, (void)said;
    missed++;
}

static bool after_the_first(void) {
    return test.played != 0;
}

static void what_is_not_caught_is_said(void **state) {
    (void)state;
    test.panics = never_panics;
    test.faults = never_faults;
    test.missed = is_missed_quietly;
    test.stopped = after_the_first;
    defects_play(&test, true);
    assert_in_range(test.played, 20, 60);
    assert_int_equal(missed, test.played - test.caught);
    assert_in_range(test.caught, 1, test.played / 2 + 10);
    uint64_t before = missed;
    test.played = 0;
    defects_play_guarded(&test);
    assert_in_range(missed - before, 30, 70);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_promised_is_caught_always),
        TEST(all_is_caught_with_debug),
        TEST(guarded_objects_fault),
        TEST(what_is_not_caught_is_said),
    };
    return cmocka_run_group_tests_name("object_defects", tests, NULL, NULL);
}
