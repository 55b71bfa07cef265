// SPDX-License-Identifier: MIT
// Explaining an address.
#include <mm/report.h>
#include <monitor/whatis.h>
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
    struct object_info info =
        object_inspect(&kernel->kmalloc.heap, port_direct_map_base + address.value);
    if (info.kind != OBJECT_FOREIGN) {
        text_puts(out, "  object: ");
        report_object(out, &info);
        text_puts(out, "\n");
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
}
