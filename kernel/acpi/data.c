// SPDX-License-Identifier: MIT
// What tables point to that is no table: images, logs, the FACS. None of it can be moved, for
// whoever else knows the address would go on using it; so its pages are pinned.
//
//   D1  what is to be kept is never given out, wherever it lies    data_is_never_given_out
#include "internal.h"

#define BMP_SIZE       2  // offset of the file's size, behind "BM"
#define BMP_BYTES_MIN  26 // file header and the shortest image header
#define DATA_BYTES_MAX (64 * MIB)

// Offsets in the tables that point somewhere, in the order of their functions below.
enum {
    FACS_LENGTH = 4,
    FACS_BYTES_MIN = 64,
    BGRT_IMAGE = 40,
    TPM2_LOG_BYTES = 64,
    TPM2_LOG = 68,
    TCPA_CLASS = 36,
    TCPA_CLIENT_LOG_BYTES = 38,
    TCPA_CLIENT_LOG = 42,
    TCPA_SERVER_LOG_BYTES = 40,
    TCPA_SERVER_LOG = 48,
    CCEL_LOG_BYTES = 40,
    CCEL_LOG = 48,
    WPBT_BYTES = 36,
    WPBT_BINARY = 40,
    BERT_BYTES = 36,
    BERT_REGION = 40,
    FPDT_ENTRIES = 36,
    FPDT_POINTER = 8,
};

// What is known already by that name, in that place: AML tables repeat what others say.
static struct acpi_data *same_data(struct acpi *acpi, const struct acpi_data *found) {
    for (size_t i = 0; i < acpi->data_count; i++) {
        struct acpi_data *data = &acpi->data[i];
        if (data->name == found->name && data->address.value == found->address.value &&
            data->bytes == found->bytes && !data->configuration) {
            return data;
        }
    }
    return NULL;
}

struct acpi_data *acpi_add_data(struct acpi *acpi, const char *name, uint64_t address,
                                uint64_t bytes) {
    struct acpi_data found = {.name = name, .address = paddr(address), .keep = true};
    found.lies_in = (uint8_t)acpi_class_at(acpi, address);
    found.guessed = bytes == 0 || bytes > DATA_BYTES_MAX;
    if (found.guessed) {
        bytes = PAGE_SIZE - address % PAGE_SIZE;
    }
    found.bytes = acpi_readable(acpi, address, bytes);
    struct acpi_data *data = same_data(acpi, &found);
    if (data == NULL && acpi->data_count == ACPI_DATA_MAX) {
        acpi->overflow = true;
    } else if (data == NULL) {
        data = &acpi->data[acpi->data_count++];
        *data = found;
    }
    return data;
}

void acpi_keep_data(struct acpi *acpi, const struct acpi_data *data, const char *tag) {
    if (data != NULL && data->bytes != 0) {
        memmap_check_table(acpi->map, tag, data->address, data->bytes);
    }
}

// What a table points to is recorded when it lies in memory that the map names; elsewhere (device
// registers, flash) there is nothing to keep.
static void point(struct acpi *acpi, const char *name, const char *tag, uint64_t address,
                  uint64_t bytes) {
    if (address != 0 && acpi_bytes(acpi, address, 1) != NULL) {
        acpi_keep_data(acpi, acpi_add_data(acpi, name, address, bytes), tag);
    }
}

// The FACS has a length but no checksum, and firmware writes to it: never copied.
static void find_facs(struct acpi *acpi) {
    struct view fadt = acpi_first(acpi, "FACP");
    uint64_t places[2] = {view_u64(fadt, FADT_X_FACS), view_u32(fadt, FADT_FACS)};
    for (unsigned i = 0; i < 2; i++) {
        const uint8_t *facs = acpi_bytes(acpi, places[i], FACS_BYTES_MIN);
        if (facs == NULL || (i == 1 && places[1] == places[0])) {
            continue;
        }
        uint32_t length = view_u32((struct view){facs, FACS_BYTES_MIN}, FACS_LENGTH);
        point(acpi, "FACS", "FACS", places[i],
              length >= FACS_BYTES_MIN && length <= PAGE_SIZE ? length : 0);
    }
}

static void find_image(struct acpi *acpi) {
    uint64_t address = view_u64(acpi_first(acpi, "BGRT"), BGRT_IMAGE);
    const uint8_t *image = acpi_bytes(acpi, address, BMP_BYTES_MIN);
    uint64_t bytes = 0;
    if (image != NULL && image[0] == 'B' && image[1] == 'M') {
        bytes = view_u32((struct view){image, BMP_BYTES_MIN}, BMP_SIZE);
    }
    point(acpi, "BGRT image", "BGRT", address, bytes);
}

static void find_tpm_logs(struct acpi *acpi) {
    static const char *const name = "TPM event log";
    struct view tpm2 = acpi_first(acpi, "TPM2");
    point(acpi, name, "TPM2", view_u64(tpm2, TPM2_LOG), view_u32(tpm2, TPM2_LOG_BYTES));
    struct view tcpa = acpi_first(acpi, "TCPA");
    if (view_u16(tcpa, TCPA_CLASS) == 0) {
        point(acpi, name, "TCPA", view_u64(tcpa, TCPA_CLIENT_LOG),
              view_u32(tcpa, TCPA_CLIENT_LOG_BYTES));
    } else {
        point(acpi, name, "TCPA", view_u64(tcpa, TCPA_SERVER_LOG),
              view_u64(tcpa, TCPA_SERVER_LOG_BYTES));
    }
    struct view ccel = acpi_first(acpi, "CCEL");
    point(acpi, "CC event log", "CCEL", view_u64(ccel, CCEL_LOG), view_u64(ccel, CCEL_LOG_BYTES));
}

// The firmware performance table's entries point to tables of records, which have a signature, a
// length and no checksum (ACPI 6.5, 5.2.24).
static void find_performance(struct acpi *acpi) {
    struct view fpdt = acpi_first(acpi, "FPDT");
    for (uint64_t at = FPDT_ENTRIES; at + 4 <= fpdt.length && fpdt.bytes[at + 2] >= 4;
         at += fpdt.bytes[at + 2]) {
        if (fpdt.bytes[at + 2] < FPDT_POINTER + 8) {
            continue;
        }
        uint64_t address = view_u64(fpdt, at + FPDT_POINTER);
        const uint8_t *records = acpi_bytes(acpi, address, 8);
        struct view header = {records, records == NULL ? 0 : 8};
        point(acpi, "performance records", "FPDT", address, view_u32(header, HEADER_LENGTH));
    }
}

// Memory that the AML of one table reads or writes, where it would be given back. What AML may
// claim of usable memory is not believed: firmware's own map says that nobody needs that.
static void find_aml_memory(struct acpi *acpi, struct view table) {
    uint64_t at = ACPI_HEADER_BYTES, address, bytes;
    while (acpi_aml_memory(table, &at, &address, &bytes)) {
        enum memory_class class = acpi_class_at(acpi, address);
        if (bytes != 0 && (class == MEMORY_ACPI || class == MEMORY_BOOTSVC)) {
            acpi_add_data(acpi, "AML operation region", address, bytes);
        }
    }
}

static void find_all_aml_memory(struct acpi *acpi) {
    find_aml_memory(acpi, acpi_first(acpi, "DSDT"));
    struct view ssdt;
    uint32_t length = 0;
    for (unsigned i = 0; (ssdt.bytes = acpi_table(acpi, "SSDT", i, &length)) != NULL; i++) {
        ssdt.length = length;
        find_aml_memory(acpi, ssdt);
    }
}

void acpi_find_table_data(struct acpi *acpi) {
    find_facs(acpi);
    find_image(acpi);
    find_tpm_logs(acpi);
    find_performance(acpi);
    find_all_aml_memory(acpi);
    struct view wpbt = acpi_first(acpi, "WPBT");
    point(acpi, "WPBT binary", "WPBT", view_u64(wpbt, WPBT_BINARY), view_u32(wpbt, WPBT_BYTES));
    struct view bert = acpi_first(acpi, "BERT");
    point(acpi, "boot error record", "BERT", view_u64(bert, BERT_REGION),
          view_u32(bert, BERT_BYTES));
}
