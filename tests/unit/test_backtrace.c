// SPDX-License-Identifier: MIT
// Walking stacks that are whole, broken, endless.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lib/backtrace.h>

// A stack of 64 words; frames are made by hand in it.
struct fake {
    uint64_t words[64];
    struct stack_range range;
};

static void fake_init(struct fake *fake) {
    *fake = (struct fake){0};
    fake->range.begin = (uint64_t)fake->words;
    fake->range.end = (uint64_t)(fake->words + 64);
}

static uint64_t address(struct fake *fake, size_t word) {
    return (uint64_t)(fake->words + word);
}

static void frame(struct fake *fake, size_t word, uint64_t saved, uint64_t called_from) {
    fake->words[word] = saved;
    fake->words[word + 1] = called_from;
}

static void three_calls(struct fake *fake) {
    fake_init(fake);
    frame(fake, 4, address(fake, 10), 0x1111);
    frame(fake, 10, address(fake, 62), 0x2222);
    frame(fake, 62, 0, 0x3333);
}

static void a_whole_stack_is_walked_to_its_end(void **state) {
    (void)state;
    struct fake fake;
    uint64_t calls[8];
    enum backtrace_end end;
    three_calls(&fake);
    assert_int_equal(backtrace_walk(&fake.range, 1, address(&fake, 4), calls, 8, &end), 3);
    assert_int_equal(end, BACKTRACE_COMPLETE);
    assert_int_equal(calls[0], 0x1111);
    assert_int_equal(calls[1], 0x2222);
    assert_int_equal(calls[2], 0x3333);
}

static void a_walk_stops_when_there_is_no_room(void **state) {
    (void)state;
    struct fake fake;
    uint64_t calls[2];
    enum backtrace_end end;
    three_calls(&fake);
    assert_int_equal(backtrace_walk(&fake.range, 1, address(&fake, 4), calls, 2, &end), 2);
    assert_int_equal(end, BACKTRACE_FULL);
}

// Where the second frame's saved pointer may lead: nothing of it is read.
static void broken_pointers_end_the_walk(void **state) {
    (void)state;
    struct fake fake;
    three_calls(&fake);
    const uint64_t wrong[] = {
        address(&fake, 10),     // itself: a loop
        address(&fake, 4),      // back: a loop
        address(&fake, 20) + 1, // not aligned
        address(&fake, 63),     // its second word is outside
        address(&fake, 64),     // outside
        address(&fake, 0) - 8,  // outside
        UINT64_MAX - 7,         // the top of the address space
        8,                      // its bottom
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t calls[8];
        enum backtrace_end end;
        frame(&fake, 10, wrong[i], 0x2222);
        assert_int_equal(backtrace_walk(&fake.range, 1, address(&fake, 4), calls, 8, &end), 2);
        assert_int_equal(end, BACKTRACE_BROKEN);
    }
}

static void the_first_pointer_is_not_trusted_either(void **state) {
    (void)state;
    struct fake fake;
    uint64_t calls[8];
    enum backtrace_end end;
    three_calls(&fake);
    assert_int_equal(backtrace_walk(&fake.range, 1, 0xdead, calls, 8, &end), 0);
    assert_int_equal(end, BACKTRACE_BROKEN);
    assert_int_equal(backtrace_walk(&fake.range, 1, 0, calls, 8, &end), 0);
    assert_int_equal(end, BACKTRACE_COMPLETE);
    assert_int_equal(backtrace_walk(&fake.range, 0, address(&fake, 4), calls, 8, &end), 0);
    assert_int_equal(end, BACKTRACE_BROKEN);
}

static void a_walk_may_cross_into_another_stack(void **state) {
    (void)state;
    struct fake fake[2];
    uint64_t calls[8];
    enum backtrace_end end;
    fake_init(&fake[0]);
    fake_init(&fake[1]);
    frame(&fake[0], 4, address(&fake[1], 10), 0x1111);
    frame(&fake[1], 10, 0, 0x2222);
    const struct stack_range ranges[] = {fake[0].range, fake[1].range};
    assert_int_equal(backtrace_walk(ranges, 2, address(&fake[0], 4), calls, 8, &end), 2);
    assert_int_equal(end, BACKTRACE_COMPLETE);
    assert_int_equal(calls[1], 0x2222);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_stack_is_walked_to_its_end),
        cmocka_unit_test(a_walk_stops_when_there_is_no_room),
        cmocka_unit_test(broken_pointers_end_the_walk),
        cmocka_unit_test(the_first_pointer_is_not_trusted_either),
        cmocka_unit_test(a_walk_may_cross_into_another_stack),
    };
    return cmocka_run_group_tests_name("backtrace", tests, NULL, NULL);
}
