// SPDX-License-Identifier: MIT
// Completion: what fits, what it has in common, and which words of an argument list are words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <monitor/complete.h>
#include <stdio.h>
#include <string.h>

static struct completion complete(const char *typed, const char *const *words) {
    struct completion completion;
    completion_begin(&completion, typed, strlen(typed));
    for (; *words != NULL; words++) {
        completion_offer(&completion, *words, strlen(*words));
    }
    return completion;
}

static const char *const words[] = {"reboot", "regions", "release", "reserve", "map", NULL};

static void one_fits(void **state) {
    (void)state;
    struct completion completion = complete("reb", words);
    assert_int_equal(completion.count, 1);
    assert_string_equal(completion.common, "reboot");
}

static void several_fit(void **state) {
    (void)state;
    assert_string_equal(complete("r", words).common, "re");
    assert_int_equal(complete("r", words).count, 4);
    assert_string_equal(complete("", words).common, "");
    assert_int_equal(complete("", words).count, 5);
    const char *const nested[] = {"trace-end", "trace", NULL};
    assert_string_equal(complete("t", nested).common, "trace");
}

static void none_fits(void **state) {
    (void)state;
    assert_int_equal(complete("x", words).count, 0);
    assert_int_equal(complete("mapping", words).count, 0);
    const char *const longest[] = {"a-word-that-is-much-too-long-to-be-one", NULL};
    assert_int_equal(complete("a", longest).count, 0);
}

static const char *literals(const char *arguments) {
    static char list[128];
    size_t length;
    list[0] = '\0';
    for (const char *word; (word = completion_next_literal(&arguments, &length)) != NULL;) {
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%.*s,", (int)length, word);
    }
    return list;
}

static void literal_words(void **state) {
    (void)state;
    assert_string_equal(literals("[nth|every|random N|off]"), "nth,every,random,off,");
    assert_string_equal(literals("ORDER [below ADDRESS] | COUNT pages|bytes"),
                        "below,pages,bytes,");
    assert_string_equal(literals("ADDRESS"), "");
    assert_string_equal(literals("[OPERATIONS|SECONDSs] [seed=N]"), ""); // no word by itself
    assert_string_equal(literals(""), "");
    assert_string_equal(literals("Word two2 three-four"), "three-four,");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fits),
        cmocka_unit_test(several_fit),
        cmocka_unit_test(none_fits),
        cmocka_unit_test(literal_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
