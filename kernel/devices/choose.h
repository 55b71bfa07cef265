// SPDX-License-Identifier: MIT
// Which serial port the kernel talks over: what serial= says, else what the ACPI tables name, else
// COM1.
#pragma once

#include <state.h>

// The port that serial= says or a table names, with who it is in `table`. False for none.
bool serial_named(const struct kernel *kernel, struct acpi_serial *out);

// Once the tables are known. False when the port's registers are in memory, which is not mapped
// yet: then nothing is to be printed before serial_choose_mapped, which has to follow once there is
// ioremap.
bool serial_choose(struct kernel *kernel);
void serial_choose_mapped(struct kernel *kernel);
