// SPDX-License-Identifier: MIT
// A terminal's cells. Invariants (tests/unit/test_terminal.c):
//   I1  begin <= cursor's row, and bottom - begin < ring_rows   any_bytes_keep_it_whole
//   I2  rows above `begin` never change                         a_finished_line_stays
#include <screen/terminal.h>
#include <string.h>

#define FORM_FEED   0x0c
#define ESCAPE      0x1b
#define REPLACEMENT 0xfffd
#define TABULATOR   8

enum { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_BRACKET };

static struct cell *row_cells(const struct terminal *terminal, uint64_t row) {
    return terminal->ring + row % terminal->ring_rows * terminal->columns;
}

static void clear_row(struct terminal *terminal, uint64_t row) {
    memset(row_cells(terminal, row), 0, terminal->columns * sizeof(struct cell));
}

uint64_t terminal_oldest(const struct terminal *terminal) {
    uint64_t rows = terminal->bottom + 1;
    return rows > terminal->ring_rows ? rows - terminal->ring_rows : 0;
}

const struct cell *terminal_row(const struct terminal *terminal, uint64_t row) {
    bool known = row <= terminal->bottom && row >= terminal_oldest(terminal);
    return known ? row_cells(terminal, row) : NULL;
}

bool terminal_ends_page(const struct terminal *terminal, uint64_t row) {
    const struct cell *cells = terminal_row(terminal, row);
    return cells != NULL && cells[0].code == FORM_FEED;
}

uint64_t terminal_cursor_row(const struct terminal *terminal) {
    return terminal->begin + terminal->position / terminal->columns;
}

unsigned terminal_cursor_column(const struct terminal *terminal) {
    return (unsigned)(terminal->position % terminal->columns);
}

// Makes the cursor's row one that is there.
static void reach_cursor(struct terminal *terminal) {
    while (terminal->bottom < terminal_cursor_row(terminal)) {
        terminal->bottom++;
        clear_row(terminal, terminal->bottom);
    }
    // A line as long as the ring would overwrite itself: its last row becomes a line of its own.
    if (terminal->bottom - terminal->begin >= terminal->ring_rows - 1) {
        terminal->position %= terminal->columns;
        terminal->begin = terminal->bottom;
    }
}

static void put_character(struct terminal *terminal, uint32_t code) {
    reach_cursor(terminal);
    struct cell *cell =
        row_cells(terminal, terminal_cursor_row(terminal)) + terminal_cursor_column(terminal);
    cell->code = code <= 0xffff ? (uint16_t)code : REPLACEMENT;
    cell->style = terminal->style;
    terminal->position++;
}

static void new_line(struct terminal *terminal) {
    // What the line has been is its end, wherever in it the cursor is.
    terminal->begin = terminal->bottom + 1;
    terminal->position = 0;
    reach_cursor(terminal);
}

static void feed_form(struct terminal *terminal) {
    if (terminal->position != 0 || terminal->begin != terminal->bottom) {
        new_line(terminal);
    }
    *row_cells(terminal, terminal->begin) = (struct cell){.code = FORM_FEED};
    new_line(terminal);
}

static void erase_rest(struct terminal *terminal) {
    uint64_t row = terminal_cursor_row(terminal);
    if (row > terminal->bottom) {
        return;
    }
    unsigned column = terminal_cursor_column(terminal);
    memset(row_cells(terminal, row) + column, 0,
           (terminal->columns - column) * sizeof(struct cell));
    while (++row <= terminal->bottom) {
        clear_row(terminal, row);
    }
}

static void move_back(struct terminal *terminal, uint64_t count) {
    terminal->position -= count < terminal->position ? count : terminal->position;
}

static void move_forth(struct terminal *terminal, uint64_t count) {
    uint64_t room = (terminal->bottom - terminal->begin + 1) * terminal->columns;
    uint64_t left = room - (terminal->position < room ? terminal->position : room);
    terminal->position += count < left ? count : left;
}

static void take_escape(struct terminal *terminal, uint8_t byte) {
    if (terminal->escape == ESCAPE_SEEN) {
        terminal->escape = byte == '[' ? ESCAPE_BRACKET : ESCAPE_NONE;
        terminal->parameter = 0;
        return;
    }
    if (byte >= '0' && byte <= '9' && terminal->parameter < 10000) {
        terminal->parameter = terminal->parameter * 10 + (unsigned)(byte - '0');
    }
    if (byte < '@' || byte > '~') {
        return;
    }
    terminal->escape = ESCAPE_NONE;
    unsigned count = terminal->parameter != 0 ? terminal->parameter : 1;
    if (byte == 'C') {
        move_forth(terminal, count);
    } else if (byte == 'D') {
        move_back(terminal, count);
    } else if (byte == 'K') {
        erase_rest(terminal);
    }
}

static void take_control(struct terminal *terminal, uint8_t byte) {
    switch (byte) {
    case '\n':
        new_line(terminal);
        break;
    case FORM_FEED:
        feed_form(terminal);
        break;
    case '\r':
        terminal->position = 0;
        break;
    case '\b':
        move_back(terminal, 1);
        break;
    case '\t':
        do {
            put_character(terminal, ' ');
        } while (terminal->position % TABULATOR != 0);
        break;
    case ESCAPE:
        terminal->escape = ESCAPE_SEEN;
        break;
    default:
        break;
    }
}

// The first byte of a character (RFC 3629).
static void begin_character(struct terminal *terminal, uint8_t byte) {
    static const uint8_t bits[] = {0, 0x1f, 0x0f, 0x07};
    terminal->missing = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc0 ? 1 : 0;
    terminal->character = byte & bits[terminal->missing];
    if (terminal->missing == 0) {
        put_character(terminal, REPLACEMENT);
    }
}

static void take(struct terminal *terminal, uint8_t byte) {
    if (terminal->missing != 0 && (byte & 0xc0) == 0x80) {
        terminal->character = terminal->character << 6 | (byte & 0x3f);
        if (--terminal->missing == 0) {
            put_character(terminal, terminal->character);
        }
        return;
    }
    if (terminal->missing != 0) {
        terminal->missing = 0;
        put_character(terminal, REPLACEMENT);
    }
    if (terminal->escape != ESCAPE_NONE) {
        take_escape(terminal, byte);
    } else if (byte >= 0x80) {
        begin_character(terminal, byte);
    } else if (byte >= ' ' && byte != 0x7f) {
        put_character(terminal, byte);
    } else {
        take_control(terminal, byte);
    }
}

static void terminal_write(struct text *self, const char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        take((struct terminal *)self, (uint8_t)bytes[i]);
    }
}

static void terminal_style(struct text *self, unsigned style) {
    ((struct terminal *)self)->style = (uint8_t)style;
}

void terminal_init(struct terminal *terminal, struct cell *cells, unsigned columns, unsigned rows) {
    *terminal = (struct terminal){
        .text = {terminal_write, terminal_style},
        .ring = cells,
        .columns = columns,
        .ring_rows = rows,
    };
    clear_row(terminal, 0);
}
