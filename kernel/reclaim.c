// SPDX-License-Identifier: MIT
// Giving back what only the boot needed.
//
// The order matters. ACPI memory after its tables were copied, and while the loader's tables still
// map everything that the firmware may have put them in. Then, on the kernel's own page tables and
// stack, loader memory: all but the ranges that are in use for good, which are MEMORY_KERNEL. Boot
// services' memory last, when everything that the kernel wants to keep from it is known.
//   I1  the free count rises by exactly the pages given back (less what the allocator took of them
//       for its own structures)
//   I2  a page that something needs is never given back (acpi_next_pin)
#include <memory.h>
#include <mm/port.h>
#include <string.h>

// What became of the regions of one class.
struct outcome {
    uint64_t given_pages, pinned_pages, refused_pages;
    char bytes[160]; // of `reasons`
    struct text_buffer reasons;
};

// One range to the page allocator; both the allocator and the map change, or neither.
static bool give(struct kernel *kernel, uint64_t begin, uint64_t end, enum memory_class class) {
    if (!memmap_set_class(&kernel->map, paddr(begin), paddr(end), MEMORY_USABLE)) {
        return false;
    }
    enum page_status status =
        page_release(&kernel->pages, pfn_of(paddr(begin)), pfn_of(paddr(end)), NULL);
    if (status != PAGE_OK) {
        bool undone = memmap_set_class(&kernel->map, paddr(begin), paddr(end), class);
        port_log(PORT_WARNING, "%s memory [0x%lx, 0x%lx) was not taken: %s%s",
                 memory_class_name(class), begin, end, page_status_name(status),
                 undone ? "" : ", and the map cannot say so");
    }
    return status == PAGE_OK;
}

// Each reason once.
static void note_pin(struct outcome *outcome, const struct acpi_pin *pin) {
    if (strstr(outcome->bytes, pin->reason) == NULL) {
        text_printf(&outcome->reasons.text, "%s%s", outcome->pinned_pages == 0 ? "" : ", ",
                    pin->reason);
    }
    outcome->pinned_pages += (pin->end.value - pin->begin.value) / PAGE_SIZE;
}

static void tripwire_warn(const char *name, const struct tripwire_change *change) {
    port_log(PORT_WARNING,
             "%s memory at 0x%lx was written to after boot services had ended: %u blocks of %u "
             "bytes, the first at 0x%lx",
             name, paddr_of(change->frame).value, change->blocks, TRIPWIRE_BLOCK,
             paddr_of(change->frame).value + change->block);
}

// What firmware wrote to since boot services ended.
static bool next_written(struct kernel *kernel, enum memory_class class, uint64_t begin,
                         uint64_t end, struct acpi_pin *pin) {
    struct tripwire_change change;
    if (class != MEMORY_BOOTSVC ||
        !tripwire_next(&kernel->bootsvc_wire, pfn_of(paddr(begin)), pfn_of(paddr(end)), &change)) {
        return false;
    }
    paddr_t page = paddr_of(change.frame);
    *pin = (struct acpi_pin){page, paddr(page.value + PAGE_SIZE), "written to after the exit"};
    tripwire_warn("boot services", &change);
    return true;
}

// Gives back [begin, end) but for its pins.
static void give_around_pins(struct kernel *kernel, uint64_t begin, uint64_t end,
                             enum memory_class class, struct outcome *outcome) {
    while (begin < end) {
        struct acpi_pin pin = {paddr(end), paddr(end), ""};
        bool pinned = acpi_next_pin(&kernel->acpi, paddr(begin), paddr(end), &pin);
        pinned |= next_written(kernel, class, begin, pin.begin.value, &pin);
        if (pin.begin.value > begin) {
            uint64_t pages = (pin.begin.value - begin) / PAGE_SIZE;
            bool given = give(kernel, begin, pin.begin.value, class);
            *(given ? &outcome->given_pages : &outcome->refused_pages) += pages;
        }
        if (pinned) {
            note_pin(outcome, &pin);
        }
        begin = pin.end.value;
    }
}

// The first region of `class` that begins at or above `from`.
static const struct memory_region *next_region(const struct memmap *map, enum memory_class class,
                                               uint64_t from) {
    for (size_t i = 0; i < map->region_count; i++) {
        if (map->regions[i].class == class && map->regions[i].begin.value >= from) {
            return &map->regions[i];
        }
    }
    return NULL;
}

static void print_outcome(const char *name, const struct outcome *outcome) {
    port_log(PORT_INFO, "%s: %lu pages: %lu reclaimed, %lu pinned%s%s%s", name,
             outcome->given_pages + outcome->pinned_pages + outcome->refused_pages,
             outcome->given_pages, outcome->pinned_pages + outcome->refused_pages,
             outcome->pinned_pages != 0 ? " (" : "", outcome->bytes,
             outcome->pinned_pages != 0 ? ")" : "");
}

static uint64_t metadata_pages(struct kernel *kernel) {
    struct page_census census;
    page_census(&kernel->pages, &census);
    return census.metadata_pages;
}

static void reclaim_class(struct kernel *kernel, enum memory_class class, const char *name) {
    uint64_t metadata_before = metadata_pages(kernel);
    uint64_t free_before = page_free_count(&kernel->pages);
    struct outcome outcome = {0};
    text_buffer_init(&outcome.reasons, outcome.bytes, sizeof(outcome.bytes));
    const struct memory_region *region;
    for (uint64_t at = 0; (region = next_region(&kernel->map, class, at)) != NULL;) {
        uint64_t begin = region->begin.value;
        at = region->end.value;
        give_around_pins(kernel, begin, at, class, &outcome);
    }
    print_outcome(name, &outcome);
    uint64_t expected = free_before + outcome.given_pages + metadata_before;
    uint64_t found = page_free_count(&kernel->pages) + metadata_pages(kernel);
    if (found != expected) {
        port_panic("%s memory: %lu pages given to the allocator, whose free and own pages rose "
                   "from %lu to %lu",
                   name, outcome.given_pages, free_before + metadata_before, found);
    }
}

void memory_set_tripwires(struct kernel *kernel) {
    tripwire_set(&kernel->low_wire, &kernel->map, MEMORY_LOW, &kernel->pages);
    tripwire_set(&kernel->bootsvc_wire, &kernel->map, MEMORY_BOOTSVC, &kernel->pages);
    phases_end(&kernel->phases, "tripwire");
}

uint64_t memory_report_low(struct kernel *kernel) {
    struct tripwire_change change;
    uint64_t pages = 0;
    for (uint64_t at = 0; tripwire_next(&kernel->low_wire, pfn(at), pfn(MIB / PAGE_SIZE), &change);
         at = change.frame.value + 1) {
        tripwire_warn("low", &change);
        pages++;
    }
    return pages;
}

static void tripwire_log(struct kernel *kernel) {
    uint64_t low = memory_report_low(kernel);
    uint64_t unwatched = kernel->bootsvc_wire.unwatched_pages;
    port_log(PORT_INFO,
             "tripwire: boot services: %lu of %lu pages watched, %lu were written to; low memory: "
             "%lu, %lu",
             kernel->bootsvc_wire.watched_pages, kernel->bootsvc_wire.watched_pages + unwatched,
             kernel->bootsvc_wire.changed_pages, kernel->low_wire.watched_pages, low);
}

void memory_reclaim_acpi(struct kernel *kernel) {
    char line[160];
    struct text_buffer summary;
    acpi_reclaim(&kernel->acpi, &kernel->pages);
    text_buffer_init(&summary, line, sizeof(line));
    acpi_summary(&summary.text, &kernel->acpi);
    port_log(PORT_INFO, "%s", line);
    phases_end(&kernel->phases, "reclaim-acpi");
}

// What the loader made only for the way to here, and what was copied from it.
static bool range_is_spent(uint32_t kind) {
    return kind == BOOT_RANGE_PAGE_TABLES || kind == BOOT_RANGE_STACK || kind == BOOT_RANGE_TABLES;
}

// The named ranges are MEMORY_KERNEL; what is over becomes the loader's memory again, and goes back
// with the rest of it.
static void disown_spent_ranges(struct kernel *kernel) {
    const struct boot_info *info = kernel->info;
    for (uint32_t i = 0; i < info->range_count && i < BOOT_RANGE_MAX; i++) {
        const struct boot_range *range = &info->ranges[i];
        paddr_t end = paddr(range->begin.value + range->pages * PAGE_SIZE);
        const struct memory_region *region = memmap_find(&kernel->map, range->begin);
        if (range_is_spent(range->kind) && range->begin.value >= MIB && region != NULL &&
            region->class == MEMORY_KERNEL && end.value <= region->end.value &&
            !memmap_set_class(&kernel->map, range->begin, end, MEMORY_LOADER)) {
            port_log(PORT_WARNING,
                     "the map has no room to say that loader memory [0x%lx, 0x%lx) "
                     "is free",
                     range->begin.value, end.value);
        }
    }
}

void memory_reclaim(struct kernel *kernel) {
    if (kernel->own_tables) {
        disown_spent_ranges(kernel);
    }
    reclaim_class(kernel, MEMORY_LOADER, "loader");
    phases_end(&kernel->phases, "reclaim-loader");
    reclaim_class(kernel, MEMORY_BOOTSVC, "boot services");
    tripwire_free(&kernel->bootsvc_wire, &kernel->pages);
    tripwire_log(kernel);
    phases_end(&kernel->phases, "reclaim-bootsvc");
}
