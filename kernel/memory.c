// SPDX-License-Identifier: MIT
// From the firmware's map to a page allocator.
//
// Everything that could take memory away from the allocator is asked before there is one: the
// loader's named ranges, bad frames, the framebuffer, the MTRRs, the ACPI tables.
#include <memory.h>
#include <mm/bootmem.h>
#include <mm/port.h>
#include <mm/report.h>
#include <strata/boot_map.h>
#include <x86/mtrr.h>

static void convert_map(struct kernel *kernel) {
    const struct boot_info *info = kernel->info;
    struct memmap_claim claims[BOOT_CLAIM_MAX];
    kernel->firmware_map = (struct efi_map){port_direct_map(info->map), info->map_bytes,
                                            info->map_stride, info->map_version};
    const struct memmap_input input = {
        .map = kernel->firmware_map,
        .physical_bits = kernel->cpu.physical_bits,
        .special_use = info->options.special_use != 0,
        .claims = claims,
        .claim_count = boot_claims(info->ranges, info->range_count, &info->options, claims),
    };
    enum memmap_status status = memmap_convert(
        &kernel->map, &input, port_direct_map(info->workspace), info->workspace_bytes);
    if (status == MEMMAP_NO_STORAGE) {
        port_panic("the loader left %lu bytes for the converted map, which are too few",
                   info->workspace_bytes);
    }
    if (status == MEMMAP_BAD_MAP) {
        port_panic("the firmware's memory map cannot be read: %lu bytes in steps of %u",
                   info->map_bytes, info->map_stride);
    }
}

// Memory that the CPU would not cache is no memory to work with.
static void check_mtrrs(struct kernel *kernel) {
    struct mtrrs mtrrs;
    if (!cpu_has(&kernel->cpu, CPU_FEATURE_MTRR)) {
        return;
    }
    mtrr_read(&mtrrs);
    port_log(PORT_DEBUG, "MTRRs: default type 0x%lx", mtrrs.default_type);
    for (unsigned i = 0; i < mtrrs.count; i++) {
        port_log(PORT_DEBUG, "MTRR %u: base 0x%lx, mask 0x%lx", i, mtrrs.variable[i].base,
                 mtrrs.variable[i].mask);
    }
    if (!mtrr_plausible(&mtrrs, kernel->cpu.physical_bits, kernel->info->kernel_physical.value)) {
        port_log(PORT_WARNING, "the MTRRs are off, or call the kernel's own memory uncached: not "
                               "believed");
        return;
    }
    uint64_t begin = MIB, end;
    while (mtrr_next_uncached(&mtrrs, kernel->cpu.physical_bits, &begin, &end)) {
        memmap_check_uncached(&kernel->map, paddr(begin), paddr(end));
        begin = end;
    }
}

static void find_acpi(struct kernel *kernel) {
    const struct boot_info *info = kernel->info;
    const struct acpi_input input = {
        .rsdp = info->rsdp,
        .tables = port_direct_map(info->tables),
        .table_count = info->table_count,
        .firmware = kernel->firmware_map,
        .direct_map_bytes = info->direct_map_bytes,
        .keep = info->options.acpi_keep != 0,
    };
    acpi_find(&kernel->acpi, &input, &kernel->map);
}

static _Noreturn void no_memory(const struct kernel *kernel) {
    const struct memmap *map = &kernel->map;
    uint64_t usable = map->class_bytes[MEMORY_USABLE], bad = map->class_bytes[MEMORY_BAD];
    const char *badram = kernel->info->options.badram_count != 0 ? " (badram= is given)" : "";
    if (usable == 0) {
        port_panic("the firmware left no memory to work with: nothing of the map is usable, %lu "
                   "KiB are bad%s",
                   bad / KIB, badram);
    }
    port_panic("too little memory: %lu KiB are usable, no piece of them has room for the page "
               "allocator's own structures; %lu KiB are bad%s",
               usable / KIB, bad / KIB, badram);
}

void memory_init(struct kernel *kernel) {
    convert_map(kernel);
    phases_end(&kernel->phases, "map");
    check_mtrrs(kernel);
    boot_check_screen(&kernel->map, &kernel->info->framebuffer);
    find_acpi(kernel);
    memmap_check_attributes_at(&kernel->map, &kernel->firmware_map, kernel->info->memory_attributes,
                               port_direct_map(kernel->info->memory_attributes));
    phases_end(&kernel->phases, "tables");
    struct bootmem bootmem;
    bootmem_init(&bootmem, &kernel->map);
    if (!page_init(&kernel->pages, &bootmem)) {
        report_regions(kernel->console, &kernel->map);
        report_findings(kernel->console, &kernel->map);
        no_memory(kernel);
    }
    phases_end(&kernel->phases, "buddy");
}

void memory_compare(struct kernel *kernel) {
    if (kernel->info->replayed == 0) {
        acpi_compare_memory(&kernel->acpi, kernel->info->smbios);
    }
    phases_end(&kernel->phases, "compare");
}

static uint64_t shrink_objects(void *heap) {
    return object_heap_shrink(heap);
}

// Objects for interrupts are there whatever else takes memory.
static void make_interrupt_pool(struct kernel *kernel) {
    if (!object_cache_init(&kernel->interrupt_cache, &kernel->kmalloc.heap, "interrupts",
                           INTERRUPT_OBJECT_BYTES, 0, NULL) ||
        !mempool_init(&kernel->interrupt_pool, &kernel->interrupt_cache, kernel->interrupt_stock,
                      INTERRUPT_OBJECTS, INTERRUPT_OBJECTS)) {
        kernel->interrupt_pool.cache = NULL;
        port_log(PORT_WARNING, "no memory for a pool of objects for interrupts");
    }
}

void memory_init_objects(struct kernel *kernel) {
    const struct boot_options *given = &kernel->info->options;
    const struct object_options options = {
        .zero_on_alloc = (given->clear & BOOT_CLEAR_ALLOC) != 0,
        .zero_on_free = (given->clear & BOOT_CLEAR_FREE) != 0,
        .debug = (given->debug & BOOT_DEBUG_SLAB) != 0 || given->guard[0] != '\0',
        .seed = kernel->info->random_seed,
    };
    if (!kmalloc_init(&kernel->kmalloc, &kernel->pages, &options)) {
        port_panic("no memory for kmalloc's directory");
    }
    page_set_shrinker(&kernel->pages, shrink_objects, &kernel->kmalloc.heap);
    make_interrupt_pool(kernel);
    phases_end(&kernel->phases, "kmalloc");
}

// What was asked for; or, when that is nothing or more than there is, the usual.
static uint64_t reserve(const char *name, uint64_t bytes, uint64_t free_pages, uint64_t usual) {
    if (bytes == BOOT_RESERVE_DEFAULT) {
        return usual;
    }
    uint64_t pages = bytes / PAGE_SIZE;
    if (pages > free_pages) {
        port_log(PORT_WARNING,
                 "reserve=%s: %lu KiB are asked for, %lu are free there: %lu are kept", name,
                 bytes / KIB, free_pages * (PAGE_SIZE / KIB), usual * (PAGE_SIZE / KIB));
        return usual;
    }
    return pages;
}

void memory_set_reserves(struct kernel *kernel) {
    const struct boot_options *options = &kernel->info->options;
    struct page_reserves free = page_free_below(&kernel->pages); // its `atomic` is all that is free
    const struct page_reserves usual = page_usual_reserves(&free);
    const struct page_reserves reserves = {
        .below_16m =
            reserve("below16m", options->reserve_below_16m, free.below_16m, usual.below_16m),
        .below_4g = reserve("below4g", options->reserve_below_4g, free.below_4g, usual.below_4g),
        .atomic = reserve("atomic", options->reserve_atomic, free.atomic, usual.atomic),
    };
    page_set_reserves(&kernel->pages, &reserves);
}
