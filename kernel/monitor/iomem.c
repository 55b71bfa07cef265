// SPDX-License-Identifier: MIT
// Collecting the claims.
#include <devices/choose.h>
#include <monitor/claims.h>
#include <monitor/iomem.h>

// Adds a claim whose name is formatted.
static __attribute__((format(printf, 4, 5))) struct claim *
add(struct claims *claims, uint64_t begin, uint64_t end, const char *format, ...) {
    char name[CLAIM_NAME];
    struct text_buffer buffer;
    va_list arguments;
    text_buffer_init(&buffer, name, sizeof(name));
    va_start(arguments, format);
    text_vprintf(&buffer.text, format, arguments);
    va_end(arguments);
    return claims_add(claims, begin, end, name);
}

static void add_window(void *claims, const struct acpi_window *window) {
    switch (window->kind) {
    case ACPI_WINDOW_IO_APIC:
        add(claims, window->begin, window->end, "I/O APIC %u", window->number);
        break;
    case ACPI_WINDOW_LOCAL_APIC:
        add(claims, window->begin, window->end, "local APIC");
        break;
    case ACPI_WINDOW_ECAM:
        add(claims, window->begin, window->end, "ECAM, segment %u, buses %u to %u", window->number,
            window->first_bus, window->last_bus);
        break;
    default:
        add(claims, window->begin, window->end, "HPET %u", window->number);
    }
}

static void add_screen(struct claims *claims, const struct boot_framebuffer *screen) {
    if (screen->base.value != 0) {
        add(claims, screen->base.value, screen->base.value + screen->bytes, "framebuffer, %u x %u",
            screen->width, screen->height);
    }
}

// A segment of the image, which has one mapping and no direct one.
static void add_segments(struct claims *claims, const struct kernel *kernel) {
    const struct boot_info *info = kernel->info;
    for (unsigned area = LAYOUT_AREA_TEXT; area <= LAYOUT_AREA_DATA; area++) {
        uint64_t begin = kernel->layout.areas[area].begin.value - info->kernel_virtual.value;
        uint64_t end = kernel->layout.areas[area].end.value - info->kernel_virtual.value;
        add(claims, info->kernel_physical.value + begin, info->kernel_physical.value + end, "%s",
            layout_area_name((enum layout_area)area));
    }
}

// The registers of the port that a table or an option names, whether one answers there or not.
static void add_serial(struct claims *claims, const struct kernel *kernel) {
    struct acpi_serial named;
    if (serial_named(kernel, &named) && named.memory) {
        add(claims, named.address, named.address + (uint64_t)SERIAL_REGISTERS * named.stride,
            "serial port, as %s says", named.table);
    }
}

static void add_mappings(struct claims *claims, struct kernel *kernel) {
    struct vm_block_info block;
    struct paging_range page;
    vaddr_t at = kernel->layout.areas[LAYOUT_AREA_MMIO].begin;
    while (vm_window_next(&kernel->mmio, &at, &block)) {
        if (!tables_query(&kernel->tables, block.begin, &page)) {
            continue;
        }
        uint64_t begin = page.to.value + (block.begin.value - page.begin.value);
        struct claim *claim =
            add(claims, begin, begin + (block.end.value - block.begin.value), "%s, %s",
                vm_kind_name(block.kind), paging_cache_name(page.attributes));
        if (claim != NULL) {
            claim->address = block.begin.value;
            claim->caller = block.caller;
        }
    }
}

void iomem_print(struct text *out, struct kernel *kernel) {
    static struct claims claims;
    claims_init(&claims);
    acpi_windows(&kernel->acpi, add_window, &claims);
    add_screen(&claims, &kernel->info->framebuffer);
    add_segments(&claims, kernel);
    add_serial(&claims, kernel);
    if (kernel->own_tables) {
        add_mappings(&claims, kernel);
    }
    text_heading(out, "physical addresses,");
    text_puts(out, " by who claims them\n");
    claims_report(out, &claims, &kernel->map);
}
