// SPDX-License-Identifier: MIT
// Executes the plans for power off and reset. The only file of this folder that touches hardware.
//
// ACPI 6.5, 16.1.7 (entering S5), 4.8.3.6 (reset register). Registers in memory are not reached:
// they would need a mapping of device memory, which the direct map has none of.
#include "power.h"

#include <x86/cpu.h>

#define SCI_ENABLED 1u // bit 0 of PM1 control: the hardware is in ACPI mode
#define POLLS       300000

#define PCI_CONFIG_ADDRESS 0xcf8
#define PCI_CONFIG_DATA    0xcfc
#define PCI_CONFIG_ENABLE  UINT32_C(0x80000000)

static void wait_a_little(void) {
    for (unsigned i = 0; i < POLLS; i++) {
        cpu_pause();
    }
}

// Has the firmware hand the hardware over, if it has not yet.
static void leave_legacy_mode(const struct acpi_poweroff_plan *plan) {
    uint16_t port = (uint16_t)plan->control[0].address;
    if (plan->enable_port == 0 || (cpu_in16(port) & SCI_ENABLED) != 0) {
        return;
    }
    cpu_out8(plan->enable_port, plan->enable);
    for (unsigned i = 0; i < POLLS && (cpu_in16(port) & SCI_ENABLED) == 0; i++) {
        cpu_pause();
    }
}

static uint16_t control_read(const struct acpi_register *control) {
    uint16_t port = (uint16_t)control->address;
    return control->bytes == 1 ? cpu_in8(port) : cpu_in16(port);
}

static void control_write(const struct acpi_register *control, uint16_t value) {
    uint16_t port = (uint16_t)control->address;
    if (control->bytes == 1) {
        cpu_out8(port, (uint8_t)value);
    } else {
        cpu_out16(port, value);
    }
}

static void control_set(const struct acpi_poweroff_plan *plan, uint16_t bits) {
    for (unsigned i = 0; i < 2; i++) {
        const struct acpi_register *control = &plan->control[i];
        if (control->space == ACPI_SPACE_IO) {
            uint16_t kept = control_read(control) & (uint16_t)~plan->mask;
            control_write(control, (uint16_t)(kept | plan->value[i] | bits));
        }
    }
}

const char *acpi_power_off(const struct acpi *acpi) {
    struct acpi_poweroff_plan plan;
    acpi_poweroff_plan(acpi, &plan);
    if (plan.missing != NULL) {
        return plan.missing;
    }
    if (plan.control[0].space != ACPI_SPACE_IO) {
        return "the power control register is not a port";
    }
    leave_legacy_mode(&plan);
    control_set(&plan, 0);
    control_set(&plan, plan.go);
    wait_a_little();
    return "the hardware ignored the request";
}

const char *acpi_power_reset(const struct acpi *acpi) {
    struct acpi_reset_plan plan;
    acpi_reset_plan(acpi, &plan);
    if (plan.missing != NULL) {
        return plan.missing;
    }
    if (plan.target.space == ACPI_SPACE_IO) {
        cpu_out8((uint16_t)plan.target.address, plan.value);
    } else if (plan.target.space == ACPI_SPACE_PCI) {
        uint32_t offset = (uint32_t)plan.target.address & 0xff;
        uint32_t function = (uint32_t)(plan.target.address >> 16) & 7;
        uint32_t device = (uint32_t)(plan.target.address >> 32) & 31;
        cpu_out32(PCI_CONFIG_ADDRESS,
                  PCI_CONFIG_ENABLE | device << 11 | function << 8 | (offset & ~3u));
        cpu_out8((uint16_t)(PCI_CONFIG_DATA + (offset & 3)), plan.value);
    } else {
        return "the reset register is in memory";
    }
    wait_a_little();
    return "the hardware ignored the request";
}
