// SPDX-License-Identifier: MIT
// From a keyboard's scan codes to what a terminal would have sent.
//
// Scan code set 1, as the controller translates to; the US layout. Arrows, Home, End and Delete
// become the escape sequences that the line editor knows. Source: IBM Personal System/2 hardware
// interface technical reference, keyboard (101/102 keys).
// Pure: tests/unit/test_keymap.c.
#pragma once

#include <strata/types.h>

#define KEYMAP_BYTES_MAX 4

// Keys that are not characters.
#define KEYMAP_PAGE_UP   '\x01'
#define KEYMAP_PAGE_DOWN '\x02'

struct keymap {
    bool shift_left, shift_right, control, caps_lock;
    bool extended; // the byte that follows is of the keys that the 101-key keyboard added
    unsigned skip; // bytes of the Pause key still to come
};

// Takes one byte from the keyboard. Stores what it types in `bytes` and returns how many bytes that
// is, 0 for most. PgUp and PgDn are one byte behind an ESC: KEYMAP_PAGE_UP, KEYMAP_PAGE_DOWN.
size_t keymap_take(struct keymap *keymap, uint8_t code, char bytes[KEYMAP_BYTES_MAX]);
