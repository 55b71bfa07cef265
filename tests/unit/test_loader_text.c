// SPDX-License-Identifier: MIT
// The loader's small text parts: formatting, UTF-16, and the bytes that options come as.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <options/encoding.h>
#include <text/format.h>
#include <text/utf.h>

static void formats(void **state) {
    (void)state;
    char out[64];
    assert_int_equal(format(out, sizeof(out), "a %s, %c%c, 100%%", "b", 'x', 'y'), 13);
    assert_string_equal(out, "a b, xy, 100%");
    format(out, sizeof(out), U64 " " X64 " %u %x", UINT64_MAX, UINT64_MAX, 0u, 0xabcu);
    assert_string_equal(out, "18446744073709551615 0xffffffffffffffff 0 abc");
    format(out, sizeof(out), "%02x|%5u|%zu|%6s|%.3s|%.*s|", 7u, 42u, (size_t)9, "ab", "abcdef", 2,
           "xyz");
    assert_string_equal(out, "07|   42|9|    ab|abc|xy|");
    format(out, sizeof(out), "%lu %llx", 5ul, 0x123456789abcull);
    assert_string_equal(out, "5 123456789abc");
}

static void formats_cut(void **state) {
    (void)state;
    for (size_t capacity = 0; capacity < 9; capacity++) {
        char *out = malloc(capacity + 1);
        out[capacity] = '!';
        size_t length = format(out, capacity, "%u-%s", 12u, "abcd");
        assert_int_equal(length, capacity == 0 ? 0 : capacity < 8 ? capacity - 1 : 7);
        assert_int_equal(out[capacity], '!');
        if (capacity > 0) {
            assert_memory_equal(out, "12-abcd", length);
            assert_int_equal(out[length], 0);
        }
        free(out);
    }
}

static void both_ways(void **state) {
    (void)state;
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const uint16_t wide[] = {'a', 0xe4, 0x20ac, 0xd83d, 0xde00, 'z', 0};
    uint16_t units[16];
    char bytes[32];
    assert_int_equal(utf16_from_utf8(units, 16, text), 6);
    assert_memory_equal(units, wide, sizeof(wide));
    assert_int_equal(utf8_from_utf16(bytes, sizeof(bytes), wide, 7, false), strlen(text));
    assert_string_equal(bytes, text);
    uint8_t swapped[14];
    for (size_t i = 0; i < 7; i++) {
        swapped[2 * i] = (uint8_t)(wide[i] >> 8);
        swapped[2 * i + 1] = (uint8_t)wide[i];
    }
    utf8_from_utf16(bytes, sizeof(bytes), swapped, 7, true);
    assert_string_equal(bytes, text);
}

static void cut_at_characters(void **state) {
    (void)state;
    static const uint16_t wide[] = {'a', 0x20ac, 0xd83d, 0xde00};
    static const size_t lengths[] = {0, 0, 1, 1, 1, 4, 4, 4, 4, 8};
    for (size_t capacity = 1; capacity < 10; capacity++) {
        char bytes[10];
        assert_int_equal(utf8_from_utf16(bytes, capacity, wide, 4, false), lengths[capacity]);
        assert_int_equal(bytes[lengths[capacity]], 0);
    }
    uint16_t units[3];
    assert_int_equal(utf16_from_utf8(units, 3, "a\xf0\x9f\x98\x80"), 1);
}

static void broken_becomes_replacement(void **state) {
    (void)state;
    static const char *const broken[] = {"\x80", "\xff", "\xc1", "\xf8"};
    uint16_t units[8];
    char bytes[32];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(utf16_from_utf8(units, 8, broken[i]), 1);
        assert_int_equal(units[0], 0xfffd);
    }
    assert_int_equal(utf16_from_utf8(units, 8, "\xe0\x80\x80"), 3);     // overlong
    assert_int_equal(utf16_from_utf8(units, 8, "\xed\xa0\x80"), 3);     // half a pair
    assert_int_equal(utf16_from_utf8(units, 8, "\xf4\x90\x80\x80"), 4); // beyond Unicode
    assert_int_equal(utf16_from_utf8(units, 8, "\xe2\x82"), 2);         // ends too early
    assert_int_equal(utf16_from_utf8(units, 8, "\xc3x"), 2);
    static const uint16_t halves[] = {0xd83d, 'a', 0xde00, 0xd83d};
    utf8_from_utf16(bytes, sizeof(bytes), halves, 4, false);
    assert_string_equal(bytes, "\xef\xbf\xbd"
                               "a"
                               "\xef\xbf\xbd\xef\xbf\xbd");
}

static void from_file(const void *bytes, size_t size, const char *expected) {
    char out[64];
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, bytes, size);
    assert_int_equal(optiontext_from_file(out, sizeof(out), copy, size), strlen(expected));
    assert_string_equal(out, expected);
    free(copy);
}

static void files(void **state) {
    (void)state;
    from_file("", 0, "");
    from_file("a", 1, "a");
    from_file("a=b\n", 4, "a=b\n");
    from_file("\xef\xbb\xbf"
              "a=b",
              6, "a=b");
    from_file("\xff\xfe"
              "a\0=\0\xe4\0",
              8, "a=\xc3\xa4");
    from_file("\xfe\xff\0a\0=\0\xe4", 8, "a=\xc3\xa4");
    from_file("a\0=\0b\0", 6, "a=b");
    from_file("\xff\xfe"
              "a\0=",
              5, "a"); // an odd byte at the end
    from_file("\xff\xfe", 2, "");
    from_file("\xef\xbb", 2, "\xef\xbb");
    char out[4];
    assert_int_equal(optiontext_from_file(out, sizeof(out), "abcdef", 6), 3);
    assert_string_equal(out, "abc");
}

// LoadOptions of `text` as UTF-16 with `extra` bytes of NUL behind it.
static const char *loaded(char out[256], const char *text, size_t extra) {
    uint8_t bytes[512] = {0};
    size_t size = 2 * utf16_from_utf8((uint16_t *)bytes, 256, text) + extra;
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, bytes, size);
    const char *remark = optiontext_from_load_options(out, 256, copy, size, "BOOTX64.EFI");
    free(copy);
    return remark;
}

static void load_options(void **state) {
    (void)state;
    char out[256];
    static const struct {
        const char *given, *used;
    } cases[] = {
        {"", ""},
        {"kaslr=off log=debug", "kaslr=off log=debug"},
        {"FS0:\\EFI\\BOOT\\BOOTX64.EFI log=debug", " log=debug"},
        {"fs0:strata.efi", ""},
        {"\\efi\\strata log=debug", " log=debug"},
        {"bootx64 log=debug", " log=debug"},
        {"BootX64.efi log=debug", " log=debug"},
        {"\"fs0:\\my loader\\a.efi\" log=debug", " log=debug"},
        {"BOOTX6 log=debug", "BOOTX6 log=debug"}, // not the program: the parser will say so
        {"quiet", "quiet"},
        {"kernel=\\a.efi", "kernel=\\a.efi"},
        {"run=\"map; check\"", "run=\"map; check\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t extra = 0; extra <= 4; extra += 2) {
            assert_null(loaded(out, cases[i].given, extra));
            assert_string_equal(out, cases[i].used);
        }
    }
}

static void odd_load_options(void **state) {
    (void)state;
    char out[256];
    assert_string_equal(loaded(out, "log=debug", 1), "their size is odd: the last byte is ignored");
    assert_string_equal(out, "log=debug");
    // 8-bit characters.
    assert_null(optiontext_from_load_options(out, 256, "log=debug", 9, ""));
    assert_string_equal(out, "log=debug");
    assert_null(optiontext_from_load_options(out, 256, "log=debug", 10, ""));
    assert_string_equal(out, "log=debug");
    assert_null(optiontext_from_load_options(out, 4, "log=debug", 9, ""));
    assert_string_equal(out, "log");
    // What is behind the NUL does not count.
    assert_null(optiontext_from_load_options(out, 256, "a\0=\0\0\0\x01\0\x02\0", 10, ""));
    assert_string_equal(out, "a=");
    static const char *const junk[] = {"\x01\0",   "a\0\x1b\0", "\0\xd8",  "\x7f\0",
                                       "\xff\xff", "\0\xe0",    "\xfe\xff"};
    static const size_t sizes[] = {2, 4, 2, 2, 2, 2, 2};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_string_equal(optiontext_from_load_options(out, 256, junk[i], sizes[i], ""),
                            "they are not text: ignored");
        assert_string_equal(out, "");
    }
}

// An EFI_LOAD_OPTION: attributes, length of the path, description, path, data.
static const uint8_t load_option[] = {
    1,    0,    0,   0, 12,  0,       // ACTIVE, 12 bytes of path
    'S',  0,    't', 0, 0,   0,       // description
    4,    4,    8,   0, 'a', 0, 0, 0, // a file's path
    0x7f, 0xff, 4,   0,               // the end
    'a',  0,    '=', 0, 'b', 0, 0, 0, // the data
};

static void whole_load_option(void **state) {
    (void)state;
    char out[256];
    assert_string_equal(
        optiontext_from_load_options(out, 256, load_option, sizeof(load_option), ""),
        "they are a whole EFI_LOAD_OPTION: only its optional data is used");
    assert_string_equal(out, "a=b");
    // Cut or damaged anywhere it is no such option any more, and never text either.
    for (size_t size = 0; size < sizeof(load_option); size++) {
        uint8_t *copy = malloc(size == 0 ? 1 : size);
        memcpy(copy, load_option, size);
        optiontext_from_load_options(out, 256, copy, size, "");
        assert_true(strlen(out) <= 3);
        free(copy);
    }
    for (size_t at = 0; at < sizeof(load_option); at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t *copy = malloc(sizeof(load_option));
            memcpy(copy, load_option, sizeof(load_option));
            copy[at] = (uint8_t)value;
            optiontext_from_load_options(out, 256, copy, sizeof(load_option), "x.efi");
            free(copy);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(formats_cut),
        cmocka_unit_test(both_ways),
        cmocka_unit_test(cut_at_characters),
        cmocka_unit_test(broken_becomes_replacement),
        cmocka_unit_test(files),
        cmocka_unit_test(load_options),
        cmocka_unit_test(odd_load_options),
        cmocka_unit_test(whole_load_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
