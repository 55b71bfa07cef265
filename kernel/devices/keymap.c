// SPDX-License-Identifier: MIT
// Scan code set 1.
#include <devices/keymap.h>

#define RELEASED     0x80
#define CONTROL_BITS 0x1f

enum {
    CODE_CONTROL = 0x1d,
    CODE_SHIFT_LEFT = 0x2a,
    CODE_SHIFT_RIGHT = 0x36,
    CODE_CAPS_LOCK = 0x3a,
    CODE_KEYPAD_SLASH = 0x35,
    CODE_KEYPAD_ENTER = 0x1c,
    CODE_EXTENDED = 0xe0,
    CODE_PAUSE = 0xe1,
};

// By code, from 0 on; 0 types nothing.
static const char plain[] = "\0\x1b"
                            "1234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\x1b"
                              "!@#$%^&*()_+\b\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
_Static_assert(sizeof(plain) == sizeof(shifted), "the same keys");

static bool take_modifier(struct keymap *keymap, uint8_t key, bool pressed) {
    switch (key) {
    case CODE_CONTROL:
        keymap->control = pressed;
        return true;
    case CODE_SHIFT_LEFT:
        keymap->shift_left = pressed;
        return true;
    case CODE_SHIFT_RIGHT:
        keymap->shift_right = pressed;
        return true;
    case CODE_CAPS_LOCK:
        keymap->caps_lock ^= pressed;
        return true;
    default:
        return false;
    }
}

static size_t type_sequence(uint8_t key, char *bytes) {
    static const struct {
        uint8_t key;
        char bytes[KEYMAP_BYTES_MAX + 1];
    } keys[] = {
        {0x47, "\x1b[H"}, {0x48, "\x1b[A"}, {0x49, "\x1b\x01"}, {0x4b, "\x1b[D"},  {0x4d, "\x1b[C"},
        {0x4f, "\x1b[F"}, {0x50, "\x1b[B"}, {0x51, "\x1b\x02"}, {0x53, "\x1b[3~"},
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t count = 0;
        while (keys[i].key == key && keys[i].bytes[count] != '\0') {
            bytes[count] = keys[i].bytes[count];
            count++;
        }
        if (count != 0) {
            return count;
        }
    }
    return 0;
}

// Ctrl and a letter: 1 for A to 26 for Z.
static char controlled(char letter) {
    static const char controls[] =
        "\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
        "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";
    return controls[letter & CONTROL_BITS];
}

static size_t type_character(const struct keymap *keymap, uint8_t key, char *bytes) {
    if (key >= sizeof(plain) - 1) {
        return 0;
    }
    bool letter = plain[key] >= 'a' && plain[key] <= 'z';
    bool shift = (keymap->shift_left || keymap->shift_right) != (letter && keymap->caps_lock);
    bytes[0] = (shift ? shifted : plain)[key];
    if (keymap->control) {
        bytes[0] = '\0';
        if (letter) {
            bytes[0] = controlled(plain[key]);
        }
    }
    return bytes[0] != '\0';
}

size_t keymap_take(struct keymap *keymap, uint8_t code, char bytes[KEYMAP_BYTES_MAX]) {
    if (keymap->skip != 0) {
        keymap->skip--;
        return 0;
    }
    if (code == CODE_EXTENDED || code == CODE_PAUSE) {
        keymap->extended = code == CODE_EXTENDED;
        keymap->skip = code == CODE_PAUSE ? 2 : 0;
        return 0;
    }
    bool extended = keymap->extended, pressed = (code & RELEASED) == 0;
    uint8_t key = code & (uint8_t)~RELEASED;
    keymap->extended = false;
    // Extended shifts are made up by the keyboard around its arrows.
    bool made_up = extended && (key == CODE_SHIFT_LEFT || key == CODE_SHIFT_RIGHT);
    if (made_up || take_modifier(keymap, key, pressed) || !pressed) {
        return 0;
    }
    size_t count = type_sequence(key, bytes);
    bool typed = !extended || key == CODE_KEYPAD_SLASH || key == CODE_KEYPAD_ENTER;
    return count != 0 || !typed ? count : type_character(keymap, key, bytes);
}
