// SPDX-License-Identifier: MIT
// Both consoles as one.
#include <console.h>
#include <string.h>
#include <x86/cpu.h>

#define NOISE            0x00
#define CONTROL_C        0x03
#define ESCAPE           0x1b
#define DELETE           0x7f
#define FLUSH_PER_SECOND 30
#define TOUR_PATIENCE    60 // seconds that a keyboard may be left alone before the pages go round
#define LINE_KEY         '\r'

static uint64_t ticks_of(const struct console *console, uint64_t seconds) {
    return seconds * console->clock->khz * 1000;
}

void console_flush(struct console *console) {
    if (console->screen.lit && !console->drawing) {
        console->drawing = true;
        screen_flush(&console->screen);
        console->drawing = false;
        console->flushed_at = clock_ticks(console->clock);
    }
}

static void flush_sometimes(struct console *console) {
    uint64_t now = clock_ticks(console->clock);
    if (now - console->flushed_at > ticks_of(console, 1) / FLUSH_PER_SECOND) {
        console_flush(console);
    }
}

// Input.

static bool is_printable(int byte) {
    return byte >= ' ' && byte < DELETE;
}

static int read_keyboard(struct console *console) {
    int byte = keyboard_read(&console->keyboard);
    if (byte >= 0) {
        console->at_keyboard = true;
        console->tour_over |= is_printable(byte) || byte == LINE_KEY;
    }
    return byte;
}

// A line with nobody at its other end may carry noise: only a whole line of text is somebody.
static int read_serial(struct console *console) {
    int byte = serial_read(console->serial);
    if (byte < 0) {
        return byte;
    }
    console->at_keyboard = false;
    if (byte == LINE_KEY || byte == '\n') {
        console->tour_over |= console->serial_text && !console->serial_noise;
        console->serial_text = console->serial_noise = false;
    }
    console->serial_text |= is_printable(byte);
    console->serial_noise |= byte == NOISE || byte > DELETE;
    return byte;
}

static int read_any(struct console *console) {
    // What has been taken in is handed out first: asking a keyboard takes a microsecond.
    const struct serial *serial = console->serial;
    int byte = serial->next < serial->received ? -1 : read_keyboard(console);
    return byte >= 0 ? byte : read_serial(console);
}

// What no longer fits what the screen keeps, said where it would stand.
static bool say_what_is_gone(const struct screen *screen, struct text *note, uint64_t row) {
    uint64_t oldest = terminal_oldest(&screen->terminal);
    if (oldest == 0 || row != oldest) {
        return false;
    }
    text_printf(note, "%lu lines before this: serial, \\strata\\map.txt", oldest);
    return true;
}

// A page back or forth; looking past the end is looking at what is written now.
static void look_by(struct console *console, bool back) {
    struct screen *screen = &console->screen;
    uint64_t page = screen->rows - 1, live = screen_live_top(screen);
    uint64_t oldest = terminal_oldest(&screen->terminal);
    uint64_t at = screen->look == SCREEN_LOOK_LIVE ? live : screen->look;
    if (back) {
        at = at < oldest + page ? oldest : at - page;
    } else {
        at += page;
    }
    if (at >= live) {
        screen_look_live(screen);
    } else {
        char line[SCREEN_NOTE_MAX];
        struct text_buffer note;
        text_buffer_init(&note, line, sizeof(line));
        if (!say_what_is_gone(screen, &note.text, at)) {
            text_puts(&note.text, "looking back: PgUp, PgDn; any other key returns");
        }
        screen_look(screen, at, UINT64_MAX, line);
    }
}

// Takes PgUp and PgDn out of what is typed at the keyboard. Returns the byte, or CONSOLE_NOTHING.
static int take_looking(struct console *console, int byte) {
    struct screen *screen = &console->screen;
    struct keyboard *keyboard = &console->keyboard;
    bool page = console->at_keyboard && byte == ESCAPE && keyboard->next < keyboard->count &&
                (keyboard->typed[keyboard->next] == KEYMAP_PAGE_UP ||
                 keyboard->typed[keyboard->next] == KEYMAP_PAGE_DOWN);
    if (page) {
        bool back = keyboard->typed[keyboard->next++] == KEYMAP_PAGE_UP;
        console->tour_over = true;
        if (screen->lit) {
            look_by(console, back);
        }
        return CONSOLE_NOTHING;
    }
    if (byte > NOISE && screen->look != SCREEN_LOOK_LIVE) {
        screen_look_live(screen);
    }
    return byte;
}

// How many pages there are from one row to another.
static uint64_t pages_between(const struct screen *screen, uint64_t row, uint64_t end) {
    uint64_t pages = 0;
    for (row = screen_page_begin(screen, row); row < end; pages++) {
        row = screen_page_begin(screen, screen_page_end(screen, row));
    }
    return pages;
}

// The page at tour_row; the one behind it is next.
static void show_page(struct console *console) {
    struct screen *screen = &console->screen;
    uint64_t oldest = terminal_oldest(&screen->terminal), end = screen->terminal.bottom + 1;
    uint64_t row = console->tour_row < oldest ? oldest : console->tour_row;
    row = screen_page_begin(screen, row);
    char line[SCREEN_NOTE_MAX];
    struct text_buffer note;
    text_buffer_init(&note, line, sizeof(line));
    text_printf(&note.text, " page %lu of %lu, the next in %u s; ",
                pages_between(screen, oldest, row) + 1, pages_between(screen, oldest, end),
                console->tour_seconds);
    if (!say_what_is_gone(screen, &note.text, row)) {
        text_puts(&note.text, "a key ends this");
    }
    console->tour_row = screen_page_end(screen, row);
    screen_look(screen, row, console->tour_row, line);
    if (screen_page_begin(screen, console->tour_row) >= end) {
        console->tour_row = oldest;
    }
}

// The next page, from the oldest line on, again and again.
static void tour(struct console *console) {
    struct screen *screen = &console->screen;
    uint64_t now = clock_ticks(console->clock);
    if (!screen->lit || console->tour_over || console->tour_seconds == 0 ||
        screen_live_top(screen) == terminal_oldest(&screen->terminal)) {
        return;
    }
    if (console->tour_next == 0) {
        unsigned wait = console->keyboard.present ? TOUR_PATIENCE : console->tour_seconds;
        console->tour_next = now + ticks_of(console, wait);
        console->tour_row = terminal_oldest(&screen->terminal);
    }
    if (now >= console->tour_next) {
        show_page(console);
        console->tour_next = now + ticks_of(console, console->tour_seconds);
    }
}

static bool lost_some(struct console *console) {
    bool lost = console->serial->overruns != console->overruns_seen;
    console->overruns_seen = console->serial->overruns;
    console->serial_noise |= lost;
    return lost;
}

int console_read(struct console *console) {
    int byte = CONSOLE_NOTHING;
    if (console->ahead_count != 0) {
        byte = console->ahead[console->ahead_begin].byte;
        console->at_keyboard = console->ahead[console->ahead_begin].at_keyboard;
        console->ahead_begin = (console->ahead_begin + 1) % CONSOLE_AHEAD;
        console->ahead_count--;
        return byte;
    }
    byte = take_looking(console, read_any(console));
    if (lost_some(console)) {
        return CONSOLE_LOST;
    }
    if (byte < 0) {
        tour(console);
        flush_sometimes(console);
    }
    return byte;
}

// Keeps a byte for console_read. What does not fit counts as lost behind what does.
static void keep(struct console *console, uint8_t byte) {
    if (console->ahead_count == CONSOLE_AHEAD) {
        console->serial->overruns++;
        return;
    }
    console->ahead[(console->ahead_begin + console->ahead_count) % CONSOLE_AHEAD] =
        (struct console_byte){byte, console->at_keyboard};
    console->ahead_count++;
}

// Puts aside what was typed, -1 being nothing. A ^C is not kept: it sets `interrupted`.
static void put_aside(struct console *console, int byte) {
    if (console->ahead_count < CONSOLE_AHEAD && lost_some(console)) {
        keep(console, NOISE); // no key sends it: the line that has the gap is no command
    }
    if (byte == CONTROL_C) {
        console->interrupted = true;
        console->ahead_count = 0; // what was typed before it is not meant any more
    } else if (byte >= 0) {
        keep(console, (uint8_t)byte);
    }
}

bool console_interrupted(struct console *console) {
    int byte;
    do {
        byte = read_any(console);
        put_aside(console, byte);
    } while (byte >= 0);
    flush_sometimes(console);
    bool interrupted = console->interrupted;
    console->interrupted = false;
    return interrupted;
}

// What is pasted stays with the port, which may know how to wait, when there is no room for it.
static bool has_room(const struct console *console) {
    return console->ahead_count + SERIAL_BURST <= CONSOLE_AHEAD;
}

bool console_stopped(struct console *console) {
    if (console->answering && has_room(console) && !console->discarding &&
        console_interrupted(console)) {
        console->discarding = true;
    }
    return console->discarding;
}

void console_leave_stopping(struct console *console) {
    console->answering = false;
}

unsigned console_tiles(const struct console *console) {
    unsigned columns = console->screen.columns;
    return columns == 0 || columns >= 110 ? 64 : 32;
}

// Paging.

// The keyboard asked and the keyboard answers. What comes over the serial line meanwhile is for the
// prompt, but for ^C, which stops an answer from wherever it comes.
static int wait_key(struct console *console) {
    int byte;
    while ((byte = read_keyboard(console)) < 0) {
        if (has_room(console)) {
            put_aside(console, read_serial(console));
        }
        if (console->interrupted) {
            console->interrupted = false;
            return CONTROL_C;
        }
        cpu_pause();
    }
    console->keyboard.next = console->keyboard.count; // the rest of an arrow
    return byte;
}

static void end_page(struct console *console) {
    struct screen *screen = &console->screen;
    screen_look(screen, console->page_row, UINT64_MAX, " more: space, Enter for a line, q to stop");
    console_flush(console);
    int key = wait_key(console);
    screen_look_live(screen);
    console->discarding = key == 'q' || key == 'Q' || key == CONTROL_C;
    console->page_row = key == LINE_KEY ? console->page_row + 1 : screen->terminal.bottom;
}

bool console_begin_page(struct console *console) {
    const struct terminal *terminal = &console->screen.terminal;
    if (console->screen.columns == 0 || console->discarding) {
        return false;
    }
    if (console->paging && terminal_cursor_row(terminal) > console->page_row) {
        end_page(console);
    }
    text_puts(&console->screen.text, "\f");
    console->page_row = console->paging ? terminal_cursor_row(terminal) : 0;
    return !console->discarding;
}

void console_begin_answer(struct console *console) {
    console->interrupted = false;
    console->answering = true;
    console->paging = console->at_keyboard && console->screen.lit;
    console->page_row = console->paging ? terminal_cursor_row(&console->screen.terminal) : 0;
}

void console_end_answer(struct console *console) {
    bool discarded = console->discarding;
    console->answering = console->paging = console->discarding = false;
    if (discarded) {
        text_puts(&console->text, "(the rest is left out)\n");
    }
    console_tell_losses(console);
}

void console_panic(struct console *console) {
    console->answering = console->paging = console->discarding = false;
    console->tour_over = true;
    // What was being drawn when it happened is not gone on with: its lines are whole all the same.
    console->drawing = false;
    if (console->screen.columns != 0) {
        screen_look_live(&console->screen);
    }
}

// Output.

// A serial line that nobody reads cannot say so itself.
void console_tell_losses(struct console *console) {
    const struct serial *serial = console->serial;
    struct text *screen = &console->screen.text;
    if (console->screen.columns == 0 || serial->lost == console->lost_told) {
        return;
    }
    text_style(screen, TEXT_WARNING);
    text_printf(screen, "\n[serial: %lu bytes lost%s]\n", serial->lost - console->lost_told,
                serial->stalled ? ": nobody takes them" : "");
    text_style(screen, TEXT_PLAIN);
    console->lost_told = serial->lost;
}

static void write_both(struct console *console, const char *bytes, size_t count) {
    struct text *serial = &console->serial->text, *screen = &console->screen.text;
    serial->write(serial, bytes, count);
    if (console->has_plain) {
        console->plain.text.write(&console->plain.text, bytes, count);
    }
    if (console->screen.columns != 0) {
        bool outer = console->drawing;
        console->drawing = true;
        screen->write(screen, bytes, count);
        if (!console->serial->stalled) {
            console_tell_losses(console);
        }
        console->drawing = outer;
        flush_sometimes(console);
    }
}

static void console_write(struct text *self, const char *bytes, size_t count) {
    struct console *console = (struct console *)self;
    while (count != 0 && !console_stopped(console)) {
        const char *newline = console->paging ? memchr(bytes, '\n', count) : NULL;
        size_t piece = newline != NULL ? (size_t)(newline - bytes) + 1 : count;
        write_both(console, bytes, piece);
        bytes += piece;
        count -= piece;
        const struct screen *screen = &console->screen;
        if (newline != NULL && screen->terminal.bottom - console->page_row >= screen->rows - 1) {
            end_page(console);
        }
    }
}

static void console_style(struct text *self, unsigned style) {
    struct console *console = (struct console *)self;
    if (console->screen.columns != 0) {
        text_style(&console->screen.text, style);
    }
}

void console_init(struct console *console, struct serial *serial, const struct clock *clock) {
    *console = (struct console){
        .text = {console_write, console_style},
        .serial = serial,
        .clock = clock,
    };
}

void console_add_screen(struct console *console, const struct boot_framebuffer *framebuffer,
                        void *storage, unsigned lines) {
    screen_init(&console->screen, framebuffer, storage, lines);
}

void console_add_plain(struct console *console, const struct boot_framebuffer *framebuffer,
                       void *base) {
    console->has_plain = plain_screen_init(&console->plain, framebuffer, base);
}

void console_light(struct console *console, void *framebuffer) {
    screen_light(&console->screen, framebuffer);
}
