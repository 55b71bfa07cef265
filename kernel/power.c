// SPDX-License-Identifier: MIT
// Power-off and reset: ACPI first, then the firmware, then what PCs have had since the PC/AT.
#include <acpi/power.h>
#include <check.h>
#include <panic.h>
#include <power.h>

#define KEYBOARD_COMMAND    0x64
#define KEYBOARD_INPUT_FULL 0x02
#define KEYBOARD_RESET      0xfe
#define RESET_CONTROL       0xcf9 // Intel's I/O controller hubs: reset control register
#define RESET_HARD          0x02
#define RESET_NOW           0x04
#define PATIENCE            1000000
// UEFI 2.10, 8.5.1
#define EFI_RESET_COLD     0
#define EFI_RESET_SHUTDOWN 2

static _Noreturn void give_up(struct text *out, struct kernel *kernel, const char *what) {
    text_printf(out, "nothing here can %s this machine: it is safe to do it by hand\n", what);
    serial_drain(&kernel->serial);
    cpu_stop();
}

// Through the firmware: comes back when it cannot.
static void firmware_reset(struct text *out, struct kernel *kernel, uint64_t kind) {
    const uint64_t call[5] = {kind, 0, 0, 0};
    uint64_t status = runtime_call(kernel, RUNTIME_RESET_SYSTEM, call);
    const char *name = efi_status_name(status);
    text_printf(out, "firmware: %s\n",
                kernel->runtime.state != RUNTIME_READY ? kernel->runtime.why_off
                : name != NULL                         ? name
                                                       : "it came back");
    serial_drain(&kernel->serial);
}

_Noreturn void power_off(struct text *out, struct kernel *kernel, unsigned ways) {
    text_puts(out, "power off\n");
    serial_drain(&kernel->serial);
    panic_exit_emulator(kernel_broken(kernel) == NULL ? PANIC_EXIT_PASS : PANIC_EXIT_CHECK);
    if ((ways & POWER_BY_ACPI) != 0) {
        text_printf(out, "ACPI: %s\n", acpi_power_off(&kernel->acpi));
        serial_drain(&kernel->serial);
    }
    if ((ways & POWER_BY_FIRMWARE) != 0) {
        firmware_reset(out, kernel, EFI_RESET_SHUTDOWN);
    }
    give_up(out, kernel, "power off");
}

static void wait_a_moment(void) {
    for (unsigned i = 0; i < PATIENCE; i++) {
        cpu_pause();
    }
}

static void keyboard_reset(void) {
    for (unsigned i = 0; i < PATIENCE && (cpu_in8(KEYBOARD_COMMAND) & KEYBOARD_INPUT_FULL) != 0;
         i++) {
        cpu_pause();
    }
    cpu_out8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    wait_a_moment();
}

static void port_reset(void) {
    cpu_out8(RESET_CONTROL, RESET_HARD);
    cpu_out8(RESET_CONTROL, RESET_HARD | RESET_NOW);
    wait_a_moment();
}

_Noreturn void power_reset(struct text *out, struct kernel *kernel, unsigned ways) {
    text_puts(out, "reset\n");
    serial_drain(&kernel->serial);
    if ((ways & POWER_BY_ACPI) != 0) {
        text_printf(out, "ACPI: %s\n", acpi_power_reset(&kernel->acpi));
        serial_drain(&kernel->serial);
    }
    if ((ways & POWER_BY_FIRMWARE) != 0) {
        firmware_reset(out, kernel, EFI_RESET_COLD);
    }
    if ((ways & POWER_BY_KEYBOARD) != 0) {
        text_puts(out, "trying the keyboard controller\n");
        serial_drain(&kernel->serial);
        keyboard_reset();
    }
    if ((ways & POWER_BY_PORT) != 0) {
        text_puts(out, "trying port 0xcf9\n");
        serial_drain(&kernel->serial);
        port_reset();
    }
    give_up(out, kernel, "reset");
}
