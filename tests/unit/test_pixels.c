// SPDX-License-Identifier: MIT
// Framebuffers of every format: the same picture, and nothing beside it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <screen/font.h>
#include <screen/pixels.h>
#include <stdlib.h>
#include <string.h>

#define BYTES (4096 * 64)
#define GUARD 0xa5

static const struct boot_framebuffer base_screen = {
    .base = {0x1000}, .bytes = BYTES, .width = 168, .height = 70, .pitch_pixels = 200};

static struct boot_framebuffer screen_of(uint32_t format) {
    struct boot_framebuffer screen = base_screen;
    screen.format = format;
    return screen;
}

static struct boot_framebuffer masked(uint32_t red, uint32_t green, uint32_t blue, uint32_t rest) {
    struct boot_framebuffer screen = screen_of(BOOT_PIXEL_MASK);
    screen.red_mask = red;
    screen.green_mask = green;
    screen.blue_mask = blue;
    screen.reserved_mask = rest;
    return screen;
}

// Red, green and blue of a pixel, each as its highest bits in 8.
static uint32_t rgb_at(const struct pixels *pixels, const uint8_t *memory, unsigned x, unsigned y) {
    uint32_t value = 0;
    memcpy(&value, memory + y * pixels->pitch + x * pixels->bytes, pixels->bytes);
    uint32_t red = value >> pixels->red.shift & ((1u << pixels->red.bits) - 1);
    uint32_t green = value >> pixels->green.shift & ((1u << pixels->green.bits) - 1);
    uint32_t blue = value >> pixels->blue.shift & ((1u << pixels->blue.bits) - 1);
    assert_true(pixels->red.bits >= 5 && pixels->green.bits >= 5 && pixels->blue.bits >= 5);
    red >>= pixels->red.bits - 5;
    green >>= pixels->green.bits - 5;
    blue >>= pixels->blue.bits - 5;
    return red << 16 | green << 8 | blue;
}

static const uint8_t rows[FONT_HEIGHT] = {0x80, 0x01, 0xff, 0x00, 0x3c, 0, 0, 0,
                                          0,    0,    0,    0,    0,    0, 0, 0x81};

static void expect_picture(const struct pixels *pixels, const uint8_t *memory) {
    for (unsigned y = 0; y < pixels->height; y++) {
        for (unsigned x = 0; x < pixels->width; x++) {
            bool inside = x >= 8 && x < 24 && y >= 16 && y < 32;
            bool set = inside && (rows[y - 16] & 0x80 >> x % 8) != 0;
            uint32_t expected = set ? 0x1f0000 : inside ? 0x00001f : 0x001f00;
            assert_int_equal(rgb_at(pixels, memory, x, y), expected);
        }
    }
}

static void draw_on(const struct boot_framebuffer *screen) {
    uint8_t *memory = malloc(BYTES);
    memset(memory, GUARD, BYTES);
    struct pixels pixels;
    assert_null(pixels_init(&pixels, screen, memory));
    assert_int_equal(pixels_columns(&pixels), 21);
    assert_int_equal(pixels_rows(&pixels), 4);
    uint8_t *line = malloc(pixels_line_bytes(&pixels)); // exactly: the sanitizer watches its end
    pixels_clear(&pixels, pixels_colour(&pixels, 0x00ff00), line);
    struct pixels_glyph glyph = {rows, pixels_colour(&pixels, 0xff0000),
                                 pixels_colour(&pixels, 0x0000ff)};
    struct pixels_glyph glyphs[2] = {glyph, glyph};
    pixels_draw(&pixels, 1, 1, glyphs, 2, line);
    expect_picture(&pixels, memory);
    for (size_t at = 0; at < BYTES; at++) {
        bool on_screen = at / pixels.pitch < pixels.height &&
                         at % pixels.pitch < (size_t)pixels.width * pixels.bytes;
        if (!on_screen) {
            assert_int_equal(memory[at], GUARD);
        }
    }
    free(line);
    free(memory);
}

// I1 and I2, together: the picture is the same, and what lies beside it is as it was.
static void formats_agree(void **state) {
    (void)state;
    const struct boot_framebuffer screens[] = {
        screen_of(BOOT_PIXEL_RGBX),
        screen_of(BOOT_PIXEL_BGRX),
        masked(0xff0000, 0xff00, 0xff, 0xff000000),
        masked(0xff, 0xff00, 0xff0000, 0), // three bytes a pixel
        masked(0xf800, 0x7e0, 0x1f, 0),    // two
        masked(0x7c00, 0x3e0, 0x1f, 0x8000),
        masked(0x3ff00000, 0xffc00, 0x3ff, 0xc0000000), // ten bits a colour
    };
    for (size_t i = 0; i < sizeof(screens) / sizeof(screens[0]); i++) {
        draw_on(&screens[i]);
    }
}

static void memory_byte_order(void **state) {
    (void)state;
    struct pixels pixels;
    struct boot_framebuffer screen = screen_of(BOOT_PIXEL_BGRX);
    assert_null(pixels_init(&pixels, &screen, NULL));
    assert_int_equal(pixels_colour(&pixels, 0x123456), 0x123456); // blue is the first byte
    screen = screen_of(BOOT_PIXEL_RGBX);
    assert_null(pixels_init(&pixels, &screen, NULL));
    assert_int_equal(pixels_colour(&pixels, 0x123456), 0x563412);
}

static void large_screens_have_large_letters(void **state) {
    (void)state;
    static const struct {
        unsigned width, height, scale;
    } cases[] = {{640, 480, 1}, {1920, 1080, 1}, {2560, 1440, 1}, {3840, 2160, 2}, {7680, 4320, 4}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct boot_framebuffer screen = screen_of(BOOT_PIXEL_BGRX);
        screen.width = screen.pitch_pixels = cases[i].width;
        screen.height = cases[i].height;
        screen.bytes = (uint64_t)cases[i].width * cases[i].height * 4;
        struct pixels pixels;
        assert_null(pixels_init(&pixels, &screen, NULL));
        assert_int_equal(pixels.scale, cases[i].scale);
        assert_int_equal(pixels_columns(&pixels), cases[i].width / 8 / cases[i].scale);
    }
}

static void enlarged(void **state) {
    (void)state;
    struct boot_framebuffer screen = screen_of(BOOT_PIXEL_BGRX);
    uint8_t *memory = calloc(1, BYTES);
    struct pixels pixels;
    assert_null(pixels_init(&pixels, &screen, memory));
    pixels.scale = 2;
    uint8_t *line = malloc(pixels_line_bytes(&pixels));
    struct pixels_glyph glyph = {rows, 0xffffff, 0};
    pixels_draw(&pixels, 1, 0, &glyph, 1, line);
    for (unsigned y = 0; y < 32; y++) {
        for (unsigned x = 0; x < 32; x++) {
            bool set = x >= 16 && (rows[y / 2] & 0x80 >> (x - 16) / 2) != 0;
            assert_int_equal(rgb_at(&pixels, memory, x, y), set ? 0x1f1f1f : 0);
        }
    }
    free(line);
    free(memory);
}

static void lines_without_memory_are_left_out(void **state) {
    (void)state;
    struct boot_framebuffer screen = screen_of(BOOT_PIXEL_BGRX);
    struct pixels pixels;
    screen.bytes = 65 * 200 * 4 + 1;
    assert_null(pixels_init(&pixels, &screen, NULL));
    assert_int_equal(pixels.height, 65);
    screen.bytes = 10 * 200 * 4;
    assert_non_null(pixels_init(&pixels, &screen, NULL));
}

static void nonsense_is_refused(void **state) {
    (void)state;
    struct pixels pixels;
    struct boot_framebuffer screen = screen_of(BOOT_PIXEL_NONE);
    assert_non_null(pixels_init(&pixels, &screen, NULL));
    screen = screen_of(BOOT_PIXEL_BLT_ONLY);
    assert_non_null(strstr(pixels_init(&pixels, &screen, NULL), "firmware only"));
    screen = screen_of(77);
    assert_non_null(pixels_init(&pixels, &screen, NULL));
    screen = masked(0, 0xff00, 0xff, 0);
    assert_non_null(pixels_init(&pixels, &screen, NULL));
    screen = masked(0, 0, 0, 0);
    assert_non_null(pixels_init(&pixels, &screen, NULL));
    screen = screen_of(BOOT_PIXEL_BGRX);
    screen.base.value = 0;
    assert_non_null(pixels_init(&pixels, &screen, NULL));
    screen = screen_of(BOOT_PIXEL_BGRX);
    screen.pitch_pixels = 167;
    assert_non_null(pixels_init(&pixels, &screen, NULL));
    screen.pitch_pixels = UINT32_MAX;
    assert_non_null(pixels_init(&pixels, &screen, NULL));
    screen = screen_of(BOOT_PIXEL_BGRX);
    screen.width = 100;
    assert_non_null(pixels_init(&pixels, &screen, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_agree),
        cmocka_unit_test(memory_byte_order),
        cmocka_unit_test(large_screens_have_large_letters),
        cmocka_unit_test(enlarged),
        cmocka_unit_test(lines_without_memory_are_left_out),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
