// SPDX-License-Identifier: MIT
// Off, and off and on again.
#pragma once

#include <state.h>

// The ways, from the cleanest to the crudest; the last two only reset.
enum power_way {
    POWER_BY_ACPI = 1,
    POWER_BY_FIRMWARE = 2, // its runtime services
    POWER_BY_KEYBOARD = 4, // the controller of the PC/AT
    POWER_BY_PORT = 8,     // 0xcf9
    POWER_BY_ALL = 15,
};

// Both try the ways in `ways`, one after the other, say which failed, and stop when none
// works. Under QEMU with the option that lets a panic end it, power_off ends it as well, with exit
// status 33 when everything held and 37 when not (panic.h).
_Noreturn void power_off(struct text *out, struct kernel *kernel, unsigned ways);
_Noreturn void power_reset(struct text *out, struct kernel *kernel, unsigned ways);
