// SPDX-License-Identifier: MIT
// Reports and records, all of them.
#include <banner.h>
#include <check.h>
#include <mm/report.h>
#include <monitor/dump.h>
#include <paging/audit.h>
#include <paging/mappings.h>

void dump_text(struct text *out, struct kernel *kernel) {
    struct ledger ledger;
    ledger_compute(&ledger, &kernel->map, &kernel->pages);
    banner(out, kernel);
    report_efi_map(out, &kernel->firmware_map);
    report_regions(out, &kernel->map);
    report_findings(out, &kernel->map);
    acpi_summary(out, &kernel->acpi);
    text_puts(out, "\n");
    report_buddy(out, &kernel->pages);
    report_slabs(out, &kernel->kmalloc.heap);
    report_pools(out, &kernel->kmalloc.heap);
    report_ledger(out, &ledger);
    phases_report(out, &kernel->phases);
    audit_print(out, kernel);
    kernel_check(out, kernel);
}

static void record_strata(struct text *out, struct kernel *kernel, const struct ledger *ledger) {
    const struct boot_info *info = kernel->info;
    const char *broken = kernel_broken(kernel);
    text_puts(out, "{\"record\":\"strata\",\"version\":");
    text_json_string(out, banner_version);
    text_puts(out, ",\"build\":");
    text_json_string(out, banner_build);
    text_puts(out, ",\"cpu\":");
    text_json_string(out, cpu_name(&kernel->cpu));
    text_printf(out, ",\"memory\":\"0x%lx\",\"firmware\":", ledger->total);
    text_json_string(out, info->firmware_vendor);
    text_printf(out, ",\"firmware_revision\":%u,\"uefi_revision\":%u,\"options\":",
                info->firmware_revision, info->uefi_revision);
    text_json_string(out, info->options.text);
    text_printf(out, ",\"replayed\":%u", info->replayed);
    text_puts(out, ",\"check\":");
    text_json_string(out, broken != NULL ? broken : "ok");
    text_puts(out, "}\n");
}

static void record_audit(struct text *out, struct kernel *kernel) {
    struct audit audit;
    if (kernel->own_tables) {
        audit_run(&audit, kernel, NULL, NULL);
        audit_records(out, &audit);
    }
}

static void record_windows(struct text *out, struct kernel *kernel) {
    if (kernel->own_tables) {
        record_window(out, "vmalloc", &kernel->vmalloc);
        record_window(out, "mmio", &kernel->mmio);
        record_window(out, "stacks", &kernel->stacks);
    }
}

// Pages that are watched, were too many to be, and were written to.
static void record_tripwire(struct text *out, const char *class, const struct tripwire *wire) {
    text_printf(out,
                "{\"record\":\"tripwire\",\"class\":\"%s\",\"watched\":%lu,\"unwatched\":%lu,"
                "\"changed\":%lu}\n",
                class, wire->watched_pages, wire->unwatched_pages, wire->changed_pages);
}

void dump_json(struct text *out, struct kernel *kernel) {
    struct ledger ledger;
    ledger_compute(&ledger, &kernel->map, &kernel->pages);
    text_puts(out, "--- strata json ---\n");
    record_strata(out, kernel, &ledger);
    record_efi_map(out, &kernel->firmware_map);
    record_regions(out, &kernel->map);
    record_findings(out, &kernel->map);
    acpi_records(out, &kernel->acpi);
    record_buddy(out, &kernel->pages);
    record_frames(out, &kernel->pages);
    record_slabs(out, &kernel->kmalloc.heap);
    record_objects(out, &kernel->kmalloc.heap);
    record_pools(out, &kernel->kmalloc.heap);
    record_ledger(out, &ledger);
    controls_records(out, &kernel->controls);
    layout_records(out, &kernel->layout);
    mappings_records(out, kernel);
    runtime_records(out, kernel);
    record_tripwire(out, "bootsvc", &kernel->bootsvc_wire);
    record_tripwire(out, "low", &kernel->low_wire);
    record_windows(out, kernel);
    record_audit(out, kernel);
    phases_record(out, &kernel->phases);
    text_puts(out, "--- end ---\n");
}
