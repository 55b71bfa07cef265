// SPDX-License-Identifier: MIT
// Text on a framebuffer with nothing behind it: no cells, no memory. For a panic before there is
// a page allocator. What does not fit goes on at the top, over what stands there.
// Pure: tests/unit/test_plain.c.
#pragma once

#include <screen/font.h>
#include <screen/pixels.h>
#include <strata/text.h>

#define PLAIN_SCALE_MAX 17 // the font's on the widest screen

struct plain_screen {
    struct text text;
    struct pixels pixels;
    uint32_t ink, paper;
    unsigned column, row;
    uint8_t line[(FONT_WIDTH * PLAIN_SCALE_MAX + 1) * 4];
};

// Clears the screen. False, with nothing drawn, when this is no screen to write on.
bool plain_screen_init(struct plain_screen *plain, const struct boot_framebuffer *framebuffer,
                       void *base);
