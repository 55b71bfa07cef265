// SPDX-License-Identifier: MIT
// Proof that address spaces keep programs apart, by programs that try.
#pragma once

#include <state.h>

// Runs all cases, a line each. Returns whether all went as they had to, and every frame is back.
bool user_selftest(struct text *out, struct kernel *kernel);
