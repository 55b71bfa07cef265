// SPDX-License-Identifier: MIT
// The console's font: 8 pixels by 16, Latin, Greek, box drawing and block elements.
//
// It is the VGA font of Debian's console-setup-linux, made into a table at build time (font.py).
// U+E000 to U+E0FF are made there as well: eight squares of 4 by 4 pixels, as the lower byte says
// from the left above, for pictures.
// Source: u_vga16.bdf, (C) 2000, 2001 Dmitry Bolkhovityanov, under the X11 licence.
#pragma once

#include <strata/types.h>

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

#define FONT_SQUARES        0xe000
#define FONT_SQUARES_ACROSS 2
#define FONT_SQUARES_DOWN   4

struct font_glyph {
    uint16_t code;             // Unicode
    uint8_t rows[FONT_HEIGHT]; // from above; bit 7 is the leftmost pixel
};

// Sorted by code.
extern const struct font_glyph font_glyphs[];
extern const size_t font_count;

// The rows of a character; of a box for one that the font has not.  O(log glyphs).
const uint8_t *font_rows(uint16_t code);
