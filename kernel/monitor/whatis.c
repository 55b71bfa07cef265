// SPDX-License-Identifier: MIT
// Explaining an address.
#include <mm/report.h>
#include <monitor/whatis.h>
#include <paging/fault.h>
#include <string.h>

static void explain_descriptors(struct text *out, const struct efi_map *map, uint64_t address) {
    bool found = false;
    for (uint64_t at = 0, index = 0; map->bytes - at >= map->stride; at += map->stride, index++) {
        struct efi_descriptor descriptor;
        memcpy(&descriptor, (const uint8_t *)map->descriptors + at, sizeof(descriptor));
        if (address < descriptor.physical_start ||
            (address - descriptor.physical_start) / PAGE_SIZE >= descriptor.pages) {
            continue;
        }
        char attributes[96];
        text_printf(out, "  firmware: descriptor %lu, %s, 0x%lx and %lu pages, %s\n", index,
                    efi_type_name(descriptor.type), descriptor.physical_start, descriptor.pages,
                    efi_attribute_names(descriptor.attributes, attributes));
        found = true;
    }
    if (!found) {
        text_puts(out, "  firmware: no descriptor names it\n");
    }
}

static void explain_region(struct text *out, const struct memmap *map, paddr_t address) {
    const struct memory_region *region = memmap_find(map, address);
    if (region == NULL) {
        text_puts(out, "  region: none\n");
    } else {
        text_printf(out, "  region: %s [0x%lx, 0x%lx)\n", memory_class_name(region->class),
                    region->begin.value, region->end.value);
    }
}

void whatis_frame(struct text *out, struct kernel *kernel, pfn_t frame) {
    struct page_info info = page_inspect(&kernel->pages, frame);
    report_frame(out, &info);
    uint32_t caller =
        info.state == PAGE_STATE_ALLOCATED ? page_site_of(&kernel->pages, info.block) : 0;
    if (caller != 0) {
        text_puts(out, ", asked for by ");
        report_caller(out, caller);
    }
}

static void explain_section(struct text *out, struct kernel *kernel, pfn_t frame) {
    struct section_report report;
    uint64_t index = frame.value >> SECTION_SHIFT;
    if (index >= kernel->pages.section_count) {
        text_printf(out, "  section: %lu, beyond the last\n", index);
        return;
    }
    page_section_report(&kernel->pages, index, &report);
    text_printf(out, "  section: %lu at 0x%lx, %s, %lu pages free\n", index, report.begin.value,
                section_kind_name(report.kind), report.free_pages);
}

static void explain_object(struct text *out, struct kernel *kernel, paddr_t address) {
    const void *where = port_direct_map_base + address.value;
    struct object_info info = object_inspect(&kernel->kmalloc.heap, where);
    if (info.kind != OBJECT_FOREIGN) {
        text_puts(out, "  object: ");
        report_object_at(out, &info, where);
        text_puts(out, "\n");
    }
}

// Every place where the byte is mapped now.
static void explain_mappings(struct text *out, struct kernel *kernel, paddr_t address) {
    struct walker walker = paging_walker(kernel);
    struct walk_run run;
    bool any = false;
    for (uint64_t at = 0; walk_next(&run, &walker, vaddr(at), vaddr(UINT64_MAX));) {
        uint64_t offset = address.value - run.physical.value;
        if (address.value >= run.physical.value && offset <= run.last.value - run.begin.value) {
            text_printf(out, "  mapped: at 0x%016lx, %s, %s, in %s\n", run.begin.value + offset,
                        walk_permission_name(run.permissions), walk_cache_name(kernel, run.cache),
                        layout_area_name(layout_find(&kernel->layout, run.begin)));
            any = true;
        }
        at = run.last.value + 1;
        if (at == 0) {
            break;
        }
    }
    text_puts(out, any ? "" : "  mapped: nowhere\n");
}

void whatis_virtual(struct text *out, struct kernel *kernel, vaddr_t address) {
    struct walker walker = paging_walker(kernel);
    struct walk walk;
    text_printf(out, "virtual 0x%016lx: ", address.value);
    layout_describe(out, &kernel->layout, address);
    text_puts(out, "\n");
    fault_explain_block(out, kernel, address);
    walk_address(&walk, &walker, address);
    if (walk.end == WALK_MAPPED) {
        text_printf(out, "mapped: %s, %s, by a page of ", walk_permission_name(walk.permissions),
                    walk_cache_name(kernel, walk.cache));
        text_size(out, walk.page_bytes);
        text_puts(out, "\n");
        whatis_physical(out, kernel, walk.physical);
    } else {
        text_puts(out, "mapped: no\n");
    }
}

void whatis_physical(struct text *out, struct kernel *kernel, paddr_t address) {
    text_printf(out, "physical 0x%lx, frame 0x%lx\n", address.value, pfn_of(address).value);
    explain_descriptors(out, &kernel->firmware_map, address.value);
    explain_region(out, &kernel->map, address);
    explain_section(out, kernel, pfn_of(address));
    text_puts(out, "  frame: ");
    whatis_frame(out, kernel, pfn_of(address));
    text_puts(out, "\n");
    explain_object(out, kernel, address);
    explain_mappings(out, kernel, address);
}
