// SPDX-License-Identifier: MIT
// Power off and reset, worked out from the FADT and the AML as values to write. Pure: nothing is
// written here.
//
// ACPI 6.5: 4.8.3.2 (PM1 control), 4.8.3.7 (sleep control), 4.8.3.6 (reset register), 16.1 (how to
// enter a sleep state), 5.2.3.2 (generic address structure).
#include "internal.h"

#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_MASK       0x3c00 // type and enable
#define PM1_SLEEP_ENABLE     0x2000

#define SLEEP_CONTROL_TYPE_SHIFT 2
#define SLEEP_CONTROL_MASK       0x3c
#define SLEEP_CONTROL_ENABLE     0x20

enum { GAS_SPACE_MEMORY = 0, GAS_SPACE_IO = 1, GAS_SPACE_PCI = 2 };

// A generic address structure: a space, a width, an offset, an access size, an address.
static struct acpi_register generic_address(struct view fadt, uint64_t offset) {
    static const enum acpi_space spaces[] = {
        [GAS_SPACE_MEMORY] = ACPI_SPACE_MEMORY,
        [GAS_SPACE_IO] = ACPI_SPACE_IO,
        [GAS_SPACE_PCI] = ACPI_SPACE_PCI,
    };
    struct acpi_register out = {ACPI_SPACE_NONE, 0, view_u64(fadt, offset + 4)};
    uint8_t space = view_u8(fadt, offset);
    uint8_t access = view_u8(fadt, offset + 3);
    if (out.address == 0 || space >= sizeof(spaces) / sizeof(spaces[0])) {
        return out;
    }
    if (space == GAS_SPACE_IO && out.address > UINT16_MAX) {
        return out;
    }
    out.space = spaces[space];
    if (access >= 1 && access <= 4) {
        out.bytes = (uint8_t)(1U << (access - 1));
    } else {
        uint8_t bits = view_u8(fadt, offset + 1);
        out.bytes = bits > 32 ? 8 : bits > 16 ? 4 : bits > 8 ? 2 : 1;
    }
    return out;
}

// A PM1 control register: the extended field when it names one, else the old one, a port. It is 16
// bits wide whatever the structure says.
static struct acpi_register pm1_control(struct view fadt, uint64_t extended, uint64_t old) {
    struct acpi_register out = generic_address(fadt, extended);
    uint32_t port = view_u32(fadt, old);
    if (out.space == ACPI_SPACE_NONE && port != 0 && port <= UINT16_MAX) {
        out = (struct acpi_register){ACPI_SPACE_IO, 2, port};
    }
    out.bytes = 2;
    return out;
}

// The DSDT first, then every SSDT.
static bool sleep_types(const struct acpi *acpi, uint8_t types[2]) {
    struct view dsdt = acpi_first(acpi, "DSDT");
    if (dsdt.length != 0 && acpi_aml_s5(dsdt.bytes + ACPI_HEADER_BYTES,
                                        (uint32_t)dsdt.length - ACPI_HEADER_BYTES, types)) {
        return true;
    }
    uint32_t length = 0;
    const uint8_t *ssdt = NULL;
    for (unsigned i = 0; (ssdt = acpi_table(acpi, "SSDT", i, &length)) != NULL; i++) {
        if (acpi_aml_s5(ssdt + ACPI_HEADER_BYTES, length - ACPI_HEADER_BYTES, types)) {
            return true;
        }
    }
    return false;
}

static void plan_reduced(struct view fadt, const uint8_t types[2],
                         struct acpi_poweroff_plan *plan) {
    plan->control[0] = generic_address(fadt, FADT_SLEEP_CONTROL);
    plan->control[0].bytes = 1;
    plan->value[0] = (uint16_t)(types[0] << SLEEP_CONTROL_TYPE_SHIFT);
    plan->mask = SLEEP_CONTROL_MASK;
    plan->go = SLEEP_CONTROL_ENABLE;
    if (plan->control[0].space == ACPI_SPACE_NONE) {
        plan->missing = "the FADT names no sleep control register";
    }
}

static void plan_pm1(struct view fadt, const uint8_t types[2], struct acpi_poweroff_plan *plan) {
    plan->control[0] = pm1_control(fadt, FADT_X_PM1A_CONTROL, FADT_PM1A_CONTROL);
    plan->control[1] = pm1_control(fadt, FADT_X_PM1B_CONTROL, FADT_PM1B_CONTROL);
    plan->value[0] = (uint16_t)(types[0] << PM1_SLEEP_TYPE_SHIFT);
    plan->value[1] = (uint16_t)(types[1] << PM1_SLEEP_TYPE_SHIFT);
    plan->mask = PM1_SLEEP_MASK;
    plan->go = PM1_SLEEP_ENABLE;
    uint32_t port = view_u32(fadt, FADT_SMI_COMMAND);
    plan->enable = view_u8(fadt, FADT_ACPI_ENABLE);
    if (port <= UINT16_MAX && plan->enable != 0) {
        plan->enable_port = (uint16_t)port;
    }
    if (plan->control[0].space == ACPI_SPACE_NONE) {
        plan->missing = "the FADT names no PM1a control register";
    }
}

void acpi_poweroff_plan(const struct acpi *acpi, struct acpi_poweroff_plan *plan) {
    *plan = (struct acpi_poweroff_plan){0};
    struct view fadt = acpi_first(acpi, "FACP");
    uint8_t types[2];
    if (fadt.length == 0) {
        plan->missing = "there is no good FADT";
    } else if (!sleep_types(acpi, types)) {
        plan->missing = "no _S5_ package was found in the DSDT or an SSDT";
    } else if ((view_u32(fadt, FADT_FLAGS) & FADT_FLAG_HARDWARE_REDUCED) != 0) {
        plan_reduced(fadt, types, plan);
    } else {
        plan_pm1(fadt, types, plan);
    }
}

void acpi_reset_plan(const struct acpi *acpi, struct acpi_reset_plan *plan) {
    *plan = (struct acpi_reset_plan){0};
    struct view fadt = acpi_first(acpi, "FACP");
    if (fadt.length == 0) {
        plan->missing = "there is no good FADT";
    } else if ((view_u32(fadt, FADT_FLAGS) & FADT_FLAG_RESET_SUPPORTED) == 0) {
        plan->missing = "the FADT says that there is no reset register";
    } else {
        plan->target = generic_address(fadt, FADT_RESET_REGISTER);
        plan->target.bytes = 1;
        plan->value = view_u8(fadt, FADT_RESET_VALUE);
        plan->missing = plan->target.space == ACPI_SPACE_NONE
                            ? "the FADT's reset register is in no space that can be reached"
                            : NULL;
    }
}
