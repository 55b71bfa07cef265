// SPDX-License-Identifier: MIT
// Address spaces case by case: each reason of a fault, each refusal, what cloning shares, failure
// at every request for memory of every operation, changing from one to another.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"
#include <host/host.h>
#include <mm/space.h>
#include <string.h>

#define RAM   (16 * MIB)
#define BEGIN PAGE_SIZE
#define END   (UINT64_C(0x0000800000000000) - PAGE_SIZE)
#define HERE  UINT64_C(0x40000000)

static struct virt_world virt;
static struct spaces spaces;
static struct space parent, child;

static vaddr_t page_at(uint64_t page) {
    return vaddr(HERE + page * PAGE_SIZE);
}

static int create(void **state) {
    (void)state;
    virt_create(&virt, RAM, GIB);
    spaces_init(&spaces, &virt.kernel, &virt.world.pages, vaddr(BEGIN), vaddr(END),
                paddr(RAM + MIB));
    return 0;
}

static int destroy(void **state) {
    (void)state;
    assert_int_equal(spaces.count, 0);
    assert_int_equal(spaces.shares.frames, 0);
    spaces_trim(&spaces);
    assert_int_equal(spaces.nodes.frames, 0);
    virt_destroy(&virt);
    return 0;
}

static uint64_t frame_at(struct space *space, uint64_t page) {
    struct paging_range mapped;
    return tables_query(&space->tables, page_at(page), &mapped) ? pfn_of(mapped.to).value : 0;
}

static uint64_t word_at(struct space *space, uint64_t page) {
    uint64_t word = 0;
    assert_int_equal(space_read(space, &word, page_at(page), sizeof(word)), SPACE_FAULT_RESOLVED);
    return word;
}

static void put_word(struct space *space, uint64_t page, uint64_t word) {
    assert_int_equal(space_write(space, page_at(page), &word, sizeof(word)), SPACE_FAULT_RESOLVED);
}

static void each_fault_has_its_reason(void **state) {
    (void)state;
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(1), 2, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(10), 2, PAGING_EXECUTE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(20), 2, 0), SPACE_OK);
    const struct {
        uint64_t address;
        unsigned access;
        enum space_fault expected;
        const char *name;
    } cases[] = {
        {HERE + PAGE_SIZE, 0, SPACE_FAULT_RESOLVED, "resolved"},
        {HERE + PAGE_SIZE, 0, SPACE_FAULT_RESOLVED, "resolved"}, // somebody was quicker
        {HERE + 3 * PAGE_SIZE - 1, SPACE_WRITES, SPACE_FAULT_RESOLVED, "resolved"},
        {HERE + PAGE_SIZE, SPACE_EXECUTES, SPACE_FAULT_NOT_EXECUTABLE, "it is not executable"},
        {HERE + 3 * PAGE_SIZE, 0, SPACE_FAULT_GUARD, "a guard page"},
        {HERE + PAGE_SIZE - 1, SPACE_WRITES, SPACE_FAULT_GUARD, "a guard page"},
        {HERE + 4 * PAGE_SIZE, 0, SPACE_FAULT_NO_REGION, "nothing is mapped there"},
        {HERE - 1, 0, SPACE_FAULT_NO_REGION, "nothing is mapped there"},
        {HERE + 10 * PAGE_SIZE, SPACE_EXECUTES, SPACE_FAULT_RESOLVED, "resolved"},
        {HERE + 10 * PAGE_SIZE, SPACE_WRITES, SPACE_FAULT_READ_ONLY, "it is read-only"},
        {HERE + 20 * PAGE_SIZE, SPACE_WRITES, SPACE_FAULT_READ_ONLY, "it is read-only"},
        {HERE + 20 * PAGE_SIZE, SPACE_EXECUTES, SPACE_FAULT_NOT_EXECUTABLE, "it is not executable"},
        {0, 0, SPACE_FAULT_NOT_USER, "not user memory"},
        {END, 0, SPACE_FAULT_NOT_USER, "not user memory"},
        {VIRT_BEGIN, SPACE_WRITES, SPACE_FAULT_NOT_USER, "not user memory"},
        {UINT64_MAX, 0, SPACE_FAULT_NOT_USER, "not user memory"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum space_fault fault = space_fault(&parent, vaddr(cases[i].address), cases[i].access);
        assert_int_equal(fault, cases[i].expected);
        assert_string_equal(space_fault_name(fault), cases[i].name);
    }
    assert_int_equal(parent.resident, 3);
    assert_string_equal(space_fault_name(SPACE_FAULT_NO_MEMORY), "out of memory");
    assert_string_equal(space_fault_name(SPACE_FAULT_COUNT_), "?");
    assert_null(space_check(&parent));
    space_destroy(&parent);
}

static void a_program_sees_zeros(void **state) {
    (void)state;
    pfn_t dirty[100];
    for (size_t i = 0; i < 100; i++) {
        dirty[i] = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST);
        memset(port_direct_map(paddr_of(dirty[i])), 0xa5, PAGE_SIZE);
    }
    for (size_t i = 0; i < 100; i++) {
        page_free_frame(&virt.world.pages, dirty[i]);
    }
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(0), 50, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_populate(&parent, page_at(0), 50), SPACE_FAULT_RESOLVED);
    static const uint8_t zeros[PAGE_SIZE];
    for (uint64_t page = 0; page < 50; page++) {
        assert_memory_equal(port_direct_map(paddr_of(pfn(frame_at(&parent, page)))), zeros,
                            PAGE_SIZE);
    }
    assert_int_equal(space_populate(&parent, page_at(49), 2), SPACE_FAULT_GUARD);
    // What cannot be written is filled to be read.
    assert_int_equal(space_map_at(&parent, page_at(60), 2, 0), SPACE_OK);
    assert_int_equal(space_populate(&parent, page_at(60), 2), SPACE_FAULT_RESOLVED);
    assert_memory_equal(port_direct_map(paddr_of(pfn(frame_at(&parent, 61)))), zeros, PAGE_SIZE);
    space_destroy(&parent);
}

static void the_kernel_copies_across_pages(void **state) {
    (void)state;
    static uint8_t out[4 * PAGE_SIZE - 1000], in[4 * PAGE_SIZE];
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(0), 2, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(2), 2, PAGING_EXECUTE), SPACE_OK);
    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i * 7 % 251);
    }
    vaddr_t at = vaddr(HERE + 1000);
    assert_int_equal(space_write(&parent, at, out, sizeof(out)), SPACE_FAULT_RESOLVED);
    assert_int_equal(space_clone(&parent, &child), SPACE_OK);
    assert_int_equal(space_read(&child, in, at, sizeof(out)), SPACE_FAULT_RESOLVED);
    assert_memory_equal(in, out, sizeof(out));
    // Writing to code that is shared gives the writer their own.
    put_word(&parent, 2, 1);
    assert_int_not_equal(frame_at(&parent, 2), frame_at(&child, 2));
    assert_int_equal(space_read(&child, in, at, sizeof(out)), SPACE_FAULT_RESOLVED);
    assert_memory_equal(in, out, sizeof(out));
    assert_int_equal(space_read(&parent, in, page_at(3), PAGE_SIZE + 1), SPACE_FAULT_GUARD);
    assert_int_equal(space_read(&parent, in, vaddr(VIRT_BEGIN), 1), SPACE_FAULT_NOT_USER);
    assert_null(space_check(&parent));
    assert_null(space_check(&child));
    space_destroy(&parent);
    space_destroy(&child);
}

static void clones_part_when_they_write(void **state) {
    (void)state;
    static struct space many[5];
    assert_int_equal(space_create(&spaces, &many[0]), SPACE_OK);
    assert_int_equal(space_map_at(&many[0], page_at(0), 100, PAGING_WRITE), SPACE_OK);
    for (uint64_t page = 0; page < 50; page++) {
        put_word(&many[0], page, page + 1);
    }
    uint64_t before = virt_free_count(&virt);
    for (size_t i = 1; i < 5; i++) {
        assert_int_equal(space_clone(&many[i - 1], &many[i]), SPACE_OK);
        assert_int_equal(many[i].resident, 50);
        assert_int_equal(frame_at(&many[0], 7), frame_at(&many[i], 7));
    }
    assert_true(before - virt_free_count(&virt) < 4 * 8); // tables and counts, no pages
    assert_int_equal(shares_users(&spaces.shares, pfn(frame_at(&many[0], 7))), 5);
    for (uint64_t i = 0; i < 5; i++) {
        put_word(&many[i], 7, 1000 + i);
        put_word(&many[i], 60, 2000 + i); // nobody had that yet
    }
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(word_at(&many[i], 7), 1000 + i);
        assert_int_equal(word_at(&many[i], 60), 2000 + i);
        assert_int_equal(word_at(&many[i], 8), 9);
        assert_null(space_check(&many[i]));
        // The last one that had the old frame kept it.
        assert_int_equal(shares_users(&spaces.shares, pfn(frame_at(&many[i], 7))), 1);
    }
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(spaces.shares.shared, i == 4 ? 0 : 49);
        space_destroy(&many[i]);
    }
}

// The other one lets go of a frame between the decision to copy it and the end of that.
static pfn_t let_go_of;

static void let_go(const struct tlb_flush *flush) {
    (void)flush;
    if (let_go_of.value != 0) {
        assert_false(shares_drop(&spaces.shares, let_go_of));
        let_go_of = pfn(0);
    }
}

static void the_last_user_frees_the_frame(void **state) {
    (void)state;
    uint64_t before = virt_free_count(&virt);
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(0), 1, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_fault(&parent, page_at(0), 0), SPACE_FAULT_RESOLVED);
    assert_int_equal(space_protect(&parent, page_at(0), 1, 0), SPACE_OK);
    assert_int_equal(space_protect(&parent, page_at(0), 1, PAGING_WRITE), SPACE_OK);
    pfn_t frame = pfn(frame_at(&parent, 0));
    assert_true(shares_add(&spaces.shares, frame));
    let_go_of = frame;
    spaces.shares.lock.rank = LOCK_RANGES; // another CPU does it: not while this one has the tables
    host_tlb_flush = let_go;
    assert_int_equal(space_fault(&parent, page_at(0), SPACE_WRITES), SPACE_FAULT_RESOLVED);
    host_tlb_flush = NULL;
    assert_int_not_equal(frame_at(&parent, 0), frame.value);
    space_destroy(&parent);
    spaces_trim(&spaces);
    assert_int_equal(virt_free_count(&virt), before);
}

// Pages of two regions that look the same to a walk.
static void a_run_across_regions(void **state) {
    (void)state;
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(0), 1, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(1), 2, 0), SPACE_OK);
    for (uint64_t page = 3; page-- != 0;) { // the first one asks for tables too
        assert_int_equal(space_fault(&parent, page_at(page), 0), SPACE_FAULT_RESOLVED);
    }
    assert_int_equal(frame_at(&parent, 0) + 1, frame_at(&parent, 1));
    assert_int_equal(space_clone(&parent, &child), SPACE_OK);
    assert_null(space_check(&child));
    assert_null(space_check(&parent));
    space_destroy(&parent);
    space_destroy(&child);
}

static void regions_split_and_join(void **state) {
    (void)state;
    struct space_region region;
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_false(space_next_region(&parent, vaddr(0), &region));
    assert_int_equal(space_map_at(&parent, page_at(0), 10, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(20), 10, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(10), 10, PAGING_WRITE), SPACE_OK);
    assert_int_equal(parent.regions.count, 1);
    for (uint64_t page = 0; page < 30; page++) {
        put_word(&parent, page, page);
    }
    assert_int_equal(space_protect(&parent, page_at(10), 5, 0), SPACE_OK);
    assert_int_equal(parent.regions.count, 3);
    assert_true(space_next_region(&parent, page_at(12), &region));
    assert_int_equal(region.begin.value, page_at(10).value);
    assert_int_equal(region.end.value, page_at(15).value);
    assert_int_equal(region.attributes, 0);
    assert_int_equal(space_fault(&parent, page_at(10), SPACE_WRITES), SPACE_FAULT_READ_ONLY);
    assert_int_equal(space_protect(&parent, page_at(5), 15, PAGING_WRITE), SPACE_OK);
    assert_int_equal(parent.regions.count, 1);
    assert_int_equal(space_fault(&parent, page_at(10), SPACE_WRITES), SPACE_FAULT_RESOLVED);
    assert_int_equal(word_at(&parent, 10), 10);
    assert_int_equal(space_unmap(&parent, page_at(12), 3), SPACE_OK);
    assert_int_equal(parent.regions.count, 2);
    assert_int_equal(parent.resident, 27);
    assert_int_equal(space_unmap(&parent, page_at(0), 100), SPACE_OK);
    assert_int_equal(parent.regions.count, 0);
    assert_int_equal(parent.resident, 0);
    space_destroy(&parent);
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    vaddr_t out = vaddr(5);
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    const uint32_t both = PAGING_WRITE | PAGING_EXECUTE;
    assert_int_equal(space_map(&parent, page_at(0), 0, 0, &out), SPACE_BAD_REQUEST);
    assert_int_equal(space_map(&parent, page_at(0), UINT64_MAX, 0, &out), SPACE_BAD_REQUEST);
    assert_int_equal(space_map(&parent, page_at(0), 1, both, &out), SPACE_BAD_REQUEST);
    assert_int_equal(space_map(&parent, page_at(0), 1, PAGING_GLOBAL, &out), SPACE_BAD_REQUEST);
    assert_int_equal(space_map(&parent, page_at(0), END / PAGE_SIZE, 0, &out), SPACE_NO_ROOM);
    assert_int_equal(out.value, 5);
    assert_int_equal(space_map_at(&parent, page_at(0), 0, 0), SPACE_BAD_REQUEST);
    assert_int_equal(space_map_at(&parent, vaddr(HERE + 1), 1, 0), SPACE_BAD_REQUEST);
    assert_int_equal(space_map_at(&parent, vaddr(0), 1, 0), SPACE_BAD_REQUEST);
    assert_int_equal(space_map_at(&parent, vaddr(END), 1, 0), SPACE_BAD_REQUEST);
    assert_int_equal(space_map_at(&parent, vaddr(VIRT_BEGIN), 1, 0), SPACE_BAD_REQUEST);
    assert_int_equal(space_map_at(&parent, vaddr(END - PAGE_SIZE), 2, 0), SPACE_BAD_REQUEST);
    assert_int_equal(space_map_at(&parent, page_at(0), UINT64_MAX / PAGE_SIZE, 0),
                     SPACE_BAD_REQUEST);
    assert_int_equal(space_map_at(&parent, page_at(0), 1, both), SPACE_BAD_REQUEST);
    assert_int_equal(space_unmap(&parent, page_at(0), 0), SPACE_BAD_REQUEST);
    assert_int_equal(space_protect(&parent, page_at(0), 1, both), SPACE_BAD_REQUEST);
    assert_int_equal(space_protect(&parent, page_at(0), 1, 0), SPACE_NOT_MAPPED);
    assert_int_equal(space_map_at(&parent, page_at(0), 1, 0), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(0), 1, 0), SPACE_TAKEN);
    assert_int_equal(space_protect(&parent, page_at(0), 2, 0), SPACE_NOT_MAPPED);
    assert_int_equal(space_unmap(&parent, page_at(0), 2), SPACE_OK);
    assert_int_equal(space_unmap(&parent, page_at(0), 2), SPACE_OK);
    assert_string_equal(space_status_name(SPACE_TAKEN), "taken");
    assert_string_equal(space_status_name((enum space_status)99), "?");
    space_destroy(&parent);
}

// Everything about a space that an operation that fails must leave as it was.
struct snapshot {
    uint64_t free, regions, resident;
    struct space_region region[8];
    uint64_t frame[64], word[64];
    bool writable[64];
};

static void take_snapshot(struct space *space, struct snapshot *snapshot) {
    memset(snapshot, 0, sizeof(*snapshot));
    vaddr_t at = vaddr(0);
    for (size_t i = 0; i < 8 && space_next_region(space, at, &snapshot->region[i]); i++) {
        at = snapshot->region[i].end;
    }
    for (uint64_t page = 0; page < 64; page++) {
        struct paging_range mapped;
        if (tables_query(&space->tables, page_at(page), &mapped)) {
            snapshot->frame[page] = pfn_of(mapped.to).value;
            snapshot->writable[page] = (mapped.attributes & PAGING_WRITE) != 0;
            memcpy(&snapshot->word[page], port_direct_map(mapped.to), 8);
        }
    }
    snapshot->regions = space->regions.count;
    snapshot->resident = space->resident;
    spaces_trim(&spaces);
    tables_trim(&space->tables);
    snapshot->free = virt_free_count(&virt);
}

static bool clone_fails(void) {
    bool failed = space_clone(&parent, &child) != SPACE_OK;
    if (!failed) {
        space_destroy(&child);
    }
    return failed;
}

static bool create_fails(void) {
    bool failed = space_create(&spaces, &child) != SPACE_OK;
    if (!failed) {
        space_destroy(&child);
    }
    return failed;
}

static bool map_fails(void) {
    vaddr_t out;
    return space_map(&parent, page_at(0), 3, 0, &out) != SPACE_OK;
}

static bool map_at_fails(void) {
    return space_map_at(&parent, page_at(60), 3, 0) != SPACE_OK;
}

static bool unmap_fails(void) {
    return space_unmap(&parent, page_at(5), 3) != SPACE_OK;
}

static bool protect_fails(void) {
    return space_protect(&parent, page_at(5), 3, 0) != SPACE_OK;
}

static bool protect_two_fails(void) {
    return space_protect(&parent, page_at(5), 20, PAGING_EXECUTE) != SPACE_OK;
}

static bool fill_fails(void) {
    return space_fault(&parent, page_at(25), 0) != SPACE_FAULT_RESOLVED;
}

static bool fill_far_fails(void) {
    return space_fault(&parent, vaddr(UINT64_C(0x7f0000000000)), 0) != SPACE_FAULT_RESOLVED;
}

static bool break_fails(void) {
    return space_fault(&parent, page_at(3), SPACE_WRITES) != SPACE_FAULT_RESOLVED;
}

static bool write_fails(void) {
    uint64_t word = 3; // what is there
    return space_write(&parent, page_at(3), &word, sizeof(word)) != SPACE_FAULT_RESOLVED;
}

static const struct {
    bool (*fails)(void);
    uint64_t requests; // at least so many, each of which is made to fail
    bool shared;       // the parent has a clone
} operations[] = {
    {create_fails, 1, false}, {map_fails, 1, false},      {map_at_fails, 1, false},
    {unmap_fails, 1, false},  {protect_fails, 1, false},  {protect_two_fails, 1, false},
    {fill_fails, 1, false},   {fill_far_fails, 4, false}, {break_fails, 1, true},
    {write_fails, 1, true},   {clone_fails, 5, false},    {clone_fails, 4, true},
};

// Two regions that touch, all of the first and a part of the second with frames; one far away.
static void build(struct space *other, bool shared) {
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(0), 20, PAGING_WRITE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(20), 20, PAGING_EXECUTE), SPACE_OK);
    assert_int_equal(space_map_at(&parent, vaddr(UINT64_C(0x7f0000000000)), 1, 0), SPACE_OK);
    for (uint64_t page = 0; page < 24; page++) {
        put_word(&parent, page, page);
    }
    if (shared) {
        assert_int_equal(space_clone(&parent, other), SPACE_OK);
    }
}

// Takes what is left of the records, so that the next one needs a frame; and gives it back.
static void *records[256];
static size_t record_count;

static void take_records(void) {
    while (spaces.nodes.partial != NULL) {
        records[record_count++] = nodes_alloc(&spaces.nodes);
    }
}

static void give_records(void) {
    while (record_count != 0) {
        nodes_free(&spaces.nodes, records[--record_count]);
    }
}

static void every_failure_changes_nothing(void **state) {
    (void)state;
    static struct space other;
    static struct snapshot before, after;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        uint64_t n = 0;
        for (bool injected = true; injected;) {
            build(&other, operations[i].shared);
            take_records();
            take_snapshot(&parent, &before);
            virt_fail_nth(&virt, ++n);
            bool failed = operations[i].fails();
            injected = virt.watch.failures.injected != 0;
            virt_fail_never(&virt);
            assert_int_equal(failed, injected);
            if (failed) {
                take_snapshot(&parent, &after);
                assert_memory_equal(&before, &after, sizeof(before));
            }
            give_records();
            assert_null(space_check(&parent));
            assert_null(shares_check(&spaces.shares));
            space_destroy(&parent);
            if (operations[i].shared) {
                assert_int_equal(word_at(&other, 3), 3);
                assert_null(space_check(&other));
                space_destroy(&other);
            }
        }
        assert_true(n > operations[i].requests);
    }
}

static uint64_t loaded[4];

static void note_load(pfn_t root) {
    loaded[host_cpu] = root.value;
}

static void changing_spaces(void **state) {
    (void)state;
    host_tables_load = note_load;
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_create(&spaces, &child), SPACE_OK);
    space_switch(&spaces, &parent);
    assert_int_equal(loaded[0], parent.tables.root.value);
    assert_int_equal(parent.tables.space.cpus, 1);
    host_cpu_set(2);
    space_switch(&spaces, &parent);
    assert_int_equal(parent.tables.space.cpus, 5);
    loaded[2] = 0;
    space_switch(&spaces, &parent); // nothing to do
    assert_int_equal(loaded[2], 0);
    space_switch(&spaces, &child);
    assert_int_equal(loaded[2], child.tables.root.value);
    assert_int_equal(parent.tables.space.cpus, 1);
    assert_int_equal(child.tables.space.cpus, 4);
    space_switch(&spaces, NULL);
    assert_int_equal(loaded[2], virt.kernel.root.value);
    assert_int_equal(child.tables.space.cpus, 0);
    host_cpu_set(0);
    if (HOST_EXPECT_PANIC()) {
        space_destroy(&parent); // it is loaded
        host_panic_end();
        fail();
    }
    space_switch(&spaces, NULL);
    assert_int_equal(parent.tables.space.cpus, 0);
    space_destroy(&parent);
    space_destroy(&child);
    host_tables_load = NULL;
}

static void damage_is_found(void **state) {
    (void)state;
    assert_int_equal(space_create(&spaces, &parent), SPACE_OK);
    assert_int_equal(space_map_at(&parent, page_at(0), 2, PAGING_WRITE), SPACE_OK);
    put_word(&parent, 0, 1);
    assert_null(space_check(&parent));
    parent.resident++;
    assert_string_equal(space_check(&parent),
                        "there are not as many pages with a frame as are counted");
    parent.resident--;
    struct range *region = ranges_find(&parent.regions, page_at(0));
    region->tag = 0;
    assert_string_equal(space_check(&parent), "an entry allows more than its region");
    region->tag = PAGING_WRITE | PAGING_EXECUTE;
    assert_string_equal(space_check(&parent), "a region is writable and executable");
    region->tag = PAGING_WRITE;
    assert_true(shares_add(&spaces.shares, pfn(frame_at(&parent, 0))));
    assert_string_equal(space_check(&parent), "a shared frame is writable");
    assert_false(shares_drop(&spaces.shares, pfn(frame_at(&parent, 0))));
    ranges_resize(&parent.regions, region, page_at(1), page_at(2));
    assert_string_equal(space_check(&parent), "a page has a frame outside of all regions");
    ranges_resize(&parent.regions, region, vaddr(HERE + 1), page_at(2));
    assert_string_equal(space_check(&parent), "regions overlap, or are not of whole pages");
    ranges_resize(&parent.regions, region, page_at(0), page_at(1));
    struct range second = {.tag = PAGING_WRITE};
    assert_true(ranges_insert(&parent.regions, &second, page_at(1), page_at(2)));
    assert_string_equal(space_check(&parent), "two regions that touch allow the same");
    ranges_remove(&parent.regions, &second);
    uint64_t frame = frame_at(&parent, 0);
    pfn_t test = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST);
    assert_int_equal(
        tables_replace(&parent.tables, page_at(0), test, PAGING_USER | PAGING_SMALL, NULL),
        TABLES_OK);
    assert_string_equal(space_check(&parent), "a frame of an address space is not user memory");
    assert_int_equal(
        tables_replace(&parent.tables, page_at(0), pfn(frame), PAGING_USER | PAGING_SMALL, NULL),
        TABLES_OK);
    page_free_frame(&virt.world.pages, test);
    assert_null(space_check(&parent));
    struct space_region found;
    unsigned long flags = lock_acquire(&parent.lock);
    assert_false(space_next_region(&parent, page_at(0), &found));
    lock_release(&parent.lock, flags);
    space_destroy(&parent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fault_has_its_reason, create, destroy),
        cmocka_unit_test_setup_teardown(a_program_sees_zeros, create, destroy),
        cmocka_unit_test_setup_teardown(the_kernel_copies_across_pages, create, destroy),
        cmocka_unit_test_setup_teardown(clones_part_when_they_write, create, destroy),
        cmocka_unit_test_setup_teardown(the_last_user_frees_the_frame, create, destroy),
        cmocka_unit_test_setup_teardown(a_run_across_regions, create, destroy),
        cmocka_unit_test_setup_teardown(regions_split_and_join, create, destroy),
        cmocka_unit_test_setup_teardown(bad_requests_are_refused, create, destroy),
        cmocka_unit_test_setup_teardown(every_failure_changes_nothing, create, destroy),
        cmocka_unit_test_setup_teardown(changing_spaces, create, destroy),
        cmocka_unit_test_setup_teardown(damage_is_found, create, destroy),
    };
    return cmocka_run_group_tests_name("space_cases", tests, NULL, NULL);
}
