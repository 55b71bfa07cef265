// SPDX-License-Identifier: MIT
// A line editor for VT100 and its heirs (ECMA-48 escape sequences).
#include <monitor/line.h>
#include <string.h>

#define CONTROL(letter) ((letter) - 'A' + 1)
#define ESCAPE          0x1b
#define DELETE          0x7f

enum { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_BRACKET };

void line_init(struct line *line, const char *prompt) {
    memset(line, 0, sizeof(*line));
    line->prompt = prompt;
}

static void line_clear(struct line *line) {
    line->text[0] = '\0';
    line->length = 0;
    line->cursor = 0;
    line->overflow = false;
    line->damaged = false;
    line->history_shown = 0;
}

void line_begin(struct line *line, struct text *out) {
    line_clear(line);
    text_puts(out, line->prompt);
}

static void echo_back(struct text *out, size_t columns) {
    if (columns != 0) {
        text_printf(out, "\x1b[%zuD", columns);
    }
}

void line_damage(struct line *line) {
    line->damaged = true;
}

static void line_redraw(struct line *line, struct text *out) {
    text_printf(out, "\r\x1b[K%s%s", line->prompt, line->text);
    echo_back(out, line->length - line->cursor);
}

static void line_insert(struct line *line, char byte, struct text *out) {
    if (line->length == LINE_BYTES - 1) {
        line->overflow = true;
        text_puts(out, "\a");
        return;
    }
    char *at = line->text + line->cursor;
    memmove(at + 1, at, line->length - line->cursor + 1);
    *at = byte;
    line->length++;
    line->cursor++;
    text_puts(out, at);
    echo_back(out, line->length - line->cursor);
}

void line_insert_text(struct line *line, const char *string, struct text *out) {
    for (; *string != '\0'; string++) {
        line_insert(line, *string, out);
    }
}

void line_show(struct line *line, struct text *out) {
    line_redraw(line, out);
}

// Takes `count` characters out from `from` on.
static void line_erase(struct line *line, size_t from, size_t count, struct text *out) {
    if (count == 0) {
        return;
    }
    char *at = line->text + from;
    memmove(at, at + count, line->length - from - count + 1);
    line->length -= count;
    echo_back(out, line->cursor - from);
    line->cursor = from;
    text_printf(out, "%s\x1b[K", at);
    echo_back(out, line->length - from);
}

static void line_move(struct line *line, size_t cursor, struct text *out) {
    if (cursor < line->cursor) {
        echo_back(out, line->cursor - cursor);
    } else if (cursor > line->cursor) {
        text_printf(out, "\x1b[%zuC", cursor - line->cursor);
    }
    line->cursor = cursor;
}

static void line_erase_word(struct line *line, struct text *out) {
    size_t from = line->cursor;
    while (from > 0 && line->text[from - 1] == ' ') {
        from--;
    }
    while (from > 0 && line->text[from - 1] != ' ') {
        from--;
    }
    line_erase(line, from, line->cursor - from, out);
}

static void history_add(struct line *line) {
    const char *last = line->history[(line->history_count - 1) % LINE_HISTORY];
    if (line->length == 0 || (line->history_count != 0 && strcmp(last, line->text) == 0)) {
        return;
    }
    memcpy(line->history[line->history_count % LINE_HISTORY], line->text, line->length + 1);
    line->history_count++;
}

// Shows the line `back` lines ago; 0 is the empty one being typed.
static void history_show(struct line *line, size_t back, struct text *out) {
    size_t kept = line->history_count < LINE_HISTORY ? line->history_count : LINE_HISTORY;
    if (back > kept) {
        text_puts(out, "\a");
        return;
    }
    line_clear(line);
    if (back != 0) {
        const char *old = line->history[(line->history_count - back) % LINE_HISTORY];
        line->length = strlen(old);
        memcpy(line->text, old, line->length + 1);
    }
    line->cursor = line->length;
    line->history_shown = back;
    line_redraw(line, out);
}

static enum line_event line_end(struct line *line, struct text *out) {
    text_puts(out, "\n");
    if (line->damaged) {
        line_clear(line);
        return LINE_DAMAGED;
    }
    if (line->overflow) {
        line_clear(line);
        return LINE_TOO_LONG;
    }
    history_add(line);
    return LINE_READY;
}

static void line_step(struct line *line, int direction, struct text *out) {
    if (direction < 0 && line->cursor > 0) {
        line_move(line, line->cursor - 1, out);
    } else if (direction > 0 && line->cursor < line->length) {
        line_move(line, line->cursor + 1, out);
    }
}

static void line_history_step(struct line *line, int direction, struct text *out) {
    if (direction < 0) {
        history_show(line, line->history_shown + 1, out);
    } else if (line->history_shown != 0) {
        history_show(line, line->history_shown - 1, out);
    }
}

// The character under the cursor goes.
static void line_delete(struct line *line, struct text *out) {
    line_erase(line, line->cursor, line->cursor < line->length ? 1 : 0, out);
}

// ESC [ number ~ : the keys of a VT220 and of others.
static void line_numbered_key(struct line *line, unsigned number, struct text *out) {
    if (number == 1 || number == 7) {
        line_move(line, 0, out);
    } else if (number == 4 || number == 8) {
        line_move(line, line->length, out);
    } else if (number == 3) {
        line_delete(line, out);
    }
}

// The last byte of ESC [ … : which key it was.
static void line_escape_end(struct line *line, char byte, struct text *out) {
    switch (byte) {
    case 'A':
        line_history_step(line, -1, out);
        break;
    case 'B':
        line_history_step(line, 1, out);
        break;
    case 'C':
        line_step(line, 1, out);
        break;
    case 'D':
        line_step(line, -1, out);
        break;
    case 'H':
        line_move(line, 0, out);
        break;
    case 'F':
        line_move(line, line->length, out);
        break;
    case '~':
        line_numbered_key(line, line->parameter, out);
        break;
    default:
        break;
    }
}

static void line_take_escape(struct line *line, char byte, struct text *out) {
    if (line->escape == ESCAPE_SEEN) {
        line->escape = byte == '[' || byte == 'O' ? ESCAPE_BRACKET : ESCAPE_NONE;
        line->parameter = 0;
    } else if (byte >= '@' && byte <= '~') {
        line->escape = ESCAPE_NONE;
        line_escape_end(line, byte, out);
    } else if (byte >= '0' && byte <= '9' && line->parameter < 1000) {
        line->parameter = line->parameter * 10 + (unsigned)(byte - '0');
    }
}

static void line_take_control(struct line *line, char byte, struct text *out) {
    switch (byte) {
    case CONTROL('A'):
        line_move(line, 0, out);
        break;
    case CONTROL('B'):
        line_step(line, -1, out);
        break;
    case CONTROL('D'):
        line_delete(line, out);
        break;
    case CONTROL('E'):
        line_move(line, line->length, out);
        break;
    case CONTROL('F'):
        line_step(line, 1, out);
        break;
    case CONTROL('H'):
    case DELETE:
        line_erase(line, line->cursor - (line->cursor != 0), line->cursor != 0, out);
        break;
    case CONTROL('K'):
        line_erase(line, line->cursor, line->length - line->cursor, out);
        break;
    case CONTROL('L'):
        line_redraw(line, out);
        break;
    case CONTROL('N'):
        line_history_step(line, 1, out);
        break;
    case CONTROL('P'):
        line_history_step(line, -1, out);
        break;
    case CONTROL('U'):
        line_erase(line, 0, line->cursor, out);
        break;
    case CONTROL('W'):
        line_erase_word(line, out);
        break;
    case ESCAPE:
        line->escape = ESCAPE_SEEN;
        break;
    case '\n': // of a CR LF
        break;
    default:
        line->damaged = true;
        break;
    }
}

enum line_event line_take(struct line *line, char byte, struct text *out) {
    bool after_cr = line->after_cr;
    line->after_cr = byte == '\r';
    if (byte == '\r' || (byte == '\n' && !after_cr)) {
        line->escape = ESCAPE_NONE;
        return line_end(line, out);
    }
    if (byte == CONTROL('C')) {
        line->escape = ESCAPE_NONE;
        line_clear(line);
        text_puts(out, "^C\n");
        return LINE_DROPPED;
    }
    if (line->damaged) {
        return LINE_MORE; // whatever it is, it will not be executed: not echoed either
    }
    if (line->escape != ESCAPE_NONE) {
        line_take_escape(line, byte, out);
    } else if (byte >= ' ' && byte < DELETE) {
        line_insert(line, byte, out);
    } else if (byte == '\t') {
        return LINE_TAB;
    } else {
        line_take_control(line, byte, out);
    }
    return LINE_MORE;
}
