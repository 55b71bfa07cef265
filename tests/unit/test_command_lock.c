// SPDX-License-Identifier: MIT
// The lock: what needs it, and what opens it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <monitor/lock.h>
#include <stdio.h>
#include <string.h>

static char said[512];

// Types "unlock", or "unlock word"; what is said is in `said`.
static void unlock(struct command_lock *lock, const char *word) {
    struct text_buffer buffer;
    char copy[32] = "", *arguments[] = {copy};
    text_buffer_init(&buffer, said, sizeof(said));
    if (word != NULL) {
        snprintf(copy, sizeof(copy), "%s", word);
    }
    command_unlock(lock, &buffer.text, word != NULL, arguments);
}

// The word that was shown.
static const char *shown(void) {
    static char word[32];
    const char *at = strstr(said, "  unlock ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "  unlock %31s", word), 1);
    return word;
}

static bool needs(const char *name, size_t count, const char *first) {
    char copy[32] = "", *arguments[] = {copy};
    if (first != NULL) {
        snprintf(copy, sizeof(copy), "%s", first);
    }
    return command_is_locked(name, count, arguments);
}

static void looking_needs_nothing(void **state) {
    (void)state;
    assert_false(needs("map", 1, "raw"));
    assert_false(needs("whatis", 1, "0x1000"));
    assert_false(needs("badram", 0, NULL));
    assert_false(needs("inject", 0, NULL));
    assert_false(needs("leaks", 1, "dma"));
    assert_false(needs("trace", 1, "dump"));
    assert_false(needs("poweroff", 0, NULL));
}

static void changing_does(void **state) {
    (void)state;
    assert_true(needs("alloc", 1, "3"));
    assert_true(needs("fault", 1, "panic"));
    assert_true(needs("memtest", 0, NULL));
    assert_true(needs("badram", 2, "0x1000"));
    assert_true(needs("inject", 1, "off"));
    assert_true(needs("leaks", 1, "on"));
    assert_true(needs("trace", 2, "on"));
    assert_true(needs("trace", 1, "forget"));
    assert_true(needs("vmalloc", 1, "4096"));
    assert_true(needs("selftest", 0, NULL));
    assert_true(needs("reclaim", 0, NULL));
    assert_true(needs("stress", 1, "10s"));
    assert_false(needs("trac", 2, "on"));
}

static void all_rules_of_a_command_can_be_asked_for(void **state) {
    (void)state;
    const char *when = NULL;
    size_t index = 0;
    assert_true(command_lock_rule("trace", &index, &when));
    assert_string_equal(when, "on");
    assert_true(command_lock_rule("trace", &index, &when));
    assert_string_equal(when, "forget");
    assert_false(command_lock_rule("trace", &index, &when));
    index = 0;
    assert_true(command_lock_rule("alloc", &index, &when));
    assert_null(when);
}

// I1
static void only_the_word_opens(void **state) {
    (void)state;
    struct command_lock lock = {.seed = 1};
    unlock(&lock, "unlock");
    assert_false(lock.open); // nothing has been shown yet
    char first[32];
    snprintf(first, sizeof(first), "%s", shown());
    unlock(&lock, "");
    assert_false(lock.open);
    assert_string_not_equal(first, shown());
    unlock(&lock, first); // an old one
    assert_false(lock.open);
    char used[32];
    snprintf(used, sizeof(used), "%s", shown());
    unlock(&lock, used);
    assert_true(lock.open);
    lock.open = false; // locked again: the word is spent
    unlock(&lock, used);
    assert_false(lock.open);
}

// I2
static void never_under_secure_boot(void **state) {
    (void)state;
    struct command_lock lock = {.seed = 1, .secure_boot = true};
    unlock(&lock, NULL);
    assert_null(strstr(said, "  unlock "));
    assert_non_null(strstr(said, "Secure Boot"));
    unlock(&lock, "");
    assert_false(lock.open);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looking_needs_nothing),
        cmocka_unit_test(changing_does),
        cmocka_unit_test(all_rules_of_a_command_can_be_asked_for),
        cmocka_unit_test(only_the_word_opens),
        cmocka_unit_test(never_under_secure_boot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
