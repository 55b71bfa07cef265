// SPDX-License-Identifier: MIT
// A map as the characters of codes, and read again: cut anywhere, in any order, damaged.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../mm/host/strata-map/read.h"
#include "../support/maps.h"
#include <cmocka.h>
#include <mm/map_code.h>

#define CAPACITY_MAX 4296 // of the largest QR code

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

static struct map_reading reading;

static struct efi_map map_of(const struct efi_descriptor *entries, size_t count) {
    return (struct efi_map){entries, count * sizeof(*entries), sizeof(*entries), 1};
}

static void expect_same(const char *text, const struct efi_map *map) {
    enum map_read_status status = map_read_text(text, strlen(text), &reading);
    if (status != MAP_READ_OK) {
        fail_msg("not read: %s\n%.200s", reading.problem, text);
    }
    assert_int_equal(reading.format, MAP_FORMAT_CODES);
    assert_int_equal(reading.count, efi_map_count(map));
    assert_memory_equal(reading.entries, map->descriptors, map->bytes);
    map_reading_free(&reading);
}

static void expect_problem(const char *text, size_t line, const char *problem) {
    assert_int_equal(map_read_text(text, strlen(text), &reading), MAP_READ_MALFORMED);
    assert_string_equal(reading.problem, problem);
    assert_int_equal(reading.error_line, line);
    map_reading_free(&reading);
}

// Part after part, from `first` on, round and round; a line each.
static char *all_parts(const struct map_code *code, size_t parts, size_t first, size_t capacity) {
    char *text = malloc(parts * (capacity + 2) + 1);
    size_t length = 0;
    for (size_t i = 0; i < parts; i++) {
        size_t part = (first + i) % parts + 1;
        size_t written = map_code_part(code, part, parts, text + length);
        assert_true(written <= capacity);
        assert_int_equal(strspn(text + length, alphabet), written);
        length += written;
        text[length++] = '\n';
    }
    text[length] = '\0';
    return text;
}

static void check_file(const char *path) {
    struct map_file file = map_file_read(path);
    struct efi_map map = map_of(file.entries, file.count);
    struct map_code code;
    map_code_init(&code, &map, NULL);
    static const size_t capacities[] = {MAP_CODE_FRAME_MAX + 17, 122, 1451, CAPACITY_MAX};
    for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]) && file.count != 0; i++) {
        size_t parts = map_code_parts(&code, capacities[i]);
        char *text = all_parts(&code, parts, parts / 3, capacities[i]);
        expect_same(text, &map);
        free(text);
    }
    map_file_free(&file);
}

static void parts_are_read_in_any_order(void **state) {
    (void)state;
    assert_true(map_folder_visit("tests/maps", check_file) > 30);
}

// What no firmware should say.
static const struct efi_descriptor strange[] = {
    {.type = 7, .physical_start = 0, .pages = 0xa0, .attributes = 0xf},
    {.type = 15, .physical_start = 0xa0000, .pages = 0, .attributes = 0},
    {.type = 16, .physical_start = 0x1234, .pages = 1, .attributes = UINT64_MAX},
    {.type = UINT32_MAX, .physical_start = UINT64_MAX, .pages = UINT64_MAX, .attributes = 1},
    {.type = 0x80000000, .physical_start = 0, .pages = 0, .attributes = 1},
    {.type = 0, .physical_start = UINT64_MAX - 0xfff, .pages = 1, .attributes = 1},
    {.type = 7, .physical_start = 0, .pages = 1, .attributes = 1},
};
#define STRANGE (sizeof(strange) / sizeof(strange[0]))

static void anything_is_kept(void **state) {
    (void)state;
    struct efi_map map = map_of(strange, STRANGE);
    struct map_code code;
    map_code_init(&code, &map, NULL);
    char *text = all_parts(&code, 1, 0, CAPACITY_MAX);
    assert_non_null(strstr(text, "*NA0*0V0*FFFFFFFFFFFFFFFF.1+234Z10-*1.FFFFFFFFFFFFF+FFF"
                                 "ZFFFFFFFF-FFFFFFFFFFFFFFFF"));
    expect_same(text, &map);
    free(text);
    // A map of nothing has a code as well, which nothing is made of.
    map_code_init(&code, &(struct efi_map){.stride = 40}, NULL);
    text = all_parts(&code, map_code_parts(&code, 60), 0, 60);
    expect_problem(text, 1, "the codes are whole, but not of a kind that this program knows");
    free(text);
}

// As people hand it over: spread over lines, in small letters, with other words around it.
static void blanks_case_and_surroundings_do_not_matter(void **state) {
    (void)state;
    struct efi_map map = map_of(strange, STRANGE);
    struct map_code code;
    map_code_init(&code, &map, NULL);
    size_t parts = map_code_parts(&code, 80);
    assert_int_equal(parts, 3);
    char *text = all_parts(&code, parts, 1, 80), *spread = malloc(6 * strlen(text) + 100);
    size_t length = (size_t)sprintf(spread, "From my telephone:\n\nSTRATA is here. ");
    for (size_t i = 0; text[i] != '\0'; i++) {
        spread[length++] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
        length += (size_t)sprintf(spread + length, "%s",
                                  text[i] == '$' ? " yours, strata\nQR-Code:"
                                  : i % 17 == 0  ? " \r\n"
                                                 : "");
    }
    expect_same(spread, &map);
    // The same part twice, once mistyped: the good one counts.
    char *twice = malloc(2 * strlen(text) + 1);
    sprintf(twice, "%s%s", text, text);
    char *digit = strchr(strchr(strchr(twice, '*') + 1, '*') + 1, '*') + 12;
    *digit = *digit == 'G' ? 'H' : 'G';
    expect_same(twice, &map);
    free(twice);
    free(spread);
    free(text);
}

static char *part_line(char *text, unsigned index) {
    while (index-- > 0) {
        text = strchr(text, '\n') + 1;
    }
    return text;
}

static void a_part_that_is_missing_is_named(void **state) {
    (void)state;
    struct efi_map map = map_of(strange, STRANGE);
    struct map_code code;
    map_code_init(&code, &map, NULL);
    char *text = all_parts(&code, 9, 0, 200);
    expect_problem(part_line(text, 1), 8, "of 9 codes that belong together these are missing: 1");
    *part_line(text, 8) = '\0';
    expect_problem(text, 8, "of 9 codes that belong together these are missing: 9");
    *part_line(text, 3) = '\0';
    expect_problem(part_line(text, 1), 2,
                   "of 9 codes that belong together these are missing: 1, 4 to 9");
    free(text);
}

// Any one character changed, left out, or put in.
static void a_part_that_is_mistyped_is_named(void **state) {
    (void)state;
    struct efi_map map = map_of(strange, STRANGE);
    struct map_code code;
    map_code_init(&code, &map, NULL);
    char *text = all_parts(&code, 2, 0, 200);
    size_t begin = strlen(MAP_CODE_MARK "2/2*12345678*"), end = (size_t)(strchr(text, '$') - text);
    size_t total = strlen(text);
    char *wrong = malloc(total + 2);
    for (size_t i = begin; i < end; i++) {
        if (i >= begin + 8 && i < begin + 9) {
            continue; // the '*' between checksum and share: the frame is not one then
        }
        for (unsigned kind = 0; kind < 3; kind++) {
            memcpy(wrong, text, total + 1);
            wrong[i] = wrong[i] == '7' ? '6' : '7';
            if (kind == 1) {
                memmove(wrong + i, text + i + 1, total - i);
            } else if (kind == 2) {
                memmove(wrong + i + 1, text + i, total - i + 1);
            }
            if (map_read_text(wrong, strlen(wrong), &reading) == MAP_READ_OK) {
                // One more digit of a checksum's front, or of the same, can say the same.
                assert_int_equal(reading.count, STRANGE);
                assert_memory_equal(reading.entries, strange, sizeof(strange));
                assert_true(i < begin + 8);
            } else {
                assert_int_equal(reading.error_line, 1);
                assert_string_equal(reading.problem,
                                    "part 1 of 2 is mistyped or cut: its checksum does not fit");
            }
            map_reading_free(&reading);
        }
    }
    memcpy(wrong, text, total + 1);
    wrong[end] = '\0'; // no '$'
    expect_problem(wrong, 1, "part 1 of 2 is mistyped or cut: its checksum does not fit");
    expect_problem("\nSTRATA1*1of2\n", 2,
                   "a code's first characters are mistyped: expected STRATA1*1/2*8F3A21C0*..., "
                   "part, checksum of all parts, and its own");
    free(wrong);
    free(text);
}

static void findings_come_along(void **state) {
    (void)state;
    static uint64_t storage[8192];
    struct memmap converted;
    struct memmap_input input = {.map = map_of(strange, STRANGE)};
    assert_int_equal(memmap_convert(&converted, &input, storage, sizeof(storage)), MEMMAP_OK);
    assert_true(converted.finding_count > 3);
    struct map_code code;
    map_code_init(&code, &input.map, &converted);
    char *text = all_parts(&code, map_code_parts(&code, 300), 0, 300);
    assert_int_equal(map_read_text(text, strlen(text), &reading), MAP_READ_OK);
    assert_int_equal(reading.count, STRANGE);
    const char *line = reading.findings;
    for (size_t i = 0; i < converted.finding_count; i++) {
        const struct finding *finding = &converted.findings[i];
        char expected[400];
        struct text_buffer sentence;
        text_buffer_init(&sentence, expected, sizeof(expected));
        text_printf(&sentence.text, "%s: %s: ", finding_severity_name(finding->severity),
                    finding_rule_name(finding->rule));
        finding_print(&sentence.text, finding);
        text_puts(&sentence.text, "\n");
        if (strncasecmp(line, expected, strlen(expected)) != 0) {
            fail_msg("%sis read as\n%s", expected, line);
        }
        line += strlen(expected);
    }
    assert_string_equal(line, "");
    map_reading_free(&reading);
    free(text);
}

static void the_last_map_that_is_whole_counts(void **state) {
    (void)state;
    struct efi_map first = map_of(strange, STRANGE), second = map_of(strange, 1);
    struct map_code code;
    map_code_init(&code, &first, NULL);
    char *one = all_parts(&code, 2, 0, 200), both[1000];
    map_code_init(&code, &second, NULL);
    char *two = all_parts(&code, 1, 0, 200);
    snprintf(both, sizeof(both), "%s%s", one, two);
    expect_same(both, &second);
    snprintf(both, sizeof(both), "%s%s", part_line(one, 1), two);
    expect_same(both, &second);
    snprintf(both, sizeof(both), "%s%s", two, part_line(one, 1));
    expect_same(both, &second);
    // Lines of a log go before codes.
    snprintf(both, sizeof(both), "%sefi: mem00: type=7, attr=0xf, range=[0x0-0x5000)\n", one);
    assert_int_equal(map_read_text(both, strlen(both), &reading), MAP_READ_OK);
    assert_int_equal(reading.format, MAP_FORMAT_LINUX);
    map_reading_free(&reading);
    free(one);
    free(two);
}

static void the_checksum_is_the_usual_one(void **state) {
    (void)state;
    assert_int_equal(map_code_checksum(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(map_code_checksum(map_code_checksum(0, "1234", 4), "56789", 5), 0xcbf43926);
    assert_int_equal(map_code_checksum(0, "", 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_read_in_any_order),
        cmocka_unit_test(anything_is_kept),
        cmocka_unit_test(blanks_case_and_surroundings_do_not_matter),
        cmocka_unit_test(a_part_that_is_missing_is_named),
        cmocka_unit_test(a_part_that_is_mistyped_is_named),
        cmocka_unit_test(findings_come_along),
        cmocka_unit_test(the_last_map_that_is_whole_counts),
        cmocka_unit_test(the_checksum_is_the_usual_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
