// SPDX-License-Identifier: MIT
// A PS/2 keyboard, polled: the i8042 and what emulates it (many firmwares do for USB keyboards).
//
// Nothing here waits for ever: a controller that is not there, or that stops answering, is a
// machine without a keyboard.
// Source: Intel 8042 as the IBM PC/AT technical reference uses it; status and command bytes there.
#pragma once

#include <devices/keymap.h>

struct keyboard {
    bool present;
    const char *absent; // why not: "no controller", …; NULL when present
    struct keymap keymap;
    char typed[KEYMAP_BYTES_MAX]; // bytes not taken yet
    size_t next, count;
};

// Looks for one and sets it up: no interrupts, scan code set 1. Returns whether there is one.
bool keyboard_init(struct keyboard *keyboard);

// The next byte typed, or -1 when there is none. Does not wait. PgUp and PgDn are as keymap.h has
// them.
int keyboard_read(struct keyboard *keyboard);
