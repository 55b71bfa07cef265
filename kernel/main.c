// SPDX-License-Identifier: MIT
// The boot, from top to bottom.
//
// Up to "buddy ready" nothing is printed, so that what is measured is the work; log lines are kept.
// Then the console opens and tells it all.
#include <mm/port.h>
#include <panic.h>
#include <state.h>

_Noreturn void kernel_main(const struct boot_info *info, uint64_t entry_tsc);

// Nothing is known to be usable but the serial port.
static _Noreturn void refuse_contract(const char *defect) {
    text_printf(kernel.console, "strata: cannot start: %s\n", defect);
    serial_drain(&kernel.serial);
    cpu_stop();
}

static void find_boot_stack(const struct boot_info *info) {
    for (uint32_t i = 0; i < info->range_count && i < BOOT_RANGE_MAX; i++) {
        if (info->ranges[i].kind == BOOT_RANGE_STACK) {
            uint64_t begin = info->direct_map.value + info->ranges[i].begin.value;
            kernel.boot_stack =
                (struct stack_range){begin, begin + info->ranges[i].pages * PAGE_SIZE};
        }
    }
}

// After this failures are reported in full.
static void bring_up(const struct boot_info *info, uint64_t entry_tsc) {
    kernel.clock.entry = entry_tsc;
    phases_init(&kernel.phases, &kernel.clock);
    log_init(&kernel.log, &kernel.clock, PORT_INFO);
    serial_init(&kernel.serial, SERIAL_COM1);
    kernel.console = &kernel.serial.text;
    phases_end(&kernel.phases, "console");

    segments_init(&kernel.segments);
    phases_end(&kernel.phases, "traps");

    const char *defect = boot_info_defect(info);
    if (defect != NULL) {
        refuse_contract(defect);
    }
    kernel.info = info;
    kernel.log.level = (enum port_level)info->options.log_level;
    port_direct_map_base = (uint8_t *)info->direct_map.value;
    find_boot_stack(info);
    phases_end(&kernel.phases, "contract");
}

// Called by entry.S with the boot contract and the time stamp of the entry.
_Noreturn void kernel_main(const struct boot_info *info, uint64_t entry_tsc) {
    bring_up(info, entry_tsc);
    cpu_features_read(&kernel.cpu);
    phases_end(&kernel.phases, "cpu");
    clock_calibrate(&kernel.clock);
    log_open(&kernel.log, kernel.console);
    cpu_features_report(kernel.console, &kernel.cpu);
    phases_report(kernel.console, &kernel.phases);
    port_panic("nothing more to do");
}
