// SPDX-License-Identifier: MIT
// A linear framebuffer: colours in its own format, and rows of characters drawn into it.
//
// A framebuffer is mapped write-combining: writes that follow one another are fast, reads are
// slower than anything. So nothing is ever read back; a run of characters is composed one line of
// pixels at a time in ordinary memory, and that line is written in one go, as often as it takes
// when the font is enlarged.
//
//    base ──┬──────────────── width ───────────────┬─ rest of the pitch ─┐
//           │ 1st line of pixels                   │                     │
//           │ 2nd …
//
// Formats: UEFI 2.10, 12.9.2 (EFI_GRAPHICS_PIXEL_FORMAT). Pure: tests/unit/test_pixels.c.
#pragma once

#include <strata/boot.h>

// One colour's place in a pixel.
struct pixels_channel {
    unsigned shift, bits;
};

struct pixels {
    uint8_t *base;          // write-only
    unsigned width, height; // in pixels
    uint64_t pitch;         // bytes from one line to the next
    unsigned bytes;         // a pixel has, 1 to 4
    struct pixels_channel red, green, blue;
    unsigned scale; // pixels that one of the font's becomes, each way
};

// What is wrong with the firmware's description of its screen, or NULL with `pixels` set up; lines
// that its memory would not hold are left out. `base` is where the framebuffer is mapped, and may
// be NULL to ask only.
const char *pixels_init(struct pixels *pixels, const struct boot_framebuffer *screen, void *base);

// How many characters fit, each way.
unsigned pixels_columns(const struct pixels *pixels);
unsigned pixels_rows(const struct pixels *pixels);

// 0xRRGGBB in the screen's format.
uint32_t pixels_colour(const struct pixels *pixels, uint32_t rgb);

// How many bytes pixels_draw and pixels_clear want to work in.
size_t pixels_line_bytes(const struct pixels *pixels);

// One character to draw: the font's rows, and colours in the screen's format.
struct pixels_glyph {
    const uint8_t *rows;
    uint32_t ink, paper;
};

// Draws `count` characters from (column, row) of the text on. `line` is room to work in.
void pixels_draw(const struct pixels *pixels, unsigned column, unsigned row,
                 const struct pixels_glyph *glyphs, unsigned count, uint8_t *line);

// Makes the whole screen one colour, whatever text does not cover included.
void pixels_clear(const struct pixels *pixels, uint32_t colour, uint8_t *line);
