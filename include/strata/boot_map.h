// SPDX-License-Identifier: MIT
// What the boot contract knows of memory beside the firmware's map, in the words of mm/memmap.h.
//
// The kernel converts the map with it; the loader does the same before the exit, for the file that
// it leaves on its volume. Both use these functions, so that both say the same. Pure, O(what they
// are given), any context.
#pragma once

#include <mm/memmap.h>
#include <strata/boot.h>

#define BOOT_CLAIM_MAX (BOOT_RANGE_MAX + BOOT_BADRAM_MAX)

// Whether the kernel stands on this range for as long as it runs. The loader's log is printed, and
// then goes back with the rest of the loader's memory.
static inline bool boot_range_is_kept(const struct boot_range *range) {
    return range->kind != BOOT_RANGE_LOG;
}

// The named ranges that are kept, and bad memory, as claims. Returns how many.
static inline size_t boot_claims(const struct boot_range *ranges, uint32_t range_count,
                                 const struct boot_options *options,
                                 struct memmap_claim claims[BOOT_CLAIM_MAX]) {
    size_t count = 0;
    for (uint32_t i = 0; i < range_count && i < BOOT_RANGE_MAX; i++) {
        const struct boot_range *range = &ranges[i];
        if (boot_range_is_kept(range)) {
            paddr_t end = paddr(range->begin.value + range->pages * PAGE_SIZE);
            claims[count++] = (struct memmap_claim){range->begin, end, MEMORY_KERNEL};
        }
    }
    for (uint32_t i = 0; i < options->badram_count && i < BOOT_BADRAM_MAX; i++) {
        const struct boot_badram *bad = &options->badram[i];
        claims[count++] = (struct memmap_claim){bad->begin, bad->end, MEMORY_BAD};
    }
    return count;
}

// A screen's memory that overlaps RAM is a finding, and the screen wins (memmap_check_window).
static inline void boot_check_screen(struct memmap *map, const struct boot_framebuffer *screen) {
    uint64_t end;
    if (screen->base.value != 0 && screen->bytes != 0 &&
        !__builtin_add_overflow(screen->base.value, screen->bytes, &end)) {
        memmap_check_window(map, "GOP", paddr(align_down(screen->base.value, PAGE_SIZE)),
                            paddr(align_up(end, PAGE_SIZE)));
    }
}
