// SPDX-License-Identifier: MIT
// The boot allocator. The map is its only structure: what it hands out is marked there.
//
// It takes the smallest piece that has room, so that large regions stay large, and cuts no 1 GiB
// section that is wholly usable while there is room elsewhere: such a section costs the page
// allocator nothing until it is touched.
#include <mm/assert.h>
#include <mm/bootmem.h>

// Devices that can address no more than this are left their memory while there is other.
#define ISA_LIMIT (16 * MIB)

void bootmem_init(struct bootmem *boot, struct memmap *map) {
    *boot = (struct bootmem){.map = map};
}

// What a search accepts.
struct search {
    uint64_t floor; // nothing below this
    bool whole;     // whole sections too
    uint64_t bytes, align;
    uint64_t place,
        size; // the best so far: where, and how large the part is that it lies in; 0: none
};

// Considers one part of a usable region: the allocation would be at its upper end.
static void consider(struct search *search, uint64_t begin, uint64_t end) {
    begin = begin > search->floor ? begin : search->floor;
    if (end <= begin || end - begin < search->bytes) {
        return;
    }
    uint64_t place = align_down(end - search->bytes, search->align);
    if (place >= begin && (search->place == 0 || end - begin < search->size)) {
        search->place = place;
        search->size = end - begin;
    }
}

//   section border        border                border
//        |      [   head    |    whole sections   |   tail  ]
static void consider_region(struct search *search, uint64_t begin, uint64_t end) {
    uint64_t first = align_up(begin, GIB), last = align_down(end, GIB);
    if (first >= last) {
        consider(search, begin, first < end ? first : end);
        consider(search, first, end);
        return;
    }
    consider(search, begin, first);
    consider(search, last, end);
    if (search->whole) {
        consider(search, first, last);
    }
}

static uint64_t find_place(const struct memmap *map, struct search search) {
    for (size_t i = 0; i < map->region_count; i++) {
        if (map->regions[i].class == MEMORY_USABLE) {
            consider_region(&search, map->regions[i].begin.value, map->regions[i].end.value);
        }
    }
    return search.place;
}

bool bootmem_alloc(struct bootmem *boot, uint64_t bytes, uint64_t align, enum memory_class class,
                   paddr_t *out) {
    ASSERT(!boot->closed);
    if (bytes == 0 || bytes > UINT64_MAX - PAGE_SIZE) {
        return false;
    }
    bytes = align_up(bytes, PAGE_SIZE);
    align = align > PAGE_SIZE ? align : PAGE_SIZE;
    uint64_t place = find_place(boot->map, (struct search){ISA_LIMIT, false, bytes, align, 0, 0});
    if (place == 0) {
        place = find_place(boot->map, (struct search){ISA_LIMIT, true, bytes, align, 0, 0});
    }
    if (place == 0) {
        place = find_place(boot->map, (struct search){0, true, bytes, align, 0, 0});
    }
    if (place == 0 || !memmap_set_class(boot->map, paddr(place), paddr(place + bytes), class)) {
        return false;
    }
    boot->bytes += bytes;
    *out = paddr(place);
    return true;
}

void bootmem_close(struct bootmem *boot) {
    boot->closed = true;
}
