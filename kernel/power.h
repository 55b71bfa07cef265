// SPDX-License-Identifier: MIT
// Off, and off and on again.
#pragma once

#include <state.h>

// Both try one way after the other, from the cleanest to the crudest, say which, and stop when none
// works. Under QEMU with the option that lets a panic end it, power_off ends it as well, with exit
// status 33 when everything held and 37 when not (panic.h).
_Noreturn void power_off(struct text *out, struct kernel *kernel);
_Noreturn void power_reset(struct text *out, struct kernel *kernel);
