// SPDX-License-Identifier: MIT
// Power off and reset through ACPI: writes what the plans of acpi.h say.
#pragma once

#include "acpi.h"

// Switches the machine off. Returns, with why in words, when there is no plan, its registers cannot
// be reached, or the hardware ignores it. Interrupts off; takes up to a second to give up.
const char *acpi_power_off(const struct acpi *acpi);

// Resets the machine. Returns as above.
const char *acpi_power_reset(const struct acpi *acpi);
