// SPDX-License-Identifier: MIT
// The boot contract: the room for it and for what the kernel starts with; and, once boot services
// have ended, its last words and its seal.
#include <firmware/memory.h>
#include <string.h>
#include <text/console.h>

#define STACK_PAGES      (64 * KIB / PAGE_SIZE)
#define TRAMPOLINE_LIMIT UINT64_C(0x9f000) // below the EBDA, far below 640 KiB

EFI_STATUS contract_begin(struct loader *loader) {
    uint64_t address, ticks = machine_ticks();
    uint64_t pages = align_up(sizeof(struct boot_info), PAGE_SIZE) / PAGE_SIZE;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_INFO, pages, &address);
    if (EFI_ERROR(status)) {
        return status;
    }
    loader->info = (struct boot_info *)(uintptr_t)address;
    loader->info->tsc_loader = ticks;
    return EFI_SUCCESS;
}

EFI_STATUS contract_room(struct loader *loader) {
    uint64_t address;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_STACK, STACK_PAGES, &address);
    if (EFI_ERROR(status)) {
        return status;
    }
    loader->stack_top = address + STACK_PAGES * PAGE_SIZE;
    status = memory_take_below(loader, BOOT_RANGE_TRAMPOLINE, 1, TRAMPOLINE_LIMIT, 0, &address);
    if (EFI_ERROR(status)) {
        say(loader, BOOT_LOG_WARNING,
            "no free page below 640 KiB (%s): other CPUs cannot be started", status_name(status));
        return EFI_SUCCESS;
    }
    loader->info->trampoline = paddr(address);
    return EFI_SUCCESS;
}

uint32_t contract_ranges(const struct loader *loader, struct boot_range ranges[BOOT_RANGE_MAX]) {
    uint32_t count = 0;
    for (size_t i = 0; i < loader->memory_count; i++) {
        const struct loader_memory *piece = &loader->memory[i];
        if (piece->kind != 0 && count < BOOT_RANGE_MAX) {
            ranges[count++] =
                (struct boot_range){paddr(piece->address), piece->pages, piece->kind, 0};
        }
    }
    return count;
}

// Without a screen a console can only be a serial line.
static bool log_was_on_serial(const struct loader *loader) {
    bool screen = loader->info->framebuffer.format != BOOT_PIXEL_NONE;
    return loader->log.console == CONSOLE_SERIAL ||
           (loader->log.console == CONSOLE_UNKNOWN && !screen);
}

void contract_finish(struct loader *loader) {
    struct boot_info *info = loader->info;
    info->magic = BOOT_MAGIC;
    info->version = BOOT_VERSION;
    info->size = sizeof(*info);
    info->map = paddr((uintptr_t)loader->map.descriptors);
    info->map_bytes = loader->map.bytes;
    info->map_stride = loader->map.stride;
    info->map_version = loader->map.version;
    replay_apply(loader);
    info->log = paddr((uintptr_t)loader->log.text);
    info->log_bytes = loader->log.length;
    info->log_shown = log_was_on_serial(loader);
    info->options = loader->options.boot;
    collect_tables(loader);
    info->range_count = contract_ranges(loader, info->ranges);
    loader->jump.page_tables = info->page_tables.value;
    loader->jump.no_execute = loader->machine.no_execute;
    loader->jump.boot_info = info->direct_map.value + (uintptr_t)info;
    loader->jump.stack = info->direct_map.value + loader->stack_top - 8;
    info->tsc_jump = machine_ticks();
    info->checksum = boot_info_checksum(info);
}
