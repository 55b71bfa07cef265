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

static const char no_memory[] = "there is no memory for their page tables";

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
            return status == TABLES_NO_MEMORY ? no_memory : "its memory does not fit the user half";
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
        return no_memory;
    }
    paddr_t stack = paddr(paddr_of(runtime->block).value + PAGE_SIZE); // the first is the guard
    if (tables_map(&runtime->tables, vaddr(stack.value), BLOCK_PAGES - 1, stack, PAGING_WRITE) !=
        TABLES_OK) {
        page_free_contig(&kernel->pages, runtime->block, BLOCK_PAGES);
        return no_memory;
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

static enum tables_status switch_part(struct kernel *kernel, uint64_t begin, uint64_t end,
                                      unsigned access, bool map) {
    const struct runtime_piece piece = {paddr(begin), paddr(end), access, false};
    if (begin >= end) {
        return TABLES_OK;
    }
    if (map) {
        return map_piece(&kernel->runtime, &piece, 0);
    }
    return tables_unmap(&kernel->runtime.tables, vaddr(begin), (end - begin) / PAGE_SIZE, NULL,
                        NULL); // it was mapped whole: this cannot fail
}

// What SetVirtualAddressMap needs beside runtime memory, though it should not: it may be boot
// services' code itself, and read what lies in memory that the firmware calls free (U-Boot's does
// both). For the time of that call boot services' memory is mapped as well, and free memory for
// reading, but for the block with stack and mailbox, which is mapped already.
static enum tables_status switch_memory(struct kernel *kernel, bool map) {
    uint64_t block = paddr_of(kernel->runtime.block).value;
    uint64_t block_end = block + BLOCK_PAGES * PAGE_SIZE;
    enum tables_status status = TABLES_OK;
    for (size_t i = 0; i < kernel->map.region_count && status == TABLES_OK; i++) {
        const struct memory_region *region = &kernel->map.regions[i];
        uint64_t begin = region->begin.value, end = region->end.value;
        bool services = region->class == MEMORY_BOOTSVC;
        unsigned access = services ? RUNTIME_WRITE | RUNTIME_EXECUTE : 0u;
        if (!services && region->class != MEMORY_USABLE) {
            continue;
        }
        status = switch_part(kernel, begin, end < block ? end : block, access, map);
        if (status == TABLES_OK) {
            status = switch_part(kernel, begin > block_end ? begin : block_end, end, access, map);
        }
    }
    return status;
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
    enum tables_status mapped = switch_memory(kernel, true);
    if (mapped != TABLES_OK) {
        switch_memory(kernel, false);
        return no_memory;
    }
    uint64_t status = runtime_enter(kernel, RUNTIME_SET_VIRTUAL_ADDRESS_MAP, arguments);
    switch_memory(kernel, false);
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
            return no_memory;
        }
        runtime->attribute_entries++;
    }
    return NULL;
}

// What is in the way before anything is made; NULL: nothing.
static const char *obstacle(struct kernel *kernel) {
    if (kernel->info->options.runtime == BOOT_RUNTIME_OFF) {
        return "runtime=off";
    }
    if (!kernel->own_tables) {
        return "the kernel has no page tables of its own";
    }
    return find_services(kernel);
}

// With tables and stack in place: what is left to do.
static const char *finish(struct kernel *kernel) {
    const char *reason = NULL;
    if (kernel->info->options.runtime == BOOT_RUNTIME_VIRTUAL) {
        reason = go_virtual(kernel);
    }
    return reason != NULL ? reason : apply_attributes_table(kernel);
}

static const char *make(struct kernel *kernel) {
    struct runtime *runtime = &kernel->runtime;
    struct paging_format format = kernel->tables.format;
    format.write_execute = true;
    *runtime = (struct runtime){.services = runtime->services};
    if (tables_init(&runtime->tables, &format, &kernel->pages, &kernel->tables) != TABLES_OK) {
        return no_memory;
    }
    const char *reason = map_runtime_memory(kernel);
    if (reason == NULL) {
        reason = map_block(kernel);
        if (reason == NULL && (reason = finish(kernel)) != NULL) {
            page_free_contig(&kernel->pages, runtime->block, BLOCK_PAGES);
        }
    }
    if (reason != NULL) {
        tables_destroy(&runtime->tables);
    }
    return reason;
}

void runtime_go_virtual(struct kernel *kernel) {
    if (kernel->info->options.runtime == BOOT_RUNTIME_VIRTUAL) {
        runtime_start(kernel);
        port_log(PORT_INFO, "runtime services: %s",
                 kernel->runtime.virtual                  ? "at virtual addresses"
                 : kernel->runtime.state == RUNTIME_READY ? "at physical addresses"
                                                          : kernel->runtime.why_off);
    }
}

void runtime_start(struct kernel *kernel) {
    struct runtime *runtime = &kernel->runtime;
    const char *reason = obstacle(kernel);
    if (reason == NULL) {
        reason = make(kernel);
    }
    // Memory may be there another time; but virtual addresses are told only once.
    bool again = reason == no_memory && !runtime->virtual;
    runtime->state = reason == NULL ? RUNTIME_READY : again ? RUNTIME_UNTRIED : RUNTIME_OFF;
    runtime->why_off = reason;
    if (runtime->refused_pages != 0) {
        port_log(PORT_WARNING,
                 "runtime services: %lu pages that the firmware claims for them are not given: the "
                 "map calls them something else",
                 runtime->refused_pages);
    }
}
