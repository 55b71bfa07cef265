// SPDX-License-Identifier: MIT
// Step 6: the report on the volume that the loader came from, so that a machine without a serial
// line still hands over its map, and says what is wrong with it.
//
//    # what this is, the firmware's name
//    # what the loader said
//    7 0x100000 1792 0xf                the firmware's map, a line for each descriptor
//    # findings, regions, totals        in the words of the boot report
//    # end
//
// Everything but the map is a remark, so that whatever reads maps reads this file. The map is
// written before what is made of it, for a firmware refuses a piece that does not fit as a whole: a
// volume with little room has the map at least. A volume that cannot be written to is a warning,
// never a failure.
#include "file.h"
#include "memory.h"
#include <handover/judge.h>
#include <mm/report.h>
#include <string.h>
#include <text/console.h>

#define RECORD_FOLDER   "\\strata"
#define RECORD_PATH     "\\strata\\map.txt"
#define BUFFER_BYTES    (16 * KIB)
#define DESCRIPTORS_MAX 4096 // so at most 3 MiB, and a slow volume delays no boot for minutes

// A sink that makes a remark of each line.
struct remarks {
    struct text text; // first
    struct text *out;
    bool inside; // a line
};

static void remark(struct text *self, const char *bytes, size_t count) {
    struct remarks *remarks = (struct remarks *)self;
    while (count > 0) {
        const char *newline = memchr(bytes, '\n', count);
        size_t length = newline == NULL ? count : (size_t)(newline - bytes) + 1;
        if (!remarks->inside) {
            text_puts(remarks->out, *bytes == '\n' ? "#" : "# ");
        }
        remarks->out->write(remarks->out, bytes, length);
        remarks->inside = newline == NULL;
        bytes += length;
        count -= length;
    }
}

static void write_header(struct text *out, const struct loader *loader) {
    const struct boot_info *info = loader->info;
    text_puts(out, "memory map of this machine, written by the Strata loader before it left the "
                   "firmware\n");
    text_printf(out, "firmware: %s, revision 0x%x, UEFI %u.%u.%u\n", info->firmware_vendor,
                info->firmware_revision, info->uefi_revision >> 16,
                (info->uefi_revision & 0xffff) / 10, (info->uefi_revision & 0xffff) % 10);
    text_printf(out, "physical addresses: %u bits\n", loader->machine.physical_bits);
    text_printf(out, "descriptors: " U64 " of %u bytes\n\n", efi_map_count(&loader->map),
                loader->map.stride);
    text_puts(out, "what the loader said until then:\n");
    out->write(out, loader->log.text, loader->log.length);
}

static void write_map(struct text *out, struct text *remarks, const struct efi_map *map) {
    text_puts(remarks, "\nthe firmware's map:\nformat: type phys_start pages attribute\n");
    for (uint64_t i = 0; i < efi_map_count(map); i++) {
        struct efi_descriptor d = efi_map_entry(map, i);
        if (i == DESCRIPTORS_MAX) {
            text_puts(remarks, "complete: no\n");
            break;
        }
        text_printf(out, "%u " X64 " " U64 " " X64 "\n", d.type, d.physical_start, d.pages,
                    d.attributes);
    }
}

static void write_judgement(struct text *out, struct loader *loader, size_t *findings) {
    struct memmap map;
    text_puts(out, "\nwhat Strata makes of it, as far as the loader can tell. The kernel's checks "
                   "of MTRRs, ACPI and\nSMBIOS are in the boot report only.\n\n");
    if (efi_map_count(&loader->map) > DESCRIPTORS_MAX) {
        text_puts(out, "findings: not here: the map is too long, see the boot report\n");
        return;
    }
    const char *obstacle = judge_begin(loader, &map);
    if (obstacle != NULL) {
        text_printf(out, "findings: not here: %s\n", obstacle);
        return;
    }
    *findings = map.finding_count + map.findings_dropped;
    report_findings(out, &map);
    text_puts(out, "\n");
    report_regions(out, &map);
    judge_end(loader);
}

static void write_report(struct file_out *file, struct loader *loader, size_t *findings) {
    struct remarks remarks = {.text.write = remark, .out = &file->text};
    write_header(&remarks.text, loader);
    write_map(&file->text, &remarks.text, &loader->map);
    file_push(file);
    if (loader->replay.capacity != 0) {
        text_puts(&remarks.text, "\nreplay= is given: the kernel gets the map of another machine, "
                                 "and reports on that.\n");
    }
    write_judgement(&remarks.text, loader, findings);
    text_puts(&remarks.text, "end\n");
}

static void tell(struct loader *loader, EFI_STATUS status, uint64_t written, size_t findings) {
    uint64_t number = status & ~EFI_ERROR_MASK;
    if (!EFI_ERROR(status)) {
        say(loader, BOOT_LOG_DEBUG, "%s: " U64 " bytes, %zu findings", RECORD_PATH, written,
            findings);
    } else if (written == 0) {
        say(loader, BOOT_LOG_WARNING, "%s is not written (%s, " U64 ")", RECORD_PATH,
            status_name(status), number);
    } else {
        say(loader, BOOT_LOG_WARNING, "%s is cut: " U64 " bytes of it are written (%s, " U64 ")",
            RECORD_PATH, written, status_name(status), number);
    }
}

EFI_STATUS record_write(struct loader *loader) {
    static uint8_t buffer[BUFFER_BYTES]; // too large for a firmware's stack
    struct file_out file = {.buffer = buffer, .capacity = sizeof(buffer)};
    size_t findings = 0;
    if (loader->options.boot.record == 0 || loader->volume == NULL) {
        return EFI_SUCCESS;
    }
    EFI_STATUS status = file_create(loader, &file, RECORD_FOLDER, RECORD_PATH);
    if (!EFI_ERROR(status)) {
        write_report(&file, loader, &findings);
        status = file_finish(&file);
    }
    tell(loader, status, file.written, findings);
    return EFI_SUCCESS;
}
