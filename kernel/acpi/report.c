// SPDX-License-Identifier: MIT
// What a person reads about ACPI, and the records that a program reads.
#include "internal.h"

#include <string.h>

static const char *const state_names[] = {
    [ACPI_TABLE_GOOD] = "good",
    [ACPI_TABLE_UNREADABLE] = "unreadable",
    [ACPI_TABLE_BAD_LENGTH] = "bad-length",
    [ACPI_TABLE_BAD_CHECKSUM] = "bad-checksum",
};

static const char *class_name(unsigned class) {
    return class < MEMORY_CLASS_COUNT_ ? memory_class_name(class) : "unnamed";
}

// Each reason once, in the order of the pages.
static void put_reasons(struct text *out, const struct acpi *acpi) {
    const char *separator = " (";
    for (size_t i = 0; i < acpi->run_count; i++) {
        const struct acpi_run *run = &acpi->runs[i];
        char reason[48], earlier[48];
        struct text_buffer buffer;
        text_buffer_init(&buffer, reason, sizeof(reason));
        acpi_run_reason(&buffer.text, acpi, run);
        bool said = run->kind != ACPI_PAGE_PINNED;
        for (size_t j = 0; j < i && !said; j++) {
            text_buffer_init(&buffer, earlier, sizeof(earlier));
            acpi_run_reason(&buffer.text, acpi, &acpi->runs[j]);
            said = acpi->runs[j].kind == ACPI_PAGE_PINNED && strcmp(reason, earlier) == 0;
        }
        if (!said) {
            text_printf(out, "%s%s", separator, reason);
            separator = ", ";
        }
    }
    text_puts(out, *separator == ',' ? ")" : "");
}

void acpi_summary(struct text *out, const struct acpi *acpi) {
    text_printf(out, "acpi: %lu pages: %lu reclaimed, ", acpi->pages, acpi->reclaimed_pages);
    uint64_t pinned = acpi->kind_pages[ACPI_PAGE_PINNED];
    uint64_t others = acpi->pages - acpi->reclaimed_pages;
    if (acpi->kept != NULL) {
        text_printf(out, "%lu kept (%s)", others, acpi->kept);
    } else {
        text_printf(out, "%lu pinned", pinned);
        put_reasons(out, acpi);
        if (others != pinned) {
            text_printf(out, ", %lu kept for want of room in lists", others - pinned);
        }
    }
    text_printf(out, ", tables copied %zu (", acpi->copied_count);
    text_size(out, acpi->copied_bytes);
    text_puts(out, ")");
}

static void report_tables(struct text *out, const struct acpi *acpi) {
    text_puts(out, "  table  address         bytes  oem    oem table  state         lay in"
                   "      copied to\n");
    for (size_t i = 0; i < acpi->table_count; i++) {
        const struct acpi_table *table = &acpi->tables[i];
        text_printf(out, "  %-5s  0x%010lx  %7u  %-6s %-9s  %-12s  %-9s", table->signature,
                    table->address.value, table->length, table->oem, table->oem_table,
                    state_names[table->state], class_name(table->lies_in));
        if (table->copy.value != 0) {
            text_printf(out, "  0x%010lx\n", table->copy.value);
        } else {
            text_puts(out, table->replaced && acpi->copied_count != 0 ? "  replaced\n" : "  -\n");
        }
    }
    if (acpi->zero_entries != 0 || acpi->duplicate_entries != 0) {
        text_printf(out, "  skipped: %u empty and %u duplicate pointers to tables\n",
                    acpi->zero_entries, acpi->duplicate_entries);
    }
}

static void put_guid(struct text *out, const struct efi_guid *guid) {
    text_printf(out, " %08x-%04x-%04x-%02x%02x-", guid->a, guid->b, guid->c, guid->d[0],
                guid->d[1]);
    for (unsigned i = 2; i < 8; i++) {
        text_printf(out, "%02x", guid->d[i]);
    }
}

static void report_data(struct text *out, const struct acpi *acpi) {
    for (size_t i = 0; i < acpi->data_count; i++) {
        const struct acpi_data *data = &acpi->data[i];
        text_printf(out, "  0x%010lx  %7lu%s  %-9s  %s  %s", data->address.value, data->bytes,
                    data->guessed ? "?" : " ", class_name(data->lies_in),
                    data->keep ? "keep " : "spent", data->name);
        if (data->configuration) {
            put_guid(out, &data->guid);
        }
        text_puts(out, "\n");
    }
}

static void report_runs(struct text *out, const struct acpi *acpi) {
    for (size_t i = 0; i < acpi->run_count; i++) {
        const struct acpi_run *run = &acpi->runs[i];
        text_printf(out, "  [0x%010lx, 0x%010lx)  %4lu  %-12s  %s", run->begin.value,
                    run->end.value, (run->end.value - run->begin.value) / PAGE_SIZE,
                    acpi_page_kind_name(run->kind), run->reclaimed ? "reclaimed" : "kept");
        if (run->kind == ACPI_PAGE_PINNED) {
            text_puts(out, ": ");
            acpi_run_reason(out, acpi, run);
        }
        text_puts(out, "\n");
    }
    if (acpi->unlisted_pages != 0) {
        text_printf(out, "  and %lu pages more, kept\n", acpi->unlisted_pages);
    }
}

void acpi_report(struct text *out, const struct acpi *acpi) {
    text_printf(out, "ACPI tables (RSDP revision %u at 0x%lx)\n", acpi->revision, acpi->rsdp.value);
    if (acpi->defect != NULL) {
        text_printf(out, "  none: %s\n", acpi->defect);
    }
    report_tables(out, acpi);
    text_puts(out, "Other data that the firmware points to\n");
    report_data(out, acpi);
    text_puts(out, "Pages of ACPI reclaim memory\n");
    report_runs(out, acpi);
    text_puts(out, "What the tables say\n");
    acpi_report_machine(out, acpi);
    acpi_summary(out, acpi);
    text_puts(out, "\n");
}

static void record_tables(struct text *out, const struct acpi *acpi) {
    for (size_t i = 0; i < acpi->table_count; i++) {
        const struct acpi_table *table = &acpi->tables[i];
        text_puts(out, "{\"record\":\"acpi-table\",\"signature\":");
        text_json_string(out, table->signature);
        text_printf(out, ",\"address\":\"0x%lx\",\"length\":%u,\"oem\":", table->address.value,
                    table->length);
        text_json_string(out, table->oem);
        text_printf(out, ",\"state\":\"%s\",\"class\":\"%s\",\"copy\":", state_names[table->state],
                    class_name(table->lies_in));
        if (table->copy.value != 0) {
            text_printf(out, "\"0x%lx\"}\n", table->copy.value);
        } else {
            text_puts(out, "null}\n");
        }
    }
}

void acpi_records(struct text *out, const struct acpi *acpi) {
    record_tables(out, acpi);
    for (size_t i = 0; i < acpi->data_count; i++) {
        const struct acpi_data *data = &acpi->data[i];
        text_printf(out,
                    "{\"record\":\"acpi-data\",\"name\":\"%s\",\"address\":\"0x%lx\",\"bytes\":"
                    "\"0x%lx\",\"class\":\"%s\",\"pinned\":%s}\n",
                    data->name, data->address.value, data->bytes, class_name(data->lies_in),
                    data->keep ? "true" : "false");
    }
    for (size_t i = 0; i < acpi->run_count; i++) {
        const struct acpi_run *run = &acpi->runs[i];
        text_printf(out,
                    "{\"record\":\"acpi-run\",\"start\":\"0x%lx\",\"end\":\"0x%lx\",\"kind\":\"%s\""
                    ",\"reclaimed\":%s}\n",
                    run->begin.value, run->end.value, acpi_page_kind_name(run->kind),
                    run->reclaimed ? "true" : "false");
    }
    text_printf(out,
                "{\"record\":\"acpi\",\"pages\":%lu,\"reclaimed\":%lu,\"pinned\":%lu,\"copied\":%zu"
                ",\"bytes\":\"0x%lx\",\"kept\":",
                acpi->pages, acpi->reclaimed_pages, acpi->kind_pages[ACPI_PAGE_PINNED],
                acpi->copied_count, acpi->copied_bytes);
    if (acpi->kept != NULL) {
        text_json_string(out, acpi->kept);
    } else {
        text_puts(out, "null");
    }
    text_puts(out, "}\n");
}
