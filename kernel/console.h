// SPDX-License-Identifier: MIT
// Where a person is: the serial line and the screen show the same text, the serial line and the
// keyboard are both typed at.
//
//    text ──┬──> serial line                    serial line ──┐
//           └──> screen (drawn now and then)    keyboard ─────┴──> console_read
//
// The screen is drawn when nothing else is to do, and otherwise thirty times a second. Commands
// that were typed at the keyboard stop after each page, and a key there goes on; PgUp and PgDn look
// back. When nobody types, and above all when there is no keyboard, the screen shows what was said
// page by page, over and over, so that all of it can be read or photographed. A key ends that, or a
// whole line over the serial line; noise there does not.
//
// One user at a time: no locks. A panic in the middle of anything can still print.
#pragma once

#include <clock.h>
#include <devices/keyboard.h>
#include <devices/serial.h>
#include <screen/plain.h>
#include <screen/screen.h>

#define CONSOLE_NOTHING (-1) // nothing was typed
#define CONSOLE_LOST    (-2) // the serial line lost bytes that somebody sent

#define CONSOLE_AHEAD 512

struct console_byte {
    uint8_t byte;
    bool at_keyboard; // typed there
};

struct console {
    struct text text;
    struct serial *serial;
    const struct clock *clock;
    struct screen screen;      // `columns` is 0 when there is none
    struct plain_screen plain; // a panic's, while there is no other
    bool has_plain;
    struct keyboard keyboard;
    bool drawing;        // text is on its way into the cells, or from there to the screen
    uint64_t flushed_at; // ticks

    // What was typed while a command worked.
    struct console_byte ahead[CONSOLE_AHEAD];
    size_t ahead_begin, ahead_count;
    bool interrupted;       // ^C among it
    uint64_t overruns_seen; // of the serial line's
    uint64_t lost_told;     // bytes that it lost and that the screen has told of

    // Paging of what a command says.
    bool at_keyboard; // the last byte came from there
    bool answering;   // a command: ^C stops it
    bool paging;
    bool discarding;   // until the command ends
    uint64_t page_row; // the page's first row

    // Showing all pages, one after the other.
    unsigned tour_seconds; // a page; 0: never
    bool tour_over;        // somebody typed: a key, or a line of text over the serial line
    bool serial_text;      // the line that comes over it has characters,
    bool serial_noise;     // or bytes that nobody types
    uint64_t tour_next;    // when the next page is due, in ticks; 0: not begun
    uint64_t tour_row;     // its first row
};

// Begins with the serial line alone.
void console_init(struct console *console, struct serial *serial, const struct clock *clock);

// Adds a screen whose text is kept until console_light. `storage` is as screen_init wants it.
void console_add_screen(struct console *console, const struct boot_framebuffer *framebuffer,
                        void *storage, unsigned lines);
void console_light(struct console *console, void *framebuffer);

// Writes what follows on the framebuffer as it comes: for a panic that is earlier than a screen.
void console_add_plain(struct console *console, const struct boot_framebuffer *framebuffer,
                       void *base);

// Draws what is not drawn yet.
void console_flush(struct console *console);

// The next byte that was typed, CONSOLE_NOTHING or CONSOLE_LOST. Does not wait.
int console_read(struct console *console);

// How many tiles of a picture of memory a row has room for, with an address before and a legend
// behind: as many as suits the screen, when there is one.
unsigned console_tiles(const struct console *console);

// Whether ^C was typed since the last call. For what takes long: call it now and then. Other bytes
// are kept for console_read.
bool console_interrupted(struct console *console);

// Whether nobody wants the rest of the answer: ^C was typed, or q at the end of a page. What is
// written then goes nowhere; what takes long without writing asks now and then, and gives up.
bool console_stopped(struct console *console);

// For a command that asks console_interrupted itself, and has something to say when it is stopped.
void console_leave_stopping(struct console *console);

// What is written in between is one command's answer: paged when it was typed at the keyboard.
void console_begin_answer(struct console *console);
void console_end_answer(struct console *console);

// Says on the screen how much the serial line has lost since that was said there last.
void console_tell_losses(struct console *console);

// Begins a page for something that has to be seen whole, and is written to `screen.text`: it may
// have two rows less than the screen. False when nobody will see it: there is no screen, or the
// rest of the answer is not wanted.
bool console_begin_page(struct console *console);

// From here on only what is said counts: no paging, nobody looks back.
void console_panic(struct console *console);
