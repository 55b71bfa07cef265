// SPDX-License-Identifier: MIT
// Breaking the page tables on purpose, so that the audit can be tried out.
#pragma once

#include <strata/text.h>

// The command `plant RULE`.
void plant_command(struct text *out, size_t count, char **arguments);
