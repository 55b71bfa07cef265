// SPDX-License-Identifier: MIT
// The boot, from top to bottom.
#include <devices/serial.h>
#include <strata/boot.h>
#include <x86/cpu.h>

_Noreturn void kernel_main(const struct boot_info *info, uint64_t entry_ticks);

static struct serial serial;

// Called by entry.S with the boot contract and the time stamp of the entry.
_Noreturn void kernel_main(const struct boot_info *info, uint64_t entry_ticks) {
    serial_init(&serial, SERIAL_COM1);
    const char *defect = boot_info_defect(info);
    if (defect != NULL) {
        text_printf(&serial.text, "strata: cannot start: %s\n", defect);
        serial_drain(&serial);
        cpu_stop();
    }
    text_printf(&serial.text, "strata: kernel entered at %lu ticks, image at 0x%lx, %lu ranges\n",
                entry_ticks, info->kernel_virtual.value, (unsigned long)info->range_count);
    serial_drain(&serial);
    cpu_stop();
}
