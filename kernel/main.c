// SPDX-License-Identifier: MIT
// The boot, from top to bottom.
//
// Up to "buddy ready" nothing is printed, so that what is measured is the work; log lines are kept.
// Then the console opens and tells it all.
#include <banner.h>
#include <check.h>
#include <devices/choose.h>
#include <memory.h>
#include <memtest.h>
#include <mm/report.h>
#include <monitor/monitor.h>
#include <paging/audit.h>
#include <paging/image.h>
#include <paging/start.h>
#include <panic.h>
#include <screen/codes.h>
#include <screen/start.h>
#include <string.h>
#include <watch.h>

_Noreturn void kernel_start(const struct boot_info *info, uint64_t entry_tsc);

// Nothing is known to be usable but the serial port.
static _Noreturn void refuse_contract(const char *defect) {
    text_printf(strata.console, "strata: cannot start: %s\n", defect);
    serial_drain(&strata.serial);
    cpu_stop();
}

static void find_boot_stack(const struct boot_info *info) {
    for (uint32_t i = 0; i < info->range_count && i < BOOT_RANGE_MAX; i++) {
        if (info->ranges[i].kind == BOOT_RANGE_STACK) {
            uint64_t begin = info->direct_map.value + info->ranges[i].begin.value;
            strata.stack = (struct stack_range){begin, begin + info->ranges[i].pages * PAGE_SIZE};
        }
    }
}

static enum port_level log_level(const struct boot_options *options) {
    return options->log_level <= PORT_DEBUG ? (enum port_level)options->log_level : PORT_INFO;
}

// After this failures are reported in full.
static void bring_up(const struct boot_info *info, uint64_t entry_tsc) {
    strata.clock.entry = entry_tsc;
    phases_init(&strata.phases, &strata.clock);
    log_init(&strata.log, &strata.clock, PORT_INFO);
    serial_init(&strata.serial, SERIAL_COM1);
    console_init(&strata.tty, &strata.serial, &strata.clock);
    strata.console = &strata.tty.text;
    segments_init(&strata.segments);
    const char *defect = boot_info_defect(info);
    if (defect != NULL) {
        refuse_contract(defect);
    }
    strata.info = info;
    strata.log.level = log_level(&info->options);
    port_direct_map_base = (uint8_t *)info->direct_map.value;
    find_boot_stack(info);
    layout_init(&strata.layout, info, info->direct_map_bytes, image_segments());
    phases_add(&strata.phases, "firmware", 0, info->tsc_loader);
    phases_add(&strata.phases, "loader", info->tsc_loader, info->tsc_exit);
    phases_add(&strata.phases, "exit", info->tsc_exit, info->tsc_jump);
    phases_end(&strata.phases, "console");
}

// The loader's text, line by line, before the kernel's own; unless it stands above already.
static void print_loader_log(struct text *out, const struct boot_info *info) {
    if (info->log_shown != 0) {
        return;
    }
    const char *at = port_direct_map(info->log);
    const char *end = at + info->log_bytes;
    while (info->log_bytes != 0 && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        text_puts(out, "loader: ");
        out->write(out, at, (size_t)(stop - at));
        text_puts(out, "\n");
        at = stop + 1;
    }
}

static void print_what_was_found(struct text *out) {
    banner(out, &strata);
    print_loader_log(out, strata.info);
    log_open(&strata.log, out);
    text_puts(out, "\n");
    report_efi_map(out, &strata.firmware_map);
    text_puts(out, "\n");
    report_regions(out, &strata.map);
    text_puts(out, "\n");
    report_findings(out, &strata.map);
    text_puts(out, "\n");
    phases_end(&strata.phases, "print-map");
}

static void print_what_came_of_it(struct text *out) {
    struct ledger ledger;
    codes_show_all(&strata);
    phases_end(&strata.phases, "codes");
    ledger_compute(&ledger, &strata.map, &strata.pages);
    text_puts(out, "\n");
    report_buddy(out, &strata.pages);
    text_puts(out, "\n");
    report_ledger(out, &ledger);
    if (strata.tty.screen.lit) {
        text_puts(out, "\n");
        report_tiles(out, &strata.map, &strata.pages, &ledger, console_tiles(&strata.tty));
    }
    phases_end(&strata.phases, "print-buddy");
    text_puts(out, "\n");
    audit_print(out, &strata);
    kernel_check(out, &strata);
    phases_end(&strata.phases, "check");
    text_puts(out, "\n");
    phases_report(out, &strata.phases);
    text_puts(out, "\n");
}

// The framebuffer is mapped now, if there is one.
static void show_screen(void) {
    screen_show(&strata);
    strata.tty.tour_seconds = strata.info->options.page_seconds;
    if (!keyboard_init(&strata.tty.keyboard)) {
        port_log(PORT_INFO, "keyboard: none: %s", strata.tty.keyboard.absent);
    }
    phases_end(&strata.phases, "screen");
}

// Whether what was found has been printed. A serial port whose registers have to be mapped first is
// waited for.
static bool told;

// The rest of the boot, on the kernel's own tables and stack.
static _Noreturn void kernel_main(void) {
    const struct boot_options *options = &strata.info->options;
    show_screen();
    if (!told) {
        serial_choose_mapped(&strata);
        print_what_was_found(strata.console);
    }
    runtime_go_virtual(&strata);
    memory_reclaim(&strata);
    if (options->memtest_passes != 0) {
        memtest_run(strata.console, &strata, options->memtest_passes, paddr(0),
                    memmap_ram_end(&strata.map));
        phases_end(&strata.phases, "memtest");
    }
    memory_set_reserves(&strata);
    print_what_came_of_it(strata.console);
    strata.lock.secure_boot = strata.info->secure_boot != 0;
    strata.lock.seed = strata.info->random_seed ^ cpu_tsc();

    monitor_execute_list(strata.console, options->run);
    text_puts(strata.console, "Type help for the commands.\n");
    monitor_loop(strata.console);
}

// Called by entry.S with the boot contract and the time stamp of the entry.
_Noreturn void kernel_start(const struct boot_info *info, uint64_t entry_tsc) {
    bring_up(info, entry_tsc);
    cpu_features_read(&strata.cpu);
    controls_enable(&strata.controls, &strata.cpu);
    phases_end(&strata.phases, "cpu");
    memory_init(&strata);
    memory_set_tripwires(&strata);
    memory_init_objects(&strata);
    watch_begin(&strata);

    memory_compare(&strata);
    clock_calibrate(&strata.clock);
    phases_end(&strata.phases, "clock");
    screen_start(&strata);
    told = serial_choose(&strata);
    if (told) {
        print_what_was_found(strata.console);
    }
    memory_reclaim_acpi(&strata);
    struct stack_range stack;
    if (paging_start(&strata, &stack)) {
        phases_end(&strata.phases, "paging");
        strata.stack = stack;
        cpu_run_on_stack(stack.end, kernel_main);
    }
    kernel_main();
}
