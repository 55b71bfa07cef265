// SPDX-License-Identifier: MIT
// Power-off and reset: ACPI first, then what PCs have had since the PC/AT.
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

static _Noreturn void give_up(struct text *out, struct kernel *kernel, const char *what) {
    text_printf(out, "nothing here can %s this machine: it is safe to do it by hand\n", what);
    serial_drain(&kernel->serial);
    cpu_stop();
}

_Noreturn void power_off(struct text *out, struct kernel *kernel) {
    text_puts(out, "power off\n");
    serial_drain(&kernel->serial);
    panic_exit_emulator(kernel_broken(kernel) == NULL ? PANIC_EXIT_PASS : PANIC_EXIT_CHECK);
    const char *reason = acpi_power_off(&kernel->acpi);
    text_printf(out, "ACPI: %s\n", reason);
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

_Noreturn void power_reset(struct text *out, struct kernel *kernel) {
    text_puts(out, "reset\n");
    serial_drain(&kernel->serial);
    const char *reason = acpi_power_reset(&kernel->acpi);
    text_printf(out, "ACPI: %s; trying the keyboard controller\n", reason);
    serial_drain(&kernel->serial);
    keyboard_reset();
    text_puts(out, "that did not work; trying port 0xcf9\n");
    serial_drain(&kernel->serial);
    cpu_out8(RESET_CONTROL, RESET_HARD);
    cpu_out8(RESET_CONTROL, RESET_HARD | RESET_NOW);
    wait_a_moment();
    give_up(out, kernel, "reset");
}
