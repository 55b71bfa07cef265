// SPDX-License-Identifier: MIT
// The terminal's cells: wrapping, scrolling, editing, and anything at all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <screen/terminal.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 10
#define ROWS    6

static struct cell cells[COLUMNS * ROWS];

static struct terminal started(void) {
    struct terminal terminal;
    memset(cells, 0xee, sizeof(cells));
    terminal_init(&terminal, cells, COLUMNS, ROWS);
    return terminal;
}

static void say(struct terminal *terminal, const char *string) {
    text_puts(&terminal->text, string);
}

// A row as text, blanks at its end left out; beyond ASCII as '?'.
static const char *row_text(const struct terminal *terminal, uint64_t row) {
    static char line[COLUMNS + 1];
    const struct cell *at = terminal_row(terminal, row);
    if (at == NULL) {
        return NULL;
    }
    size_t length = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        line[i] = (char)(at[i].code == 0 ? ' ' : at[i].code < 0x7f ? at[i].code : '?');
        length = line[i] != ' ' ? i + 1 : length;
    }
    line[length] = '\0';
    return line;
}

static void lines_and_wrapping(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "one\ntwo\nfrom here to there\n");
    assert_string_equal(row_text(&terminal, 0), "one");
    assert_string_equal(row_text(&terminal, 1), "two");
    assert_string_equal(row_text(&terminal, 2), "from here");
    assert_string_equal(row_text(&terminal, 3), "to there");
    assert_string_equal(row_text(&terminal, 4), "");
    assert_int_equal(terminal_cursor_row(&terminal), 4);
    assert_int_equal(terminal_cursor_column(&terminal), 0);
}

static void a_full_row_does_not_cost_an_empty_one(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "0123456789\nnext");
    assert_string_equal(row_text(&terminal, 0), "0123456789");
    assert_string_equal(row_text(&terminal, 1), "next");
}

// I2
static void a_finished_line_stays(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "keep\nedit\r\x1b[K\x1b[9D\b\b\bnew\r\n");
    assert_string_equal(row_text(&terminal, 0), "keep");
    assert_string_equal(row_text(&terminal, 1), "new");
}

static void form_feeds_end_pages(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "one\n\ftwo\fthree");
    assert_string_equal(row_text(&terminal, 0), "one");
    assert_string_equal(row_text(&terminal, 2), "two");
    assert_string_equal(row_text(&terminal, 4), "three");
    for (uint64_t row = 0; row < 7; row++) {
        assert_int_equal(terminal_ends_page(&terminal, row), row == 1 || row == 3);
    }
    say(&terminal, "0123456789\fx"); // two rows, of which the first one is gone by now
    assert_string_equal(row_text(&terminal, 5), "56789");
    assert_true(terminal_ends_page(&terminal, 6));
    assert_string_equal(row_text(&terminal, 7), "x");
    assert_false(terminal_ends_page(&terminal, 1));
}

static void old_rows_go(void **state) {
    (void)state;
    struct terminal terminal = started();
    for (unsigned i = 0; i < 20; i++) {
        text_printf(&terminal.text, "row %u\n", i);
    }
    assert_int_equal(terminal.bottom, 20);
    assert_int_equal(terminal_oldest(&terminal), 15);
    assert_null(row_text(&terminal, 14));
    assert_string_equal(row_text(&terminal, 15), "row 15");
    assert_string_equal(row_text(&terminal, 19), "row 19");
    assert_null(row_text(&terminal, 21));
}

// What the line editor does to a command longer than the screen is wide.
static void editing_goes_over_rows(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "> 0123456789abcdef"); // 18 characters
    say(&terminal, "\x1b[12D");           // to the 4
    assert_int_equal(terminal_cursor_row(&terminal), 0);
    assert_int_equal(terminal_cursor_column(&terminal), 6);
    say(&terminal, "X456789abcdef\x1b[12D");
    assert_string_equal(row_text(&terminal, 0), "> 0123X456");
    assert_string_equal(row_text(&terminal, 1), "789abcdef");
    say(&terminal, "\x1b[4C\x1b[K");
    assert_string_equal(row_text(&terminal, 1), "7");
    say(&terminal, "\r\x1b[K> again");
    assert_string_equal(row_text(&terminal, 0), "> again");
    assert_string_equal(row_text(&terminal, 1), "");
}

static void movements_stop_at_the_ends(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "ab\x1b[99Dc\x1b[9999999999C");
    assert_string_equal(row_text(&terminal, 0), "cb");
    assert_int_equal(terminal_cursor_row(&terminal) - 1, 0); // right behind the row's last column
    assert_int_equal(terminal_cursor_column(&terminal), 0);
}

static void other_controls(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "a\tb\a\x01\x7f\x1b[2J\x1b(\x1b[5mc");
    assert_string_equal(row_text(&terminal, 0), "a       bc");
}

static void utf8(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "\xe2\x80\x94\xc3\xa4\xf0\x9f\x98\x80\xffz\xe2\x80");
    const struct cell *row = terminal_row(&terminal, 0);
    assert_int_equal(row[0].code, 0x2014);
    assert_int_equal(row[1].code, 0xe4);
    assert_int_equal(row[2].code, 0xfffd); // beyond 16 bits
    assert_int_equal(row[3].code, 0xfffd); // no UTF-8
    assert_int_equal(row[4].code, 'z');
    say(&terminal, "q"); // the sequence before it is cut short
    assert_int_equal(row[5].code, 0xfffd);
    assert_int_equal(row[6].code, 'q');
}

static void styles_are_kept_by_character(void **state) {
    (void)state;
    struct terminal terminal = started();
    say(&terminal, "a");
    text_style(&terminal.text, TEXT_WARNING);
    say(&terminal, "b");
    text_style(&terminal.text, TEXT_PLAIN);
    say(&terminal, "c");
    const struct cell *row = terminal_row(&terminal, 0);
    assert_int_equal(row[0].style, TEXT_PLAIN);
    assert_int_equal(row[1].style, TEXT_WARNING);
    assert_int_equal(row[2].style, TEXT_PLAIN);
}

// I1, with the sanitizer watching the cells' ends.
static void any_bytes_keep_it_whole(void **state) {
    (void)state;
    static const char likely[] = "\x1b[0123456789CDK\r\n\b\t\fabc\xe2\x80\x94";
    srand(1);
    for (unsigned rows = 2; rows < 8; rows++) {
        struct cell *room = malloc(COLUMNS * rows * sizeof(*room));
        struct terminal terminal;
        terminal_init(&terminal, room, COLUMNS, rows);
        for (unsigned i = 0; i < 100000; i++) {
            char byte = (char)rand();
            if (rand() % 8 != 0) {
                byte = likely[(size_t)rand() % (sizeof(likely) - 1)];
            }
            terminal.text.write(&terminal.text, &byte, 1);
            assert_true(terminal.begin <= terminal.bottom);
            assert_true(terminal.bottom - terminal.begin < rows);
            assert_true(terminal_cursor_row(&terminal) <= terminal.bottom + 1);
        }
        free(room);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_wrapping),
        cmocka_unit_test(a_full_row_does_not_cost_an_empty_one),
        cmocka_unit_test(a_finished_line_stays),
        cmocka_unit_test(form_feeds_end_pages),
        cmocka_unit_test(old_rows_go),
        cmocka_unit_test(editing_goes_over_rows),
        cmocka_unit_test(movements_stop_at_the_ends),
        cmocka_unit_test(other_controls),
        cmocka_unit_test(utf8),
        cmocka_unit_test(styles_are_kept_by_character),
        cmocka_unit_test(any_bytes_keep_it_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
