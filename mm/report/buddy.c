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

// How wide the columns are, at least what an ordinary machine needs.
struct columns {
    unsigned address; // hexadecimal digits
    unsigned pages, blocks;
};

static unsigned digits(uint64_t value, unsigned base) {
    unsigned count = 1;
    while (value >= base) {
        value /= base;
        count++;
    }
    return count;
}

static void widen(unsigned *column, unsigned wanted) {
    *column = wanted > *column ? wanted : *column;
}

static void measure_run(void *context, const struct section_run *run) {
    struct columns *columns = context;
    const struct section_report *report = &run->first;
    widen(&columns->address, digits(report->begin.value + run->count * GIB, 16));
    widen(&columns->pages, digits(report->free_pages * run->count, 10));
    for (unsigned order = 0; order < PAGE_ORDER_COUNT; order++) {
        widen(&columns->blocks, digits(report->free_blocks[order] * run->count, 10));
    }
}

struct printing {
    struct text *out;
    struct columns columns;
};

static void print_run(void *context, const struct section_run *run) {
    const struct printing *printing = context;
    const struct columns *columns = &printing->columns;
    const struct section_report *report = &run->first;
    text_printf(printing->out, "  [0x%0*lx, 0x%0*lx)  %-6s %*lu ", (int)columns->address,
                report->begin.value, (int)columns->address, report->begin.value + run->count * GIB,
                section_kind_name(report->kind), (int)columns->pages,
                report->free_pages * run->count);
    for (unsigned order = 0; order < PAGE_ORDER_COUNT; order++) {
        uint64_t blocks = report->free_blocks[order] * run->count;
        if (blocks == 0) {
            text_printf(printing->out, " %*s", (int)columns->blocks, ".");
        } else {
            text_printf(printing->out, " %*lu", (int)columns->blocks, blocks);
        }
    }
    text_puts(printing->out, "\n");
}

static void print_heading(struct text *out, const struct columns *columns) {
    text_printf(out,
                "buddy: free blocks by order (0: 4 KiB, 9: 2 MiB, 18: 1 GiB)\n"
                "  %-*s  %-6s %*s ",
                (int)(2 * columns->address + 8), "section", "kind", (int)columns->pages,
                "free pages");
    for (unsigned order = 0; order < PAGE_ORDER_COUNT; order++) {
        text_printf(out, " %*u", (int)columns->blocks, order);
    }
    text_puts(out, "\n");
}

static void each_run(struct page_allocator *allocator,
                     void (*visit)(void *context, const struct section_run *run), void *context) {
    struct section_run run = {.count = 0};
    for (uint64_t i = 0; i <= allocator->section_count; i++) {
        struct section_report report = {.kind = SECTION_ABSENT};
        if (i < allocator->section_count) {
            page_section_report(allocator, i, &report);
            if (run.count != 0 && same_looks(&run.first, &report)) {
                run.count++;
                continue;
            }
        }
        if (run.count != 0 && run.first.kind != SECTION_ABSENT) {
            visit(context, &run);
        }
        run = (struct section_run){report, 1};
    }
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
    struct printing printing = {out,
                                {.address = 10, .pages = sizeof("free pages") - 1, .blocks = 3}};
    each_run(allocator, measure_run, &printing.columns);
    print_heading(out, &printing.columns);
    each_run(allocator, print_run, &printing);
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
    text_heading(out, "ledger:");
    text_puts(out, " every frame of RAM, counted from the structures themselves\n");
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
