// SPDX-License-Identifier: MIT
// Who this is, and on what it runs.
#pragma once

#include <state.h>

// "0.1", and the commit that this was built from; kernel/build.mk sets both.
extern const char banner_version[], banner_build[];

// Version, CPU, firmware, options: some lines.
void banner(struct text *out, const struct kernel *kernel);
