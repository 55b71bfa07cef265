// SPDX-License-Identifier: MIT
// Codes that a camera reads. See codes.h. tests/boot/test_qr.py reads them off the screen.
#include <kmalloc.h>
#include <mm/map_code.h>
#include <qr/qr.h>
#include <screen/codes.h>
#include <screen/font.h>

#define VERSION_MOST  25 // more modules are hard for a telephone
#define CAPACITY_MOST 1451
#define OTHER_ROWS    3 // the line above, the prompt or a note below, and what scrolls
#define SHARE_OF_TEXT 3 // of the lines that are kept, a third at most;
#define UNTYPED_SHARE 2 // a half when nobody can type qr: they repeat the map and the findings

// What it takes to make a code.
struct codes_room {
    struct qr qr;
    char text[CAPACITY_MOST + 1];
};

// How many of the font's squares there are for a code, each way.
static unsigned squares_of(const struct screen *screen) {
    unsigned rows = screen->rows > OTHER_ROWS ? screen->rows - OTHER_ROWS : 0;
    unsigned down = rows * FONT_SQUARES_DOWN, across = screen->columns * FONT_SQUARES_ACROSS;
    return down < across ? down : across;
}

// The largest code that the screen can show, 0 for none.
static unsigned version_most(const struct screen *screen) {
    unsigned squares = squares_of(screen), least = 17 + 2 * QR_QUIET;
    unsigned version = squares > least ? (squares - least) / 4 : 0;
    return version < VERSION_MOST ? version : VERSION_MOST;
}

static void measure(struct kernel *kernel, struct map_code *code, unsigned *version,
                    size_t *parts) {
    unsigned most = version_most(&kernel->tty.screen);
    *version = most != 0 ? most : VERSION_MOST;
    // A code of version 1 or 2 has room for hardly more than the frame.
    size_t capacity = qr_capacity(*version, QR_MEDIUM);
    map_code_init(code, &kernel->firmware_map, &kernel->map);
    *version = capacity > 2 * (size_t)MAP_CODE_FRAME_MAX ? *version : 0;
    *parts = *version != 0 ? map_code_parts(code, capacity) : 0;
}

size_t codes_count(struct kernel *kernel) {
    struct map_code code;
    unsigned version;
    size_t parts;
    measure(kernel, &code, &version, &parts);
    return parts;
}

// The module under a square; the quiet zone is around them.
static bool is_dark(const struct qr *qr, unsigned scale, unsigned x, unsigned y) {
    return qr_dark(qr, x / scale - QR_QUIET, y / scale - QR_QUIET);
}

static unsigned squares_at(const struct qr *qr, unsigned scale, unsigned column, unsigned row) {
    unsigned bits = 0;
    for (unsigned i = 0; i < FONT_SQUARES_ACROSS * FONT_SQUARES_DOWN; i++) {
        unsigned x = column * FONT_SQUARES_ACROSS + i % FONT_SQUARES_ACROSS;
        unsigned y = row * FONT_SQUARES_DOWN + i / FONT_SQUARES_ACROSS;
        bits |= is_dark(qr, scale, x, y) ? 1u << i : 0;
    }
    return bits;
}

// As large as it can be.
static void draw(struct text *out, const struct screen *screen, const struct qr *qr) {
    unsigned side = qr->side + 2 * QR_QUIET, scale = squares_of(screen) / side;
    unsigned columns = (side * scale + FONT_SQUARES_ACROSS - 1) / FONT_SQUARES_ACROSS;
    unsigned rows = (side * scale + FONT_SQUARES_DOWN - 1) / FONT_SQUARES_DOWN;
    for (unsigned row = 0; row < rows; row++) {
        text_style(out, TEXT_INVERSE);
        for (unsigned column = 0; column < columns; column++) {
            unsigned code = FONT_SQUARES + squares_at(qr, scale, column, row);
            const char character[] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
                                      (char)(0x80 | (code & 0x3f))};
            out->write(out, character, sizeof(character));
        }
        text_style(out, TEXT_PLAIN);
        text_puts(out, "\n");
    }
}

bool codes_show(struct kernel *kernel, size_t part) {
    struct screen *screen = &kernel->tty.screen;
    struct map_code code;
    unsigned version;
    size_t parts;
    measure(kernel, &code, &version, &parts);
    if (part == 0 || part > parts || version_most(screen) == 0) {
        return false;
    }
    struct codes_room *room = kmalloc(sizeof(*room), 0);
    if (room == NULL) {
        return false;
    }
    size_t length = map_code_part(&code, part, parts, room->text);
    bool shown = qr_encode(&room->qr, room->text, length, QR_MEDIUM, version, QR_MASK_BEST) &&
                 console_begin_page(&kernel->tty);
    if (shown) {
        text_printf(&screen->text,
                    "map and findings, code %zu of %zu: photograph it; strata-map "
                    "reads its text\n",
                    part, parts);
        draw(&screen->text, screen, &room->qr);
    }
    kfree(room);
    return shown;
}

void codes_show_all(struct kernel *kernel) {
    struct screen *screen = &kernel->tty.screen;
    size_t parts = codes_count(kernel), kept = screen->terminal.ring_rows;
    if (screen->columns == 0 || parts == 0 || version_most(screen) == 0) {
        return;
    }
    bool typed = kernel->tty.keyboard.present;
    if (parts * screen->rows > kept / (typed ? SHARE_OF_TEXT : UNTYPED_SHARE)) {
        text_printf(&screen->text, "map and findings take %zu QR codes: qr shows them\n", parts);
        if (kernel->info->options.record != 0) {
            text_puts(&screen->text, "the map is on the boot volume as well: \\strata\\map.txt\n");
        }
        return;
    }
    for (size_t part = 1; part <= parts && codes_show(kernel, part); part++) {
    }
    text_puts(&screen->text, "\f");
}

void codes_write(struct kernel *kernel, struct text *out, size_t part) {
    struct map_code code;
    unsigned version;
    size_t parts;
    measure(kernel, &code, &version, &parts);
    struct codes_room *room = kmalloc(sizeof(*room), 0);
    for (size_t i = 1; i <= parts && room != NULL; i++) {
        if (part == 0 || part == i) {
            map_code_part(&code, i, parts, room->text);
            text_printf(out, "%s\n", room->text);
        }
    }
    text_puts(out, room == NULL ? "no memory for the codes\n" : "");
    kfree(room);
}
