// SPDX-License-Identifier: MIT
// The address space of the runtime services.
#include <firmware/internal.h>
#include <firmware/plan.h>
#include <mm/port.h>
#include <string.h>

// UEFI 2.10, 4.2 to 4.5.
#define SYSTEM_SIGNATURE   UINT64_C(0x5453595320494249) // "IBI SYST"
#define SERVICES_SIGNATURE UINT64_C(0x56524553544e5552) // "RUNTSERV"
#define SYSTEM_SERVICES    88 // where the system table has the address of the services
#define SERVICES_BYTES     136

#define BLOCK_PAGES (1 + RUNTIME_STACK_PAGES + RUNTIME_MAILBOX_PAGES)
#define VIRTUAL     UINT64_C(0x0000400000000000) // runtime memory p is at VIRTUAL + p as well

static bool is_runtime_memory(const struct kernel *kernel, uint64_t address, uint64_t bytes) {
    const struct memory_region *region = memmap_find(&kernel->map, paddr(address));
    return region != NULL && region->class == MEMORY_RUNTIME &&
           region->end.value - address >= bytes;
}

static uint64_t word_at(uint64_t address) {
    uint64_t word;
    memcpy(&word, port_direct_map(paddr(address)), sizeof(word));
    return word;
}

// Finds the table of services. NULL, or why there is none.
static const char *find_services(struct kernel *kernel) {
    uint64_t system = kernel->info->system_table.value;
    if (!is_runtime_memory(kernel, system, SYSTEM_SERVICES + sizeof(uint64_t))) {
        return "the system table is not in runtime memory";
    }
    uint64_t table = word_at(system + SYSTEM_SERVICES);
    if (word_at(system) != SYSTEM_SIGNATURE) {
        return "the system table has lost its signature";
    }
    if (!is_runtime_memory(kernel, table, SERVICES_BYTES)) {
        return "the table of services is not in runtime memory";
    }
    if (word_at(table) != SERVICES_SIGNATURE) {
        return "the table of services has lost its signature";
    }
    kernel->runtime.services = table;
    return NULL;
}

static uint32_t attributes_of(unsigned access) {
    uint32_t attributes = (access & RUNTIME_WRITE) != 0 ? PAGING_WRITE : 0;
    attributes |= (access & RUNTIME_EXECUTE) != 0 ? PAGING_EXECUTE : 0;
    return attributes | ((access & RUNTIME_DEVICE) != 0 ? PAGING_UC : PAGING_WB);
}

// Descriptors that overlap are mapped by the first of them.
static enum tables_status map_piece(struct runtime *runtime, const struct runtime_piece *piece,
                                    uint64_t offset) {
    uint32_t attributes = attributes_of(piece->access);
    uint64_t pages = (piece->end.value - piece->begin.value) / PAGE_SIZE;
    enum tables_status status = tables_map(&runtime->tables, vaddr(piece->begin.value + offset),
                                           pages, piece->begin, attributes);
    for (uint64_t i = 0; status == TABLES_MAPPED && i < pages; i++) {
        uint64_t at = piece->begin.value + i * PAGE_SIZE;
        enum tables_status one =
            tables_map(&runtime->tables, vaddr(at + offset), 1, paddr(at), attributes);
        if (one != TABLES_OK && one != TABLES_MAPPED) {
            return one;
        }
    }
    return status == TABLES_MAPPED ? TABLES_OK : status;
}

static void count_piece(struct runtime *runtime, const struct runtime_piece *piece) {
    uint64_t pages = (piece->end.value - piece->begin.value) / PAGE_SIZE;
    *((piece->access & RUNTIME_DEVICE) != 0    ? &runtime->device_pages
      : (piece->access & RUNTIME_EXECUTE) != 0 ? &runtime->code_pages
                                               : &runtime->data_pages) += pages;
}

static const char *map_runtime_memory(struct kernel *kernel) {
    struct runtime *runtime = &kernel->runtime;
    bool virtual = kernel->info->options.runtime == BOOT_RUNTIME_VIRTUAL;
    struct runtime_plan plan;
    struct runtime_piece piece;
    runtime_plan_begin(&plan, &kernel->map, &kernel->firmware_map);
    while (runtime_plan_next(&plan, &piece)) {
        enum tables_status status = map_piece(runtime, &piece, 0);
        if (status == TABLES_OK && virtual && piece.attribute) {
            status = map_piece(runtime, &piece, VIRTUAL);
        }
        if (status != TABLES_OK) {
            return status == TABLES_NO_MEMORY ? "there is no memory for its page tables"
                                              : "its memory does not fit the user half";
        }
        count_piece(runtime, &piece);
    }
    runtime->refused_pages = plan.refused_pages;
    return NULL;
}

static const char *map_block(struct kernel *kernel) {
    struct runtime *runtime = &kernel->runtime;
    if (page_alloc_contig(&kernel->pages, BLOCK_PAGES, 0, paddr(4 * GIB), 0, PAGE_OWNER_KERNEL,
                          &runtime->block, NULL) != PAGE_OK) {
        return "there is no memory for its stack";
    }
    paddr_t stack = paddr(paddr_of(runtime->block).value + PAGE_SIZE); // the first is the guard
    if (tables_map(&runtime->tables, vaddr(stack.value), BLOCK_PAGES - 1, stack, PAGING_WRITE) !=
        TABLES_OK) {
        page_free_contig(&kernel->pages, runtime->block, BLOCK_PAGES);
        return "there is no memory for its page tables";
    }
    return NULL;
}

// Fills the mailbox with the descriptors that the firmware has to know about; returns the bytes, 0
// when there are none or too many.
static uint64_t write_virtual_map(struct kernel *kernel, uint8_t *mailbox) {
    const struct efi_map *map = &kernel->firmware_map;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < efi_map_count(map); i++) {
        struct efi_descriptor descriptor = efi_map_entry(map, i);
        if ((descriptor.attributes & EFI_ATTRIBUTE_RUNTIME) == 0) {
            continue;
        }
        if (bytes + map->stride > RUNTIME_MAILBOX_PAGES * PAGE_SIZE) {
            return 0;
        }
        descriptor.virtual_start = descriptor.physical_start + VIRTUAL;
        memset(mailbox + bytes, 0, map->stride);
        memcpy(mailbox + bytes, &descriptor, sizeof(descriptor));
        bytes += map->stride;
    }
    return bytes;
}

// Once, and before code becomes read-only: the firmware relocates it.
static const char *go_virtual(struct kernel *kernel) {
    struct runtime *runtime = &kernel->runtime;
    paddr_t mailbox = paddr(paddr_of(runtime->block).value + (1 + RUNTIME_STACK_PAGES) * PAGE_SIZE);
    uint64_t bytes = write_virtual_map(kernel, port_direct_map(mailbox));
    if (bytes == 0) {
        return "its memory has no descriptors, or too many";
    }
    const uint64_t arguments[5] = {bytes, kernel->firmware_map.stride, kernel->firmware_map.version,
                                   mailbox.value, 0};
    uint64_t status = runtime_enter(kernel, RUNTIME_SET_VIRTUAL_ADDRESS_MAP, arguments);
    if (runtime->state == RUNTIME_OFF) {
        return runtime->why_off;
    }
    if (status != 0) {
        const char *name = efi_status_name(status);
        port_log(PORT_WARNING, "SetVirtualAddressMap: %s (0x%lx): physical addresses stay in use",
                 name != NULL ? name : "error", status);
    }
    runtime->virtual = status == 0;
    return NULL;
}

static enum tables_status protect(struct runtime *runtime, const struct efi_descriptor *entry,
                                  uint64_t offset) {
    return tables_protect(&runtime->tables, vaddr(entry->physical_start + offset), entry->pages,
                          attributes_of(runtime_access_of(entry)), PAGING_WRITE | PAGING_EXECUTE,
                          NULL);
}

// Whether the direct map covers it, and nobody gets it: such tables are pinned.
static bool is_kept(const struct memory_region *region) {
    return region != NULL && (region->class == MEMORY_BOOTSVC || region->class == MEMORY_ACPI ||
                              region->class == MEMORY_KERNEL || region->class == MEMORY_NVS ||
                              region->class == MEMORY_RUNTIME);
}

static const char *apply_attributes_table(struct kernel *kernel) {
    struct runtime *runtime = &kernel->runtime;
    paddr_t table = kernel->info->memory_attributes;
    const struct memory_region *region = memmap_find(&kernel->map, table);
    if (table.value == 0 || !is_kept(region)) {
        return NULL;
    }
    struct efi_descriptor entry;
    uint64_t bytes = region->end.value - table.value;
    for (uint64_t i = 0; memmap_next_attributes(&kernel->firmware_map, port_direct_map(table),
                                                bytes, &i, &entry);) {
        enum tables_status status = protect(runtime, &entry, 0);
        if (status == TABLES_OK && runtime->virtual) {
            status = protect(runtime, &entry, VIRTUAL);
        }
        if (status != TABLES_OK) {
            return "there is no memory for its page tables";
        }
        runtime->attribute_entries++;
    }
    return NULL;
}

static const char *make(struct kernel *kernel) {
    struct paging_format format = kernel->tables.format;
    format.write_execute = true;
    if (kernel->info->options.runtime == BOOT_RUNTIME_OFF) {
        return "runtime=off";
    }
    if (!kernel->own_tables) {
        return "the kernel has no page tables of its own";
    }
    const char *reason = find_services(kernel);
    if (reason != NULL) {
        return reason;
    }
    if (tables_init(&kernel->runtime.tables, &format, &kernel->pages, &kernel->tables) !=
        TABLES_OK) {
        return "there is no memory for its page tables";
    }
    reason = map_runtime_memory(kernel);
    reason = reason != NULL ? reason : map_block(kernel);
    if (reason != NULL) {
        tables_destroy(&kernel->runtime.tables);
        return reason;
    }
    if (kernel->info->options.runtime == BOOT_RUNTIME_VIRTUAL) {
        reason = go_virtual(kernel);
    }
    return reason != NULL ? reason : apply_attributes_table(kernel);
}

void runtime_start(struct kernel *kernel) {
    const char *reason = make(kernel);
    kernel->runtime.state = reason == NULL ? RUNTIME_READY : RUNTIME_OFF;
    kernel->runtime.why_off = reason;
    if (kernel->runtime.refused_pages != 0) {
        port_log(PORT_WARNING,
                 "runtime services: %lu pages that the firmware claims for them are not given: the "
                 "map calls them something else",
                 kernel->runtime.refused_pages);
    }
}
