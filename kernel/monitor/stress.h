// SPDX-License-Identifier: MIT
// Random operations over everything that hands out memory, with every byte of it looked after.
#pragma once

#include <strata/text.h>

// The command `stress [OPERATIONS|SECONDSs] [seed=N]`.
void stress_command(struct text *out, size_t count, char **arguments);
