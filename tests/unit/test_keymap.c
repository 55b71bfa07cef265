// SPDX-License-Identifier: MIT
// Scan codes: what is typed, and what is not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <devices/keymap.h>
#include <stdlib.h>
#include <string.h>

static const char *typed(const char *codes, size_t count) {
    static char text[256];
    struct keymap keymap = {0};
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[KEYMAP_BYTES_MAX];
        size_t more = keymap_take(&keymap, (uint8_t)codes[i], bytes);
        memcpy(text + length, bytes, more);
        length += more;
    }
    text[length] = '\0';
    return text;
}

#define EXPECT(codes, text) assert_string_equal(typed(codes, sizeof(codes) - 1), text)

static void characters(void **state) {
    (void)state;
    EXPECT("\x23\xa3\x12\x92\x26\xa6\x19\x99\x1c\x9c", "help\r");
    EXPECT("\x02\x0b\x0c\x39\x34\x35", "10- ./");
    EXPECT("\x0e\x01\x0f", "\b\x1b\t");
    EXPECT("\x37\x54\x7f", "*"); // keys beyond the table type nothing
}

static void modifiers(void **state) {
    (void)state;
    EXPECT("\x2a\x1e\x03\xaa\x1e\x03", "A@a2");
    EXPECT("\x36\x2b\xb6\x2b", "|\\");
    EXPECT("\x3a\xba\x1e\x02\x2a\x1e\xaa\x3a\x1e",
           "A1aa"); // caps lock: letters only, and shift undoes it
    EXPECT("\x1d\x2e\x02\x9d\x2e", "\x03"
                                   "c"); // Ctrl-C; Ctrl-1 is nothing
    EXPECT("\xe0\x1d\x2e\xe0\x9d\x2e", "\x03"
                                       "c"); // the right one
}

static void keys_that_move(void **state) {
    (void)state;
    EXPECT("\xe0\x48\xe0\xc8", "\x1b[A");
    EXPECT("\xe0\x50\xe0\x4b\xe0\x4d", "\x1b[B\x1b[D\x1b[C");
    EXPECT("\xe0\x2a\xe0\x53\xe0\xd3\xe0\xaa", "\x1b[3~"); // with the shifts that keyboards make up
    EXPECT("\xe0\x49\xe0\x51", "\x1b\x01\x1b\x02");
    EXPECT("\xe0\x35\xe0\x1c", "/\r");           // the keypad's
    EXPECT("\xe0\x5b\xe0\xdb", "");              // a logo
    EXPECT("\xe1\x1d\x45\xe1\x9d\xc5\x1e", "a"); // Pause holds no Control down
}

static void any_bytes(void **state) {
    (void)state;
    struct keymap keymap = {0};
    srand(1);
    for (unsigned i = 0; i < 1000000; i++) {
        char bytes[KEYMAP_BYTES_MAX];
        assert_true(keymap_take(&keymap, (uint8_t)rand(), bytes) <= KEYMAP_BYTES_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),
        cmocka_unit_test(modifiers),
        cmocka_unit_test(keys_that_move),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
