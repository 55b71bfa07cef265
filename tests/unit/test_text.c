// SPDX-License-Identifier: MIT
// Text sinks: sizes for people, JSON strings, buffers that run full.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <strata/text.h>

static void assert_size(uint64_t bytes, const char *expected) {
    char line[32];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    text_size(&out.text, bytes);
    assert_string_equal(line, expected);
}

static void sizes_are_for_people(void **state) {
    (void)state;
    assert_size(0, "0 bytes");
    assert_size(1023, "1023 bytes");
    assert_size(4096, "4 KiB");
    assert_size(4097, "4.0 KiB");
    assert_size(1536 * KIB, "1.5 MiB");
    assert_size(3 * GIB - 1, "2.9 GiB");
    assert_size(TIB, "1 TiB");
    assert_size(UINT64_MAX, "15.9 EiB");
}

static void json_strings_are_escaped(void **state) {
    (void)state;
    char line[64];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    text_json_string(&out.text, "a\"b\\c\n\x7f");
    assert_string_equal(line, "\"a\\\"b\\\\c\\u000a\\u007f\"");
}

static void a_full_buffer_counts_what_it_drops(void **state) {
    (void)state;
    char line[8];
    struct text_buffer out;
    text_buffer_init(&out, line, sizeof(line));
    text_printf(&out.text, "%s %d", "0123456789", 42);
    assert_string_equal(line, "0123456");
    assert_int_equal(out.length, 7);
    assert_int_equal(out.dropped, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_for_people),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(a_full_buffer_counts_what_it_drops),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
