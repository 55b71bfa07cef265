// SPDX-License-Identifier: MIT
// Words, numbers, and the nearest name.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <monitor/words.h>
#include <string.h>

static void lines_are_split_at_blanks(void **state) {
    (void)state;
    char line[] = "  alloc\t3  below 16M ";
    char *words[4];
    assert_int_equal(words_split(line, words, 4), 4);
    assert_string_equal(words[0], "alloc");
    assert_string_equal(words[1], "3");
    assert_string_equal(words[2], "below");
    assert_string_equal(words[3], "16M");
    char blank[] = " \t ";
    assert_int_equal(words_split(blank, words, 4), 0);
    char many[] = "a b c d e f";
    assert_int_equal(words_split(many, words, 2), 6);
    assert_string_equal(words[1], "b");
}

static void assert_number(const char *word, uint64_t expected) {
    uint64_t value = 77;
    assert_null(number_parse(word, &value));
    assert_int_equal(value, expected);
}

static void numbers_come_in_many_spellings(void **state) {
    (void)state;
    assert_number("0", 0);
    assert_number("007", 7);
    assert_number("18446744073709551615", UINT64_MAX);
    assert_number("0xffffffffffffffff", UINT64_MAX);
    assert_number("0XaBcDeF", 0xabcdef);
    assert_number("0x1_0000_0000", UINT64_C(1) << 32);
    assert_number("64K", 65536);
    assert_number("16m", 16 << 20);
    assert_number("0x10G", UINT64_C(16) << 30);
    assert_number("16777215T", UINT64_C(16777215) << 40);
}

static void assert_no_number(const char *word, const char *part) {
    uint64_t value = 77;
    const char *complaint = number_parse(word, &value);
    assert_non_null(complaint);
    assert_non_null(strstr(complaint, part));
    assert_int_equal(value, 77);
}

static void wrong_numbers_say_why(void **state) {
    (void)state;
    const char *const words[] = {"",   "x",  "0x", "_",    "K",   "12a", "1KK",
                                 "1B", "-1", "+1", "1.5G", "0xg", "1 K", "12K4"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_no_number(words[i], "decimal");
    }
    assert_no_number("18446744073709551616", "64 bits");
    assert_no_number("0x10000000000000000", "64 bits");
    assert_no_number("16777216T", "64 bits");
    assert_no_number("99999999999999999999999999999999999", "64 bits");
}

static void near_words_are_near(void **state) {
    (void)state;
    assert_int_equal(words_distance("ledger", "ledger"), 0);
    assert_int_equal(words_distance("legder", "ledger"), 1);
    assert_int_equal(words_distance("leger", "ledger"), 1);
    assert_int_equal(words_distance("ledgers", "ledger"), 1);
    assert_int_equal(words_distance("lodger", "ledger"), 1);
    assert_int_equal(words_distance("", "map"), 3);
    assert_int_equal(words_distance("map", ""), 3);
    assert_int_equal(words_distance("kitten", "sitting"), 3);
    assert_int_equal(words_distance("a word that is much longer than all", "map"), 99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_split_at_blanks),
        cmocka_unit_test(numbers_come_in_many_spellings),
        cmocka_unit_test(wrong_numbers_say_why),
        cmocka_unit_test(near_words_are_near),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
