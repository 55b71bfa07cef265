// SPDX-License-Identifier: MIT
// Device mappings against an array with the cache type, and the number of mappings, of each
// physical page.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"
#include <host/host.h>
#include <mm/ioremap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM     (4 * MIB)
#define DEVICES (UINT64_C(0xfd000000))
#define PAGES   1024 // of devices
#define LIVE    64

static struct virt_world virt;
static struct vm_window window;
static struct ioremap io;
static uint64_t seed;

static struct live {
    void *address;
    uint64_t first, pages;
} live[LIVE];
static uint32_t users[PAGES], type[PAGES];

static const uint32_t types[] = {PAGING_WB, PAGING_WT, PAGING_UC, PAGING_WC};

static uint64_t pick(uint64_t below) {
    return world_random(&seed) % below;
}

static uint64_t environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 0) : otherwise;
}

static int create(void **state) {
    (void)state;
    virt_create(&virt, RAM, GIB);
    vm_window_init(&window, &virt.kernel, &virt.world.pages, vaddr(VIRT_BEGIN),
                   vaddr(VIRT_BEGIN + GIB));
    ioremap_init(&io, &window);
    memset(live, 0, sizeof(live));
    memset(users, 0, sizeof(users));
    return 0;
}

static int destroy(void **state) {
    (void)state;
    vm_window_trim(&window);
    assert_int_equal(window.ranges.count, 0);
    virt_destroy(&virt);
    return 0;
}

static const char *explain(const struct ioremap_refusal *refusal) {
    static char sentence[256];
    struct text_buffer buffer;
    text_buffer_init(&buffer, sentence, sizeof(sentence));
    ioremap_explain(&buffer.text, refusal);
    return sentence;
}

static bool agrees(uint64_t first, uint64_t pages, uint32_t cache) {
    for (uint64_t p = first; p < first + pages; p++) {
        if (users[p] != 0 && type[p] != cache) {
            return false;
        }
    }
    return true;
}

// What the tables say of a mapping.
static void check_tables(const struct live *mapping, uint32_t cache) {
    for (uint64_t p = 0; p < mapping->pages; p++) {
        uint64_t address = align_down((uintptr_t)mapping->address, PAGE_SIZE) + p * PAGE_SIZE;
        struct paging_range page;
        assert_true(tables_query(&virt.kernel, vaddr(address), &page));
        assert_int_equal(page.to.value + (address - page.begin.value),
                         DEVICES + (mapping->first + p) * PAGE_SIZE);
        assert_int_equal(page.attributes & PAGING_CACHE, cache);
        assert_int_equal(page.attributes & (PAGING_WRITE | PAGING_EXECUTE), PAGING_WRITE);
    }
}

static void random_map(struct live *mapping) {
    uint64_t first = pick(PAGES), pages = 1 + (pick(8) == 0 ? pick(700) : pick(8));
    uint64_t into = pick(2) * pick(PAGE_SIZE), cut = pick(PAGE_SIZE - into);
    uint32_t cache = types[pick(10) < 7 ? first / 128 % 4 : pick(4)];
    struct ioremap_refusal refusal;
    if (first + pages > PAGES) {
        return;
    }
    paddr_t physical = paddr(DEVICES + first * PAGE_SIZE + into);
    void *address = ioremap(&io, physical, pages * PAGE_SIZE - into - cut, cache, &refusal);
    if (address == NULL) {
        assert_int_equal(refusal.status, IOREMAP_CONFLICT);
        assert_false(agrees(first, pages, cache));
        assert_int_equal(refusal.cache, cache);
        assert_int_not_equal(refusal.other, cache);
        uint64_t begin = (refusal.begin.value - DEVICES) / PAGE_SIZE;
        uint64_t end = (refusal.end.value - DEVICES) / PAGE_SIZE;
        assert_true(begin < first + pages && end > first);
        assert_true(users[begin] != 0 && type[begin] == refusal.other);
        return;
    }
    assert_true(agrees(first, pages, cache));
    assert_int_equal(refusal.status, IOREMAP_OK);
    assert_int_equal((uintptr_t)address % PAGE_SIZE, into);
    *mapping = (struct live){address, first, pages};
    for (uint64_t p = first; p < first + pages; p++) {
        users[p]++;
        type[p] = cache;
    }
    check_tables(mapping, cache);
}

static void unmap(struct live *mapping) {
    iounmap(&io, mapping->address);
    struct paging_range page;
    assert_false(tables_query(&virt.kernel, vaddr((uintptr_t)mapping->address), &page));
    for (uint64_t p = mapping->first; p < mapping->first + mapping->pages; p++) {
        users[p]--;
    }
    mapping->address = NULL;
}

static void random_requests(void **state) {
    (void)state;
    seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    uint64_t steps = environment("STRATA_STEPS", 10000);
    printf("seed 0x%lx, %lu steps\n", seed, steps);
    uint64_t before = virt_free_count(&virt);
    for (uint64_t step = 0; step < steps; step++) {
        struct live *mapping = &live[pick(LIVE)];
        if (mapping->address == NULL) {
            random_map(mapping);
        } else {
            unmap(mapping);
        }
        if (step % 128 == 0) {
            assert_null(vm_window_check(&window));
            assert_null(ranges_check(&io.mappings));
        }
    }
    for (size_t i = 0; i < LIVE; i++) {
        if (live[i].address != NULL) {
            unmap(&live[i]);
        }
    }
    assert_int_equal(io.mappings.count, 0);
    nodes_trim(&io.nodes);
    vm_window_trim(&window);
    assert_int_equal(virt_free_count(&virt), before);
}

static void large_pages_for_large_devices(void **state) {
    (void)state;
    struct paging_range page;
    void *screen = ioremap(&io, paddr(0xe0000000), 16 * MIB, PAGING_WC, NULL);
    assert_true(tables_query(&virt.kernel, vaddr((uintptr_t)screen + 5 * MIB), &page));
    assert_int_equal(page.level, 1);
    iounmap(&io, screen);
}

static void ram_is_refused(void **state) {
    (void)state;
    struct ioremap_refusal refusal;
    pfn_t frame = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST);
    assert_null(ioremap(&io, paddr_of(frame), PAGE_SIZE, PAGING_UC, &refusal));
    assert_int_equal(refusal.status, IOREMAP_RAM);
    char expected[100];
    snprintf(expected, sizeof(expected),
             "physical 0x%lx is memory of the page allocator (allocated)", paddr_of(frame).value);
    assert_string_equal(explain(&refusal), expected);
    page_free_frame(&virt.world.pages, frame);
    // The first MiB is not the allocator's; the next page is.
    void *low = ioremap(&io, paddr(0xb8000), 0x8000, PAGING_UC, NULL);
    assert_non_null(low);
    assert_null(ioremap(&io, paddr(0xb8000), MIB, PAGING_UC, &refusal));
    assert_int_equal(refusal.status, IOREMAP_RAM);
    assert_int_equal(refusal.frame.value, MIB / PAGE_SIZE);
    // Memory ends below the end of its section: there is none behind it.
    void *behind = ioremap(&io, paddr(RAM + MIB), PAGE_SIZE, PAGING_UC, NULL);
    assert_non_null(behind);
    iounmap(&io, low);
    iounmap(&io, behind);
}

static void what_others_mapped_counts(void **state) {
    (void)state;
    struct ioremap_refusal refusal;
    assert_true(ioremap_note(&io, paddr(0), paddr(RAM + MIB), PAGING_WB, "direct map",
                             vaddr(0xffff800000000000), NULL));
    assert_true(ioremap_note(&io, paddr(DEVICES), paddr(DEVICES + 2 * MIB), PAGING_WC, "screen",
                             vaddr(0), NULL));
    assert_null(ioremap(&io, paddr(0xf0000), PAGE_SIZE, PAGING_UC, &refusal));
    assert_string_equal(explain(&refusal),
                        "physical 0x0 ... 0x500000 is mapped write-back already (direct map, at "
                        "0xffff800000000000): it cannot be mapped uncached");
    void *bios = ioremap(&io, paddr(0xf0000), PAGE_SIZE, PAGING_WB, NULL);
    assert_non_null(bios);
    assert_null(ioremap(&io, paddr(DEVICES + 2 * MIB - 1), 2, PAGING_WT, &refusal));
    assert_string_equal(explain(&refusal),
                        "physical 0xfd000000 ... 0xfd200000 is mapped write-combining already "
                        "(screen): it cannot be mapped write-through");
    assert_false(ioremap_note(&io, paddr(DEVICES), paddr(DEVICES + PAGE_SIZE), PAGING_UC, "again",
                              vaddr(0), &refusal));
    assert_int_equal(refusal.status, IOREMAP_CONFLICT);
    assert_false(ioremap_note(&io, paddr(DEVICES), paddr(DEVICES + 1), PAGING_UC, "odd", vaddr(0),
                              &refusal));
    assert_int_equal(refusal.status, IOREMAP_BAD_REQUEST);
    iounmap(&io, bios);
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    struct ioremap_refusal refusal;
    const uint64_t top = UINT64_C(1) << 46;
    static const struct {
        uint64_t physical, bytes;
        uint32_t cache;
    } bad[] = {
        {DEVICES, 0, PAGING_UC},    {DEVICES, UINT64_MAX, PAGING_UC},
        {UINT64_MAX, 1, PAGING_UC}, {UINT64_MAX - 5, 7, PAGING_UC},
        {top, 1, PAGING_UC},        {top - 1, 2, PAGING_UC},
        {DEVICES, 1, PAGING_WRITE}, {DEVICES, 1, 0x10},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(ioremap(&io, paddr(bad[i].physical), bad[i].bytes, bad[i].cache, &refusal));
        assert_int_equal(refusal.status, IOREMAP_BAD_REQUEST);
    }
    assert_string_equal(explain(&refusal),
                        "no bytes, addresses beyond the CPU's reach, or no cache type");
    void *last = ioremap(&io, paddr(top - 1), 1, PAGING_UC, &refusal);
    assert_non_null(last);
    assert_string_equal(explain(&refusal), "it was not refused");
    iounmap(&io, last);
    iounmap(&io, NULL);
    assert_string_equal(paging_cache_name(0x10), "?");
    // Longer than the window.
    assert_null(ioremap(&io, paddr(GIB), 2 * GIB, PAGING_UC, &refusal));
    assert_int_equal(refusal.status, IOREMAP_NO_MEMORY);
    assert_string_equal(explain(&refusal),
                        "there is no memory for its tables or records, or no room for it");
}

static uint64_t failures_of(uint64_t pages) {
    uint64_t before = virt_free_count(&virt), n = 1;
    for (bool injected = true; injected; n++) {
        struct ioremap_refusal refusal;
        virt_fail_nth(&virt, n);
        void *address = ioremap(&io, paddr(DEVICES), pages * PAGE_SIZE, PAGING_UC, &refusal);
        injected = virt.watch.failures.injected != 0;
        virt_fail_never(&virt);
        assert_int_equal(address == NULL, refusal.status == IOREMAP_NO_MEMORY);
        assert_true(address != NULL || injected);
        assert_null(vm_window_check(&window));
        struct vm_usage usage;
        vm_window_usage(&window, &usage);
        assert_int_equal(usage.blocks[VM_DEVICE], address != NULL);
        assert_int_equal(io.mappings.count, address != NULL);
        iounmap(&io, address);
        nodes_trim(&io.nodes);
        vm_window_trim(&window);
        assert_int_equal(virt_free_count(&virt), before);
    }
    return n;
}

static void every_failure_changes_nothing(void **state) {
    (void)state;
    assert_true(failures_of(4) > 4); // two records, a table
    assert_true(failures_of(100) > 4);
}

static void misuse_is_named(void **state) {
    (void)state;
    void *device = ioremap(&io, paddr(DEVICES), PAGE_SIZE, PAGING_UC, NULL);
    char expected[100];
    snprintf(expected, sizeof(expected), "vfree: 0x%lx: it lies in the ioremap block at 0x%lx",
             (uintptr_t)device, (uintptr_t)device);
    if (HOST_EXPECT_PANIC()) {
        vfree(&window, device);
        host_panic_end();
        fail();
    } else {
        assert_string_equal(host_panic_message, expected);
    }
    iounmap(&io, device);
    snprintf(expected, sizeof(expected),
             "iounmap: 0x%lx: double free: the ioremap block at 0x%lx was freed before",
             (uintptr_t)device, (uintptr_t)device);
    if (HOST_EXPECT_PANIC()) {
        iounmap(&io, device);
        host_panic_end();
        fail();
    } else {
        assert_string_equal(host_panic_message, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_requests, create, destroy),
        cmocka_unit_test_setup_teardown(large_pages_for_large_devices, create, destroy),
        cmocka_unit_test_setup_teardown(ram_is_refused, create, destroy),
        cmocka_unit_test_setup_teardown(what_others_mapped_counts, create, destroy),
        cmocka_unit_test_setup_teardown(bad_requests_are_refused, create, destroy),
        cmocka_unit_test_setup_teardown(every_failure_changes_nothing, create, destroy),
        cmocka_unit_test_setup_teardown(misuse_is_named, create, destroy),
    };
    return cmocka_run_group_tests_name("ioremap", tests, NULL, NULL);
}
