// SPDX-License-Identifier: MIT
// Gives ACPI reclaim memory back, once nobody reads it any more.
//
//   R1  the allocator's free count rises by exactly the pages that are counted as reclaimed
//                                                               checked at every boot (ASSERT)
//   R2  a pinned page is never released                         shared_pages_are_pinned
//   R3  a page is MEMORY_USABLE in the map exactly when the allocator got it
//                                                               board_reclaim (in every test)
#include "internal.h"

#include <mm/assert.h>

static uint64_t metadata_pages(const struct page_allocator *allocator) {
    return allocator->metadata_bytes / PAGE_SIZE;
}

// Releases one run. The map first, for its array may be full; back again if the allocator refuses.
static void release(struct acpi *acpi, struct page_allocator *allocator, struct acpi_run *run) {
    if (!memmap_set_class(acpi->map, run->begin, run->end, MEMORY_USABLE)) {
        return;
    }
    if (page_release(allocator, pfn_of(run->begin), pfn_of(run->end), NULL) != PAGE_OK) {
        bool back = memmap_set_class(acpi->map, run->begin, run->end, MEMORY_ACPI);
        ASSERT(back); // the map had this shape a moment ago
        return;
    }
    run->reclaimed = true;
    acpi->reclaimed_pages += (run->end.value - run->begin.value) / PAGE_SIZE;
}

static void release_all(struct acpi *acpi, struct page_allocator *allocator) {
    uint64_t free_before = page_free_count(allocator) + metadata_pages(allocator);
    for (size_t i = 0; i < acpi->run_count; i++) {
        if (acpi->runs[i].kind != ACPI_PAGE_PINNED) {
            release(acpi, allocator, &acpi->runs[i]);
        }
    }
    uint64_t free_after = page_free_count(allocator) + metadata_pages(allocator);
    ASSERT(free_after - free_before == acpi->reclaimed_pages);
}

// Whether copying frees anything: pages of ACPI memory, or tables that lie in memory which is given
// back later.
static bool worth_copying(const struct acpi *acpi) {
    bool worth = acpi->pages != acpi->kind_pages[ACPI_PAGE_PINNED];
    for (size_t i = 0; i < acpi->table_count && !worth; i++) {
        unsigned class = acpi->tables[i].lies_in;
        worth = class == MEMORY_BOOTSVC || class == MEMORY_LOADER;
    }
    return worth;
}

void acpi_reclaim(struct acpi *acpi, struct page_allocator *allocator) {
    acpi_audit(acpi);
    if (acpi->keep) {
        acpi->kept = "acpi=keep";
    } else if (acpi->defect != NULL) {
        acpi->kept = acpi->defect;
    } else if (acpi->overflow) {
        acpi->kept = "more tables than can be known";
    } else if (worth_copying(acpi)) {
        acpi->kept = acpi_copy(acpi, allocator);
        if (acpi->kept == NULL) {
            release_all(acpi, allocator);
        }
    }
}
