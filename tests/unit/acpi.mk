# SPDX-License-Identifier: MIT
# All of kernel/acpi/ but the file that touches hardware.
ACPI_PURE := $(filter-out kernel/acpi/power.c,$(sort $(wildcard kernel/acpi/*.c)))
TEST_SOURCES_acpi := tests/unit/acpi_board.c $(ACPI_PURE)
TEST_SOURCES_acpi_reclaim := tests/unit/acpi_board.c $(ACPI_PURE)
TEST_SOURCES_acpi_data := tests/unit/acpi_board.c $(ACPI_PURE)
TEST_SOURCES_acpi_cpus := tests/unit/acpi_board.c $(ACPI_PURE)
TEST_SOURCES_acpi_power := tests/unit/acpi_board.c $(ACPI_PURE)
TEST_SOURCES_smbios := tests/unit/acpi_board.c $(ACPI_PURE)
