// SPDX-License-Identifier: MIT
// The audit: what each page of ACPI reclaim memory holds, and which pages elsewhere must stay.
//
// Everything that is known is an item: a range of bytes, rounded outward to pages, and a kind. A
// page is of the highest kind among the items that touch it. Pages are not looked at one by one:
// between two ends of items they are all alike, so a run goes from one end to the next.
//
//   A1  the runs cover the MEMORY_ACPI regions exactly, in order, without overlap
//                                                               runs_cover_the_regions
//   A2  a page that a bad table or kept data touches is pinned  shared_pages_are_pinned
#include "internal.h"

#include <string.h>

struct item {
    uint64_t begin, end; // page-aligned
    enum acpi_page_kind kind;
};

static size_t item_count(const struct acpi *acpi) {
    return acpi->table_count + acpi->data_count;
}

// Item `index`: the tables first, then the data.
static struct item item_at(const struct acpi *acpi, size_t index) {
    uint64_t begin, bytes;
    struct item item;
    if (index < acpi->table_count) {
        const struct acpi_table *table = &acpi->tables[index];
        begin = table->address.value;
        bytes = table->held;
        item.kind = table->state == ACPI_TABLE_GOOD ? ACPI_PAGE_TABLE : ACPI_PAGE_PINNED;
    } else {
        const struct acpi_data *data = &acpi->data[index - acpi->table_count];
        begin = data->address.value;
        bytes = data->bytes;
        item.kind = data->keep ? ACPI_PAGE_PINNED : ACPI_PAGE_SPENT;
    }
    item.begin = align_down(begin, PAGE_SIZE);
    item.end = bytes == 0 ? item.begin : align_up(begin + bytes, PAGE_SIZE);
    return item;
}

static void item_reason(struct text *out, const struct acpi *acpi, size_t index) {
    static const char *const faults[] = {
        [ACPI_TABLE_GOOD] = "not copied",
        [ACPI_TABLE_UNREADABLE] = "unreadable",
        [ACPI_TABLE_BAD_LENGTH] = "bad length",
        [ACPI_TABLE_BAD_CHECKSUM] = "bad checksum",
    };
    if (index < acpi->table_count) {
        const struct acpi_table *table = &acpi->tables[index];
        text_printf(out, "%s: %s", table->signature, faults[table->state]);
    } else {
        text_puts(out, acpi->data[index - acpi->table_count].name);
    }
}

// The run that begins at `begin`, in a region that ends at `end`.
static struct acpi_run run_from(const struct acpi *acpi, uint64_t begin, uint64_t end) {
    struct acpi_run run = {.begin = paddr(begin), .end = paddr(end)};
    for (size_t i = 0; i < item_count(acpi); i++) {
        struct item item = item_at(acpi, i);
        if (item.begin > begin && item.begin < run.end.value) {
            run.end = paddr(item.begin);
        }
        if (item.begin > begin || item.end <= begin) {
            continue;
        }
        if (item.end < run.end.value) {
            run.end = paddr(item.end);
        }
        if (item.kind > run.kind) {
            run.kind = (uint16_t)item.kind;
            run.item = item.kind == ACPI_PAGE_PINNED ? (uint16_t)i : 0;
        }
    }
    return run;
}

// Appends a run, to the one before it if that goes on alike.
static void add_run(struct acpi *acpi, const struct acpi_run *run) {
    uint64_t pages = (run->end.value - run->begin.value) / PAGE_SIZE;
    struct acpi_run *last = acpi->run_count == 0 ? NULL : &acpi->runs[acpi->run_count - 1];
    acpi->pages += pages;
    acpi->kind_pages[run->kind] += pages;
    if (last != NULL && last->end.value == run->begin.value && last->kind == run->kind &&
        last->item == run->item) {
        last->end = run->end;
    } else if (acpi->run_count < ACPI_RUN_MAX) {
        acpi->runs[acpi->run_count++] = *run;
    } else {
        acpi->unlisted_pages += pages;
    }
}

void acpi_audit(struct acpi *acpi) {
    acpi->run_count = 0;
    acpi->pages = 0;
    acpi->unlisted_pages = 0;
    memset(acpi->kind_pages, 0, sizeof(acpi->kind_pages));
    for (size_t i = 0; i < acpi->map->region_count; i++) {
        const struct memory_region *region = &acpi->map->regions[i];
        uint64_t at = region->begin.value;
        while (region->class == MEMORY_ACPI && at < region->end.value) {
            struct acpi_run run = run_from(acpi, at, region->end.value);
            add_run(acpi, &run);
            at = run.end.value;
        }
    }
}

void acpi_run_reason(struct text *out, const struct acpi *acpi, const struct acpi_run *run) {
    item_reason(out, acpi, run->item);
}

// Whether whoever gives memory back must leave the item's pages: kept data, bad tables, and good
// ones that readers still use where they are.
static bool stays(const struct acpi *acpi, size_t index) {
    enum acpi_page_kind kind = item_at(acpi, index).kind;
    if (kind != ACPI_PAGE_TABLE) {
        return kind == ACPI_PAGE_PINNED;
    }
    const struct acpi_table *table = &acpi->tables[index];
    bool moved = table->copy.value != 0 || (table->replaced && acpi->copied_count != 0);
    return !moved;
}

bool acpi_next_pin(const struct acpi *acpi, paddr_t begin, paddr_t end, struct acpi_pin *pin) {
    size_t found = SIZE_MAX;
    *pin = (struct acpi_pin){.begin = end, .end = end};
    for (size_t i = 0; i < item_count(acpi); i++) {
        struct item item = item_at(acpi, i);
        uint64_t first = item.begin > begin.value ? item.begin : begin.value;
        if (item.end <= begin.value || first >= pin->begin.value || !stays(acpi, i)) {
            continue;
        }
        found = i;
        pin->begin = paddr(first);
        pin->end = paddr(item.end < end.value ? item.end : end.value);
    }
    struct text_buffer reason;
    text_buffer_init(&reason, pin->reason, sizeof(pin->reason));
    if (acpi->overflow && begin.value < end.value) {
        *pin = (struct acpi_pin){.begin = begin, .end = end};
        text_puts(&reason.text, "more tables than can be known");
    } else if (found != SIZE_MAX) {
        item_reason(&reason.text, acpi, found);
    }
    return pin->begin.value < pin->end.value;
}

const char *acpi_page_kind_name(enum acpi_page_kind kind) {
    static const char *const names[] = {
        [ACPI_PAGE_UNREFERENCED] = "unreferenced",
        [ACPI_PAGE_SPENT] = "spent",
        [ACPI_PAGE_TABLE] = "table",
        [ACPI_PAGE_PINNED] = "pinned",
    };
    return kind < ACPI_PAGE_KIND_COUNT_ ? names[kind] : "?";
}
