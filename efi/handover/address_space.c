// SPDX-License-Identifier: MIT
// Step 5: the first page tables.
//
//    identity      the few instructions that switch to these tables, R-X; nothing else of ours
//    direct map    the memory that the map names, RW-, largest pages
//    kernel        its segments with their own permissions
//
// The memory is counted before it is taken. Taking it changes the map, but only in what the memory
// is used for, and the direct map does not depend on that (layout.h).
#include "paging.h"
#include <firmware/memory.h>
#include <text/console.h>

struct plan {
    struct paging_format format;
    struct paging_range code;
    struct paging_range kernel[ELF_SEGMENT_MAX];
    size_t kernel_count;
    struct paging_range *direct;
    size_t direct_count;
};

static void plan_code(struct plan *plan) {
    uint64_t begin, end;
    machine_jump_code(&begin, &end);
    begin = align_down(begin, PAGE_SIZE);
    plan->code =
        (struct paging_range){begin, begin, align_up(end, PAGE_SIZE) - begin, PAGING_EXECUTE};
}

static void plan_kernel(struct plan *plan, const struct loader *loader) {
    const struct elf_image *kernel = &loader->kernel;
    for (size_t i = 0; i < kernel->segment_count; i++) {
        const struct elf_segment *segment = &kernel->segments[i];
        uint64_t offset = segment->begin - kernel->begin;
        plan->kernel[i] = (struct paging_range){
            .virtual = loader->info->kernel_virtual.value + offset,
            .physical = loader->info->kernel_physical.value + offset,
            .bytes = align_up(segment->memory_bytes, PAGE_SIZE),
            .permissions =
                (segment->write ? PAGING_WRITE : 0u) | (segment->execute ? PAGING_EXECUTE : 0u),
        };
    }
    plan->kernel_count = kernel->segment_count;
}

// Chooses the direct map's base, and plans its ranges in place of the spans they come from.
static EFI_STATUS plan_direct(struct plan *plan, struct loader *loader,
                              const struct layout_span *spans, size_t count) {
    struct boot_info *info = loader->info;
    uint64_t top = count == 0 ? 0 : spans[count - 1].end;
    uint64_t base = layout_direct_base(plan->format.levels, top, loader->options.boot.kaslr != 0,
                                       loader->random[1]);
    if (base == 0) {
        return fail(loader, EFI_UNSUPPORTED,
                    "memory up to " X64 " does not fit the direct map of %u-level page tables", top,
                    plan->format.levels);
    }
    info->direct_map = vaddr(base);
    info->direct_map_bytes = top;
    for (size_t i = 0; i < count; i++) {
        plan->direct[i] = (struct paging_range){base + spans[i].begin, spans[i].begin,
                                                spans[i].end - spans[i].begin, PAGING_WRITE};
    }
    plan->direct_count = count;
    return EFI_SUCCESS;
}

static EFI_STATUS build(const struct plan *plan, struct loader *loader) {
    size_t tables = 1 + paging_count(&plan->format, &plan->code, 1) +
                    paging_count(&plan->format, plan->kernel, plan->kernel_count) +
                    paging_count(&plan->format, plan->direct, plan->direct_count);
    uint64_t address;
    EFI_STATUS status = memory_take(loader, BOOT_RANGE_PAGE_TABLES, tables, &address);
    if (EFI_ERROR(status)) {
        return status;
    }
    struct paging paging;
    paging_init(&paging, &plan->format, (void *)(uintptr_t)address, tables);
    if (!paging_map(&paging, &plan->code, 1) ||
        !paging_map(&paging, plan->kernel, plan->kernel_count) ||
        !paging_map(&paging, plan->direct, plan->direct_count)) {
        return fail(loader, EFI_ABORTED, "the page tables were counted wrongly: %zu", tables);
    }
    loader->info->page_tables = paddr(address);
    loader->info->paging_levels = plan->format.levels;
    say(loader, BOOT_LOG_INFO,
        "direct map at " X64 ", " U64 " MiB of addresses in %zu pieces; %zu page tables of %u "
        "levels",
        loader->info->direct_map.value, loader->info->direct_map_bytes / MIB, plan->direct_count,
        tables, plan->format.levels);
    return EFI_SUCCESS;
}

EFI_STATUS address_space_build(struct loader *loader) {
    struct plan plan = {.format = {loader->machine.paging_levels, loader->machine.no_execute,
                                   loader->machine.gib_pages}};
    void *room;
    size_t most = efi_map_count(&loader->map) + 2;
    size_t bytes = most * (sizeof(struct layout_span) + sizeof(struct paging_range));
    EFI_STATUS status = memory_scratch(loader, bytes, &room);
    if (EFI_ERROR(status)) {
        return memory_short(loader, status, "planning the page tables", bytes);
    }
    struct layout_span *spans = room;
    plan.direct = (struct paging_range *)(spans + most);
    size_t count = layout_direct_spans(spans, &loader->map, loader->machine.physical_bits);
    plan_code(&plan);
    plan_kernel(&plan, loader);
    status = plan_direct(&plan, loader, spans, count);
    if (!EFI_ERROR(status)) {
        status = build(&plan, loader);
    }
    memory_release(loader, room);
    return status;
}
