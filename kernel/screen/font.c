// SPDX-License-Identifier: MIT
// Finding a glyph.
#include <screen/font.h>

static const uint8_t unknown[FONT_HEIGHT] = {0,    0,    0x7e, 0x42, 0x42, 0x42, 0x42, 0x42,
                                             0x42, 0x42, 0x42, 0x7e, 0,    0,    0,    0};

const uint8_t *font_rows(uint16_t code) {
    size_t begin = 0, end = font_count;
    while (begin < end) {
        size_t middle = (begin + end) / 2;
        if (font_glyphs[middle].code == code) {
            return font_glyphs[middle].rows;
        }
        if (font_glyphs[middle].code < code) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return unknown;
}
