// SPDX-License-Identifier: MIT
// The judgement on the firmware's map before the exit. See judge.h.
#include "judge.h"

#include <strata/boot_map.h>
#include <string.h>

const char *judge_begin(struct loader *loader, struct memmap *map) {
    const struct boot_info *info = loader->info;
    const struct boot_options *options = &loader->options.boot;
    struct boot_range ranges[BOOT_RANGE_MAX];
    struct memmap_claim claims[BOOT_CLAIM_MAX];
    uint32_t range_count = contract_ranges(loader, ranges);
    const struct memmap_input input = {
        .map = loader->map,
        .physical_bits = loader->machine.physical_bits,
        .special_use = options->special_use != 0,
        .claims = claims,
        .claim_count = boot_claims(ranges, range_count, options, claims),
    };
    if (memmap_convert(map, &input, (void *)(uintptr_t)info->workspace.value,
                       info->workspace_bytes) == MEMMAP_NO_STORAGE) {
        return "there is no room for converting the map";
    }
    boot_check_screen(map, &info->framebuffer);
    memmap_check_attributes_at(map, &loader->map, info->memory_attributes,
                               (const void *)(uintptr_t)info->memory_attributes.value);
    return NULL;
}

void judge_end(struct loader *loader) {
    const struct boot_info *info = loader->info;
    memset((void *)(uintptr_t)info->workspace.value, 0, info->workspace_bytes);
}
