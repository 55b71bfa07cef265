// SPDX-License-Identifier: MIT
// The first page tables and the layout they follow: the finished tables are walked as the CPU would
// walk them and compared with the ranges they were made of.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <handover/layout.h>
#include <handover/paging.h>

#define PRESENT    UINT64_C(1)
#define WRITE      UINT64_C(2)
#define USER       UINT64_C(4)
#define LARGE      UINT64_C(0x80)
#define NO_EXECUTE UINT64_C(0x8000000000000000)
#define ADDRESS    UINT64_C(0x000ffffffffff000)

static const struct paging_format formats[] = {
    {4, true, true}, {4, true, false}, {4, false, true}, {5, true, true}, {5, true, false}};

struct seen {
    const struct paging *paging;
    struct paging_range ranges[4096];
    size_t count;
    size_t tables;
};

// Collects what the tables say, joining neighbours that continue each other.
static void collect(struct seen *seen, uint64_t virtual, uint64_t entry, uint64_t size) {
    assert_int_equal(entry & USER, 0);
    struct paging_range range = {virtual, entry & ADDRESS & ~(size - 1), size, 0};
    range.permissions =
        (entry & WRITE ? PAGING_WRITE : 0u) |
        (entry & NO_EXECUTE || !seen->paging->format.no_execute ? 0u : PAGING_EXECUTE);
    assert_int_equal(entry & ADDRESS & (size - 1), 0);
    struct paging_range *last = seen->count == 0 ? NULL : &seen->ranges[seen->count - 1];
    if (last != NULL && last->virtual + last->bytes == virtual &&
        last->physical + last->bytes == range.physical && last->permissions == range.permissions) {
        last->bytes += size;
        return;
    }
    assert_true(seen->count < 4096);
    seen->ranges[seen->count++] = range;
}

static void walk(struct seen *seen, const uint64_t *table, unsigned level, uint64_t virtual) {
    seen->tables++;
    for (uint64_t i = 0; i < 512; i++) {
        unsigned shift = 12 + 9 * level;
        uint64_t address = virtual | i << shift;
        if (level == seen->paging->format.levels - 1 && i >= 256) {
            address |= ~((UINT64_C(1) << (shift + 8)) - 1); // canonical
        }
        if ((table[i] & PRESENT) == 0) {
            assert_int_equal(table[i], 0);
        } else if (level == 0 || (table[i] & LARGE) != 0) {
            assert_true(level <= (seen->paging->format.gib_pages ? 2u : 1u));
            collect(seen, address, level == 0 ? table[i] : table[i] & ~LARGE, UINT64_C(1) << shift);
        } else {
            assert_int_equal(table[i] & NO_EXECUTE, 0);
            walk(seen, (const uint64_t *)(uintptr_t)(table[i] & ADDRESS), level - 1, address);
        }
    }
}

// Builds tables of just the ranges and gives back what a walk sees.
static struct seen *build(const struct paging_format *format, const struct paging_range *ranges,
                          size_t count) {
    size_t pages = 1 + paging_count(format, ranges, count);
    void *memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
    memset(memory, 0, pages * PAGE_SIZE);
    struct paging paging;
    paging_init(&paging, format, memory, pages);
    assert_true(paging_map(&paging, ranges, count));
    assert_true(paging.next == paging.end); // counted exactly
    struct seen *seen = calloc(1, sizeof(*seen));
    seen->paging = &paging;
    walk(seen, paging.root, format->levels - 1, 0);
    assert_int_equal(seen->tables, pages);
    if (pages > 1) { // and not one page less is enough
        memset(memory, 0, pages * PAGE_SIZE);
        paging_init(&paging, format, memory, pages - 1);
        assert_false(paging_map(&paging, ranges, count));
    }
    free(memory);
    return seen;
}

static void expect_same(const struct paging_format *format, const struct paging_range *ranges,
                        size_t count) {
    struct seen *seen = build(format, ranges, count);
    assert_int_equal(seen->count, count);
    for (size_t i = 0; i < count; i++) {
        struct paging_range want = ranges[i];
        if (!format->no_execute) {
            want.permissions &= (unsigned)~PAGING_EXECUTE;
        }
        assert_int_equal(seen->ranges[i].virtual, want.virtual);
        assert_int_equal(seen->ranges[i].physical, want.physical);
        assert_int_equal(seen->ranges[i].bytes, want.bytes);
        assert_int_equal(seen->ranges[i].permissions, want.permissions);
    }
    free(seen);
}

static void single_ranges(void **state) {
    (void)state;
    static const uint64_t sizes[] = {
        PAGE_SIZE,       2 * PAGE_SIZE, 2 * MIB - PAGE_SIZE,  2 * MIB, 2 * MIB + 4096,   4 * MIB,
        GIB - PAGE_SIZE, GIB,           GIB + 2 * MIB + 4096, 2 * GIB, 3 * GIB + 2 * MIB};
    static const uint64_t places[] = {0,       PAGE_SIZE, 2 * MIB - PAGE_SIZE,
                                      2 * MIB, GIB,       512 * GIB - PAGE_SIZE};
    const uint64_t base = UINT64_C(0xffff800000000000);
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
                struct paging_range range = {base + places[p], places[p], sizes[s], PAGING_WRITE};
                expect_same(&formats[f], &range, 1);
                range.physical += 6 * PAGE_SIZE; // not as aligned as the virtual address
                expect_same(&formats[f], &range, 1);
            }
        }
    }
}

static void largest_pages(void **state) {
    (void)state;
    const uint64_t base = UINT64_C(0xffff800000000000);
    struct paging_range range = {base, 0, 1024 * GIB, PAGING_WRITE};
    // With 1 GiB pages: two tables of them, and one of 2 MiB and one of 4 KiB pages for the start.
    assert_int_equal(paging_count(&formats[0], &range, 1), 2 + 1 + 1);
    assert_int_equal(paging_count(&formats[1], &range, 1), 2 + 1024 + 1);
    assert_int_equal(paging_count(&formats[3], &range, 1), 1 + 2 + 1 + 1);
}

static void neighbours_share_tables(void **state) {
    (void)state;
    const uint64_t base = UINT64_C(0xffffffff80000000);
    const struct paging_range kernel[] = {
        {base, 32 * MIB, 3 * PAGE_SIZE, PAGING_EXECUTE},
        {base + 3 * PAGE_SIZE, 32 * MIB + 3 * PAGE_SIZE, PAGE_SIZE, 0},
        {base + 5 * PAGE_SIZE, 32 * MIB + 5 * PAGE_SIZE, 2 * MIB, PAGING_WRITE},
        {base + GIB, 36 * MIB, PAGE_SIZE, PAGING_WRITE},
    };
    for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
        assert_int_equal(paging_count(&formats[f], kernel, 4), formats[f].levels - 3 + 2 + 3);
        if (formats[f].no_execute) {
            expect_same(&formats[f], kernel, 4);
        }
    }
}

static uint64_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 29;
}

static void random_ranges(void **state) {
    (void)state;
    uint64_t seed = 3;
    for (unsigned round = 0; round < 400; round++) {
        const struct paging_format *format = &formats[round % 5];
        struct paging_range ranges[20];
        uint64_t at = UINT64_C(0xffff800000000000);
        for (size_t i = 0; i < 20; i++) {
            static const uint64_t units[] = {PAGE_SIZE, 2 * MIB, GIB};
            uint64_t unit = units[next_random(&seed) % (round % 20 == 0 ? 3 : 2)];
            at += (1 + next_random(&seed) % 5) * (next_random(&seed) % 2 ? PAGE_SIZE : unit);
            at = next_random(&seed) % 2 ? at : align_up(at, 2 * MIB);
            ranges[i] = (struct paging_range){at, (at & (ADDRESS >> 8)) + PAGE_SIZE * (i % 3 == 0),
                                              (1 + next_random(&seed) % 6) * unit,
                                              next_random(&seed) % 2 ? PAGING_WRITE : 0u};
            at += ranges[i].bytes;
        }
        expect_same(format, ranges, 20);
    }
}

struct map {
    struct efi_descriptor entries[64];
    size_t count;
};

static void add(struct map *map, uint32_t type, uint64_t begin, uint64_t end, uint64_t attributes) {
    map->entries[map->count++] = (struct efi_descriptor){.type = type,
                                                         .physical_start = begin,
                                                         .pages = (end - begin) / PAGE_SIZE,
                                                         .attributes = attributes};
}

static size_t spans_of(const struct map *map, struct layout_span spans[66], unsigned bits) {
    struct efi_map input = {map->entries, map->count * sizeof(map->entries[0]),
                            sizeof(map->entries[0]), 1};
    return layout_direct_spans(spans, &input, bits);
}

static void spans_cover_ram(void **state) {
    (void)state;
    struct map map = {.count = 0};
    struct layout_span spans[66];
    add(&map, EFI_CONVENTIONAL, 4 * GIB, 6 * GIB, 15);
    add(&map, EFI_CONVENTIONAL, MIB, 64 * MIB, 15);
    add(&map, EFI_BOOT_SERVICES_DATA, 64 * MIB, 80 * MIB, 15);
    add(&map, EFI_ACPI_NVS, 80 * MIB, 81 * MIB, 15);
    add(&map, EFI_UNUSABLE, 81 * MIB, 82 * MIB, 15);
    add(&map, EFI_RESERVED, 82 * MIB, 83 * MIB, 15); // cacheable, below RAM's end
    add(&map, EFI_RESERVED, 83 * MIB, 84 * MIB, 1);  // not cacheable
    add(&map, EFI_RESERVED, 64 * GIB, 65 * GIB, 15); // above RAM's end
    add(&map, EFI_MMIO, 3 * GIB, 3 * GIB + MIB, 15);
    add(&map, EFI_PERSISTENT, 8 * GIB, 9 * GIB, 15);
    add(&map, EFI_UNACCEPTED, 9 * GIB, 10 * GIB, 15);
    add(&map, 0x80000001, 5 * GIB, 5 * GIB + MIB, 15);
    add(&map, EFI_CONVENTIONAL, 0, 0xa0000, 15);
    add(&map, EFI_RESERVED, 101 * MIB, 110 * MIB, 15); // beside RAM, and partly over it
    add(&map, EFI_CONVENTIONAL, 90 * MIB, 101 * MIB, 15);
    add(&map, EFI_ACPI_RECLAIM, 108 * MIB, 112 * MIB, 15);
    static const struct layout_span expected[] = {
        {0, 0xa0000, true},          {0xc0000, 81 * MIB, true},     {82 * MIB, 83 * MIB, false},
        {90 * MIB, 101 * MIB, true}, {101 * MIB, 110 * MIB, false}, {110 * MIB, 112 * MIB, true},
        {4 * GIB, 6 * GIB, true},
    };
    assert_int_equal(spans_of(&map, spans, 40), 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(spans[i].begin, expected[i].begin);
        assert_int_equal(spans[i].end, expected[i].end);
        assert_int_equal(spans[i].ram, expected[i].ram);
    }
}

static void spans_of_nonsense(void **state) {
    (void)state;
    struct map map = {.count = 0};
    struct layout_span spans[66];
    assert_int_equal(spans_of(&map, spans, 40), 2); // the first MiB, always
    struct efi_map narrow = {map.entries, 640, 39, 1};
    assert_int_equal(layout_direct_spans(spans, &narrow, 40), 2);
    add(&map, EFI_CONVENTIONAL, 16 * MIB, 16 * MIB, 15);                   // empty
    add(&map, EFI_CONVENTIONAL, UINT64_C(1) << 40, UINT64_C(2) << 40, 15); // not addressable
    assert_int_equal(spans_of(&map, spans, 40), 2);
    map.count = 0;
    add(&map, EFI_CONVENTIONAL, 32 * MIB + 5, 33 * MIB, 15); // unaligned: outward
    map.entries[0].pages = 1;
    map.entries[1] = map.entries[0];
    map.entries[1].physical_start = UINT64_C(0xfff0000000);
    map.entries[1].pages = UINT64_MAX; // wraps: clipped
    map.count = 2;
    assert_int_equal(spans_of(&map, spans, 40), 4);
    assert_int_equal(spans[2].begin, 32 * MIB);
    assert_int_equal(spans[2].end, 32 * MIB + 2 * PAGE_SIZE);
    assert_int_equal(spans[3].end, UINT64_C(1) << 40);
    assert_int_equal(spans_of(&map, spans, 99), 4); // a width beyond 52 is 52
    assert_int_equal(spans[3].end, UINT64_C(1) << 52);
}

static void random_spans(void **state) {
    (void)state;
    uint64_t seed = 11;
    for (unsigned round = 0; round < 2000; round++) {
        struct map map = {.count = 0};
        struct layout_span spans[66];
        bool covered[512] = {false};
        for (size_t i = 0; i < 40; i++) {
            uint64_t begin = 256 + next_random(&seed) % 200, pages = next_random(&seed) % 20;
            uint32_t type = (uint32_t)(next_random(&seed) % 16);
            add(&map, type, begin * PAGE_SIZE, (begin + pages) * PAGE_SIZE, 15);
            for (uint64_t p = begin; p < begin + pages; p++) {
                covered[p] |= type != 0 && type != 8 && type < 11;
            }
        }
        size_t count = spans_of(&map, spans, 40);
        for (size_t i = 0; i < count; i++) {
            assert_true(spans[i].begin < spans[i].end);
            assert_true((spans[i].begin | spans[i].end) % PAGE_SIZE == 0);
            assert_true(i == 0 || spans[i].begin > spans[i - 1].end ||
                        (spans[i].begin == spans[i - 1].end && spans[i].ram != spans[i - 1].ram));
        }
        for (uint64_t p = 256; p < 512; p++) {
            bool in = false;
            for (size_t i = 0; i < count; i++) {
                in |= p * PAGE_SIZE >= spans[i].begin && p * PAGE_SIZE < spans[i].end;
            }
            assert_true(in || !covered[p]);
        }
    }
}

static void bases(void **state) {
    (void)state;
    assert_int_equal(layout_direct_base(4, GIB, false, 99), UINT64_C(0xffff800000000000));
    assert_int_equal(layout_direct_base(5, GIB, false, 99), UINT64_C(0xff00000000000000));
    assert_int_equal(layout_image_base(MIB, false, 99), UINT64_C(0xffffffff80000000));
    assert_int_equal(layout_direct_base(4, 64 * TIB, true, 99), UINT64_C(0xffff800000000000));
    assert_int_equal(layout_direct_base(4, 64 * TIB + 1, true, 99), 0);
    uint64_t seed = 5, highest = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t top = next_random(&seed) % (64 * TIB), number = next_random(&seed) << 32;
        number |= next_random(&seed);
        uint64_t base = layout_direct_base(4, top, true, number);
        assert_true(base % GIB == 0 && base >= UINT64_C(0xffff800000000000));
        assert_true(base + top <= UINT64_C(0xffffc00000000000));
        base = layout_direct_base(5, top * 64, true, number);
        assert_true(base % GIB == 0 && base >= UINT64_C(0xff00000000000000));
        assert_true(base + top * 64 <= UINT64_C(0xff80000000000000));
        uint64_t bytes = 1 + number % (256 * MIB);
        base = layout_image_base(bytes, true, next_random(&seed));
        assert_true(base % (2 * MIB) == 0 && base >= UINT64_C(0xffffffff80000000));
        assert_true(base + bytes > base && base + bytes <= UINT64_C(0xffffffffffe00000));
        highest = base > highest ? base : highest;
    }
    assert_true(highest > UINT64_C(0xfffffffff8000000)); // the whole area is used
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_ranges),
        cmocka_unit_test(largest_pages),
        cmocka_unit_test(neighbours_share_tables),
        cmocka_unit_test(random_ranges),
        cmocka_unit_test(spans_cover_ram),
        cmocka_unit_test(spans_of_nonsense),
        cmocka_unit_test(random_spans),
        cmocka_unit_test(bases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
