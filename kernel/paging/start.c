// SPDX-License-Identifier: MIT
// Making the kernel's own tables. Invariants, checked at every boot by the audit (audit.h) and in
// tests/boot/test_paging.py against the records:
//   T1  the direct map is exactly the regions of RAM that are not bad, the image left out
//   T2  nothing else is mapped but the image by segment, stacks, and what was asked for since
//   T3  what cannot be made leaves the loader's tables in use
#include <guard.h>
#include <mm/port.h>
#include <paging/image.h>
#include <paging/start.h>
#include <stacks.h>
#include <x86/cpu.h>

#define STACK_PAGES 8 // 32 KiB
#define PATIENCE    8 // times that all is tried again, when requests for memory are made to fail

static struct paging_format format_of(const struct kernel *kernel) {
    return (struct paging_format){
        .levels = kernel->info->paging_levels,
        .physical_bits = kernel->cpu.physical_bits,
        .no_execute = controls_have(&kernel->controls, CONTROL_NX),
        .gib_pages = cpu_has(&kernel->cpu, CPU_FEATURE_GIB_PAGES),
        .global_pages = controls_have(&kernel->controls, CONTROL_GLOBAL),
        .pat = controls_have(&kernel->controls, CONTROL_PAT),
    };
}

// How the direct map covers memory of a class; false when it does not.
static bool direct_attributes(enum memory_class class, uint32_t *attributes) {
    switch (class) {
    case MEMORY_USABLE:
    case MEMORY_BOOTSVC:
    case MEMORY_LOADER:
    case MEMORY_ACPI:
    case MEMORY_METADATA:
    case MEMORY_KERNEL:
        *attributes = PAGING_WRITE | PAGING_GLOBAL;
        return true;
    case MEMORY_LOW: // the firmware's: only looked at. Fixed MTRRs change from page to page there
        *attributes = PAGING_GLOBAL | PAGING_SMALL;
        return true;
    case MEMORY_NVS:
    case MEMORY_RUNTIME:
        *attributes = PAGING_GLOBAL;
        return true;
    default:
        return false;
    }
}

// Maps a piece of physical memory in the direct map.
static enum tables_status map_direct(struct kernel *kernel, uint64_t begin, uint64_t end,
                                     uint32_t attributes) {
    if (begin >= end) {
        return TABLES_OK;
    }
    vaddr_t at = vaddr(kernel->info->direct_map.value + begin);
    return tables_map(&kernel->tables, at, (end - begin) / PAGE_SIZE, paddr(begin), attributes);
}

// The same without the kernel's image: code and constants have one mapping, which cannot be
// written.
static enum tables_status map_around_image(struct kernel *kernel, uint64_t begin, uint64_t end,
                                           uint32_t attributes) {
    uint64_t image = kernel->info->kernel_physical.value;
    uint64_t image_end = align_up(image + kernel->info->kernel_bytes, PAGE_SIZE);
    if (end <= image || begin >= image_end) {
        return map_direct(kernel, begin, end, attributes);
    }
    enum tables_status status = map_direct(kernel, begin, image, attributes);
    return status != TABLES_OK ? status : map_direct(kernel, image_end, end, attributes);
}

// A piece of the direct map: neighbouring regions that are covered alike are one, so that large
// pages can span them.
struct piece {
    uint64_t begin, end;
    uint32_t attributes;
};

// The next piece from region `*at` on, which is moved behind it. False when there is none.
static bool next_piece(const struct memmap *map, size_t *at, struct piece *piece) {
    while (*at < map->region_count &&
           !direct_attributes(map->regions[*at].class, &piece->attributes)) {
        *at += 1;
    }
    if (*at == map->region_count) {
        return false;
    }
    uint32_t next;
    piece->begin = map->regions[*at].begin.value;
    do {
        piece->end = map->regions[*at].end.value;
        *at += 1;
    } while (*at < map->region_count && map->regions[*at].begin.value == piece->end &&
             direct_attributes(map->regions[*at].class, &next) && next == piece->attributes);
    return true;
}

static enum tables_status map_ram(struct kernel *kernel) {
    enum tables_status status = TABLES_OK;
    struct piece piece;
    for (size_t at = 0; status == TABLES_OK && next_piece(&kernel->map, &at, &piece);) {
        status = map_around_image(kernel, piece.begin, piece.end, piece.attributes);
    }
    return status;
}

// Tables that the firmware put outside of RAM and that were not copied (acpi=keep): readers look
// there.
static enum tables_status map_kept_tables(struct kernel *kernel) {
    for (size_t i = 0; i < kernel->acpi.table_count; i++) {
        const struct acpi_table *table = &kernel->acpi.tables[i];
        uint32_t attributes;
        if (table->copy.value != 0 || table->state != ACPI_TABLE_GOOD ||
            direct_attributes((enum memory_class)table->lies_in, &attributes)) {
            continue;
        }
        uint64_t end = align_up(table->address.value + table->length, PAGE_SIZE);
        for (uint64_t at = align_down(table->address.value, PAGE_SIZE); at < end; at += PAGE_SIZE) {
            enum tables_status status =
                map_direct(kernel, at, at + PAGE_SIZE, PAGING_GLOBAL | PAGING_SMALL);
            if (status != TABLES_OK && status != TABLES_MAPPED) {
                return status;
            }
        }
    }
    return TABLES_OK;
}

static enum tables_status map_segment(struct kernel *kernel, uint64_t begin, uint64_t end,
                                      uint32_t attributes) {
    return tables_map(&kernel->tables, vaddr(kernel->info->kernel_virtual.value + begin),
                      (end - begin) / PAGE_SIZE, paddr(kernel->info->kernel_physical.value + begin),
                      attributes | PAGING_GLOBAL);
}

static enum tables_status map_image(struct kernel *kernel) {
    const struct layout_image image = image_segments();
    enum tables_status status = map_segment(kernel, 0, image.text_end, PAGING_EXECUTE);
    if (status == TABLES_OK) {
        status = map_segment(kernel, image.text_end, image.rodata_end, 0);
    }
    if (status == TABLES_OK) {
        status = map_segment(kernel, image.rodata_end, image.data_end, PAGING_WRITE);
    }
    return status;
}

// A window for each of vmalloc, mmio and stacks. Their root entries are made now, so that address
// spaces made later share them.
static enum tables_status prepare_windows(struct kernel *kernel) {
    enum tables_status status = TABLES_OK;
    for (unsigned area = LAYOUT_AREA_VMALLOC; area <= LAYOUT_AREA_STACKS && status == TABLES_OK;
         area++) {
        status = tables_prepare(&kernel->tables, kernel->layout.areas[area].begin,
                                LAYOUT_WINDOW_BYTES / PAGE_SIZE);
    }
    return status;
}

static enum tables_status make_tables(struct kernel *kernel) {
    const struct paging_format format = format_of(kernel);
    enum tables_status status = tables_init(&kernel->tables, &format, &kernel->pages, NULL);
    if (status != TABLES_OK) {
        return status;
    }
    enum tables_status (*const steps[])(struct kernel *) = {map_ram, map_kept_tables, map_image,
                                                            prepare_windows};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && status == TABLES_OK; i++) {
        status = steps[i](kernel);
    }
    if (status != TABLES_OK) {
        tables_destroy(&kernel->tables);
    }
    return status;
}

// Records of the pools and blocks of the windows stay when something fails: a few frames, which are
// used the next time.
static bool make_stacks(struct kernel *kernel, struct vm_stack *stacks) {
    for (unsigned i = 0; i < IST_COUNT_; i++) {
        uint64_t pages = i == IST_NONE ? STACK_PAGES : IST_STACK_BYTES / PAGE_SIZE;
        if (!stack_alloc(&kernel->stacks, pages, &stacks[i])) {
            while (i > 0) {
                stack_free(&kernel->stacks, &stacks[--i]);
            }
            return false;
        }
    }
    return true;
}

static void window_init(struct kernel *kernel, struct vm_window *window, enum layout_area area) {
    vm_window_init(window, &kernel->tables, &kernel->pages, kernel->layout.areas[area].begin,
                   kernel->layout.areas[area].end);
}

static bool make_all(struct kernel *kernel, struct vm_stack *stacks, enum tables_status *status) {
    *status = make_tables(kernel);
    if (*status != TABLES_OK) {
        return false;
    }
    window_init(kernel, &kernel->vmalloc, LAYOUT_AREA_VMALLOC);
    window_init(kernel, &kernel->mmio, LAYOUT_AREA_MMIO);
    window_init(kernel, &kernel->stacks, LAYOUT_AREA_STACKS);
    if (make_stacks(kernel, stacks)) {
        return true;
    }
    vm_window_trim(&kernel->stacks);
    tables_destroy(&kernel->tables);
    *status = TABLES_NO_MEMORY;
    return false;
}

static struct stack_range range_of(const struct vm_stack *stack) {
    return (struct stack_range){stack->bottom.value, stack->top.value};
}

// What is cached write-back already must not be mapped in another way.
static void note_direct_map(struct kernel *kernel) {
    struct piece piece;
    struct ioremap_refusal refusal;
    for (size_t at = 0; next_piece(&kernel->map, &at, &piece);) {
        if (!ioremap_note(&kernel->ioremap, paddr(piece.begin), paddr(piece.end), PAGING_WB,
                          "the direct map", vaddr(kernel->info->direct_map.value + piece.begin),
                          &refusal)) {
            port_log(PORT_WARNING, "the direct map of [0x%lx, 0x%lx) is not noted", piece.begin,
                     piece.end);
        }
    }
}

static void map_screen(struct kernel *kernel) {
    const struct boot_framebuffer *screen = &kernel->info->framebuffer;
    struct ioremap_refusal refusal;
    if (screen->base.value == 0 || screen->bytes == 0) {
        return;
    }
    kernel->screen = ioremap(&kernel->ioremap, screen->base, screen->bytes, PAGING_WC, &refusal);
    if (kernel->screen == NULL) {
        char line[160];
        struct text_buffer reason;
        text_buffer_init(&reason, line, sizeof(line));
        ioremap_explain(&reason.text, &refusal);
        port_log(PORT_WARNING, "the screen is not mapped: %s", line);
    }
}

// What stands on the tables: other memory than RAM, and address spaces.
static void begin_services(struct kernel *kernel) {
    ioremap_init(&kernel->ioremap, &kernel->mmio);
    note_direct_map(kernel);
    map_screen(kernel);
    spaces_init(&kernel->spaces, &kernel->tables, &kernel->pages,
                kernel->layout.areas[LAYOUT_AREA_USER].begin,
                kernel->layout.areas[LAYOUT_AREA_USER].end, memmap_ram_end(&kernel->map));
    guard_start(kernel);
}

bool paging_start(struct kernel *kernel, struct stack_range *stack) {
    enum tables_status status = TABLES_NO_MEMORY;
    struct vm_stack stacks[IST_COUNT_];
    struct stack_range ist[IST_COUNT_ - 1];
    for (unsigned i = 0; i < PATIENCE && status == TABLES_NO_MEMORY; i++) {
        make_all(kernel, stacks, &status);
    }
    if (status != TABLES_OK) {
        port_log(PORT_ERROR, "the kernel stays on the loader's page tables: its own: %s",
                 tables_status_name(status));
        return false;
    }
    for (unsigned i = 1; i < IST_COUNT_; i++) {
        ist[i - 1] = range_of(&stacks[i]);
    }
    *stack = range_of(&stacks[IST_NONE]);
    cpu_write_cr3(paddr_of(kernel->tables.root).value);
    // That leaves global translations, and the firmware may have had some.
    const struct tlb_flush flush = {.space = &kernel->tables.space, .everything = true};
    port_tlb_flush(&flush);
    stacks_prepare(stack);
    for (unsigned i = 1; i < IST_COUNT_; i++) {
        stacks_prepare(&ist[i - 1]);
    }
    segments_set_stacks(&kernel->segments, ist);
    kernel->own_tables = true;
    begin_services(kernel);
    return true;
}
