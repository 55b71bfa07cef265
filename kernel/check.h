// SPDX-License-Identifier: MIT
// Whether everything still holds: the walkers of mm/ and the ledger, in one verdict.
#pragma once

#include <state.h>

// NULL, or the first sentence that does not hold.  O(frames of split sections).
const char *kernel_broken(struct kernel *kernel);

// Writes one line: "check: ok", or "check: FAILED: " and the sentence.
void kernel_check(struct text *out, struct kernel *kernel);
