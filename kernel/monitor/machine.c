// SPDX-License-Identifier: MIT
// Commands about the machine rather than its memory.
#include <mm/port.h>
#include <monitor/bench.h>
#include <monitor/cpus.h>
#include <monitor/fault.h>
#include <monitor/monitor.h>
#include <monitor/stress.h>
#include <power.h>
#include <state.h>
#include <string.h>

static void cpus(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    cpus_print(out, &strata);
}

static void phases(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    phases_report(out, &strata.phases);
}

static const char *const runtime_words[BOOT_RUNTIME_COUNT_] = {
    "called at physical addresses", "called at virtual addresses", "not called"};

static void say_serial(struct text *out, const struct boot_options *given) {
    text_puts(out, "serial port: ");
    if (given->serial == BOOT_SERIAL_OFF) {
        text_puts(out, "none\n");
        return;
    }
    if (given->serial == BOOT_SERIAL_AUTO) {
        text_puts(out, "the one that the tables name, else COM1");
    } else {
        text_printf(out, "at %s 0x%lx, else COM1",
                    given->serial == BOOT_SERIAL_PORT ? "port" : "address", given->serial_address);
    }
    text_puts(out, strata.serial.present ? "\n" : "; nothing answers\n");
}

static void say_reserve(struct text *out, const char *where, uint64_t bytes) {
    text_printf(out, "  %s: ", where);
    if (bytes == BOOT_RESERVE_DEFAULT) {
        text_puts(out, "by how much is free\n");
    } else {
        text_size(out, bytes);
        text_puts(out, "\n");
    }
}

static void say_reserves(struct text *out, const struct boot_options *given) {
    text_puts(out, "left free by ordinary requests, as buddy shows:\n");
    say_reserve(out, "below 16 MiB", given->reserve_below_16m);
    say_reserve(out, "below 4 GiB", given->reserve_below_4g);
    say_reserve(out, "for atomic requests", given->reserve_atomic);
}

static void say_pages(struct text *out, const struct boot_options *given) {
    if (given->page_seconds != 0) {
        text_printf(out, "pages shown to nobody: %u seconds each\n", given->page_seconds);
    } else {
        text_puts(out, "pages shown to nobody: none\n");
    }
}

static void options(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    const struct boot_options *given = &strata.info->options;
    text_printf(out, "given: %s\n", given->text[0] != '\0' ? given->text : "nothing");
    text_printf(out, "kaslr: %s\n", given->kaslr != 0 ? "on" : "off");
    text_printf(out, "acpi: %s\n", given->acpi_keep != 0 ? "keep" : "reclaim");
    text_printf(out, "special-purpose memory: %s\n", given->special_use != 0 ? "used" : "kept");
    text_printf(out, "map written to the volume: %s\n", given->record != 0 ? "yes" : "no");
    text_printf(out, "log level: %s\n", log_level_name(strata.log.level));
    text_printf(out, "a panic ends QEMU: %s\n", given->exit_on_panic != 0 ? "yes" : "no");
    text_printf(out, "bad memory: %u ranges\n", given->badram_count);
    for (uint32_t i = 0; i < given->badram_count && i < BOOT_BADRAM_MAX; i++) {
        text_printf(out, "  [0x%lx, 0x%lx)\n", given->badram[i].begin.value,
                    given->badram[i].end.value);
    }
    text_printf(out, "who allocated is kept: %s\n",
                (given->debug & BOOT_DEBUG_OWNER) != 0 ? "yes" : "no");
    text_printf(out, "objects are guarded: %s\n", strata.kmalloc.heap.options.debug ? "yes" : "no");
    if (given->guard[0] != '\0') {
        text_printf(out, "with pages of their own: %s, at the %s\n", given->guard,
                    given->guard_begin != 0 ? "begin" : "end");
    }
    text_printf(out, "objects are cleared:%s%s\n",
                (given->clear & BOOT_CLEAR_ALLOC) != 0 ? " when handed out" : "",
                given->clear == 0                       ? " no"
                : (given->clear & BOOT_CLEAR_FREE) != 0 ? " when given back"
                                                        : "");
    text_printf(out, "requests made to fail: %s",
                page_failing_name((enum page_failing)given->fail));
    text_printf(out, given->fail != BOOT_FAIL_NEVER ? ", n %lu\n" : "\n", given->fail_n);
    text_printf(out, "runtime services: %s\n", runtime_words[given->runtime % BOOT_RUNTIME_COUNT_]);
    text_printf(out, "memory test at boot: %u passes\n", given->memtest_passes);
    say_reserves(out, given);
    say_serial(out, given);
    say_pages(out, given);
    text_printf(out,
                strata.info->replayed != 0 ? "map: another machine's, %u descriptors\n"
                                           : "map: this machine's\n",
                strata.info->replayed);
    text_printf(out, "run: %s\n", given->run[0] != '\0' ? given->run : "nothing");
}

static void loglevel(struct text *out, size_t count, char **arguments) {
    for (unsigned level = PORT_ERROR; count == 1 && level <= PORT_DEBUG; level++) {
        if (strcmp(arguments[0], log_level_name(level)) == 0) {
            strata.log.level = level;
            count = 0;
        }
    }
    if (count == 1) {
        text_puts(out, "a level is error, warning, info or debug\n");
    } else {
        text_printf(out, "log level: %s\n", log_level_name(strata.log.level));
    }
}

static const struct {
    const char *name;
    unsigned way;
} ways[] = {
    {"acpi", POWER_BY_ACPI},
    {"firmware", POWER_BY_FIRMWARE},
    {"keyboard", POWER_BY_KEYBOARD},
    {"port", POWER_BY_PORT},
};

// The way that the argument names, of the first `known`; all without one; 0 when it names none.
static unsigned way_of(struct text *out, size_t count, char **arguments, size_t known) {
    if (count == 0) {
        return POWER_BY_ALL;
    }
    for (size_t i = 0; i < known; i++) {
        if (strcmp(arguments[0], ways[i].name) == 0) {
            return ways[i].way;
        }
    }
    text_puts(out, "the ways are");
    for (size_t i = 0; i < known; i++) {
        text_printf(out, " %s", ways[i].name);
    }
    text_puts(out, "; without one all of them are tried\n");
    return 0;
}

static void poweroff(struct text *out, size_t count, char **arguments) {
    unsigned way = way_of(out, count, arguments, 2);
    if (way != 0) {
        power_off(out, &strata, way);
    }
}

static void reboot(struct text *out, size_t count, char **arguments) {
    unsigned way = way_of(out, count, arguments, sizeof(ways) / sizeof(ways[0]));
    if (way != 0) {
        power_reset(out, &strata, way);
    }
}

const struct monitor_command monitor_machine_commands[] = {
    {"cpus", "", "which CPUs there are, what this one can do, what it keeps for itself", 0, 0,
     cpus},
    {"phases", "", "how long each phase of the boot took", 0, 0, phases},
    {"options", "", "the boot options, as understood", 0, 0, options},
    {"loglevel", "[LEVEL]", "which log lines are shown", 0, 1, loglevel},
    {"bench", "[json]", "what the page allocator's operations cost here", 0, 1, bench_command},
    {"stress", "[OPERATIONS|SECONDSs] [seed=N]",
     "takes and gives memory at random, and looks at all of it", 0, 2, stress_command},
    {"fault", "KIND", "goes wrong on purpose; fault help lists the ways", 1, 1, fault_command},
    {"reboot", "[WAY]", "resets the machine: by acpi, firmware, keyboard or port", 0, 1, reboot},
    {"poweroff", "[WAY]", "switches it off: by acpi or firmware", 0, 1, poweroff},
    {0},
};
