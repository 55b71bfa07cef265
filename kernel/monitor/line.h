// SPDX-License-Identifier: MIT
// One line from a terminal: editing, history, and an end to it.
//
// Understands what serial terminals send: CR, LF or CR LF for the end of a line; backspace and
// delete; the arrows, Home and End; ^A ^E ^B ^F ^D ^K ^U ^W ^P ^N; ^C to drop the line; ^L to show
// it again; TAB, which the caller answers. Any other byte below a space or above 126 is none that a
// key sends: the line that it came in is not a command, and is not to be taken for one. Nothing
// more of it is echoed, and only its end or ^C ends it.
// Pure: bytes in, echo out. tests/unit/test_line.c.
#pragma once

#include <strata/text.h>

#define LINE_BYTES   256 // with the NUL at the end
#define LINE_HISTORY 16

enum line_event {
    LINE_MORE,     // nothing to do yet
    LINE_READY,    // `text` is a whole line
    LINE_DROPPED,  // ^C
    LINE_TOO_LONG, // the line ended, but did not fit; `text` is empty
    LINE_DAMAGED,  // the line ended, but not all of it was typed, or arrived; `text` is empty
    LINE_TAB,      // completion is wanted
};

struct line {
    char text[LINE_BYTES]; // always ends in NUL
    size_t length, cursor;
    bool overflow;      // characters did not fit
    bool damaged;       // noise was among them, or some were lost
    bool after_cr;      // an LF now belongs to the line before
    unsigned escape;    // how far into an escape sequence
    unsigned parameter; // its number
    const char *prompt;
    char history[LINE_HISTORY][LINE_BYTES];
    size_t history_count; // lines ever remembered
    size_t history_shown; // how far back the user has gone
};

void line_init(struct line *line, const char *prompt);

// Writes the prompt and begins an empty line; what was in it is forgotten.
void line_begin(struct line *line, struct text *out);

// Some of what was typed on this line was lost.
void line_damage(struct line *line);

// Inserts text at the cursor, as if it had been typed.
void line_insert_text(struct line *line, const char *string, struct text *out);

// Shows prompt and line again, behind whatever was written in between.
void line_show(struct line *line, struct text *out);

// Takes one byte, and echoes what changes.  O(length).
enum line_event line_take(struct line *line, char byte, struct text *out);
