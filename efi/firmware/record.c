// SPDX-License-Identifier: MIT
// Step 6: the firmware's map, written to the volume that the loader came from, so that a machine
// without a serial line still hands it over. A volume that cannot be written to is a remark, never
// a failure.
#include "file.h"
#include "memory.h"
#include <string.h>
#include <text/console.h>

#define RECORD_FOLDER   "\\strata"
#define RECORD_PATH     "\\strata\\map.txt"
#define LINE_BYTES      80 // the longest: "4294967295 0x<16> <20> 0x<16>\n"
#define HEADER_BYTES    1024
#define DESCRIPTORS_MAX 4096

struct record {
    char *text;
    size_t capacity, length;
};

static void line(struct record *record, const char *text, ...)
    __attribute__((format(printf, 2, 3)));

static void line(struct record *record, const char *text, ...) {
    va_list arguments;
    va_start(arguments, text);
    record->length += format_list(record->text + record->length, record->capacity - record->length,
                                  text, arguments);
    va_end(arguments);
}

static void header(struct record *record, const struct loader *loader) {
    const struct boot_info *info = loader->info;
    line(record, "# memory map of this machine, written by the Strata loader before it left the "
                 "firmware\n");
    line(record, "# firmware: %s, revision 0x%x, UEFI %u.%u.%u\n", info->firmware_vendor,
         info->firmware_revision, info->uefi_revision >> 16, (info->uefi_revision & 0xffff) / 10,
         (info->uefi_revision & 0xffff) % 10);
    line(record, "# descriptors: " U64 " of %u bytes\n", efi_map_count(&loader->map),
         loader->map.stride);
}

// The log, each line a comment.
static void remarks(struct record *record, const struct loader_log *log) {
    for (size_t at = 0; at < log->length;) {
        const char *end = memchr(log->text + at, '\n', log->length - at);
        size_t length = end == NULL ? log->length - at : (size_t)(end - log->text) - at;
        line(record, "# %.*s\n", (int)length, log->text + at);
        at += length + 1;
    }
}

static void descriptors(struct record *record, const struct efi_map *map) {
    line(record, "# format: type phys_start pages attribute\n");
    for (uint64_t i = 0; i < efi_map_count(map); i++) {
        struct efi_descriptor d = efi_map_entry(map, i);
        if (i == DESCRIPTORS_MAX) {
            line(record, "# complete: no\n");
            break;
        }
        line(record, "%u " X64 " " U64 " " X64 "\n", d.type, d.physical_start, d.pages,
             d.attributes);
    }
}

static EFI_STATUS write_all(struct loader *loader, size_t *length) {
    uint64_t count = efi_map_count(&loader->map);
    struct record record = {0};
    void *text;
    record.capacity = HEADER_BYTES + 3 * loader->log.length +
                      (count < DESCRIPTORS_MAX ? count : DESCRIPTORS_MAX) * LINE_BYTES;
    EFI_STATUS status = memory_scratch(loader, record.capacity, &text);
    if (EFI_ERROR(status)) {
        return status;
    }
    record.text = text;
    header(&record, loader);
    remarks(&record, &loader->log);
    descriptors(&record, &loader->map);
    *length = record.length;
    status = file_write(loader, RECORD_FOLDER, RECORD_PATH, record.text, record.length);
    memory_release(loader, text);
    return status;
}

EFI_STATUS record_write(struct loader *loader) {
    size_t length;
    if (loader->options.boot.record == 0 || loader->volume == NULL) {
        return EFI_SUCCESS;
    }
    EFI_STATUS status = write_all(loader, &length);
    if (EFI_ERROR(status)) {
        say(loader, BOOT_LOG_WARNING, "%s is not written (%s, " U64 ")", RECORD_PATH,
            status_name(status), (uint64_t)(status & ~EFI_ERROR_MASK));
    } else {
        say(loader, BOOT_LOG_DEBUG, "%s: %zu bytes", RECORD_PATH, length);
    }
    return EFI_SUCCESS;
}
