// SPDX-License-Identifier: MIT
// Asking everybody who keeps pages for later. What each of them gave is not asked for: it is the
// difference that it made to what is free.
#include <monitor/reclaim.h>

static void shrink_objects(struct kernel *kernel) {
    object_heap_shrink(&kernel->kmalloc.heap);
}

static void trim_vmalloc(struct kernel *kernel) {
    vm_window_trim(&kernel->vmalloc);
}

static void trim_devices(struct kernel *kernel) {
    vm_window_trim(&kernel->mmio);
}

static void trim_stacks(struct kernel *kernel) {
    vm_window_trim(&kernel->stacks);
}

static void trim_spaces(struct kernel *kernel) {
    spaces_trim(&kernel->spaces);
}

static void trim_tables(struct kernel *kernel) {
    tables_trim(&kernel->tables);
}

// Whether the tables are where they were for want of memory, and not for a reason that holds.
static bool acpi_may_go(const struct acpi *acpi) {
    return acpi->kept != NULL && !acpi->keep && acpi->defect == NULL && !acpi->overflow;
}

static void reclaim_tables(struct kernel *kernel) {
    if (acpi_may_go(&kernel->acpi)) {
        acpi_reclaim(&kernel->acpi, &kernel->pages);
    }
}

static const struct {
    const char *name, *what;
    bool own_tables; // only there when the kernel stands on its own
    void (*ask)(struct kernel *kernel);
} sources[RECLAIM_SOURCE_COUNT_] = {
    [RECLAIM_OBJECTS] = {"object caches", "magazines, empty slabs, objects in quarantine", false,
                         shrink_objects},
    [RECLAIM_VMALLOC] = {"vmalloc", "places kept, records, tables", true, trim_vmalloc},
    [RECLAIM_DEVICES] = {"ioremap", "the same", true, trim_devices},
    [RECLAIM_STACKS] = {"stacks", "the same", true, trim_stacks},
    [RECLAIM_SPACES] = {"address spaces", "records", true, trim_spaces},
    [RECLAIM_TABLES] = {"page tables", "an empty one", true, trim_tables},
    [RECLAIM_ACPI] = {"ACPI tables", NULL, false, reclaim_tables},
};

static uint64_t in_stacks(const struct kernel *kernel) {
    struct page_cpu_report stacks;
    uint64_t pages = 0;
    page_cpu_report(&kernel->pages, port_cpu(), &stacks);
    for (unsigned order = 0; order < PAGE_STACK_ORDERS; order++) {
        pages += stacks.blocks[order] << order;
    }
    return pages;
}

void reclaim_now(struct kernel *kernel, struct reclaimed *out) {
    uint64_t free = page_free_count(&kernel->pages);
    *out = (struct reclaimed){.before = free};
    for (unsigned i = 0; i < RECLAIM_SOURCE_COUNT_; i++) {
        if (kernel->own_tables || !sources[i].own_tables) {
            sources[i].ask(kernel);
        }
        uint64_t now = page_free_count(&kernel->pages);
        out->pages[i] = (int64_t)(now - free);
        free = now;
    }
    out->drained = in_stacks(kernel);
    page_drain(&kernel->pages);
    out->after = page_free_count(&kernel->pages);
}

// What became of the tables' memory, and why.
static void describe_acpi(struct text *out, const struct acpi *acpi) {
    if (acpi->kept != NULL) {
        text_printf(out, "%lu pages stay: %s", acpi->pages, acpi->kept);
    } else {
        text_printf(out, "%lu of %lu pages were given back", acpi->reclaimed_pages, acpi->pages);
    }
}

void reclaim_print(struct text *out, struct kernel *kernel) {
    struct reclaimed reclaimed;
    reclaim_now(kernel, &reclaimed);
    text_heading(out, "reclaim:");
    text_puts(out, " pages that came back, by who had kept them\n");
    for (unsigned i = 0; i < RECLAIM_SOURCE_COUNT_; i++) {
        text_printf(out, "  %-15s %8ld  ", sources[i].name, reclaimed.pages[i]);
        if (i == RECLAIM_ACPI) {
            describe_acpi(out, &kernel->acpi);
        } else {
            text_puts(out, sources[i].what);
        }
        text_puts(out, "\n");
    }
    text_printf(out, "  %-15s %8ld\n", "in all", (int64_t)(reclaimed.after - reclaimed.before));
    text_printf(out, "free: %lu pages before, %lu after, ", reclaimed.before, reclaimed.after);
    text_size(out, reclaimed.after * PAGE_SIZE);
    text_printf(out, "\n%lu pages went from this CPU's stacks to the sections: free all the time\n",
                reclaimed.drained);
}
