// SPDX-License-Identifier: MIT
// strata-map: what Strata would make of a machine, from its memory map alone.
//
// Reads maps as text (read.h), brings the machine up (machine.h) and prints what the kernel prints,
// with the kernel's code; or draws it (html.h, svg.h).
#include "dump.h"
#include "further.h"
#include "html.h"
#include "machine.h"
#include "read.h"
#include "svg.h"

#include <errno.h>
#include <getopt.h>
#include <host/output.h>
#include <mm/report.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum exit_status { EXIT_FINE, EXIT_BROKEN, EXIT_WRONG_INPUT, EXIT_NO_OUTPUT };

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_PLAIN, OUTPUT_HTML, OUTPUT_SVG };

struct settings {
    enum output output;
    struct machine_options machine;
};

static const char help[] =
    "usage: strata-map [OPTION]... [FILE]...\n"
    "Prints what Strata makes of a machine, from its UEFI memory map: the firmware's map, "
    "regions,\n"
    "findings, page allocator and ledger. Reads standard input when there is no FILE, or for "
    "\"-\".\n"
    "\n"
    "  --json              records, one JSON object a line\n"
    "  --html              a page that shows the machine in a browser and needs nothing else\n"
    "  --svg               a picture of the machine\n"
    "  --plain             only the map, a line \"type start pages attributes\" for each "
    "descriptor\n"
    "  --physical-bits N   the CPU addresses N bits (12 to 52; default 52)\n"
    "  --special-use       give special-purpose memory out\n"
    "  --help, --version\n"
    "\n"
    "A FILE may hold, with anything else around it:\n"
    "  efi: mem00: [Conventional|...] range=[0x0-0x9ffff]      Linux (boot with efi=debug), "
    "Strata\n"
    "  efi: mem00: type=7, attr=0xf, range=[0x0-0xa0000)       Linux up to 4.0\n"
    "  Available  0000000000000000-000000000009FFFF ...        EDK2 shell: memmap, memmap -sfo\n"
    "  CONVENTIONAL     0000000000000000-00000000000a0000 WB   U-Boot: efidebug memmap\n"
    "  ConventionalMemory 000000000000 0x0 000000a0 UC WB      FreeBSD: memmap, verbose boot\n"
    "  {\"record\":\"efi\",...}                                    Strata: dump json\n"
    "  STRATA1*1/2*8F3A21C0*51B20C7E*...$                      Strata: QR codes on its screen, "
    "all\n"
    "                                                          parts in any order\n"
    "or be a list of lines \"7 0x0 160 0xf\" and remarks \"# ...\" (\\strata\\map.txt).\n"
    "Findings that came along with a map are shown when the map alone does not show them.\n"
    "With --html, records of a whole boot (dump json) are shown as they are, slabs and phases "
    "too.\n"
    "\n"
    "The page allocator is brought up over simulated memory, up to 64 TiB; of a machine with "
    "more,\n"
    "map, regions and findings are printed, and that it is so.\n"
    "Exit status: 0; 1 when a check fails or no page allocator can be built; 2 for wrong input; 3\n"
    "when the output cannot be written.\n";

static void write_stdout(struct text *self, const char *bytes, size_t count) {
    (void)self;
    fwrite(bytes, 1, count, stdout);
}

static struct text out = {.write = write_stdout};

static char *read_stream(FILE *stream, size_t *length) {
    size_t capacity = 1 << 16;
    char *bytes = malloc(capacity);
    *length = 0;
    while (bytes != NULL) {
        *length += fread(bytes + *length, 1, capacity - *length, stream);
        if (*length < capacity) {
            break;
        }
        capacity *= 2;
        char *grown = realloc(bytes, capacity);
        if (grown == NULL) {
            free(bytes);
        }
        bytes = grown;
    }
    return bytes;
}

// The whole file, or NULL with a message.
static char *read_file(const char *name, size_t *length) {
    FILE *stream = strcmp(name, "-") == 0 ? stdin : fopen(name, "rb");
    char *bytes = stream == NULL ? NULL : read_stream(stream, length);
    if (bytes == NULL || ferror(stream)) {
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    if (stream != NULL && stream != stdin) {
        fclose(stream);
    }
    return bytes;
}

static void print_source(const char *name, const struct settings *settings,
                         const struct map_reading *reading) {
    if (settings->output != OUTPUT_TEXT && settings->output != OUTPUT_PLAIN) {
        return;
    }
    const char *prefix = settings->output == OUTPUT_PLAIN ? "# " : "";
    // A plain map is for handing on: without the folders of whoever made it.
    const char *slash = settings->output == OUTPUT_PLAIN ? strrchr(name, '/') : NULL;
    name = slash != NULL ? slash + 1 : name;
    printf("%ssource: %s, lines %zu to %zu: %s", prefix, name, reading->first_line,
           reading->last_line, map_format_name(reading->format));
    if (reading->maps > 1) {
        printf(" (the last of %zu maps)", reading->maps);
    }
    puts(settings->output == OUTPUT_PLAIN ? "\n# format: type phys_start pages attribute" : "\n");
}

// A file or a log that was cut: what is there is shown, but not taken for the whole.
static void warn_if_cut(const char *name, const struct settings *settings,
                        const struct map_reading *reading) {
    if (reading->announced <= reading->count) {
        return;
    }
    fprintf(stderr, "%s: the map is cut: of %zu descriptors %zu are here\n", name,
            reading->announced, reading->count);
    if (settings->output == OUTPUT_PLAIN) {
        puts("# complete: no");
    }
}

static void print_plain(const struct map_reading *reading) {
    for (size_t i = 0; i < reading->count; i++) {
        const struct efi_descriptor *entry = &reading->entries[i];
        printf("%u 0x%lx %lu 0x%lx\n", entry->type, entry->physical_start, entry->pages,
               entry->attributes);
    }
}

static void print_reclaimed(const struct machine *machine) {
    text_puts(&out, "reclaimed once the kernel stands on its own:");
    static const enum memory_class classes[] = {MEMORY_LOADER, MEMORY_BOOTSVC, MEMORY_ACPI};
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        text_printf(&out, "%s %s ", i == 0 ? "" : ",", memory_class_name(classes[i]));
        text_size(&out, machine->reclaimed[classes[i]] * PAGE_SIZE);
    }
    text_puts(&out, "\n\n");
}

static void print_text(struct machine *machine, const char *findings) {
    struct ledger ledger;
    report_efi_map(&out, &machine->firmware);
    text_puts(&out, "\n");
    report_regions(&out, &machine->map);
    text_puts(&out, "\n");
    report_findings(&out, &machine->map);
    text_puts(&out, "\n");
    report_further(&out, &machine->map, findings);
    machine_bring_up(machine);
    if (!machine->has_pages) {
        text_printf(&out, "no page allocator: %s\n", machine->without);
        return;
    }
    print_reclaimed(machine);
    report_buddy(&out, &machine->pages);
    text_puts(&out, "\n");
    ledger_compute(&ledger, &machine->map, &machine->pages);
    report_ledger(&out, &ledger);
}

static void write_records(struct text *to, struct machine *machine, const char *name,
                          const struct map_reading *reading) {
    struct ledger ledger;
    text_puts(to, "{\"record\":\"strata\",\"version\":\"" STRATA_VERSION
                  "\",\"build\":\"strata-map\",\"cpu\":null,\"memory\":");
    uint64_t ram = 0;
    for (enum memory_class class = 0; class < MEMORY_CLASS_COUNT_; class ++) {
        ram += memory_class_is_ram(class) ? machine->map.class_bytes[class] : 0;
    }
    text_printf(to, "\"0x%lx\",\"source\":", ram);
    text_json_string(to, name);
    text_printf(to, ",\"format\":");
    text_json_string(to, map_format_name(reading->format));
    text_puts(to, "}\n");
    record_efi_map(to, &machine->firmware);
    record_regions(to, &machine->map);
    record_findings(to, &machine->map);
    record_further(to, &machine->map, reading->findings);
    machine_bring_up(machine);
    if (machine->has_pages) {
        ledger_compute(&ledger, &machine->map, &machine->pages);
        record_buddy(to, &machine->pages);
        record_frames(to, &machine->pages);
        record_ledger(to, &ledger);
    }
}

static void print_html(struct machine *machine, const char *name,
                       const struct map_reading *reading) {
    struct html_records records;
    html_begin(&out, name);
    html_records_init(&records, &out);
    write_records(&records.text, machine, name, reading);
    html_end(&out);
}

static void print_dump_html(const char *name, const struct dump *dump) {
    struct html_records records;
    html_begin(&out, name);
    html_records_init(&records, &out);
    dump_copy(&records.text, dump);
    html_end(&out);
}

// The report on one map. Its exit status.
static enum exit_status print_machine(const char *name, const struct settings *settings,
                                      const struct map_reading *reading) {
    static struct machine machine;
    struct efi_map firmware = {reading->entries, reading->count * sizeof(*reading->entries),
                               sizeof(*reading->entries), 1};
    machine_convert(&machine, firmware, &settings->machine);
    switch (settings->output) {
    case OUTPUT_JSON:
        write_records(&out, &machine, name, reading);
        break;
    case OUTPUT_HTML:
        print_html(&machine, name, reading);
        break;
    case OUTPUT_SVG:
        svg_write(&out, name, &machine.map);
        machine_bring_up(&machine);
        break;
    case OUTPUT_TEXT:
    case OUTPUT_PLAIN:
        print_text(&machine, reading->findings);
        break;
    }
    const char *broken = machine_check(&machine);
    fflush(stdout);
    if (broken != NULL) {
        fprintf(stderr, "%s: check failed: %s\n", name, broken);
    } else if (!machine.has_pages) {
        fprintf(stderr, "%s: no page allocator: %s\n", name, machine.without);
    }
    bool fine = broken == NULL && machine.has_pages;
    machine_free(&machine);
    return fine ? EXIT_FINE : EXIT_BROKEN;
}

static enum exit_status run_map(const char *shown, const char *bytes, size_t length,
                                const struct settings *settings) {
    struct map_reading reading;
    enum exit_status status = EXIT_WRONG_INPUT;
    switch (map_read_text(bytes, length, &reading)) {
    case MAP_READ_OK:
        print_source(shown, settings, &reading);
        warn_if_cut(shown, settings, &reading);
        if (settings->output == OUTPUT_PLAIN) {
            print_plain(&reading);
            status = EXIT_FINE;
        } else {
            status = print_machine(shown, settings, &reading);
        }
        break;
    case MAP_READ_MALFORMED:
        if (reading.problem[0] != '\0') {
            fprintf(stderr, "%s:%zu: %s\n", shown, reading.error_line, reading.problem);
            break;
        }
        fprintf(stderr, "%s:%zu:%zu: expected %s, found %s\n", shown, reading.error_line,
                reading.error_column, reading.expected, reading.found);
        break;
    case MAP_READ_NOTHING:
        fprintf(stderr, "%s: no memory map found; strata-map --help shows what is read\n", shown);
        break;
    }
    map_reading_free(&reading);
    return status;
}

// What the kernel printed of itself is shown as it is; of anything else the map is read.
static enum exit_status run_text(const char *shown, const char *bytes, size_t length,
                                 const struct settings *settings) {
    struct dump dump;
    if (settings->output == OUTPUT_HTML) {
        switch (dump_find(bytes, length, &dump)) {
        case DUMP_FOUND:
            print_dump_html(shown, &dump);
            return EXIT_FINE;
        case DUMP_MALFORMED:
            fprintf(stderr, "%s:%zu:%zu: a record is no JSON: expected %s\n", shown,
                    dump.error_line, dump.error_column, dump.expected);
            return EXIT_WRONG_INPUT;
        case DUMP_NONE:
            break;
        }
    }
    return run_map(shown, bytes, length, settings);
}

static enum exit_status run_file(const char *name, const struct settings *settings) {
    size_t length;
    char *bytes = read_file(name, &length);
    if (bytes == NULL) {
        return EXIT_WRONG_INPUT;
    }
    const char *shown = strcmp(name, "-") == 0 ? "standard input" : name;
    enum exit_status status = run_text(shown, bytes, length, settings);
    free(bytes);
    return status;
}

static bool parse_bits(const char *text, unsigned *bits) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value < 12 || value > 52) {
        fprintf(stderr, "strata-map: --physical-bits %s: expected a number from 12 to 52\n", text);
        return false;
    }
    *bits = (unsigned)value;
    return true;
}

// Returns false, with the exit status in `*status`, when there is nothing more to do.
static bool parse_options(int argc, char **argv, struct settings *settings,
                          enum exit_status *status) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"plain", no_argument, NULL, 'p'},
        {"html", no_argument, NULL, 'w'},
        {"svg", no_argument, NULL, 'g'},
        {"physical-bits", required_argument, NULL, 'b'},
        {"special-use", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    *status = EXIT_WRONG_INPUT;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            settings->output = OUTPUT_JSON;
            break;
        case 'p':
            settings->output = OUTPUT_PLAIN;
            break;
        case 'w':
            settings->output = OUTPUT_HTML;
            break;
        case 'g':
            settings->output = OUTPUT_SVG;
            break;
        case 'b':
            if (!parse_bits(optarg, &settings->machine.physical_bits)) {
                return false;
            }
            break;
        case 's':
            settings->machine.special_use = true;
            break;
        case 'h':
            fputs(help, stdout);
            *status = EXIT_FINE;
            return false;
        case 'v':
            puts("strata-map " STRATA_VERSION);
            *status = EXIT_FINE;
            return false;
        default:
            fputs("strata-map --help shows what can be typed\n", stderr);
            return false;
        }
    }
    return true;
}

static int run(int argc, char **argv) {
    struct settings settings = {0};
    enum exit_status status;
    if (!parse_options(argc, argv, &settings, &status)) {
        return (int)status;
    }
    static char standard_input[] = "-";
    static char *only[] = {standard_input};
    char **names = optind < argc ? argv + optind : only;
    int count = optind < argc ? argc - optind : 1;
    if (count > 1 && (settings.output == OUTPUT_HTML || settings.output == OUTPUT_SVG)) {
        fputs("strata-map: --html and --svg draw one FILE\n", stderr);
        return EXIT_WRONG_INPUT;
    }
    status = EXIT_FINE;
    for (int i = 0; i < count; i++) {
        if (i > 0 && settings.output == OUTPUT_TEXT) {
            puts("");
        }
        enum exit_status one = run_file(names[i], &settings);
        status = one > status ? one : status;
    }
    return (int)status;
}

int main(int argc, char **argv) {
    return output_end("strata-map", run(argc, argv), EXIT_NO_OUTPUT);
}
