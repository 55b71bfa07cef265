// SPDX-License-Identifier: MIT
// Descriptors against regions (UEFI 2.10, 8.4 and 4.6.4).
//   P1  a piece lies in regions of runtime memory, or of registers    lies_are_left_out
//   P2  what a descriptor claims is in a piece or counted as refused  nothing_is_lost
#include <firmware/plan.h>

void runtime_plan_begin(struct runtime_plan *plan, const struct memmap *map,
                        const struct efi_map *firmware) {
    *plan = (struct runtime_plan){.map = map, .firmware = firmware};
}

static bool is_runtime(const struct efi_descriptor *descriptor) {
    return (descriptor->attributes & EFI_ATTRIBUTE_RUNTIME) != 0 ||
           descriptor->type == EFI_RUNTIME_SERVICES_CODE ||
           descriptor->type == EFI_RUNTIME_SERVICES_DATA;
}

// The descriptor's bytes; page 0 is left out, for a null pointer must not work. False when it has
// none that make sense.
static bool bytes_of(const struct efi_descriptor *descriptor, uint64_t *begin, uint64_t *end) {
    uint64_t bytes;
    *begin = align_down(descriptor->physical_start, PAGE_SIZE);
    if (__builtin_mul_overflow(descriptor->pages, PAGE_SIZE, &bytes) ||
        __builtin_add_overflow(*begin, bytes, end)) {
        return false;
    }
    *begin = *begin < PAGE_SIZE ? PAGE_SIZE : *begin;
    return *begin < *end;
}

static unsigned access_of(uint32_t type, enum memory_class class) {
    if (class == MEMORY_MMIO) {
        return RUNTIME_WRITE | RUNTIME_DEVICE;
    }
    return type == EFI_RUNTIME_SERVICES_CODE ? RUNTIME_WRITE | RUNTIME_EXECUTE : RUNTIME_WRITE;
}

// The first part of [at, end) that the map agrees with; what lies before it is counted.
static bool next_part(struct runtime_plan *plan, const struct efi_descriptor *descriptor,
                      uint64_t end, struct runtime_piece *piece) {
    const struct memmap *map = plan->map;
    for (size_t i = 0; i < map->region_count; i++) {
        const struct memory_region *region = &map->regions[i];
        uint64_t first = region->begin.value > plan->at ? region->begin.value : plan->at;
        uint64_t last = region->end.value < end ? region->end.value : end;
        bool registers = region->class == MEMORY_MMIO && descriptor->type == EFI_MMIO;
        if (first < last && (region->class == MEMORY_RUNTIME || registers)) {
            plan->refused_pages += (first - plan->at) / PAGE_SIZE;
            plan->at = last;
            *piece = (struct runtime_piece){paddr(first), paddr(last),
                                            access_of(descriptor->type, region->class),
                                            (descriptor->attributes & EFI_ATTRIBUTE_RUNTIME) != 0};
            return true;
        }
    }
    plan->refused_pages += (end - plan->at) / PAGE_SIZE;
    return false;
}

bool runtime_plan_next(struct runtime_plan *plan, struct runtime_piece *piece) {
    for (; plan->descriptor < efi_map_count(plan->firmware); plan->descriptor++, plan->at = 0) {
        struct efi_descriptor descriptor = efi_map_entry(plan->firmware, plan->descriptor);
        uint64_t begin, end;
        if (!is_runtime(&descriptor) || !bytes_of(&descriptor, &begin, &end)) {
            continue;
        }
        plan->at = plan->at == 0 ? begin : plan->at;
        if (plan->at < end && next_part(plan, &descriptor, end, piece)) {
            return true;
        }
    }
    return false;
}

unsigned runtime_access_of(const struct efi_descriptor *entry) {
    unsigned access = (entry->attributes & EFI_ATTRIBUTE_RO) == 0 ? RUNTIME_WRITE : 0u;
    return access | ((entry->attributes & EFI_ATTRIBUTE_XP) == 0 ? RUNTIME_EXECUTE : 0u);
}
