// SPDX-License-Identifier: MIT
// A text screen: a terminal's cells, and what of them the framebuffer shows.
//
//    text ──> terminal (cells in memory, with what has scrolled away)
//                  │ screen_flush: what differs from
//                  v
//              drawn (cells as they are on the screen) ──> pixels (write-combining)
//
// Writing text touches ordinary memory only. screen_flush draws the cells that look otherwise than
// when they were last drawn: however much was written in between, it costs at most one screen, and
// scrolling costs what really changes. Until screen_light there is no framebuffer, and text is
// kept for it.
// Pure: tests/unit/test_screen.c.
#pragma once

#include <screen/pixels.h>
#include <screen/terminal.h>

#define SCREEN_STYLES    (TEXT_TILE + TEXT_TILES)
#define SCREEN_NOTE_MAX  80
#define SCREEN_LOOK_LIVE UINT64_MAX

struct screen {
    struct text text; // where to write
    struct terminal terminal;
    struct pixels pixels;
    bool lit;                   // it has a framebuffer to draw into
    unsigned columns, rows;     // characters that fit; 0: there is no screen
    struct cell *drawn;         // rows x columns, as they are on the screen
    uint8_t *line;              // room to compose pixels in
    uint64_t look;              // the row at the top, when somebody looks back; or SCREEN_LOOK_LIVE
    uint64_t look_end;          // from this row on nothing is shown then
    char note[SCREEN_NOTE_MAX]; // in the last row while somebody looks back; "" for none
    uint32_t ink[SCREEN_STYLES], paper[SCREEN_STYLES];
};

// How many bytes screen_init wants for a screen that remembers `lines` lines. 0 when this is no
// screen to write on, with the reason in `*why`.
size_t screen_bytes(const struct boot_framebuffer *framebuffer, unsigned lines, const char **why);

// Begins with an empty screen, in `storage` of as many bytes as screen_bytes said, aligned to 8.
void screen_init(struct screen *screen, const struct boot_framebuffer *framebuffer, void *storage,
                 unsigned lines);

// `base` is where the framebuffer is mapped: clears it and draws what has been written so far.
void screen_light(struct screen *screen, void *base);

// Draws what has changed.  O(cells), and as many pixels as changed cells have.
void screen_flush(struct screen *screen);

// Shows the rows [row, end) of the terminal, as far as they fit, instead of what is being written,
// with a note in the last row. Draws nothing yet, as little as going back.
void screen_look(struct screen *screen, uint64_t row, uint64_t end, const char *note);
void screen_look_live(struct screen *screen);

// Where a page that begins at `row` ends, with a row left for a note: at the first form feed, or
// when the screen is full. And where one begins that would begin at `row`: behind form feeds.
uint64_t screen_page_end(const struct screen *screen, uint64_t row);
uint64_t screen_page_begin(const struct screen *screen, uint64_t row);

// The row that is at the top when nobody looks back.
uint64_t screen_live_top(const struct screen *screen);
