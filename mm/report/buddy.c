// SPDX-License-Identifier: MIT
// The page allocator and the ledger, as text and as records.
#include <mm/report.h>

// Runs of sections that look the same are one line: a terabyte of untouched memory is not a
// thousand lines.
struct section_run {
    struct section_report first;
    uint64_t count;
};

static bool same_looks(const struct section_report *a, const struct section_report *b) {
    return a->kind == b->kind && a->kind != SECTION_SPLIT;
}

static void print_run(struct text *out, const struct section_run *run) {
    const struct section_report *report = &run->first;
    if (report->kind == SECTION_ABSENT) {
        return;
    }
    text_printf(out, "  [0x%010lx, 0x%010lx)  %-6s %9lu ", report->begin.value,
                report->begin.value + run->count * GIB, section_kind_name(report->kind),
                report->free_pages * run->count);
    for (unsigned order = 0; order < PAGE_ORDER_COUNT; order++) {
        uint64_t blocks = report->free_blocks[order] * run->count;
        if (blocks == 0) {
            text_puts(out, "   .");
        } else {
            text_printf(out, " %3lu", blocks);
        }
    }
    text_puts(out, "\n");
}

static void report_reserves(struct text *out, struct page_allocator *allocator) {
    const struct page_reserves *reserves = &allocator->reserves;
    struct page_reserves free = page_free_below(allocator);
    const struct {
        const char *where;
        uint64_t kept, free;
    } lines[] = {
        {"below 16 MiB", reserves->below_16m, free.below_16m},
        {"below 4 GiB", reserves->below_4g, free.below_4g},
        {"for atomic requests", reserves->atomic, free.atomic},
    };
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        text_printf(out, "  reserve %s: ", lines[i].where);
        text_size(out, lines[i].kept * PAGE_SIZE);
        text_puts(out, " of ");
        text_size(out, lines[i].free * PAGE_SIZE);
        text_puts(out, " that is free there\n");
    }
}

static void report_totals(struct text *out, struct page_allocator *allocator) {
    uint64_t free_pages = page_free_count(allocator);
    text_printf(out, "  free: %lu pages, ", free_pages);
    text_size(out, free_pages * PAGE_SIZE);
    text_puts(out, "; metadata: ");
    text_size(out, allocator->metadata_bytes);
    text_puts(out, "\n");
}

void report_buddy(struct text *out, struct page_allocator *allocator) {
    text_puts(out, "buddy: free blocks by order (0: 4 KiB, 9: 2 MiB, 18: 1 GiB)\n"
                   "  section                         kind   free pages");
    for (unsigned order = 0; order < PAGE_ORDER_COUNT; order++) {
        text_printf(out, " %3u", order);
    }
    text_puts(out, "\n");
    struct section_run run = {.count = 0};
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        struct section_report report;
        page_section_report(allocator, i, &report);
        if (run.count != 0 && same_looks(&run.first, &report)) {
            run.count++;
            continue;
        }
        if (run.count != 0) {
            print_run(out, &run);
        }
        run = (struct section_run){report, 1};
    }
    if (run.count != 0) {
        print_run(out, &run);
    }
    report_totals(out, allocator);
    report_reserves(out, allocator);
}

// Hundredths of a per cent, without overflow up to 16 EiB.
static uint64_t basis_points(uint64_t part, uint64_t whole) {
    while (part > UINT64_MAX / 10000) {
        part >>= 1;
        whole >>= 1;
    }
    return whole == 0 ? 0 : part * 10000 / whole;
}

static void report_account(struct text *out, const char *name, uint64_t bytes, uint64_t total) {
    uint64_t share = basis_points(bytes, total);
    text_printf(out, "  %-16s %14lu KiB  %3lu.%02lu %%\n", name, bytes / KIB, share / 100,
                share % 100);
}

void report_ledger(struct text *out, const struct ledger *ledger) {
    text_puts(out, "ledger: every frame of RAM, counted from the structures themselves\n");
    for (unsigned i = 0; i < ACCOUNT_COUNT_; i++) {
        if (ledger->bytes[i] != 0) {
            report_account(out, account_name((enum account)i), ledger->bytes[i], ledger->total);
        }
    }
    report_account(out, "total RAM", ledger->total, ledger->total);
    text_printf(out, "  unaccounted %ld\n", ledger->unaccounted);
    uint64_t free = ledger->bytes[ACCOUNT_FREE] + ledger->bytes[ACCOUNT_CACHED];
    uint64_t share = basis_points(free, ledger->left);
    text_printf(out,
                "  the firmware keeps %lu KiB for itself; of the %lu KiB that it leaves, %lu.%02lu "
                "%% is free\n",
                (ledger->total - ledger->left) / KIB, ledger->left / KIB, share / 100, share % 100);
    text_printf(out, "  it also describes %lu KiB that is not RAM (reserved, MMIO, persistent)\n",
                ledger->not_ram / KIB);
    text_printf(out, "  Strata itself uses %lu KiB\n", ledger->own / KIB);
    if (ledger->mismatch != NULL) {
        text_printf(out, "  MISMATCH: %s\n", ledger->mismatch);
    }
}

void record_buddy(struct text *out, struct page_allocator *allocator) {
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        struct section_report report;
        page_section_report(allocator, i, &report);
        if (report.kind == SECTION_ABSENT) {
            continue;
        }
        text_printf(
            out,
            "{\"record\":\"section\",\"index\":%lu,\"start\":\"0x%lx\",\"state\":\"%s\",\"free\":[",
            report.index, report.begin.value, section_kind_name(report.kind));
        for (unsigned order = 0; order < PAGE_ORDER_COUNT; order++) {
            text_printf(out, order == 0 ? "%lu" : ",%lu", report.free_blocks[order]);
        }
        text_puts(out, "]}\n");
    }
}

static void record_account(struct text *out, const char *name, uint64_t bytes) {
    text_printf(out, "{\"record\":\"ledger\",\"account\":\"%s\",\"bytes\":\"0x%lx\"}\n", name,
                bytes);
}

void record_ledger(struct text *out, const struct ledger *ledger) {
    for (unsigned i = 0; i < ACCOUNT_COUNT_; i++) {
        record_account(out, account_name((enum account)i), ledger->bytes[i]);
    }
    record_account(out, "total", ledger->total);
    record_account(out, "unaccounted", (uint64_t)ledger->unaccounted);
    record_account(out, "left-by-firmware", ledger->left);
    record_account(out, "strata-itself", ledger->own);
    record_account(out, "not-ram", ledger->not_ram);
    record_account(out, "described", ledger->described);
}
