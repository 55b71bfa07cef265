// SPDX-License-Identifier: MIT
// Pixels in any linear format. Invariants (tests/unit/test_pixels.c):
//   I1  nothing is written outside the lines and the width   formats_agree
//   I2  every format shows the same picture                  formats_agree
#include <screen/font.h>
#include <screen/pixels.h>
#include <string.h>

#define SCALE_WIDTH 1920 // the font is enlarged by the multiple of this that is nearest
#define SIDE_MAX    32768

// A mask is a row of ones somewhere; where it is not, its lowest row counts.
static struct pixels_channel channel_of(uint32_t mask) {
    struct pixels_channel channel = {0, 0};
    while (mask != 0 && (mask & 1) == 0) {
        mask >>= 1;
        channel.shift++;
    }
    while ((mask & 1) != 0) {
        mask >>= 1;
        channel.bits++;
    }
    return channel;
}

static unsigned bytes_of(uint32_t masks) {
    unsigned bytes = 0;
    while (masks != 0) {
        masks >>= 8;
        bytes++;
    }
    return bytes;
}

static bool set_format(struct pixels *pixels, const struct boot_framebuffer *screen) {
    pixels->bytes = 4;
    switch (screen->format) {
    case BOOT_PIXEL_RGBX:
        pixels->red = (struct pixels_channel){0, 8};
        pixels->green = (struct pixels_channel){8, 8};
        pixels->blue = (struct pixels_channel){16, 8};
        return true;
    case BOOT_PIXEL_BGRX:
        pixels->red = (struct pixels_channel){16, 8};
        pixels->green = (struct pixels_channel){8, 8};
        pixels->blue = (struct pixels_channel){0, 8};
        return true;
    case BOOT_PIXEL_MASK:
        pixels->red = channel_of(screen->red_mask);
        pixels->green = channel_of(screen->green_mask);
        pixels->blue = channel_of(screen->blue_mask);
        pixels->bytes = bytes_of(screen->red_mask | screen->green_mask | screen->blue_mask |
                                 screen->reserved_mask);
        return pixels->red.bits != 0 && pixels->green.bits != 0 && pixels->blue.bits != 0;
    default:
        return false;
    }
}

const char *pixels_init(struct pixels *pixels, const struct boot_framebuffer *screen, void *base) {
    *pixels = (struct pixels){.base = base, .width = screen->width, .height = screen->height};
    if (screen->format == BOOT_PIXEL_NONE) {
        return "the firmware has none";
    }
    if (screen->format == BOOT_PIXEL_BLT_ONLY) {
        return "it can be drawn on through the firmware only, before the exit";
    }
    if (screen->base.value == 0) {
        return "the firmware does not say where its memory is";
    }
    if (!set_format(pixels, screen)) {
        return "its pixel format is not known";
    }
    if (screen->pitch_pixels < screen->width || screen->pitch_pixels > SIDE_MAX ||
        screen->height > SIDE_MAX) {
        return "its width, height and pitch do not fit together";
    }
    pixels->pitch = (uint64_t)screen->pitch_pixels * pixels->bytes;
    uint64_t lines = pixels->pitch != 0 ? screen->bytes / pixels->pitch : 0;
    if (lines < pixels->height) {
        pixels->height = (unsigned)lines;
    }
    unsigned scale = (pixels->width + SCALE_WIDTH / 2) / SCALE_WIDTH;
    pixels->scale = scale != 0 ? scale : 1;
    if (pixels_columns(pixels) < 20 || pixels_rows(pixels) < 4) {
        return "it is too small to read anything on";
    }
    return NULL;
}

unsigned pixels_columns(const struct pixels *pixels) {
    return pixels->width / (FONT_WIDTH * pixels->scale);
}

unsigned pixels_rows(const struct pixels *pixels) {
    return pixels->height / (FONT_HEIGHT * pixels->scale);
}

static uint32_t channel_value(struct pixels_channel channel, uint32_t value) {
    value = channel.bits <= 8 ? value >> (8 - channel.bits) : value << (channel.bits - 8);
    return value << channel.shift;
}

uint32_t pixels_colour(const struct pixels *pixels, uint32_t rgb) {
    return channel_value(pixels->red, rgb >> 16 & 0xff) |
           channel_value(pixels->green, rgb >> 8 & 0xff) | channel_value(pixels->blue, rgb & 0xff);
}

size_t pixels_line_bytes(const struct pixels *pixels) {
    return ((size_t)pixels->width + 1) * 4;
}

// Pixels are written as 32-bit numbers, little end first, one overlapping what is left of the one
// before it: `line` has room for the last one's surplus.
static uint8_t *put(uint8_t *at, uint32_t colour, unsigned bytes, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        __builtin_memcpy(at, &colour, sizeof(colour)); // a move, not a call
        at += bytes;
    }
    return at;
}

static uint8_t *put_row(uint8_t *at, const struct pixels *pixels, const struct pixels_glyph *glyph,
                        unsigned y) {
    for (unsigned bits = (unsigned)glyph->rows[y] << 8, x = 0; x < FONT_WIDTH; x++) {
        bits <<= 1;
        at = put(at, (bits & 0x10000) != 0 ? glyph->ink : glyph->paper, pixels->bytes,
                 pixels->scale);
    }
    return at;
}

void pixels_draw(const struct pixels *pixels, unsigned column, unsigned row,
                 const struct pixels_glyph *glyphs, unsigned count, uint8_t *line) {
    uint64_t x = (uint64_t)column * FONT_WIDTH * pixels->scale * pixels->bytes;
    uint8_t *to = pixels->base + (uint64_t)row * FONT_HEIGHT * pixels->scale * pixels->pitch + x;
    for (unsigned y = 0; y < FONT_HEIGHT; y++) {
        uint8_t *at = line;
        for (unsigned i = 0; i < count; i++) {
            at = put_row(at, pixels, &glyphs[i], y);
        }
        for (unsigned i = 0; i < pixels->scale; i++, to += pixels->pitch) {
            memcpy(to, line, (size_t)(at - line));
        }
    }
}

void pixels_clear(const struct pixels *pixels, uint32_t colour, uint8_t *line) {
    uint8_t *end = put(line, colour, pixels->bytes, pixels->width);
    for (unsigned y = 0; y < pixels->height; y++) {
        memcpy(pixels->base + y * pixels->pitch, line, (size_t)(end - line));
    }
}
