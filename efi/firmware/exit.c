// SPDX-License-Identifier: MIT
// Step 7: the end of boot services. The map's key goes stale whenever the firmware takes or gives
// memory, so the map is read and handed back at once; a refusal is answered by the same two calls
// and nothing else, for after the first attempt nothing else is allowed (UEFI 2.8, 7.4.6).
#include <machine/serial.h>
#include <text/console.h>

#define ATTEMPTS_MAX    8
#define QEMU_EXIT_PORT  0xf4
#define QEMU_EXIT_VALUE 0x7f

// There is no console any more and nobody to return to: COM1, then as exit= says.
static _Noreturn void refused(struct loader *loader, const char *call, EFI_STATUS status) {
    char line[200];
    format(line, sizeof(line),
           "strata: error: exit refused: the firmware would not end boot services in %u attempts; "
           "%s said %s, " U64,
           loader->info->exit_attempts, call, status_name(status),
           (uint64_t)(status & ~EFI_ERROR_MASK));
    serial_line(line);
    if (loader->options.boot.exit_on_panic) {
        machine_out(QEMU_EXIT_PORT, QEMU_EXIT_VALUE);
    }
    machine_stop();
}

EFI_STATUS exit_boot_services(struct loader *loader) {
    struct boot_info *info = loader->info;
    EFI_STATUS status = map_read(loader); // while the buffer can still grow
    if (EFI_ERROR(status)) {
        return status;
    }
    for (;;) {
        info->tsc_exit = machine_ticks();
        info->exit_attempts++;
        status = loader->boot->ExitBootServices(loader->image, loader->map_key);
        if (!EFI_ERROR(status)) {
            break;
        }
        if (info->exit_attempts == ATTEMPTS_MAX) {
            refused(loader, "ExitBootServices", status);
        }
        status = map_reread(loader);
        if (EFI_ERROR(status)) {
            refused(loader, "GetMemoryMap", status);
        }
    }
    machine_interrupts_off();
    loader->boot = NULL;
    return EFI_SUCCESS;
}
