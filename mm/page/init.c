// SPDX-License-Identifier: MIT
// Building the page allocator over the converted map.
//
// A section that one usable region covers wholly is WHOLE: a byte. A section of which a part is
// usable gets metadata from the boot allocator. Taking that metadata changes the map (and may cut
// into a section that was whole), so the map is walked again until nothing is missing. Only then
// are the usable regions given to the sections.
#include "stack.h"

#include <mm/assert.h>
#include <mm/bootmem.h>
#include <string.h>

static uint64_t count_sections(paddr_t ram_end) {
    return (ram_end.value + GIB - 1) / GIB;
}

// The hints are scanned a word at a time: rounded up to whole cache lines.
static uint64_t hint_bytes(uint64_t sections) {
    return align_up(sections * sizeof(uint16_t), 64);
}

uint64_t page_storage_bytes(paddr_t ram_end) {
    uint64_t sections = count_sections(ram_end);
    return align_up(sections * sizeof(struct section) + hint_bytes(sections), PAGE_SIZE);
}

// The part of section `index` that a region covers, which touches it.
static struct piece covered(const struct memory_region *region, uint64_t index) {
    return piece_of(index, pfn_of(region->begin), pfn_of(region->end));
}

// Every frame of the section gets a state byte, whether there is memory or not: what is plugged in
// later finds it there, and the bytes never move (CPUs' stacks point at them).
static bool open_section(struct page_allocator *allocator, struct bootmem *boot, uint64_t index) {
    uint64_t bytes = section_metadata_bytes(SECTION_FRAMES);
    paddr_t storage;
    if (!bootmem_alloc(boot, bytes, PAGE_SIZE, MEMORY_METADATA, &storage)) {
        return false;
    }
    section_open(&allocator->sections[index], port_direct_map(storage), SECTION_FRAMES,
                 STATE_UNMANAGED);
    allocator->metadata_bytes += bytes;
    return true;
}

// Opens every section that is partly usable and not open yet. Returns how many, or -1 when memory
// ran out.
static int open_partial_sections(struct page_allocator *allocator, struct bootmem *boot) {
    int opened = 0;
    for (size_t i = 0; i < boot->map->region_count; i++) {
        const struct memory_region region = boot->map->regions[i];
        if (region.class != MEMORY_USABLE) {
            continue;
        }
        // Only the first and the last section that a region touches can be covered in part.
        uint64_t ends[] = {region.begin.value / GIB, (region.end.value - 1) / GIB};
        for (unsigned e = 0; e < 2; e++) {
            if (piece_is_whole(covered(&region, ends[e])) ||
                allocator->sections[ends[e]].kind == SECTION_SPLIT) {
                continue;
            }
            if (!open_section(allocator, boot, ends[e])) {
                return -1;
            }
            opened++;
        }
    }
    return opened;
}

static void give_region(struct page_allocator *allocator, const struct memory_region *region) {
    uint64_t last = (region->end.value - 1) / GIB;
    for (uint64_t index = region->begin.value / GIB; index <= last; index++) {
        struct section *section = &allocator->sections[index];
        struct piece piece = covered(region, index);
        if (section->kind == SECTION_SPLIT) {
            memset(section->state + piece.begin, STATE_NONE, piece.end - piece.begin);
            section_put_range(section, piece.begin, piece.end);
        } else {
            ASSERT(piece_is_whole(piece));
            section->kind = SECTION_WHOLE;
            section_set_free(section, SECTION_FRAMES);
        }
        page_update_hint(allocator, index);
    }
}

bool page_init(struct page_allocator *allocator, struct bootmem *boot) {
    memset(allocator, 0, sizeof(*allocator));
    paddr_t ram_end = memmap_ram_end(boot->map);
    uint64_t bytes = page_storage_bytes(ram_end);
    paddr_t storage;
    if (ram_end.value == 0 || !bootmem_alloc(boot, bytes, PAGE_SIZE, MEMORY_METADATA, &storage)) {
        return false;
    }
    allocator->section_count = count_sections(ram_end);
    allocator->sections = port_direct_map(storage);
    allocator->hints = (uint16_t *)(allocator->sections + allocator->section_count);
    allocator->metadata_bytes = bytes;
    allocator->ranges.rank = LOCK_RANGES;
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        page_stacks_init(&allocator->cpus[cpu]);
    }
    memset(allocator->sections, 0, bytes);
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        section_close(&allocator->sections[i]);
    }
    int opened;
    do {
        opened = open_partial_sections(allocator, boot);
    } while (opened > 0);
    if (opened < 0) {
        return false;
    }
    for (size_t i = 0; i < boot->map->region_count; i++) {
        if (boot->map->regions[i].class == MEMORY_USABLE) {
            give_region(allocator, &boot->map->regions[i]);
        }
    }
    bootmem_close(boot);
    return true;
}
