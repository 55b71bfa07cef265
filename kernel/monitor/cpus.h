// SPDX-License-Identifier: MIT
// The CPUs of the machine: those that the MADT names, the one that runs, and what it keeps.
#pragma once

#include <state.h>

void cpus_print(struct text *out, struct kernel *kernel);
