// SPDX-License-Identifier: MIT
// The line editor, against a terminal that understands just what the editor sends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <monitor/line.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A terminal's one line: characters and a cursor.
struct terminal {
    struct text text;
    char line[600];
    size_t cursor;
    unsigned bells, newlines;
    char escape[16]; // the sequence being received
    size_t escape_length;
};

static void terminal_escape(struct terminal *terminal) {
    char last = terminal->escape[terminal->escape_length - 1];
    unsigned count = (unsigned)strtoul(terminal->escape + 2, NULL, 10);
    switch (last) {
    case 'D':
        assert_true(count >= 1 && count <= terminal->cursor);
        terminal->cursor -= count;
        break;
    case 'C':
        assert_true(count >= 1 && terminal->cursor + count <= strlen(terminal->line));
        terminal->cursor += count;
        break;
    case 'K':
        memset(terminal->line + terminal->cursor, 0, sizeof(terminal->line) - terminal->cursor);
        break;
    default:
        fail_msg("the terminal does not know ESC [ %c", last);
    }
}

static void terminal_byte(struct terminal *terminal, char byte) {
    if (terminal->escape_length != 0 || byte == 0x1b) {
        assert_true(terminal->escape_length < sizeof(terminal->escape) - 1);
        terminal->escape[terminal->escape_length++] = byte;
        terminal->escape[terminal->escape_length] = '\0';
        if (terminal->escape_length > 2 && byte >= '@') {
            terminal_escape(terminal);
            terminal->escape_length = 0;
        }
    } else if (byte == '\r') {
        terminal->cursor = 0;
    } else if (byte == '\n') {
        terminal->newlines++;
        memset(terminal->line, 0, sizeof(terminal->line));
        terminal->cursor = 0;
    } else if (byte == '\a') {
        terminal->bells++;
    } else {
        terminal->line[terminal->cursor++] = byte;
    }
}

static void terminal_write(struct text *self, const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        terminal_byte((struct terminal *)self, bytes[i]);
    }
}

struct session {
    struct line line;
    struct terminal terminal;
};

static void begin(struct session *session) {
    memset(session, 0, sizeof(*session));
    session->terminal.text.write = terminal_write;
    line_init(&session->line, "> ");
    line_begin(&session->line, &session->terminal.text);
}

// What the terminal shows is what the editor holds, and so are the cursors.
static void assert_in_step(struct session *session) {
    char expected[LINE_BYTES + 2];
    snprintf(expected, sizeof(expected), "> %s", session->line.text);
    assert_string_equal(session->terminal.line, expected);
    assert_int_equal(session->terminal.cursor, session->line.cursor + 2);
    assert_int_equal(strlen(session->line.text), session->line.length);
}

static enum line_event type(struct session *session, const char *bytes) {
    enum line_event event = LINE_MORE;
    for (; *bytes != '\0'; bytes++) {
        event = line_take(&session->line, *bytes, &session->terminal.text);
        if (event == LINE_MORE) {
            assert_in_step(session);
        }
    }
    return event;
}

static void assert_typed(const char *bytes, const char *expected) {
    struct session session;
    begin(&session);
    assert_int_equal(type(&session, bytes), LINE_READY);
    assert_string_equal(session.line.text, expected);
    assert_int_equal(session.terminal.newlines, 1);
}

static void lines_end_in_cr_or_lf(void **state) {
    (void)state;
    assert_typed("map\r", "map");
    assert_typed("map\n", "map");
    assert_typed("\r", "");
}

static void cr_lf_is_one_end(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    assert_int_equal(type(&session, "one\r"), LINE_READY);
    line_begin(&session.line, &session.terminal.text);
    assert_int_equal(type(&session, "\n"), LINE_MORE);
    assert_int_equal(type(&session, "two\n"), LINE_READY);
    assert_string_equal(session.line.text, "two");
    line_begin(&session.line, &session.terminal.text);
    assert_int_equal(type(&session, "\n"), LINE_READY);
}

static void keys_edit(void **state) {
    (void)state;
    assert_typed("maq\bp\r", "map");
    assert_typed("maq\x7fp\r", "map");
    assert_typed("\b\x7fmap\r", "map");
    assert_typed("wrong\x15right\r", "right");
    assert_typed("one two  \x17\x17six\r", "six");
    assert_typed("ap\x01m\r", "map");
    assert_typed("ap\x1b[Hm\x1b[F!\r", "map!");
    assert_typed("ap\x1b[1~m\x1b[4~!\r", "map!");
    assert_typed("ap\x1bOHm\x1bOF!\r", "map!");
    assert_typed("mp\x1b[Da\r", "map");
    assert_typed("mp\x02"
                 "a\x06s\r",
                 "maps");
    assert_typed("mxap\x1b[D\x1b[D\x1b[D\x1b[3~\r", "map");
    assert_typed("mapping\x02\x02\x02\x02\x0b\r", "map");
    assert_typed("mxap\x01\x06\x04\r", "map");
    assert_typed("m\x1b[5~a\x1b[15~p\x1bq\r", "map");
    assert_typed("m\x0c"
                 "ap\r",
                 "map");
    assert_typed("m\x01\x02\x05\x06"
                 "ap\x04\r",
                 "map");
}

static void other_bytes_are_ignored(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    for (int byte = 0; byte < 256; byte++) {
        bool known = byte == '\r' || byte == '\n' || byte == 3 || byte == 0x1b;
        if (!known && (byte < ' ' || byte > '~')) {
            line_take(&session.line, (char)byte, &session.terminal.text);
            assert_in_step(&session);
        }
    }
    assert_int_equal(session.line.length, 0);
}

static void noise_makes_the_line_no_command(void **state) {
    (void)state;
    static const char *const lines[] = {"map\x80\r", "\xc3\xa4map\r",
                                        ("m\x07"
                                         "ap\r"),
                                        "map\xff\b\r"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct session session;
        begin(&session);
        assert_int_equal(type(&session, lines[i]), LINE_DAMAGED);
        assert_string_equal(session.line.text, "");
        assert_int_equal(session.line.history_count, 0);
        line_begin(&session.line, &session.terminal.text);
        assert_int_equal(type(&session, "map\r"), LINE_READY); // the next one is good again
    }
}

static void a_line_with_losses_is_no_command(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    type(&session, "poweroff");
    line_damage(&session.line);
    assert_int_equal(type(&session, "\t"), LINE_MORE); // nothing is completed either
    assert_int_equal(type(&session, "\r"), LINE_DAMAGED);
    line_begin(&session.line, &session.terminal.text);
    line_damage(&session.line);
    assert_int_equal(type(&session, "\x03"), LINE_DROPPED);
    line_begin(&session.line, &session.terminal.text);
    assert_int_equal(type(&session, "map\r"), LINE_READY); // ^C gave the damaged one up
}

static void tab_asks_for_completion(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    assert_int_equal(type(&session, "fi\t"), LINE_TAB);
    line_insert_text(&session.line, "ndings ", &session.terminal.text);
    assert_in_step(&session);
    line_show(&session.line, &session.terminal.text);
    assert_in_step(&session);
    assert_int_equal(type(&session, "\r"), LINE_READY);
    assert_string_equal(session.line.text, "findings ");
}

static void control_c_drops_the_line(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    assert_int_equal(type(&session, "rubbish\x03"), LINE_DROPPED);
    line_begin(&session.line, &session.terminal.text);
    assert_in_step(&session);
    assert_int_equal(session.line.length, 0);
    assert_int_equal(session.line.history_count, 0);
}

static void long_lines_are_refused_whole(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    for (unsigned i = 0; i < LINE_BYTES - 1; i++) {
        type(&session, "x");
    }
    assert_int_equal(session.terminal.bells, 0);
    type(&session, "y");
    assert_int_equal(session.terminal.bells, 1);
    assert_int_equal(type(&session, "\r"), LINE_TOO_LONG);
    assert_string_equal(session.line.text, "");
    line_begin(&session.line, &session.terminal.text);
    assert_int_equal(type(&session, "map\r"), LINE_READY);
    assert_string_equal(session.line.text, "map");
}

static void history_goes_back_and_forth(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    const char *const lines[] = {"one\r", "two\r", "two\r", "\r", "three\r"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(type(&session, lines[i]), LINE_READY);
        line_begin(&session.line, &session.terminal.text);
    }
    type(&session, "\x1b[A");
    assert_string_equal(session.line.text, "three");
    type(&session, "\x1b[A\x10");
    assert_string_equal(session.line.text, "one");
    type(&session, "\x1b[A");
    assert_int_equal(session.terminal.bells, 1);
    type(&session, "\x1b[B");
    assert_string_equal(session.line.text, "two");
    type(&session, "\x0e\x0e\x0e");
    assert_string_equal(session.line.text, "");
    assert_int_equal(type(&session, "\x1b[A\b\r"), LINE_READY);
    assert_string_equal(session.line.text, "thre");
}

static void history_forgets_the_oldest(void **state) {
    (void)state;
    struct session session;
    begin(&session);
    for (unsigned i = 0; i < LINE_HISTORY + 3; i++) {
        char line[16];
        snprintf(line, sizeof(line), "line %u\r", i);
        assert_int_equal(type(&session, line), LINE_READY);
        line_begin(&session.line, &session.terminal.text);
    }
    for (unsigned i = 0; i < LINE_HISTORY + 3; i++) {
        type(&session, "\x1b[A");
    }
    assert_string_equal(session.line.text, "line 3");
}

// Whatever arrives, terminal and editor stay in step.
static void noise_does_no_harm(void **state) {
    (void)state;
    static const char keys[] =
        "ab \b\x7f\x01\x02\x04\x05\x06\x0b\x0c\x0e\x10\x15\x17\x1b[ABCDHF3~O";
    struct session session;
    begin(&session);
    uint32_t random = 1;
    for (unsigned i = 0; i < 100000; i++) {
        random = random * 1664525 + 1013904223;
        char byte = keys[(random >> 16) % (sizeof(keys) - 1)];
        if ((random >> 8 & 0xff) == 0) {
            byte = '\r';
        }
        if (line_take(&session.line, byte, &session.terminal.text) != LINE_MORE) {
            line_begin(&session.line, &session.terminal.text);
        }
        assert_in_step(&session);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_in_cr_or_lf),
        cmocka_unit_test(cr_lf_is_one_end),
        cmocka_unit_test(keys_edit),
        cmocka_unit_test(other_bytes_are_ignored),
        cmocka_unit_test(noise_makes_the_line_no_command),
        cmocka_unit_test(a_line_with_losses_is_no_command),
        cmocka_unit_test(tab_asks_for_completion),
        cmocka_unit_test(control_c_drops_the_line),
        cmocka_unit_test(long_lines_are_refused_whole),
        cmocka_unit_test(history_goes_back_and_forth),
        cmocka_unit_test(history_forgets_the_oldest),
        cmocka_unit_test(noise_does_no_harm),
    };
    return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
