// SPDX-License-Identifier: MIT
// Page tables: what they promise, case by case. test_page_tables_random.c holds them against a
// dictionary, test_page_tables_tlb.c against a TLB that forgets only what it is told to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/paging.h>
#include <mm/watch.h>
#include <paging/internal.h>
#include <string.h>

#define KERNEL_BASE UINT64_C(0xffff800000000000)
#define DATA        (PAGING_WRITE | PAGING_GLOBAL)

static const struct world_range machine[] = {{MIB, 64 * MIB, EFI_CONVENTIONAL}};
static const struct paging_format all = {.levels = 4,
                                         .physical_bits = 46,
                                         .no_execute = true,
                                         .gib_pages = true,
                                         .global_pages = true,
                                         .pat = true};

struct machine {
    struct world world;
    struct page_tables kernel;
};

static int set_up(void **state) {
    static struct machine m;
    world_create(&m.world, machine, 1);
    assert_int_equal(tables_init(&m.kernel, &all, &m.world.pages, NULL), TABLES_OK);
    *state = &m;
    return 0;
}

static int tear_down(void **state) {
    struct machine *m = *state;
    const char *broken = tables_check(&m->kernel);
    tables_destroy(&m->kernel);
    struct page_census census;
    page_census(&m->world.pages, &census);
    const char *pages = page_check(&m->world.pages);
    world_destroy(&m->world);
    if (broken != NULL || pages != NULL || census.owned_pages[PAGE_OWNER_PAGE_TABLE] != 0) {
        print_error("%s, %s, %lu table pages left\n", broken != NULL ? broken : "tables ok",
                    pages != NULL ? pages : "pages ok", census.owned_pages[PAGE_OWNER_PAGE_TABLE]);
        return -1;
    }
    return 0;
}

static void a_page_is_mapped_and_unmapped(void **state) {
    struct machine *m = *state;
    struct paging_range page;
    vaddr_t at = vaddr(KERNEL_BASE + 0x5000);
    assert_false(tables_query(&m->kernel, at, &page));
    assert_int_equal(tables_map(&m->kernel, at, 1, paddr(0x123000), DATA), TABLES_OK);
    assert_true(tables_query(&m->kernel, vaddr(at.value + 0xfff), &page));
    assert_int_equal(page.begin.value, at.value);
    assert_int_equal(page.pages, 1);
    assert_int_equal(page.to.value, 0x123000);
    assert_int_equal(page.attributes, DATA);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(tables_map(&m->kernel, at, 1, paddr(0x456000), DATA), TABLES_MAPPED);
    pfn_t frame;
    assert_int_equal(tables_unmap(&m->kernel, at, 1, &frame, NULL), TABLES_OK);
    assert_int_equal(frame.value, 0x123);
    assert_false(tables_query(&m->kernel, at, &page));
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 4);
    tables_trim(&m->kernel);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 2);
}

static void the_largest_page_fits(void **state) {
    struct machine *m = *state;
    // From 3 pages below 1 GiB to 5 pages beyond 2 GiB and 2 MiB.
    uint64_t begin = GIB - 3 * PAGE_SIZE, end = 2 * GIB + 2 * MIB + 5 * PAGE_SIZE;
    uint64_t pages = (end - begin) / PAGE_SIZE;
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE + begin), pages, paddr(begin), DATA),
                     TABLES_OK);
    assert_null(tables_check(&m->kernel));
    static const struct {
        uint64_t begin, pages;
        unsigned level;
    } expected[] = {{GIB - 3 * PAGE_SIZE, 3, 0},
                    {GIB, GIB / PAGE_SIZE, 2},
                    {2 * GIB, 512, 1},
                    {2 * GIB + 2 * MIB, 5, 0}};
    vaddr_t at = vaddr(KERNEL_BASE);
    for (size_t i = 0; i < 4; i++) {
        struct paging_range range;
        assert_true(tables_next(&m->kernel, at, 4 * GIB / PAGE_SIZE, false, &range));
        assert_int_equal(range.begin.value, KERNEL_BASE + expected[i].begin);
        assert_int_equal(range.to.value, expected[i].begin);
        assert_int_equal(range.pages, expected[i].pages);
        assert_int_equal(range.level, expected[i].level);
        at = vaddr(range.begin.value + range.pages * PAGE_SIZE);
    }
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE + begin), pages, NULL, NULL),
                     TABLES_OK);
    assert_null(tables_check(&m->kernel));
    tables_trim(&m->kernel);
    assert_int_equal(m->kernel.table_pages, 2);
}

static void parts_join_when_equal(void **state) {
    struct machine *m = *state;
    vaddr_t base = vaddr(KERNEL_BASE), middle = vaddr(KERNEL_BASE + 700 * MIB + 0x3000);
    struct paging_range page;
    assert_int_equal(tables_map(&m->kernel, base, GIB / PAGE_SIZE, paddr(GIB), DATA), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 2);
    assert_int_equal(tables_protect(&m->kernel, middle, 2, 0, PAGING_WRITE, NULL), TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 4);
    assert_true(tables_query(&m->kernel, middle, &page));
    assert_int_equal(page.attributes, PAGING_GLOBAL);
    assert_int_equal(page.to.value, GIB + 700 * MIB + 0x3000);
    assert_true(tables_query(&m->kernel, vaddr(middle.value + 2 * PAGE_SIZE), &page));
    assert_int_equal(page.attributes, DATA);
    assert_int_equal(
        tables_protect(&m->kernel, middle, 2, PAGING_WRITE, PAGING_WRITE | PAGING_EXECUTE, NULL),
        TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 2);
    assert_true(tables_query(&m->kernel, middle, &page));
    assert_int_equal(page.level, 2);
}

// All tables of a handle as they stand, address by address; the order is that of the walk.
struct dump {
    size_t count;
    struct {
        uint64_t page;
        unsigned level;
        uint64_t entry;
    } entries[20000];
};

static void dump_table(struct dump *dump, const uint64_t *table, unsigned level, uint64_t page) {
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if (table[i] == 0) {
            continue;
        }
        assert_true(dump->count < sizeof(dump->entries) / sizeof(dump->entries[0]));
        uint64_t first = page + i * level_pages(level);
        dump->entries[dump->count].page = first;
        dump->entries[dump->count].level = level;
        dump->entries[dump->count++].entry = table[i];
        if (level > 0 && entry_is_table(table[i])) {
            dump_table(dump, entry_table(table[i]), level - 1, first);
        }
    }
}

static void dump_tables(struct dump *dump, const struct page_tables *tables) {
    memset(dump, 0, sizeof(*dump));
    dump_table(dump, root_table(tables), root_level(tables), 0);
}

static uint32_t attributes_at(struct machine *m, uint64_t address) {
    struct paging_range page;
    assert_true(tables_query(&m->kernel, vaddr(address), &page));
    return page.attributes;
}

static uint64_t *leaf_at(const struct page_tables *tables, uint64_t address) {
    uint64_t *table = root_table(tables);
    for (unsigned level = root_level(tables); level > 0; level--) {
        uint64_t *entry = &table[level_index(address >> PAGE_SHIFT, level)];
        if (entry_is_leaf(*entry, level)) {
            return entry;
        }
        assert_true(entry_is_table(*entry));
        table = entry_table(*entry);
    }
    return &table[level_index(address >> PAGE_SHIFT, 0)];
}

static void splits_change_nothing(void **state) {
    struct machine *m = *state;
    // A 1 GiB page with a cache type whose bit moves between levels, cut at both ends.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), GIB / PAGE_SIZE, paddr(2 * GIB),
                                PAGING_WRITE | PAGING_WC),
                     TABLES_OK);
    assert_int_equal(*leaf_at(&m->kernel, KERNEL_BASE) & (ENTRY_LARGE | ENTRY_LARGE_PAT),
                     ENTRY_LARGE | ENTRY_LARGE_PAT);
    uint64_t begin = 5 * PAGE_SIZE, end = 600 * MIB + 7 * PAGE_SIZE;
    assert_int_equal(tables_protect(&m->kernel, vaddr(KERNEL_BASE + begin),
                                    (end - begin) / PAGE_SIZE, PAGING_GLOBAL, PAGING_GLOBAL, NULL),
                     TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 5);
    for (uint64_t at = 0; at < GIB; at += 31 * PAGE_SIZE) {
        struct paging_range page;
        assert_true(tables_query(&m->kernel, vaddr(KERNEL_BASE + at), &page));
        uint64_t offset = KERNEL_BASE + at - page.begin.value;
        assert_int_equal(page.to.value + offset, 2 * GIB + at);
        uint32_t global = at >= begin && at < end ? PAGING_GLOBAL : 0;
        assert_int_equal(page.attributes, PAGING_WRITE | PAGING_WC | global);
    }
    // A part that has the attributes already is not cut out.
    assert_int_equal(tables_protect(&m->kernel, vaddr(KERNEL_BASE + 10 * MIB + PAGE_SIZE), 3,
                                    PAGING_GLOBAL, PAGING_GLOBAL, NULL),
                     TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 5);
    // Unmapping the middle of a 2 MiB page leaves its ends.
    assert_int_equal(
        tables_unmap(&m->kernel, vaddr(KERNEL_BASE + 20 * MIB + PAGE_SIZE), 2, NULL, NULL),
        TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 6);
    assert_null(tables_check(&m->kernel));
    // Mapping it again makes the page whole.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE + 20 * MIB + PAGE_SIZE), 2,
                                paddr(2 * GIB + 20 * MIB + PAGE_SIZE),
                                PAGING_WRITE | PAGING_WC | PAGING_GLOBAL),
                     TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 5);
}

static void noted_bits_survive(void **state) {
    struct machine *m = *state;
    struct page_tables user;
    struct paging_range page;
    assert_int_equal(tables_init(&user, &all, &m->world.pages, &m->kernel), TABLES_OK);
    const uint32_t rights = PAGING_USER | PAGING_WRITE;
    assert_int_equal(tables_map(&user, vaddr(4 * MIB), 512, paddr(8 * MIB), rights), TABLES_OK);
    assert_true(tables_query(&user, vaddr(4 * MIB), &page));
    assert_int_equal(page.level, 1);
    assert_false(page.accessed || page.dirty);
    *leaf_at(&user, 4 * MIB) |= ENTRY_ACCESSED | ENTRY_DIRTY;
    assert_int_equal(tables_protect(&user, vaddr(4 * MIB + PAGE_SIZE), 1, 0, PAGING_WRITE, NULL),
                     TABLES_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(tables_query(&user, vaddr(4 * MIB + i * PAGE_SIZE), &page));
        assert_int_equal(page.level, 0);
        assert_true(page.accessed && page.dirty);
    }
    // One 4 KiB page: what the CPU notes between two changes stays.
    assert_int_equal(tables_map(&user, vaddr(MIB), 1, paddr(MIB), rights), TABLES_OK);
    *leaf_at(&user, MIB) |= ENTRY_ACCESSED;
    assert_int_equal(tables_protect(&user, vaddr(MIB), 1, 0, PAGING_WRITE, NULL), TABLES_OK);
    assert_true(tables_query(&user, vaddr(MIB), &page));
    assert_true(page.accessed && !page.dirty);
    // Parts that join: what one of them has noted the whole has.
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(tables_map(&user, vaddr(8 * MIB + i * PAGE_SIZE), 1,
                                    paddr(8 * MIB + i * PAGE_SIZE), PAGING_USER),
                         TABLES_OK);
        if (i == 100) {
            *leaf_at(&user, 8 * MIB + 100 * PAGE_SIZE) |= ENTRY_NOTED;
        }
    }
    assert_true(tables_query(&user, vaddr(8 * MIB), &page));
    assert_int_equal(page.level, 1);
    assert_true(page.accessed && page.dirty);
    // What may be written may have been, by a CPU that still wrote to a part.
    assert_int_equal(tables_map(&user, vaddr(16 * MIB), 511, paddr(16 * MIB), rights), TABLES_OK);
    assert_int_equal(
        tables_map(&user, vaddr(18 * MIB - PAGE_SIZE), 1, paddr(18 * MIB - PAGE_SIZE), rights),
        TABLES_OK);
    assert_true(tables_query(&user, vaddr(16 * MIB), &page));
    assert_int_equal(page.level, 1);
    assert_true(page.accessed && page.dirty);
    assert_null(tables_check(&user));
    tables_destroy(&user);
}

static void empties_go(void **state) {
    struct machine *m = *state;
    uint64_t free = page_free_count(&m->world.pages);
    // Far apart, so that each has tables of its own.
    for (uint64_t i = 0; i < 8; i++) {
        vaddr_t at = vaddr(KERNEL_BASE + i * 130 * GIB);
        assert_int_equal(tables_map(&m->kernel, at, 3, paddr(MIB), DATA), TABLES_OK);
    }
    uint64_t most = m->kernel.table_pages;
    assert_int_equal(most, 1 + 2 + 8 + 8); // for 512 GiB, 1 GiB and 2 MiB each
    for (uint64_t i = 0; i < 8; i++) {
        vaddr_t at = vaddr(KERNEL_BASE + i * 130 * GIB);
        assert_int_equal(tables_unmap(&m->kernel, at, 3, NULL, NULL), TABLES_OK);
        assert_null(tables_check(&m->kernel));
        // The last empty one is kept with those above it.
        assert_int_equal(m->kernel.table_pages, 1 + 2 + 2 * (8 - i == 1 ? 1 : 8 - i));
    }
    // A large page takes the place of the empty table.
    vaddr_t last = vaddr(KERNEL_BASE + 7 * 130 * GIB);
    assert_int_equal(tables_map(&m->kernel, last, GIB / PAGE_SIZE, paddr(GIB), DATA), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
    assert_int_equal(tables_unmap(&m->kernel, last, GIB / PAGE_SIZE, NULL, NULL), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
    assert_int_equal(page_free_count(&m->world.pages), free - 2);
    // What is remembered as kept may have gone in another way.
    assert_int_equal(tables_map(&m->kernel, last, 1, paddr(MIB), DATA), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, last, 1, NULL, NULL), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, last, 1024, NULL, NULL), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
    assert_int_equal(tables_map(&m->kernel, vaddr(last.value + 64 * MIB), 1, paddr(MIB), DATA),
                     TABLES_OK);
    assert_int_equal(tables_map(&m->kernel, last, 512, paddr(GIB), DATA), TABLES_OK);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 1 + 2 + 2);
    assert_int_equal(tables_unmap(&m->kernel, last, GIB / PAGE_SIZE, NULL, NULL), TABLES_OK);
    // In the lower half nothing stays.
    assert_int_equal(tables_map(&m->kernel, vaddr(GIB), 3, paddr(MIB), 0), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, vaddr(GIB), 3, NULL, NULL), TABLES_OK);
    tables_trim(&m->kernel);
    assert_int_equal(m->kernel.table_pages, 1 + 2);
}

static void upper_half_is_shared(void **state) {
    struct machine *m = *state;
    struct page_tables one, other;
    vaddr_t prepared = vaddr(KERNEL_BASE), missing = vaddr(KERNEL_BASE + 5 * 512 * GIB);
    struct paging_range page;
    assert_int_equal(tables_prepare(&m->kernel, prepared, 1), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 2);
    assert_int_equal(tables_prepare(&m->kernel, vaddr(GIB), 1), TABLES_BAD_REQUEST);
    assert_int_equal(tables_init(&one, &all, &m->world.pages, &m->kernel), TABLES_OK);
    assert_int_equal(tables_init(&other, &all, &m->world.pages, &m->kernel), TABLES_OK);
    // What is mapped later all of them have: their root entries are the same.
    assert_int_equal(tables_map(&m->kernel, prepared, 1, paddr(MIB), DATA), TABLES_OK);
    for (unsigned i = TABLE_ENTRIES / 2; i < TABLE_ENTRIES; i++) {
        assert_int_equal(root_table(&one)[i] & ENTRY_ADDRESS,
                         root_table(&m->kernel)[i] & ENTRY_ADDRESS);
    }
    // A new root entry would be missing in them.
    assert_int_equal(tables_map(&m->kernel, missing, 1, paddr(MIB), DATA), TABLES_NOT_PREPARED);
    assert_int_equal(tables_prepare(&m->kernel, missing, 1), TABLES_NOT_PREPARED);
    assert_int_equal(tables_prepare(&m->kernel, prepared, 1), TABLES_OK);
    // An address space owns its lower half, and nothing else.
    assert_int_equal(tables_map(&one, prepared, 1, paddr(MIB), 0), TABLES_BAD_REQUEST);
    assert_int_equal(tables_unmap(&one, prepared, 1, NULL, NULL), TABLES_BAD_REQUEST);
    assert_false(tables_query(&one, prepared, &page));
    assert_int_equal(tables_map(&one, vaddr(0), 1, paddr(MIB), PAGING_USER), TABLES_OK);
    assert_false(tables_query(&other, vaddr(0), &page));
    assert_true(tables_query(&one, vaddr(0), &page));
    assert_int_equal(page.attributes, PAGING_USER);
    assert_null(tables_check(&one));
    // Emptied, the upper half keeps its tables.
    assert_int_equal(tables_unmap(&m->kernel, prepared, 1, NULL, NULL), TABLES_OK);
    tables_trim(&m->kernel);
    assert_int_equal(m->kernel.table_pages, 2);
    tables_destroy(&one);
    tables_destroy(&other);
    // Loaded tables are not destroyed.
    m->kernel.space.cpus = 1;
    if (HOST_EXPECT_PANIC()) {
        tables_destroy(&m->kernel);
        host_panic_end();
        fail();
    }
    m->kernel.space.cpus = 0;
}

static const struct {
    uint64_t begin, pages, to;
    uint32_t attributes;
} bad[] = {
    {KERNEL_BASE + 1, 1, 0, 0},                           // not a page
    {KERNEL_BASE, 1, 1, 0},                               // not a frame
    {KERNEL_BASE, 0, 0, 0},                               // nothing
    {0x0000800000000000, 1, 0, 0},                        // in the hole
    {0xffff7ffffffff000, 1, 0, 0},                        //
    {0x00007ffffffff000, 2, 0, 0},                        // into the hole
    {0xffff7ffffffff000, 2, 0, 0},                        // out of it
    {0xfffffffffffff000, 2, 0, 0},                        // over the top
    {KERNEL_BASE, UINT64_C(1) << 52, 0, 0},               //
    {KERNEL_BASE, UINT64_MAX, 0, 0},                      //
    {KERNEL_BASE, 1, UINT64_C(1) << 46, 0},               // beyond the CPU's reach
    {KERNEL_BASE, 2, (UINT64_C(1) << 46) - PAGE_SIZE, 0}, //
    {KERNEL_BASE, 1, UINT64_MAX - 0xfff, 0},              //
    {KERNEL_BASE, 1, 0, PAGING_WRITE | PAGING_EXECUTE},   //
    {KERNEL_BASE, 1, 0, PAGING_USER},                     //
    {MIB, 1, 0, PAGING_GLOBAL},                           //
    {KERNEL_BASE, 1, 0, 0x400},                           // no such attribute
    {KERNEL_BASE, 1, 0, 0x10},                            // no such cache types
    {KERNEL_BASE, 1, 0, PAGING_WC | PAGING_WT},           //
    {KERNEL_BASE, 1, 0, PAGING_WC | PAGING_UC},           //
};

static const struct {
    uint32_t attributes, mask;
} changes[] = {
    {PAGING_WRITE, PAGING_WRITE},     // executable pages would be both
    {PAGING_EXECUTE, PAGING_EXECUTE}, //
    {PAGING_WRITE, 0},                // not in the mask
    {PAGING_SMALL, PAGING_SMALL},     // cannot be had afterwards
    {PAGING_WT, PAGING_WT},           // part of a cache type
    {PAGING_USER, PAGING_USER},       //
    {0, 0x400},                       //
    {PAGING_WRITE | PAGING_EXECUTE, PAGING_WRITE | PAGING_EXECUTE},
};

static void bad_requests_are_refused(void **state) {
    struct machine *m = *state;
    struct page_tables user;
    assert_int_equal(tables_init(&user, &all, &m->world.pages, &m->kernel), TABLES_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pfn_t frame = pfn_of(paddr(bad[i].to));
        assert_int_equal(tables_map(&m->kernel, vaddr(bad[i].begin), bad[i].pages, paddr(bad[i].to),
                                    bad[i].attributes),
                         TABLES_BAD_REQUEST);
        if (bad[i].to % PAGE_SIZE == 0 && bad[i].pages == 1) {
            assert_int_equal(
                tables_map_frames(&m->kernel, vaddr(bad[i].begin), 1, &frame, bad[i].attributes),
                TABLES_BAD_REQUEST);
            assert_int_equal(
                tables_replace(&m->kernel, vaddr(bad[i].begin), frame, bad[i].attributes, NULL),
                TABLES_BAD_REQUEST);
        }
    }
    assert_int_equal(tables_map(&user, vaddr(KERNEL_BASE), 1, paddr(0), 0), TABLES_BAD_REQUEST);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        assert_int_equal(tables_protect(&m->kernel, vaddr(KERNEL_BASE), 1, changes[i].attributes,
                                        changes[i].mask, NULL),
                         TABLES_BAD_REQUEST);
    }
    assert_int_equal(tables_protect(&user, vaddr(KERNEL_BASE), 1, 0, PAGING_WRITE, NULL),
                     TABLES_BAD_REQUEST);
    assert_int_equal(m->kernel.table_pages, 1);
    tables_destroy(&user);
    assert_string_equal(tables_status_name(TABLES_NOT_PREPARED), "not prepared");
    assert_string_equal(tables_status_name(TABLES_OK), "ok");
}

// The last page there is.
static void the_top_page_can_be_mapped(void **state) {
    struct machine *m = *state;
    struct paging_range range;
    vaddr_t top = vaddr(0xfffffffffffff000);
    assert_int_equal(tables_map(&m->kernel, top, 1, paddr(MIB), DATA), TABLES_OK);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), UINT64_C(1) << 35, false, &range));
    assert_int_equal(range.begin.value, top.value);
    assert_int_equal(range.pages, 1);
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE), UINT64_C(1) << 35, NULL, NULL),
                     TABLES_OK);
    assert_false(tables_next(&m->kernel, vaddr(KERNEL_BASE), UINT64_C(1) << 35, false, &range));
}

// What a CPU lacks is left out or replaced; what firmware needs can be had.
static void lesser_cpus_are_served(void **state) {
    struct machine *m = *state;
    const struct paging_format none = {.levels = 5, .physical_bits = 36};
    struct page_tables lesser;
    struct paging_range page;
    assert_int_equal(tables_init(&lesser, &none, &m->world.pages, NULL), TABLES_OK);
    vaddr_t at = vaddr(0xff00000000000000);
    assert_int_equal(tables_map(&lesser, at, GIB / PAGE_SIZE, paddr(GIB), DATA | PAGING_WC),
                     TABLES_OK);
    assert_true(tables_query(&lesser, at, &page));
    assert_int_equal(page.level, 1);
    assert_int_equal(page.attributes, PAGING_WRITE | PAGING_EXECUTE | PAGING_WC);
    uint64_t entries[5];
    assert_int_equal(tables_trace(&lesser, at, entries), 4);
    assert_int_equal(entries[3] & ~ENTRY_ADDRESS,
                     ENTRY_PRESENT | ENTRY_WRITE | ENTRY_NO_CACHE | ENTRY_NOTED | ENTRY_LARGE);
    assert_null(tables_check(&lesser));
    tables_destroy(&lesser);

    struct paging_format firmware = all;
    firmware.write_execute = true;
    assert_int_equal(tables_init(&lesser, &firmware, &m->world.pages, &m->kernel), TABLES_OK);
    assert_int_equal(tables_map(&lesser, vaddr(MIB), 1, paddr(MIB), PAGING_WRITE | PAGING_EXECUTE),
                     TABLES_OK);
    assert_int_equal(tables_protect(&lesser, vaddr(MIB), 1, 0, PAGING_EXECUTE, NULL), TABLES_OK);
    assert_int_equal(tables_protect(&lesser, vaddr(MIB), 1, PAGING_EXECUTE, PAGING_EXECUTE, NULL),
                     TABLES_OK);
    assert_null(tables_check(&lesser));
    assert_int_equal(tables_trace(&lesser, vaddr(GIB), entries), 2);
    assert_int_equal(entries[1], 0);
    tables_destroy(&lesser);
}

static void small_pages_stay_small(void **state) {
    struct machine *m = *state;
    struct paging_range range;
    assert_int_equal(
        tables_map(&m->kernel, vaddr(KERNEL_BASE), 1024, paddr(0), DATA | PAGING_SMALL), TABLES_OK);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), 1024, false, &range));
    assert_int_equal(range.pages, 1024);
    assert_int_equal(range.level, 0);
    assert_int_equal(range.attributes, DATA | PAGING_SMALL);
    assert_int_equal(
        tables_protect(&m->kernel, vaddr(KERNEL_BASE), 1024, PAGING_UC, PAGING_CACHE, NULL),
        TABLES_OK);
    assert_int_equal(attributes_at(m, KERNEL_BASE + 2 * MIB), DATA | PAGING_SMALL | PAGING_UC);
    assert_null(tables_check(&m->kernel));
}

static void ranges_are_found(void **state) {
    struct machine *m = *state;
    const pfn_t frames[] = {{7}, {8}, {3}, {4}, {5}};
    struct paging_range range;
    vaddr_t at = vaddr(KERNEL_BASE + 2 * MIB - 2 * PAGE_SIZE); // in two tables
    assert_int_equal(tables_map_frames(&m->kernel, at, 5, frames, DATA), TABLES_OK);
    assert_int_equal(
        tables_map(&m->kernel, vaddr(at.value + 5 * PAGE_SIZE), 2, paddr(6 * PAGE_SIZE), 0),
        TABLES_OK);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), 4096, false, &range));
    assert_int_equal(range.begin.value, at.value);
    assert_int_equal(range.pages, 2);
    assert_true(tables_next(&m->kernel, vaddr(KERNEL_BASE), 4096, true, &range));
    assert_int_equal(range.pages, 5);
    assert_int_equal(range.to.value, 7 * PAGE_SIZE);
    // From the middle, and no further than asked.
    assert_true(tables_next(&m->kernel, vaddr(at.value + 3 * PAGE_SIZE), 1, false, &range));
    assert_int_equal(range.to.value, 4 * PAGE_SIZE);
    assert_int_equal(range.pages, 1);
    assert_true(tables_next(&m->kernel, vaddr(at.value + 5 * PAGE_SIZE), 100, true, &range));
    assert_int_equal(range.attributes, 0);
    assert_false(tables_next(&m->kernel, vaddr(at.value + 7 * PAGE_SIZE), 100, true, &range));
    assert_false(tables_next(&m->kernel, vaddr(KERNEL_BASE + 1), 100, true, &range));
    // What is in the way is found in the second table, too.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), 513, paddr(0), DATA),
                     TABLES_MAPPED);
}

static void a_frame_is_replaced(void **state) {
    struct machine *m = *state;
    struct paging_range page;
    pfn_t old = pfn(1);
    vaddr_t at = vaddr(KERNEL_BASE + 3 * PAGE_SIZE);
    assert_int_equal(tables_replace(&m->kernel, at, pfn(9), DATA, &old), TABLES_NOT_MAPPED);
    assert_int_equal(old.value, 1);
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), 512, paddr(0), DATA), TABLES_OK);
    assert_int_equal(tables_replace(&m->kernel, at, pfn(9), 0, &old), TABLES_OK);
    assert_int_equal(old.value, 3);
    assert_true(tables_query(&m->kernel, at, &page));
    assert_int_equal(page.to.value, 9 * PAGE_SIZE);
    assert_int_equal(page.attributes, 0);
    assert_null(tables_check(&m->kernel));
    assert_int_equal(m->kernel.table_pages, 4);
    assert_int_equal(tables_replace(&m->kernel, at, pfn(3), DATA, NULL), TABLES_OK);
    assert_int_equal(m->kernel.table_pages, 3);
    assert_null(tables_check(&m->kernel));
}

// Each operation with the n-th allocation failing, for all n until it succeeds: a refusal leaves
// every entry and every frame as it was.
typedef enum tables_status (*operation)(struct page_tables *tables);

static enum tables_status map_many(struct page_tables *tables) {
    return tables_map(tables, vaddr(KERNEL_BASE + 512 * GIB - GIB - PAGE_SIZE),
                      2 * GIB / PAGE_SIZE + 2, paddr(GIB - PAGE_SIZE), DATA);
}

static enum tables_status map_over_the_idle(struct page_tables *tables) {
    return tables_map(tables, vaddr(KERNEL_BASE + 64 * MIB - PAGE_SIZE), 514,
                      paddr(64 * MIB - PAGE_SIZE), DATA);
}

static enum tables_status map_frames(struct page_tables *tables) {
    static const pfn_t frames[4] = {{5}, {9}, {2}, {7}};
    return tables_map_frames(tables, vaddr(KERNEL_BASE + 5 * GIB - 2 * PAGE_SIZE), 4, frames, DATA);
}

static enum tables_status unmap_middle(struct page_tables *tables) {
    return tables_unmap(tables, vaddr(KERNEL_BASE + 10 * GIB + PAGE_SIZE), 900 * MIB / PAGE_SIZE,
                        NULL, NULL);
}

static enum tables_status unmap_two(struct page_tables *tables) {
    return tables_unmap(tables, vaddr(KERNEL_BASE + 10 * GIB + PAGE_SIZE), 2, NULL, NULL);
}

static enum tables_status protect_across(struct page_tables *tables) {
    return tables_protect(tables, vaddr(KERNEL_BASE + 11 * GIB - 5 * MIB - PAGE_SIZE),
                          10 * MIB / PAGE_SIZE + 2, 0, PAGING_WRITE, NULL);
}

static enum tables_status replace_one(struct page_tables *tables) {
    return tables_replace(tables, vaddr(KERNEL_BASE + 10 * GIB), pfn(77), DATA, NULL);
}

static enum tables_status prepare_many(struct page_tables *tables) {
    return tables_prepare(tables, vaddr(KERNEL_BASE + 4 * 512 * GIB), 3 * 512 * GIB / PAGE_SIZE);
}

static void fail_each_allocation(struct machine *m, operation operate, uint64_t expected) {
    static struct page_watch watch;
    static struct dump before, after;
    assert_true(page_watch_start(&m->world.pages, &watch));
    for (uint64_t n = 1;; n++) {
        dump_tables(&before, &m->kernel);
        uint64_t free = page_free_count(&m->world.pages), tables = m->kernel.table_pages;
        page_fail(&watch, PAGE_FAIL_NTH, n, 0);
        enum tables_status status = operate(&m->kernel);
        page_fail(&watch, PAGE_FAIL_NEVER, 1, 0);
        assert_null(tables_check(&m->kernel));
        if (status == TABLES_OK) {
            assert_int_equal(n, expected + 1);
            break;
        }
        assert_int_equal(status, TABLES_NO_MEMORY);
        dump_tables(&after, &m->kernel);
        assert_memory_equal(&before, &after, sizeof(before));
        assert_int_equal(page_free_count(&m->world.pages), free);
        assert_int_equal(m->kernel.table_pages, tables);
    }
    page_watch_stop(&m->world.pages);
}

static void refusals_change_nothing(void **state) {
    struct machine *m = *state;
    // 3 GiB in large pages, and an empty table that is kept.
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE + 10 * GIB), 3 * GIB / PAGE_SIZE,
                                paddr(10 * GIB), DATA),
                     TABLES_OK);
    assert_int_equal(
        tables_map(&m->kernel, vaddr(KERNEL_BASE + 64 * MIB), 1, paddr(64 * MIB), DATA), TABLES_OK);
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE + 64 * MIB), 1, NULL, NULL),
                     TABLES_OK);
    fail_each_allocation(m, map_many, 5);
    fail_each_allocation(m, map_over_the_idle, 3);
    fail_each_allocation(m, map_frames, 4);
    fail_each_allocation(m, unmap_two, 2);
    fail_each_allocation(m, replace_one, 0);
    fail_each_allocation(m, unmap_middle, 1);
    fail_each_allocation(m, protect_across, 3);
    fail_each_allocation(m, prepare_many, 3);
    // A handle's root.
    static struct page_watch watch;
    struct page_tables other;
    uint64_t free = page_free_count(&m->world.pages);
    assert_true(page_watch_start(&m->world.pages, &watch));
    page_fail(&watch, PAGE_FAIL_NTH, 1, 0);
    assert_int_equal(tables_init(&other, &all, &m->world.pages, &m->kernel), TABLES_NO_MEMORY);
    page_watch_stop(&m->world.pages);
    assert_int_equal(page_free_count(&m->world.pages), free);
}

// Every sentence of tables_check, each from an entry that is spoiled and mended again.
static void check_finds(void **state) {
    struct machine *m = *state;
    assert_int_equal(tables_map(&m->kernel, vaddr(KERNEL_BASE), 3, paddr(MIB), DATA), TABLES_OK);
    assert_int_equal(
        tables_map(&m->kernel, vaddr(KERNEL_BASE + GIB), GIB / PAGE_SIZE, paddr(GIB), 0),
        TABLES_OK);
    assert_int_equal(tables_map(&m->kernel, vaddr(MIB), 1, paddr(MIB), 0), TABLES_OK);
    uint64_t *small = leaf_at(&m->kernel, KERNEL_BASE),
             *large = leaf_at(&m->kernel, KERNEL_BASE + GIB);
    uint64_t *low = leaf_at(&m->kernel, MIB), *missing = small + 7;
    uint64_t *above = find_last_table(&m->kernel, KERNEL_BASE >> PAGE_SHIFT);
    uint64_t *root = &root_table(&m->kernel)[TABLE_ENTRIES / 2];
    pfn_t foreign = page_alloc_frame(&m->world.pages, PAGE_OWNER_TEST);
    const struct {
        uint64_t *entry, spoiled;
        const char *sentence;
    } cases[] = {
        {small, *small | UINT64_C(1) << 46, "an entry has reserved bits set"},
        {small, *small | UINT64_C(1) << 53, "an entry has reserved bits set"},
        {small, *small | UINT64_C(1) << 10, "an entry has reserved bits set"},
        {large, *large | UINT64_C(1) << 20, "an entry has reserved bits set"},
        {root, *root | ENTRY_LARGE, "a page is larger than the CPU knows"},
        {large, *large | ENTRY_SMALL, "a page that must be small is large"},
        {small, *small | ENTRY_USER, "a page of the upper half is open to ring 3"},
        {low, *low | ENTRY_GLOBAL, "a page of the lower half is global"},
        {small, *small & ~ENTRY_NO_EXECUTE, "a page is writable and executable"},
        {missing, ENTRY_WRITE, "an entry that is not present is not 0"},
        {above, (*above & ~ENTRY_ADDRESS) | foreign.value << PAGE_SHIFT,
         "a table is not a frame that was allocated for one"},
        {above, *above | ENTRY_NO_CACHE, "an entry for a table has other bits than it was given"},
        {above, *above + ENTRY_COUNT_ONE, "a table's count disagrees with its entries"},
        {small, 0, "a table's count disagrees with its entries"},
        {above + 1, *above, "there are more tables than were counted, or one in two places"},
        {above, 0, "a table's count disagrees with its entries"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t sound = *cases[i].entry;
        *cases[i].entry = cases[i].spoiled;
        const char *broken = tables_check(&m->kernel);
        *cases[i].entry = sound;
        assert_non_null(broken);
        assert_string_equal(broken, cases[i].sentence);
        assert_null(tables_check(&m->kernel));
    }
    page_free_frame(&m->world.pages, foreign);
    m->kernel.table_pages++;
    assert_string_equal(tables_check(&m->kernel), "a table that was counted is not reached");
    m->kernel.table_pages--;
    m->kernel.hint_number = KERNEL_BASE >> 21;
    m->kernel.hint = above + 1;
    assert_string_equal(tables_check(&m->kernel), "the hint leads to another table");
    assert_null(tables_check(&m->kernel)); // it has found the right one
    assert_int_equal(tables_unmap(&m->kernel, vaddr(KERNEL_BASE), 3, NULL, NULL), TABLES_OK);
    uint64_t idle = m->kernel.idle;
    m->kernel.idle = IDLE_NONE;
    assert_string_equal(tables_check(&m->kernel), "an empty table was not freed");
    m->kernel.idle = idle;
}

// Bytes of tables for each GiB that is mapped.
static void tables_cost_what_is_said(void **state) {
    struct machine *m = *state;
    struct paging_format format = all;
    for (unsigned gib_pages = 0; gib_pages < 2; gib_pages++) {
        struct page_tables tables;
        format.gib_pages = gib_pages != 0;
        assert_int_equal(tables_init(&tables, &format, &m->world.pages, NULL), TABLES_OK);
        assert_int_equal(
            tables_map(&tables, vaddr(KERNEL_BASE), 64 * GIB / PAGE_SIZE, paddr(0), DATA),
            TABLES_OK);
        assert_int_equal(tables.table_pages, gib_pages != 0 ? 2 : 2 + 64);
        tables_destroy(&tables);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_page_is_mapped_and_unmapped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_largest_page_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_join_when_equal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(splits_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noted_bits_survive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empties_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(upper_half_is_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_requests_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_top_page_can_be_mapped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lesser_cpus_are_served, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_pages_stay_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_are_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_frame_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(check_finds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_cost_what_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("page_tables", tests, NULL, NULL);
}
