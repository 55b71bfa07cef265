// SPDX-License-Identifier: MIT
// What a terminal shows, as cells in ordinary memory: text in, lines of characters to look at.
//
//            ring of lines                    a line that is longer than the screen is wide
//    oldest ┌───────────────┐                 goes on in the next row; to a carriage return and
//           │ …             │                 to the cursor's movements it is one line all the same
//           │ begin ────────┤ ┐
//           │ …             │ │ the logical line that is being written
//    bottom │ …             │ ┘
//           └───────────────┘
//
// Takes UTF-8, newline, carriage return, backspace, tabulator, and of the escape sequences what the
// monitor's line editor sends: ESC [ n C, ESC [ n D, ESC [ K. Others are passed over whole. A form
// feed is a row of its own, an empty one: whoever shows page by page begins one behind it.
// Rows are counted from the first ever written on, so a row keeps its number while it scrolls.
// Pure: tests/unit/test_terminal.c.
#pragma once

#include <strata/text.h>

struct cell {
    uint16_t code;   // Unicode; 0 for a blank
    uint8_t style;   // enum text_style
    uint8_t padding; // always 0, so that cells can be compared as bytes
};

struct terminal {
    struct text text;
    struct cell *ring;
    unsigned columns, ring_rows;
    uint64_t bottom;   // the last row that exists
    uint64_t begin;    // the row in which the line that is being written begins
    uint64_t position; // the cursor's, in characters from there
    uint8_t style;     // of what is written next
    uint8_t escape;    // how far into an escape sequence
    unsigned parameter;
    uint32_t character; // UTF-8 of which `missing` bytes are still to come
    unsigned missing;
};

// Begins with an empty screen. `cells` has room for `columns` times `rows` cells, at least two
// rows, and stays in use.
void terminal_init(struct terminal *terminal, struct cell *cells, unsigned columns, unsigned rows);

// The first row that is still known.
uint64_t terminal_oldest(const struct terminal *terminal);

// The cells of a row, or NULL for one that is not there (any longer).
const struct cell *terminal_row(const struct terminal *terminal, uint64_t row);

// Whether a form feed was written there.
bool terminal_ends_page(const struct terminal *terminal, uint64_t row);

// Where the cursor is.
uint64_t terminal_cursor_row(const struct terminal *terminal);
unsigned terminal_cursor_column(const struct terminal *terminal);
