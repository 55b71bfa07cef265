// SPDX-License-Identifier: MIT
// Looking functions up by address.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lib/symbols.h>
#include <string.h>

static const uint32_t offsets[] = {0x10, 0x40, 0x41, 0x100};
static const uint32_t names[] = {0, 4, 8, 12};
static const struct symbol_table table = {4, offsets, names, "one\0two\0six\0ten", 0x200};

static void assert_found(uint64_t offset, const char *name, uint64_t into) {
    uint64_t found_into = UINT64_MAX;
    const char *found = symbol_find(&table, offset, &found_into);
    if (name == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, name);
        assert_int_equal(found_into, into);
    }
}

static void every_function_reaches_to_the_next(void **state) {
    (void)state;
    assert_found(0x10, "one", 0);
    assert_found(0x3f, "one", 0x2f);
    assert_found(0x40, "two", 0);
    assert_found(0x41, "six", 0);
    assert_found(0xff, "six", 0xbe);
    assert_found(0x100, "ten", 0);
    assert_found(0x1ff, "ten", 0xff);
}

static void nothing_lies_outside(void **state) {
    (void)state;
    assert_found(0, NULL, 0);
    assert_found(0xf, NULL, 0);
    assert_found(0x200, NULL, 0);
    assert_found(UINT64_MAX, NULL, 0);
}

static void an_empty_table_knows_nothing(void **state) {
    (void)state;
    const struct symbol_table empty = {0};
    uint64_t into;
    assert_null(symbol_find(&empty, 0, &into));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_reaches_to_the_next),
        cmocka_unit_test(nothing_lies_outside),
        cmocka_unit_test(an_empty_table_knows_nothing),
    };
    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
