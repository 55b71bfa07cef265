// SPDX-License-Identifier: MIT
// Characters, one after the other.
#include <screen/plain.h>

#define INK 0xff7070 // an error's: nothing else is written here

static void draw(struct plain_screen *plain, unsigned column, uint16_t code) {
    const struct pixels_glyph glyph = {font_rows(code), plain->ink, plain->paper};
    pixels_draw(&plain->pixels, column, plain->row, &glyph, 1, plain->line);
}

// Makes the next row empty and goes there.
static void clear_row(struct plain_screen *plain) {
    plain->row = (plain->row + 1) % pixels_rows(&plain->pixels);
    for (unsigned column = 0; column < pixels_columns(&plain->pixels); column++) {
        draw(plain, column, ' ');
    }
}

// The row behind it is empty, so that one sees where the text ends when it began again at the top.
static void next_row(struct plain_screen *plain) {
    unsigned row = (plain->row + 1) % pixels_rows(&plain->pixels);
    clear_row(plain);
    clear_row(plain);
    plain->row = row;
    plain->column = 0;
}

static void plain_write(struct text *self, const char *bytes, size_t count) {
    struct plain_screen *plain = (struct plain_screen *)self;
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)bytes[i];
        if (byte == '\n') {
            next_row(plain);
        } else if (byte >= ' ' && byte < 0x80) {
            if (plain->column == pixels_columns(&plain->pixels)) {
                next_row(plain);
            }
            draw(plain, plain->column++, byte);
        }
    }
}

bool plain_screen_init(struct plain_screen *plain, const struct boot_framebuffer *framebuffer,
                       void *base) {
    *plain = (struct plain_screen){.text = {.write = plain_write}};
    if (pixels_init(&plain->pixels, framebuffer, base) != NULL) {
        return false;
    }
    plain->ink = pixels_colour(&plain->pixels, INK);
    plain->paper = pixels_colour(&plain->pixels, 0);
    do {
        clear_row(plain);
    } while (plain->row != 0);
    return true;
}
