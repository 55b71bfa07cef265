// SPDX-License-Identifier: MIT
// Random maps, made of the addresses at which converters go wrong, against the oracle; and random
// changes of a converted map against a plain array of pages.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../support/oracle.h"
#include <cmocka.h>

static const uint64_t edges[] = {
    0,           4 * KIB,           MIB,
    4 * GIB - 1, 4 * GIB,           4 * GIB + 1,
    512 * GIB,   UINT64_C(1) << 52, UINT64_MAX - 4095,
};

static uint64_t random_address(uint64_t *seed) {
    uint64_t edge = edges[random_next(seed) % (sizeof(edges) / sizeof(edges[0]))];
    uint64_t pages = (random_next(seed) % 33 - 16) * PAGE_SIZE;
    uint64_t bytes = random_next(seed) % 8 == 0 ? random_next(seed) % PAGE_SIZE : 0;
    return edge + pages + bytes;
}

static uint64_t random_pages(uint64_t *seed) {
    switch (random_next(seed) % 8) {
    case 0:
        return edges[random_next(seed) % (sizeof(edges) / sizeof(edges[0]))] / PAGE_SIZE;
    case 1:
        return random_next(seed);
    case 2:
        return 0;
    default:
        return random_next(seed) % 40;
    }
}

static uint64_t random_attributes(uint64_t *seed) {
    uint64_t attributes = random_next(seed) % 4 == 0 ? 0x7 : 0xf;
    if (random_next(seed) % 4 == 0) {
        attributes |= UINT64_C(1) << (random_next(seed) % 64);
    }
    return random_next(seed) % 6 == 0 ? attributes | EFI_ATTRIBUTE_RUNTIME : attributes;
}

static void random_entry(struct efi_descriptor *entry, uint64_t *seed) {
    *entry = (struct efi_descriptor){
        .type = (uint32_t)(random_next(seed) % 18),
        .physical_start = random_address(seed),
        .pages = random_pages(seed),
        .attributes = random_attributes(seed),
    };
    if (random_next(seed) % 3 == 0) {
        entry->type = EFI_CONVENTIONAL;
    }
}

static void random_claim(struct memmap_claim *claim, uint64_t *seed) {
    claim->begin = paddr(random_address(seed));
    claim->end = paddr(claim->begin.value + random_pages(seed) % 64 * PAGE_SIZE +
                       random_next(seed) % 2 * 17);
    claim->class = (enum memory_class)(random_next(seed) % MEMORY_CLASS_COUNT_);
}

static void check_random_map(uint64_t seed) {
    struct efi_descriptor entries[24];
    struct memmap_claim claims[4];
    static const uint32_t strides[] = {40, 41, 48, 56, 64, 100};
    static const unsigned widths[] = {0, 12, 20, 32, 39, 46, 52, 64};
    size_t count = 1 + random_next(&seed) % 24;
    size_t claim_count = random_next(&seed) % 5;
    for (size_t i = 0; i < count; i++) {
        random_entry(&entries[i], &seed);
    }
    for (size_t i = 0; i < claim_count; i++) {
        random_claim(&claims[i], &seed);
    }
    struct memmap_input input = {
        .map = encode_map(entries, count, strides[random_next(&seed) % 6]),
        .physical_bits = widths[random_next(&seed) % 8],
        .special_use = random_next(&seed) % 2 == 0,
        .claims = claims,
        .claim_count = claim_count,
    };
    struct memmap map;
    void *storage;
    const char *wrong = oracle_compare(&input, &map, &storage);
    if (wrong != NULL) {
        fail_msg("%s", wrong);
    }
    free(storage);
    free((void *)(uintptr_t)input.map.descriptors);
}

static void random_maps_equal_the_oracle(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        check_random_map(seed * 7919);
    }
}

#define CARVE_PAGES 1024 // from 1 MiB on

static void convert_two_regions(struct memmap *map, void *storage, size_t bytes) {
    struct efi_descriptor entries[] = {
        {.type = EFI_CONVENTIONAL, .physical_start = MIB, .pages = 600, .attributes = 0xf},
        {.type = EFI_ACPI_RECLAIM,
         .physical_start = MIB + 600 * PAGE_SIZE,
         .pages = 400,
         .attributes = 0xf},
    };
    struct memmap_input input = {.map = {entries, sizeof(entries), sizeof(entries[0]), 1}};
    assert_int_equal(memmap_convert(map, &input, storage, bytes), MEMMAP_OK);
}

static bool alike(const int8_t *pages, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i++) {
        if (pages[i] != pages[begin] || pages[i] < 0) {
            return false;
        }
    }
    return true;
}

static void compare_with_pages(const struct memmap *map, const int8_t *pages) {
    assert_null(memmap_check(map));
    for (size_t i = 0; i < CARVE_PAGES; i++) {
        const struct memory_region *region = memmap_find(map, paddr(MIB + i * PAGE_SIZE + 123));
        assert_int_equal(region == NULL ? -1 : (int)region->class, pages[i]);
    }
}

// One random change, done to the map and to the pages; they must agree whether it is possible.
static void change_both(struct memmap *map, int8_t *pages, uint64_t *seed) {
    size_t begin = random_next(seed) % CARVE_PAGES;
    size_t end = begin + random_next(seed) % 20;
    end = end > CARVE_PAGES ? CARVE_PAGES : end;
    enum memory_class class = (enum memory_class)(random_next(seed) % 3);
    bool possible = begin < end && alike(pages, begin, end);
    size_t before = map->region_count;
    bool changed =
        memmap_set_class(map, paddr(MIB + begin * PAGE_SIZE), paddr(MIB + end * PAGE_SIZE), class);
    if (!possible) {
        assert_false(changed);
    }
    if (possible && !changed) {
        assert_true(before + 2 > map->region_capacity);
        assert_int_equal(before, map->region_count);
    }
    for (size_t i = begin; changed && i < end; i++) {
        pages[i] = (int8_t) class;
    }
}

static void changes_equal_an_array_of_pages(void **state) {
    (void)state;
    size_t bytes = memmap_storage_bytes(2, 0);
    void *storage = malloc(bytes);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        struct memmap map;
        int8_t pages[CARVE_PAGES];
        convert_two_regions(&map, storage, bytes);
        for (size_t i = 0; i < CARVE_PAGES; i++) {
            int class = i < 600 ? (int)MEMORY_USABLE : (int)MEMORY_ACPI;
            pages[i] = (int8_t)(i < 1000 ? class : -1);
        }
        for (int step = 0; step < 400; step++) {
            change_both(&map, pages, &random);
            compare_with_pages(&map, pages);
        }
    }
    free(storage);
}

// 64 carves from the middle fit into the promised storage, however small the map.
static void sixty_four_carves_fit(void **state) {
    (void)state;
    size_t bytes = memmap_storage_bytes(2, 0);
    void *storage = malloc(bytes);
    struct memmap map;
    convert_two_regions(&map, storage, bytes);
    for (uint64_t i = 0; i < 64; i++) {
        uint64_t begin = MIB + (2 * i + 1) * PAGE_SIZE;
        assert_true(memmap_set_class(&map, paddr(begin), paddr(begin + PAGE_SIZE), MEMORY_KERNEL));
    }
    assert_null(memmap_check(&map));
    free(storage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_maps_equal_the_oracle),
        cmocka_unit_test(changes_equal_an_array_of_pages),
        cmocka_unit_test(sixty_four_carves_fit),
    };
    return cmocka_run_group_tests_name("memmap_random", tests, NULL, NULL);
}
