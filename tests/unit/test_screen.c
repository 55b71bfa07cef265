// SPDX-License-Identifier: MIT
// The screen: what the framebuffer shows is what was written, and only changes are drawn.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <screen/font.h>
#include <screen/screen.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH   168 // 21 characters
#define HEIGHT  80  // 5 rows
#define COLUMNS 21
#define ROWS    5
#define LINES   40

// A font in which every character is its own code, twice in its rows.
const uint8_t *font_rows(uint16_t code) {
    static uint8_t rows[256][FONT_HEIGHT];
    memset(rows[code & 0xff], code & 0xff, FONT_HEIGHT);
    return rows[code & 0xff];
}

struct fixture {
    struct screen screen;
    uint32_t memory[WIDTH * HEIGHT];
    void *storage;
};

static int begin(void **state) {
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const struct boot_framebuffer framebuffer = {.base = {0x1000},
                                                 .bytes = sizeof(fixture->memory),
                                                 .width = WIDTH,
                                                 .height = HEIGHT,
                                                 .pitch_pixels = WIDTH,
                                                 .format = BOOT_PIXEL_BGRX};
    const char *why;
    size_t bytes = screen_bytes(&framebuffer, LINES, &why);
    assert_null(why);
    fixture->storage = malloc(bytes); // exactly: the sanitizer watches its end
    screen_init(&fixture->screen, &framebuffer, fixture->storage, LINES);
    *state = fixture;
    return 0;
}

static int end(void **state) {
    struct fixture *fixture = *state;
    free(fixture->storage);
    free(fixture);
    return 0;
}

// The character whose rows the framebuffer shows there; '#' for the cursor.
static char shown(const struct fixture *fixture, unsigned column, unsigned row) {
    unsigned code = 0;
    bool inverse = false;
    for (unsigned y = 0; y < FONT_HEIGHT; y++) {
        unsigned bits = 0;
        for (unsigned x = 0; x < FONT_WIDTH; x++) {
            uint32_t pixel = fixture->memory[(row * FONT_HEIGHT + y) * WIDTH + column * 8 + x];
            bits = bits << 1 | (pixel != fixture->screen.paper[TEXT_PLAIN]);
            inverse |= pixel == fixture->screen.paper[TEXT_INVERSE];
        }
        assert_true(y == 0 || bits == code);
        code = bits;
    }
    return (char)(inverse ? '#' : code == 0 ? ' ' : code);
}

static void expect_rows(const struct fixture *fixture, const char *const rows[ROWS]) {
    for (unsigned row = 0; row < ROWS; row++) {
        for (unsigned column = 0; column < COLUMNS; column++) {
            char expected = ' ';
            if (column < strlen(rows[row])) {
                expected = rows[row][column];
            }
            char is = shown(fixture, column, row);
            assert_int_equal(is == ' ' ? ' ' : is, expected);
        }
    }
}

// I1
static void shows_what_was_written(void **state) {
    struct fixture *fixture = *state;
    struct screen *screen = &fixture->screen;
    text_puts(&screen->text, "kept\n");
    screen_flush(screen); // no framebuffer: nothing happens
    memset(fixture->memory, 0x77, sizeof(fixture->memory));
    screen_light(screen, fixture->memory);
    expect_rows(fixture, (const char *const[]){"kept", "#", "", "", ""});
    text_puts(&screen->text, "a\nb\nc\n");
    screen_flush(screen);
    expect_rows(fixture, (const char *const[]){"kept", "a", "b", "c", "#"});
    text_puts(&screen->text, "d\ne\nlonger_than_the_row_is_wide");
    screen_flush(screen);
    expect_rows(fixture, (const char *const[]){"c", "d", "e", "longer_than_the_row_i", "s_wide#"});
    for (unsigned i = 0; i < 1000; i++) {
        text_puts(&screen->text, "fast\n");
    }
    text_puts(&screen->text, "\rend");
    screen_flush(screen);
    expect_rows(fixture, (const char *const[]){"fast", "fast", "fast", "fast", "end#"});
}

// I2: what is drawn again would overwrite what the test wrote.
static void draws_changes_only(void **state) {
    struct fixture *fixture = *state;
    struct screen *screen = &fixture->screen;
    screen_light(screen, fixture->memory);
    text_puts(&screen->text, "same\nsame\nsame\nsame\nsame");
    screen_flush(screen);
    memset(fixture->memory, 0x77, sizeof(fixture->memory));
    screen_flush(screen);
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        assert_int_equal(fixture->memory[i], 0x77777777);
    }
    // Scrolled by one row, which looks the same: only the cursor and the last row's text change.
    text_puts(&screen->text, "\nsame");
    screen_flush(screen);
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        assert_int_equal(fixture->memory[i], 0x77777777);
    }
    text_puts(&screen->text, "!");
    screen_flush(screen);
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        size_t x = i % WIDTH / 8, y = i / WIDTH / 16;
        bool drawn = y == 4 && (x == 4 || x == 5);
        assert_int_equal(fixture->memory[i] != 0x77777777, drawn);
    }
}

static void looking_back_and_returning(void **state) {
    struct fixture *fixture = *state;
    struct screen *screen = &fixture->screen;
    screen_light(screen, fixture->memory);
    text_puts(&screen->text, "1\n2\n3\n4\n5\n6\n7\n8");
    screen_look(screen, 1, UINT64_MAX, "");
    screen_flush(screen);
    expect_rows(fixture, (const char *const[]){"2", "3", "4", "5", "6"});
    screen_look_live(screen);
    screen_flush(screen);
    expect_rows(fixture, (const char *const[]){"4", "5", "6", "7", "8#"});
    screen_look(screen, 0, UINT64_MAX, "note");
    screen_flush(screen);
    assert_int_equal(shown(fixture, 20, 4), '#'); // the note's row stands out to its end
    assert_int_equal(shown(fixture, 0, 3), '4');
}

static void pages_end_at_form_feeds(void **state) {
    struct fixture *fixture = *state;
    struct screen *screen = &fixture->screen;
    screen_light(screen, fixture->memory);
    text_puts(&screen->text, "1\n2\n\f\f5\n6\n7\n8\n9\n");
    assert_int_equal(screen_page_end(screen, 0), 2);
    assert_int_equal(screen_page_begin(screen, 2), 4);
    assert_int_equal(screen_page_end(screen, 4), 8);
    assert_int_equal(screen_page_begin(screen, 8), 8);
    screen_look(screen, 0, screen_page_end(screen, 0), "");
    screen_flush(screen);
    expect_rows(fixture, (const char *const[]){"1", "2", "", "", ""});
    screen_look(screen, 0, UINT64_MAX, "");
    screen_flush(screen);
    expect_rows(fixture, (const char *const[]){"1", "2", "", "", "5"});
}

static void styles_have_their_colours(void **state) {
    struct fixture *fixture = *state;
    struct screen *screen = &fixture->screen;
    screen_light(screen, fixture->memory);
    text_style(&screen->text, TEXT_TILE + 3);
    text_puts(&screen->text, " ");
    text_style(&screen->text, 255); // no style: plain
    text_puts(&screen->text, " ");
    screen_flush(screen);
    assert_int_equal(fixture->memory[0], screen->paper[TEXT_TILE + 3]);
    assert_int_equal(fixture->memory[8], screen->paper[TEXT_PLAIN]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_what_was_written, begin, end),
        cmocka_unit_test_setup_teardown(draws_changes_only, begin, end),
        cmocka_unit_test_setup_teardown(looking_back_and_returning, begin, end),
        cmocka_unit_test_setup_teardown(pages_end_at_form_feeds, begin, end),
        cmocka_unit_test_setup_teardown(styles_have_their_colours, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
