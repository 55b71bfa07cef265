// SPDX-License-Identifier: MIT
// Giving back what only the boot needed.
//
// Loader memory: the kernel stands on its own but for the ranges that the loader named, which are
// MEMORY_KERNEL.
//   I1  the free count rises by exactly the pages given back (less what the allocator took of them
//       for its own structures)
#include <memory.h>
#include <mm/port.h>

// What became of the regions of one class.
struct outcome {
    uint64_t given_pages, refused_pages;
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
    port_log(PORT_INFO, "%s: %lu pages: %lu reclaimed, %lu pinned", name,
             outcome->given_pages + outcome->refused_pages, outcome->given_pages,
             outcome->refused_pages);
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
    const struct memory_region *region;
    for (uint64_t at = 0; (region = next_region(&kernel->map, class, at)) != NULL;) {
        uint64_t begin = region->begin.value;
        at = region->end.value;
        uint64_t pages = (at - begin) / PAGE_SIZE;
        bool given = give(kernel, begin, at, class);
        *(given ? &outcome.given_pages : &outcome.refused_pages) += pages;
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

void memory_reclaim(struct kernel *kernel) {
    reclaim_class(kernel, MEMORY_LOADER, "loader");
    phases_end(&kernel->phases, "reclaim-loader");
}
