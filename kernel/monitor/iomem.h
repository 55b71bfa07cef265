// SPDX-License-Identifier: MIT
// Physical addresses by who claims them: the firmware's map, device registers that the ACPI tables
// name, the screen, a serial port in memory, and what the kernel has mapped of them.
#pragma once

#include <state.h>

void iomem_print(struct text *out, struct kernel *kernel);
