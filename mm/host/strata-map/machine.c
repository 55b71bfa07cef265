// SPDX-License-Identifier: MIT
// The machine that a map describes: see machine.h.
#include "machine.h"

#include <host.h>
#include <mm/bootmem.h>
#include <stdio.h>
#include <stdlib.h>

// Half of what a process can address: memory that ends above is not simulated.
#define SIMULATED_END (UINT64_C(64) * TIB)

bool machine_convert(struct machine *machine, struct efi_map firmware,
                     const struct machine_options *options) {
    size_t bytes = memmap_storage_bytes(efi_map_count(&firmware), 0) + 64 * KIB;
    struct memmap_input input = {
        .map = firmware,
        .physical_bits = options->physical_bits,
        .special_use = options->special_use,
    };
    *machine =
        (struct machine){.firmware = firmware, .storage = aligned_alloc(16, align_up(bytes, 16))};
    if (machine->storage == NULL) {
        fprintf(stderr, "strata-map: no memory for %lu descriptors\n", efi_map_count(&firmware));
        exit(2);
    }
    return memmap_convert(&machine->map, &input, machine->storage, bytes) == MEMMAP_OK;
}

static void reclaim(struct machine *machine, enum memory_class class) {
    for (size_t i = 0; i < machine->map.region_count;) {
        struct memory_region region = machine->map.regions[i];
        bool released = region.class == class && page_release(&machine->pages, pfn_of(region.begin),
                                                              pfn_of(region.end), NULL) == PAGE_OK;
        if (!released) {
            i++;
            continue;
        }
        memmap_set_class(&machine->map, region.begin, region.end, MEMORY_USABLE);
        machine->reclaimed[class] += (region.end.value - region.begin.value) / PAGE_SIZE;
        // The region may have been joined with its neighbours: go on behind it.
        while (i < machine->map.region_count &&
               machine->map.regions[i].begin.value < region.end.value) {
            i++;
        }
    }
}

void machine_bring_up(struct machine *machine) {
    paddr_t end = memmap_ram_end(&machine->map);
    struct bootmem boot;
    if (machine->map.class_bytes[MEMORY_USABLE] == 0) {
        snprintf(machine->without, sizeof(machine->without), "no memory of this map is usable");
        return;
    }
    if (end.value > SIMULATED_END) {
        snprintf(machine->without, sizeof(machine->without),
                 "RAM ends at 0x%lx, and only 64 TiB can be simulated", end.value);
        return;
    }
    host_memory(paddr(0), end.value);
    bootmem_init(&boot, &machine->map);
    machine->has_pages = page_init(&machine->pages, &boot);
    if (!machine->has_pages) {
        snprintf(machine->without, sizeof(machine->without),
                 "no room for the page allocator's own structures: %lu bytes for RAM that ends at "
                 "0x%lx",
                 page_storage_bytes(end), end.value);
        return;
    }
    reclaim(machine, MEMORY_LOADER);
    reclaim(machine, MEMORY_BOOTSVC);
    reclaim(machine, MEMORY_ACPI);
    const struct page_reserves free = page_free_below(&machine->pages);
    const struct page_reserves reserves = page_usual_reserves(&free);
    page_set_reserves(&machine->pages, &reserves);
}

const char *machine_check(struct machine *machine) {
    const char *broken = memmap_check(&machine->map);
    if (broken == NULL && machine->has_pages) {
        struct ledger ledger;
        ledger_compute(&ledger, &machine->map, &machine->pages);
        broken = page_check(&machine->pages);
        if (broken == NULL && ledger.unaccounted != 0) {
            broken = "some bytes of RAM are in no account";
        }
        if (broken == NULL) {
            broken = ledger.mismatch;
        }
    }
    return broken;
}

void machine_free(struct machine *machine) {
    free(machine->storage);
    machine->storage = NULL;
}
