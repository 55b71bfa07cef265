// SPDX-License-Identifier: MIT
// Commands that show memory and change nothing.
#include <check.h>
#include <mm/report.h>
#include <monitor/diff.h>
#include <monitor/dump.h>
#include <monitor/iomem.h>
#include <monitor/monitor.h>
#include <monitor/whatis.h>
#include <screen/codes.h>
#include <state.h>
#include <string.h>

static void raw_map(struct text *out) {
    const struct efi_map *map = &strata.firmware_map;
    text_printf(out, "firmware map: %lu bytes in steps of %u, version %u\n", map->bytes,
                map->stride, map->version);
    const uint8_t *bytes = map->descriptors;
    for (uint64_t at = 0; map->stride != 0 && at < map->bytes; at += map->stride) {
        text_printf(out, "%04lx:", at);
        for (uint64_t i = at; i < at + map->stride && i < map->bytes; i++) {
            text_printf(out, "%s%02x", i % 8 == 0 ? " " : "", bytes[i]);
        }
        text_puts(out, "\n");
    }
}

static void map(struct text *out, size_t count, char **arguments) {
    if (count == 0) {
        report_efi_map(out, &strata.firmware_map);
    } else if (strcmp(arguments[0], "raw") == 0) {
        raw_map(out);
    } else {
        text_puts(out, "map shows the descriptors in words; map raw shows their bytes\n");
    }
}

static void diff(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    const struct boot_info *info = strata.info;
    const struct efi_map first = {port_direct_map(info->first_map), info->first_map_bytes,
                                  info->map_stride, info->map_version};
    if (info->first_map.value == 0) {
        text_puts(out, "the loader did not keep the map that it found\n");
        return;
    }
    text_heading(out, "firmware map:");
    text_puts(out, " when the loader began -> at its exit\n");
    diff_maps(out, &first, &strata.firmware_map);
}

static void regions(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    report_regions(out, &strata.map);
}

static void findings(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    report_findings(out, &strata.map);
}

static void buddy(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    report_buddy(out, &strata.pages);
}

static void ledger(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    struct ledger now;
    ledger_compute(&now, &strata.map, &strata.pages);
    report_ledger(out, &now);
}

static void view(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    struct ledger now;
    ledger_compute(&now, &strata.map, &strata.pages);
    report_tiles(out, &strata.map, &strata.pages, &now, console_tiles(&strata.tty));
}

static void iomem(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    iomem_print(out, &strata);
}

static void acpi(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    acpi_report(out, &strata.acpi);
}

static void check(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    kernel_check(out, &strata);
}

static void dump(struct text *out, size_t count, char **arguments) {
    if (count == 0) {
        dump_text(out, &strata);
    } else if (strcmp(arguments[0], "json") == 0) {
        dump_json(out, &strata);
    } else {
        text_puts(out, "dump prints all reports; dump json prints them as records\n");
    }
}

static void whatis(struct text *out, size_t count, char **arguments) {
    (void)count;
    uint64_t address;
    if (monitor_number(out, "whatis", arguments[0], &address)) {
        // No physical address has 64 bits.
        if (address >> 63 != 0) {
            whatis_virtual(out, &strata, vaddr(address));
        } else {
            whatis_physical(out, &strata, paddr(address));
        }
    }
}

// The screen has the pictures, the serial line what they say.
static void qr(struct text *out, size_t count, char **arguments) {
    uint64_t part = 0;
    size_t parts = codes_count(&strata);
    if (count == 1 && !monitor_number(out, "qr", arguments[0], &part)) {
        return;
    }
    if (part > parts || (count == 1 && part == 0)) {
        text_printf(out, "qr: there %s %zu code%s; qr shows all\n", parts == 1 ? "is" : "are",
                    parts, parts == 1 ? "" : "s");
        return;
    }
    text_puts(&strata.serial.text, "what the QR codes say, for strata-map:\n");
    codes_write(&strata, &strata.serial.text, part);
    size_t last = part != 0 ? part : parts;
    for (size_t i = part != 0 ? part : 1; i <= last; i++) {
        if (!codes_show(&strata, i)) {
            break;
        }
    }
}

const struct monitor_command monitor_look_commands[] = {
    {"map", "[raw]", "the firmware's memory map", 0, 1, map},
    {"diff", "", "what became of the firmware's map while the loader ran", 0, 0, diff},
    {"regions", "", "what Strata made of it", 0, 0, regions},
    {"findings", "", "what is wrong with it", 0, 0, findings},
    {"buddy", "", "free blocks by section and order", 0, 0, buddy},
    {"ledger", "", "whose each byte of RAM is", 0, 0, ledger},
    {"view", "", "physical memory to scale, by whose it is", 0, 0, view},
    {"iomem", "", "physical addresses by who claims them: RAM, devices, the kernel", 0, 0, iomem},
    {"acpi", "", "the ACPI tables and what became of their memory", 0, 0, acpi},
    {"qr", "[NUMBER]", "map and findings as QR codes: all, or that one", 0, 1, qr},
    {"whatis", "ADDRESS", "a physical address or one of the kernel's, through every layer", 1, 1,
     whatis},
    {"check", "", "every invariant of every structure", 0, 0, check},
    {"dump", "[json]", "all reports, or all records", 0, 1, dump},
    {0},
};
