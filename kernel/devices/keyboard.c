// SPDX-License-Identifier: MIT
// The i8042, polled.
#include <devices/keyboard.h>
#include <x86/cpu.h>

#define PORT_DATA    0x60
#define PORT_STATUS  0x64 // read
#define PORT_COMMAND 0x64 // write

#define STATUS_OUTPUT_FULL 0x01 // there is a byte for us
#define STATUS_INPUT_FULL  0x02 // it has not taken ours yet
#define STATUS_FROM_MOUSE  0x20

#define COMMAND_READ_CONFIGURATION  0x20
#define COMMAND_WRITE_CONFIGURATION 0x60
#define COMMAND_DISABLE_MOUSE       0xa7
#define COMMAND_DISABLE_KEYBOARD    0xad
#define COMMAND_ENABLE_KEYBOARD     0xae

#define CONFIGURATION_INTERRUPTS 0x03u
#define CONFIGURATION_NO_CLOCK   0x10u // to the keyboard
#define CONFIGURATION_TRANSLATE  0x40u

#define KEYBOARD_ENABLE_SCANNING 0xf4
#define KEYBOARD_ACKNOWLEDGES    0xfa

#define FLOATING   0xff
#define PATIENCE   50000 // port reads of about a microsecond: a keyboard answers within 20 ms
#define LEFT_BYTES 64    // that a controller may still hold: more is none
#define TRIES      3

static bool wait_input_empty(void) {
    unsigned patience = PATIENCE;
    while ((cpu_in8(PORT_STATUS) & STATUS_INPUT_FULL) != 0) {
        if (--patience == 0) {
            return false;
        }
        cpu_pause();
    }
    return true;
}

static int wait_byte(void) {
    for (unsigned patience = PATIENCE; patience != 0; patience--) {
        if ((cpu_in8(PORT_STATUS) & STATUS_OUTPUT_FULL) != 0) {
            return cpu_in8(PORT_DATA);
        }
        cpu_pause();
    }
    return -1;
}

static bool send(uint16_t port, uint8_t byte) {
    if (!wait_input_empty()) {
        return false;
    }
    cpu_out8(port, byte);
    return true;
}

// Throws away what was typed at the firmware.
static bool drain(void) {
    for (unsigned i = 0; i < LEFT_BYTES; i++) {
        if ((cpu_in8(PORT_STATUS) & STATUS_OUTPUT_FULL) == 0) {
            return true;
        }
        cpu_in8(PORT_DATA);
    }
    return false;
}

static bool configure(void) {
    if (!send(PORT_COMMAND, COMMAND_DISABLE_KEYBOARD) ||
        !send(PORT_COMMAND, COMMAND_DISABLE_MOUSE) || !wait_input_empty() || !drain() ||
        !send(PORT_COMMAND, COMMAND_READ_CONFIGURATION)) {
        return false;
    }
    int configuration = wait_byte();
    if (configuration < 0) {
        return false;
    }
    unsigned bits = (unsigned)configuration & ~(CONFIGURATION_INTERRUPTS | CONFIGURATION_NO_CLOCK);
    bits |= CONFIGURATION_TRANSLATE;
    return send(PORT_COMMAND, COMMAND_WRITE_CONFIGURATION) && send(PORT_DATA, (uint8_t)bits) &&
           send(PORT_COMMAND, COMMAND_ENABLE_KEYBOARD);
}

static bool enable_scanning(void) {
    for (unsigned i = 0; i < TRIES; i++) {
        if (!send(PORT_DATA, KEYBOARD_ENABLE_SCANNING)) {
            return false;
        }
        int answer = wait_byte();
        if (answer == KEYBOARD_ACKNOWLEDGES || answer < 0) {
            return answer >= 0;
        }
    }
    return false;
}

bool keyboard_init(struct keyboard *keyboard) {
    *keyboard = (struct keyboard){.absent = "no controller"};
    if (cpu_in8(PORT_STATUS) == FLOATING) {
        return false;
    }
    keyboard->absent = "its controller does not answer";
    if (!drain() || !configure()) {
        return false;
    }
    keyboard->absent = "a controller, but no keyboard at it";
    keyboard->present = enable_scanning();
    keyboard->absent = keyboard->present ? NULL : keyboard->absent;
    return keyboard->present;
}

int keyboard_read(struct keyboard *keyboard) {
    while (keyboard->present && keyboard->next == keyboard->count) {
        uint8_t status = cpu_in8(PORT_STATUS);
        if ((status & STATUS_OUTPUT_FULL) == 0 || status == FLOATING) {
            return -1;
        }
        uint8_t code = cpu_in8(PORT_DATA);
        keyboard->next = 0;
        keyboard->count = (status & STATUS_FROM_MOUSE) != 0
                              ? 0
                              : keymap_take(&keyboard->keymap, code, keyboard->typed);
    }
    return keyboard->present ? (uint8_t)keyboard->typed[keyboard->next++] : -1;
}
