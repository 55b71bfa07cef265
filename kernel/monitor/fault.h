// SPDX-License-Identifier: MIT
// Going wrong on purpose, so that the reports can be tried out.
#pragma once

#include <strata/text.h>

// The command `fault KIND`. Comes back only when there is no such kind.
void fault_command(struct text *out, size_t count, char **arguments);
