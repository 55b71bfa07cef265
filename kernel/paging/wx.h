// SPDX-License-Identifier: MIT
// W^X seen alone: nothing that is mapped can be both written and executed.
#pragma once

#include <state.h>

// A line for each part of the address space that is alike in what may be done with it, then how
// much may be written, executed or only read in all, then every breach by its address, "none"
// without one, and the verdict. The breaches are those that the audit finds (audit.h), in the page
// tables that this CPU uses.
//
// Behind them, in the same way, what only the firmware's runtime services see (firmware/runtime.h):
// their code can be written when the firmware does not say which of it is data. That is theirs, and
// does not change the verdict.
void wx_print(struct text *out, struct kernel *kernel);
