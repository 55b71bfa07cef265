// SPDX-License-Identifier: MIT
// Bad memory that was found while the machine runs: nobody gets it, and nobody can reach it.
#include <mm/port.h>
#include <paging/start.h>

static void unmap(struct kernel *kernel, uint64_t frame) {
    vaddr_t at = vaddr(kernel->info->direct_map.value + frame * PAGE_SIZE);
    enum tables_status status = tables_unmap(&kernel->tables, at, 1, NULL, NULL);
    if (status != TABLES_OK) {
        port_log(PORT_WARNING, "bad memory at 0x%lx stays mapped: %s", frame * PAGE_SIZE,
                 tables_status_name(status));
    }
}

static void unmap_region(struct kernel *kernel, uint64_t begin, uint64_t end) {
    for (uint64_t at = begin; at < end;) {
        struct page_info info = page_inspect(&kernel->pages, pfn(at));
        if (info.state == PAGE_STATE_BAD) {
            unmap(kernel, at);
        }
        bool block = info.state == PAGE_STATE_FREE || info.state == PAGE_STATE_ALLOCATED;
        at = block ? info.block.value + (UINT64_C(1) << info.order) : at + 1;
    }
}

void paging_unmap_retired(struct kernel *kernel) {
    for (size_t i = 0; kernel->own_tables && i < kernel->map.region_count; i++) {
        const struct memory_region *region = &kernel->map.regions[i];
        if (region->class == MEMORY_USABLE) {
            unmap_region(kernel, pfn_of(region->begin).value, pfn_of(region->end).value);
        }
    }
}
