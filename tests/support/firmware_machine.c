// SPDX-License-Identifier: MIT
// The fake machine, in the place of efi/machine/machine.c. See firmware.h.
#include "firmware.h"

struct machine_features machine_features(void) {
    return firmware.features;
}

uint64_t machine_ticks(void) {
    return firmware.ticks += 1000;
}

bool machine_random(uint64_t *out) {
    *out = firmware_random();
    return firmware.features.random;
}

uint8_t machine_in(uint16_t port) {
    if (firmware.serial_absent) {
        return 0xff;
    }
    return port == 0x3ff ? firmware.serial_scratch : firmware.serial_stuck ? 0x00 : 0x60;
}

void machine_out(uint16_t port, uint8_t value) {
    if (port == 0x3f8 && firmware.serial_length + 1 < sizeof(firmware.serial)) {
        firmware.serial[firmware.serial_length++] = (char)value;
    } else if (port == 0x3ff) {
        firmware.serial_scratch = value;
    } else if (port == 0xf4) {
        firmware.qemu_exit = value;
    }
}

void machine_interrupts_off(void) {}

_Noreturn void machine_stop(void) {
    longjmp(firmware.out, OUTCOME_STOPPED);
}

void machine_jump_code(uint64_t *begin, uint64_t *end) {
    *begin = 0x30000123; // an address that nothing else has
    *end = 0x30000160;
}

_Noreturn void machine_jump(const struct machine_jump *jump) {
    firmware.jump = *jump;
    longjmp(firmware.out, OUTCOME_JUMPED);
}
