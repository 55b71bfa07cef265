# SPDX-License-Identifier: MIT
FUZZ_SOURCES_acpi := $(filter-out kernel/acpi/power.c,$(sort $(wildcard kernel/acpi/*.c)))
