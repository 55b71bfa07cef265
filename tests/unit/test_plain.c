// SPDX-License-Identifier: MIT
// A panic's text on a framebuffer: where it stands, where it goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <screen/plain.h>
#include <string.h>

#define WIDTH   168 // 21 characters and no more
#define HEIGHT  70  // 4 rows and a rest
#define COLUMNS 21
#define ROWS    4

static uint32_t memory[WIDTH * HEIGHT];
static struct plain_screen plain;

// A font in which every character is its own code, in all its rows.
const uint8_t *font_rows(uint16_t code) {
    static uint8_t rows[FONT_HEIGHT];
    memset(rows, code == ' ' ? 0 : code & 0xff, sizeof(rows));
    return rows;
}

static struct boot_framebuffer framebuffer(void) {
    return (struct boot_framebuffer){.base = {0x1000},
                                     .bytes = sizeof(memory),
                                     .width = WIDTH,
                                     .height = HEIGHT,
                                     .pitch_pixels = WIDTH,
                                     .format = BOOT_PIXEL_BGRX};
}

static char shown(unsigned column, unsigned row) {
    unsigned code = 0;
    for (unsigned x = 0; x < FONT_WIDTH; x++) {
        uint32_t pixel = memory[row * FONT_HEIGHT * WIDTH + column * FONT_WIDTH + x];
        code = code << 1 | (pixel != 0);
    }
    return (char)(code == 0 ? ' ' : code);
}

static void expect_rows(const char *const rows[ROWS]) {
    for (unsigned row = 0; row < ROWS; row++) {
        for (unsigned column = 0; column < COLUMNS; column++) {
            char expected = ' ';
            if (column < strlen(rows[row])) {
                expected = rows[row][column];
            }
            assert_int_equal(shown(column, row), expected);
        }
    }
}

static void text_stands_where_it_should(void **state) {
    (void)state;
    struct boot_framebuffer screen = framebuffer();
    memset(memory, 0x77, sizeof(memory));
    assert_true(plain_screen_init(&plain, &screen, memory));
    expect_rows((const char *const[]){"", "", "", ""});
    text_puts(&plain.text, "panic: no\n\xe2\x80\x94\tx\n");
    expect_rows((const char *const[]){"panic: no", "x", "", ""});
    text_puts(&plain.text, "longer_than_the_row_is_wide");
    expect_rows((const char *const[]){"", "x", "longer_than_the_row_i", "s_wide"});
}

static void at_the_end_it_goes_on_at_the_top(void **state) {
    (void)state;
    struct boot_framebuffer screen = framebuffer();
    assert_true(plain_screen_init(&plain, &screen, memory));
    text_puts(&plain.text, "one\ntwo\nthree\nfour\nfive");
    expect_rows((const char *const[]){"five", "", "three", "four"});
    text_puts(&plain.text, "\nsix\n");
    expect_rows((const char *const[]){"five", "six", "", ""});
}

static void what_is_no_screen_stays_as_it_is(void **state) {
    (void)state;
    struct boot_framebuffer screen = framebuffer();
    screen.format = BOOT_PIXEL_BLT_ONLY;
    memset(memory, 0x77, sizeof(memory));
    assert_false(plain_screen_init(&plain, &screen, memory));
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        assert_int_equal(memory[i], 0x77777777);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stands_where_it_should),
        cmocka_unit_test(at_the_end_it_goes_on_at_the_top),
        cmocka_unit_test(what_is_no_screen_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
