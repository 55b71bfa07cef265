// SPDX-License-Identifier: MIT
// Memory from the firmware. Invariants (tests/unit/test_loader.c):
//   I1  what is noted is exactly what the firmware has given and not got back
//   I2  address 0 is never given out: it means "none" everywhere
// A contract that does not exist yet has no ranges: the first pieces are entered by contract_begin.
#include "memory.h"

#include <string.h>
#include <text/console.h>

#define LIMIT_4G (4 * GIB)

const char *memory_kind_name(enum boot_range_kind kind) {
    static const char *const names[] = {
        [BOOT_RANGE_KERNEL] = "the kernel's image",
        [BOOT_RANGE_INFO] = "the boot contract",
        [BOOT_RANGE_MAP] = "the memory map",
        [BOOT_RANGE_PAGE_TABLES] = "the page tables",
        [BOOT_RANGE_STACK] = "the boot stack",
        [BOOT_RANGE_WORKSPACE] = "the converted map",
        [BOOT_RANGE_LOG] = "the loader's log",
        [BOOT_RANGE_TABLES] = "the configuration tables",
        [BOOT_RANGE_FIRST_MAP] = "the map as it was found",
        [BOOT_RANGE_TRAMPOLINE] = "the trampoline",
    };
    return names[kind];
}

static EFI_STATUS note(struct loader *loader, uint64_t address, uint64_t pages, uint32_t kind) {
    if (loader->memory_count == LOADER_MEMORY_MAX) {
        loader->boot->FreePages(address, pages);
        return EFI_OUT_OF_RESOURCES;
    }
    loader->memory[loader->memory_count++] = (struct loader_memory){address, pages, kind};
    return EFI_SUCCESS;
}

// AllocatePages below `limit`, or anywhere for 0; never page 0.
static EFI_STATUS allocate(struct loader *loader, uint64_t pages, uint64_t limit,
                           uint64_t *address) {
    EFI_ALLOCATE_TYPE type = limit == 0 ? AllocateAnyPages : AllocateMaxAddress;
    EFI_PHYSICAL_ADDRESS first = limit - 1, second = limit - 1;
    EFI_STATUS status = loader->boot->AllocatePages(type, EfiLoaderData, pages, &first);
    if (!EFI_ERROR(status) && first == 0) {
        status = loader->boot->AllocatePages(type, EfiLoaderData, pages, &second);
        loader->boot->FreePages(first, pages);
        first = second;
    }
    *address = first;
    return status;
}

EFI_STATUS memory_take_below(struct loader *loader, enum boot_range_kind kind, uint64_t pages,
                             uint64_t limit, uint64_t align, uint64_t *address) {
    uint64_t slack = align == 0 ? 0 : align / PAGE_SIZE - 1, begin;
    EFI_STATUS status = allocate(loader, pages + slack, limit, &begin);
    if (EFI_ERROR(status)) {
        return status;
    }
    *address = align == 0 ? begin : align_up(begin, align);
    uint64_t before = (*address - begin) / PAGE_SIZE, after = slack - before;
    if (before > 0) {
        loader->boot->FreePages(begin, before);
    }
    if (after > 0) {
        loader->boot->FreePages(*address + pages * PAGE_SIZE, after);
    }
    status = note(loader, *address, pages, (uint32_t)kind);
    if (!EFI_ERROR(status)) {
        memset((void *)(uintptr_t)*address, 0, pages * PAGE_SIZE);
    }
    return status;
}

EFI_STATUS memory_take(struct loader *loader, enum boot_range_kind kind, uint64_t pages,
                       uint64_t *address) {
    EFI_STATUS status = memory_take_below(loader, kind, pages, LIMIT_4G, 0, address);
    if (EFI_ERROR(status)) {
        status = memory_take_below(loader, kind, pages, 0, 0, address);
    }
    if (EFI_ERROR(status)) {
        return memory_short(loader, status, memory_kind_name(kind), pages * PAGE_SIZE);
    }
    return status;
}

EFI_STATUS memory_scratch(struct loader *loader, uint64_t bytes, void **out) {
    uint64_t pages = align_up(bytes, PAGE_SIZE) / PAGE_SIZE, address;
    EFI_STATUS status = allocate(loader, pages, LIMIT_4G, &address);
    if (EFI_ERROR(status)) {
        status = allocate(loader, pages, 0, &address);
    }
    if (EFI_ERROR(status)) {
        return status;
    }
    *out = (void *)(uintptr_t)address;
    return note(loader, address, pages, 0);
}

void memory_release(struct loader *loader, const void *memory) {
    for (size_t i = 0; i < loader->memory_count; i++) {
        struct loader_memory *piece = &loader->memory[i];
        if (memory != NULL && piece->address == (uintptr_t)memory) {
            loader->boot->FreePages(piece->address, piece->pages);
            *piece = loader->memory[--loader->memory_count];
            return;
        }
    }
}

void memory_release_all(struct loader *loader) {
    while (loader->memory_count > 0) {
        struct loader_memory *piece = &loader->memory[--loader->memory_count];
        loader->boot->FreePages(piece->address, piece->pages);
    }
    loader->log = (struct loader_log){0};
}

static uint64_t badram_bytes(const struct boot_options *options) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < options->badram_count; i++) {
        bytes += options->badram[i].end.value - options->badram[i].begin.value;
    }
    return bytes;
}

EFI_STATUS memory_short(struct loader *loader, EFI_STATUS status, const char *what,
                        uint64_t bytes) {
    // Not on the stack, which may be small, and not from the firmware, which has nothing left.
    static uint8_t map[24 * KIB] __attribute__((aligned(8)));
    UINTN size = sizeof(map), key, stride = 0;
    UINT32 version = 0;
    EFI_STATUS read =
        loader->boot->GetMemoryMap(&size, (EFI_MEMORY_DESCRIPTOR *)map, &key, &stride, &version);
    struct efi_map all = {map, EFI_ERROR(read) ? 0 : size, (uint32_t)stride, version};
    uint64_t free_bytes = 0, largest = 0;
    for (uint64_t i = 0; i < efi_map_count(&all); i++) {
        struct efi_descriptor descriptor = efi_map_entry(&all, i);
        if (descriptor.type == EFI_CONVENTIONAL) {
            uint64_t piece = descriptor.pages * PAGE_SIZE;
            free_bytes += piece;
            largest = piece > largest ? piece : largest;
        }
    }
    if (EFI_ERROR(read)) {
        return fail(loader, status, "not enough memory for %s: " U64 " KiB wanted", what,
                    (bytes + KIB - 1) / KIB);
    }
    char bad[64] = "";
    uint64_t bad_bytes = badram_bytes(&loader->options.boot);
    if (bad_bytes != 0) {
        format(bad, sizeof(bad), "; badram= names " U64 " KiB", bad_bytes / KIB);
    }
    return fail(loader, status,
                "not enough memory for %s: " U64 " KiB wanted in one piece, the firmware has " U64
                " KiB free, the largest piece " U64 " KiB%s",
                what, (bytes + KIB - 1) / KIB, free_bytes / KIB, largest / KIB, bad);
}
