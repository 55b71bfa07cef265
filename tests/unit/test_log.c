// SPDX-License-Identifier: MIT
// Log lines that are kept and printed later, time stamps, and the table and records of phases.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <log.h>
#include <phases.h>
#include <stdio.h>
#include <string.h>

static struct clock clock_now;
static struct log log_now;
static char screen[4 * LOG_PENDING_BYTES];
static struct text_buffer out;

static int begin(void **state) {
    (void)state;
    clock_now = (struct clock){.khz = 0};
    log_init(&log_now, &clock_now, PORT_INFO);
    text_buffer_init(&out, screen, sizeof(screen));
    return 0;
}

static void kept_lines_come_in_order(void **state) {
    (void)state;
    log_printf(&log_now, PORT_INFO, "first %d", 1);
    log_printf(&log_now, PORT_DEBUG, "not asked for");
    log_printf(&log_now, PORT_ERROR, "second");
    assert_string_equal(screen, "");
    log_open(&log_now, &out.text);
    log_printf(&log_now, PORT_WARNING, "third");
    const char *first = strstr(screen, "] first 1\n");
    const char *second = strstr(screen, "] error: second\n");
    const char *third = strstr(screen, "] warning: third\n");
    assert_non_null(first);
    assert_non_null(second);
    assert_non_null(third);
    assert_true(first < second && second < third);
    assert_null(strstr(screen, "not asked for"));
    assert_null(strstr(screen, "lost"));
}

static void lines_without_room_are_counted(void **state) {
    (void)state;
    unsigned fitting = 0;
    while (log_now.pending_lost == 0) {
        log_printf(&log_now, PORT_INFO, "line %u of some length, and a little more", fitting++);
    }
    // Shorter ones may fit still; in the end not even an empty one.
    for (unsigned i = 0; i < 20; i++) {
        log_printf(&log_now, PORT_INFO, "%s", "");
    }
    size_t lost = log_now.pending_lost;
    assert_true(lost > 1);
    assert_true(log_now.pending_bytes <= LOG_PENDING_BYTES);
    log_open(&log_now, &out.text);
    char expected[64];
    snprintf(expected, sizeof(expected), "warning: %zu log lines were lost", lost);
    assert_non_null(strstr(screen, expected));
    assert_non_null(strstr(screen, "] line 0 of some"));
    assert_int_equal(log_now.pending_lost, 0);
}

static void time_is_in_seconds_once_it_is_known(void **state) {
    (void)state;
    log_open(&log_now, &out.text);
    log_printf(&log_now, PORT_INFO, "before");
    assert_non_null(strstr(screen, " ticks] before\n"));
    clock_now.khz = UINT64_C(1) << 62; // so fast that no time passes
    log_printf(&log_now, PORT_INFO, "after");
    assert_non_null(strstr(screen, "\n[    0.000000] after\n"));
}

static void ticks_become_microseconds(void **state) {
    (void)state;
    struct clock clock = {.khz = 0};
    assert_int_equal(clock_microseconds(&clock, 1000), 0);
    clock.khz = 1000000;
    assert_int_equal(clock_microseconds(&clock, 999), 0);
    assert_int_equal(clock_microseconds(&clock, 1000), 1);
    assert_int_equal(clock_microseconds(&clock, UINT64_MAX), UINT64_MAX / 1000);
    clock.khz = 2400000;
    assert_int_equal(clock_microseconds(&clock, UINT64_C(2400000) * 86400000),
                     UINT64_C(86400000000));
}

static void phases_are_told_apart_by_the_entry(void **state) {
    (void)state;
    struct clock clock = {.entry = 5000, .khz = 1000, .source = "a test"};
    struct phases phases;
    phases_init(&phases, &clock);
    phases_add(&phases, "loader", 1000, 3000);
    phases_add(&phases, "backwards", 3000, 1000); // left out
    phases_add(&phases, "buddy", 5000, 9000);
    phases_record(&out.text, &phases);
    assert_string_equal(
        screen, "{\"record\":\"phase\",\"name\":\"loader\",\"microseconds\":2000,"
                "\"instructions\":null,\"ticks\":\"0x7d0\",\"ticks_since_entry\":null}\n"
                "{\"record\":\"phase\",\"name\":\"buddy\",\"microseconds\":4000,"
                "\"instructions\":null,\"ticks\":\"0xfa0\",\"ticks_since_entry\":\"0xfa0\"}\n");
    phases_report(&out.text, &phases);
    assert_non_null(strstr(screen, "phases (time stamp counter: 1000 kHz, a test)\n"));
    assert_non_null(strstr(screen, "buddy                        4000             4000"));
}

static void a_phase_begins_where_the_last_ended(void **state) {
    (void)state;
    struct clock clock = {.entry = 5000};
    struct phases phases;
    phases_init(&phases, &clock);
    phases_add(&phases, "loader", 1000, 3000);
    phases_end(&phases, "first");
    phases_end(&phases, "second");
    assert_int_equal(phases.list[1].begin, 5000);
    assert_int_equal(phases.list[2].begin, phases.list[1].end);
    for (unsigned i = 0; i < PHASE_MAX; i++) {
        phases_end(&phases, "more than fit");
    }
    assert_int_equal(phases.count, PHASE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(kept_lines_come_in_order, begin),
        cmocka_unit_test_setup(lines_without_room_are_counted, begin),
        cmocka_unit_test_setup(time_is_in_seconds_once_it_is_known, begin),
        cmocka_unit_test_setup(ticks_become_microseconds, begin),
        cmocka_unit_test_setup(phases_are_told_apart_by_the_entry, begin),
        cmocka_unit_test_setup(a_phase_begins_where_the_last_ended, begin),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
