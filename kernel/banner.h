// SPDX-License-Identifier: MIT
// Who this is, and on what it runs.
#pragma once

#include <state.h>
#include <version.h> // made by kernel/build.mk: STRATA_VERSION, STRATA_BUILD

// Version, CPU, firmware, options: some lines.
void banner(struct text *out, const struct kernel *kernel);
