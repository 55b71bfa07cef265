// SPDX-License-Identifier: MIT
// Drawing what changed. Invariants (tests/unit/test_screen.c):
//   I1  after a flush the screen shows the cells, whatever was written since the last one
//                                                                           shows_what_was_written
//   I2  a second flush draws nothing                                        draws_changes_only
// This file never reads the framebuffer.
#include <screen/font.h>
#include <screen/screen.h>
#include <string.h>

#define RUN_MAX 64 // cells drawn at once

// Ink and paper, 0xRRGGBB. Tiles: as many colours as can be told apart, light enough for a dark
// letter.
static const struct {
    uint32_t ink, paper;
} looks[SCREEN_STYLES] = {
    [TEXT_PLAIN] = {0xc8c8c8, 0x000000},     [TEXT_HEADING] = {0xffffff, 0x000000},
    [TEXT_GOOD] = {0x7ed67e, 0x000000},      [TEXT_WARNING] = {0xffd75f, 0x000000},
    [TEXT_ERROR] = {0xff7070, 0x000000},     [TEXT_INVERSE] = {0x000000, 0xffffff},
    [TEXT_TILE + 0] = {0x06300c, 0x43a047},  [TEXT_TILE + 1] = {0x101010, 0x9be564},
    [TEXT_TILE + 2] = {0x101010, 0xff8c42},  [TEXT_TILE + 3] = {0x101010, 0xf2c14e},
    [TEXT_TILE + 4] = {0x101010, 0x5aa9e6},  [TEXT_TILE + 5] = {0x101010, 0x7fc8f8},
    [TEXT_TILE + 6] = {0x101010, 0x3fc1c9},  [TEXT_TILE + 7] = {0x101010, 0xb388eb},
    [TEXT_TILE + 8] = {0x101010, 0xf19cbb},  [TEXT_TILE + 9] = {0x101010, 0xe4572e},
    [TEXT_TILE + 10] = {0x101010, 0xd9bf77}, [TEXT_TILE + 11] = {0x101010, 0xa0a0a0},
    [TEXT_TILE + 12] = {0xd0d0d0, 0x606060}, [TEXT_TILE + 13] = {0x808080, 0x303030},
    [TEXT_TILE + 14] = {0xffffff, 0xc1121f}, [TEXT_TILE + 15] = {0x101010, 0xffffff},
};

static void screen_write(struct text *self, const char *bytes, size_t count) {
    struct terminal *terminal = &((struct screen *)self)->terminal;
    terminal->text.write(&terminal->text, bytes, count);
}

static void screen_style(struct text *self, unsigned style) {
    struct terminal *terminal = &((struct screen *)self)->terminal;
    terminal->text.style(&terminal->text, style < SCREEN_STYLES ? style : TEXT_PLAIN);
}

size_t screen_bytes(const struct boot_framebuffer *framebuffer, unsigned lines, const char **why) {
    struct pixels pixels;
    *why = pixels_init(&pixels, framebuffer, NULL);
    if (*why != NULL) {
        return 0;
    }
    size_t cells = (size_t)pixels_columns(&pixels) * (pixels_rows(&pixels) + lines);
    return cells * sizeof(struct cell) + pixels_line_bytes(&pixels);
}

void screen_init(struct screen *screen, const struct boot_framebuffer *framebuffer, void *storage,
                 unsigned lines) {
    *screen = (struct screen){.text = {screen_write, screen_style}, .look = SCREEN_LOOK_LIVE};
    pixels_init(&screen->pixels, framebuffer, NULL);
    screen->columns = pixels_columns(&screen->pixels);
    screen->rows = pixels_rows(&screen->pixels);
    struct cell *cells = storage;
    terminal_init(&screen->terminal, cells, screen->columns, lines);
    screen->drawn = cells + (size_t)screen->columns * lines;
    screen->line = (uint8_t *)(screen->drawn + (size_t)screen->columns * screen->rows);
    for (unsigned i = 0; i < SCREEN_STYLES; i++) {
        screen->ink[i] = pixels_colour(&screen->pixels, looks[i].ink);
        screen->paper[i] = pixels_colour(&screen->pixels, looks[i].paper);
    }
}

void screen_light(struct screen *screen, void *base) {
    screen->pixels.base = base;
    screen->lit = true;
    memset(screen->drawn, 0, (size_t)screen->columns * screen->rows * sizeof(struct cell));
    pixels_clear(&screen->pixels, screen->paper[TEXT_PLAIN], screen->line);
    screen_flush(screen);
}

uint64_t screen_live_top(const struct screen *screen) {
    uint64_t last = screen->terminal.bottom, cursor = terminal_cursor_row(&screen->terminal);
    last = cursor > last ? cursor : last;
    return last >= screen->rows ? last - screen->rows + 1 : 0;
}

uint64_t screen_page_end(const struct screen *screen, uint64_t row) {
    uint64_t full = row + screen->rows - 1;
    for (uint64_t at = row + 1; at < full; at++) {
        if (terminal_ends_page(&screen->terminal, at)) {
            return at;
        }
    }
    return full;
}

uint64_t screen_page_begin(const struct screen *screen, uint64_t row) {
    while (terminal_ends_page(&screen->terminal, row)) {
        row++;
    }
    return row;
}

void screen_look_live(struct screen *screen) {
    screen_look(screen, SCREEN_LOOK_LIVE, SCREEN_LOOK_LIVE, "");
}

void screen_look(struct screen *screen, uint64_t row, uint64_t end, const char *note) {
    size_t length = strlen(note);
    length = length < SCREEN_NOTE_MAX ? length : SCREEN_NOTE_MAX - 1;
    screen->look = row;
    screen->look_end = end;
    memcpy(screen->note, note, length);
    screen->note[length] = '\0';
}

// A cell as it has to look; the cursor's stands out.
static struct cell wanted(const struct screen *screen, const struct cell *cells, uint64_t row,
                          unsigned y, unsigned column) {
    struct cell cell = {0, TEXT_PLAIN, 0};
    bool live = screen->look == SCREEN_LOOK_LIVE;
    size_t length = live ? 0 : strlen(screen->note);
    if (length != 0 && y == screen->rows - 1) {
        cell.style = TEXT_INVERSE;
        cell.code = column < length ? (uint8_t)screen->note[column] : 0;
        return cell;
    }
    if (cells != NULL && (live || row < screen->look_end)) {
        cell = cells[column];
    }
    if (live && row == terminal_cursor_row(&screen->terminal) &&
        column == terminal_cursor_column(&screen->terminal)) {
        cell.style = TEXT_INVERSE;
    }
    return cell;
}

static bool same(struct cell a, struct cell b) {
    return a.code == b.code && a.style == b.style;
}

static void draw_run(struct screen *screen, unsigned column, unsigned y, unsigned count) {
    struct pixels_glyph glyphs[RUN_MAX];
    const struct cell *cells = screen->drawn + (size_t)y * screen->columns + column;
    for (unsigned i = 0; i < count; i++) {
        uint16_t code = cells[i].code > ' ' ? cells[i].code : ' ';
        glyphs[i] = (struct pixels_glyph){font_rows(code), screen->ink[cells[i].style],
                                          screen->paper[cells[i].style]};
    }
    pixels_draw(&screen->pixels, column, y, glyphs, count, screen->line);
}

static void flush_row(struct screen *screen, uint64_t row, unsigned y) {
    const struct cell *cells = terminal_row(&screen->terminal, row);
    struct cell *drawn = screen->drawn + (size_t)y * screen->columns;
    unsigned run = 0;
    for (unsigned x = 0; x < screen->columns; x++) {
        struct cell cell = wanted(screen, cells, row, y, x);
        bool changed = !same(cell, drawn[x]);
        if (run != 0 && (!changed || run == RUN_MAX)) {
            draw_run(screen, x - run, y, run);
            run = 0;
        }
        if (changed) {
            drawn[x] = cell;
            run++;
        }
    }
    if (run != 0) {
        draw_run(screen, screen->columns - run, y, run);
    }
}

void screen_flush(struct screen *screen) {
    if (!screen->lit) {
        return;
    }
    uint64_t top = screen->look == SCREEN_LOOK_LIVE ? screen_live_top(screen) : screen->look;
    for (unsigned y = 0; y < screen->rows; y++) {
        flush_row(screen, top + y, y);
    }
}
