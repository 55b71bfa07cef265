// SPDX-License-Identifier: MIT
// Windows of kernel addresses against an oracle that is an entry for each page: which block it is
// of, and what any CPU may still remember of it. Every translation that exists is remembered at
// once, and forgotten only when a flush says so.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"
#include <host/host.h>
#include <mm/vmalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virt/window.h>

#define PAGES  16384 // of the window
#define RAM    (64 * MIB)
#define FRAMES ((RAM + MIB) / PAGE_SIZE)
#define LIVE   100

static struct virt_world virt;
static struct vm_window window;
static uint64_t seed;

// The oracle.
static struct live {
    uint64_t begin, pages;
    enum vm_kind kind;
    bool used;
} live[LIVE];
static uint8_t owner[PAGES];       // of each page: 0, or 1 + index into live
static uint64_t remembered[PAGES]; // the frame of a translation that a CPU may remember, or 0
static uint32_t ways_to[FRAMES];   // how many of these lead to a frame
static pfn_t mine[64];             // frames for vmap

static uint64_t pick(uint64_t below) {
    return world_random(&seed) % below;
}

static uint64_t environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 0) : otherwise;
}

static uint64_t page_index(uint64_t address) {
    return (address - VIRT_BEGIN) / PAGE_SIZE;
}

static void forget(uint64_t index) {
    if (index < PAGES && remembered[index] != 0) {
        ways_to[remembered[index]]--;
        remembered[index] = 0;
    }
}

static void flush(const struct tlb_flush *flush_) {
    if (flush_->everything) {
        for (uint64_t i = 0; i < PAGES; i++) {
            forget(i);
        }
    }
    for (uint32_t r = 0; r < flush_->count; r++) {
        uint64_t bytes = (uint64_t)flush_->ranges[r].pages << flush_->ranges[r].shift;
        for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
            forget(page_index(flush_->ranges[r].begin + at));
        }
    }
}

static void create(void) {
    virt_create(&virt, RAM, PAGES * PAGE_SIZE);
    vm_window_init(&window, &virt.kernel, &virt.world.pages, vaddr(VIRT_BEGIN),
                   vaddr(VIRT_BEGIN + PAGES * PAGE_SIZE));
    memset(live, 0, sizeof(live));
    memset(owner, 0, sizeof(owner));
    memset(remembered, 0, sizeof(remembered));
    memset(ways_to, 0, sizeof(ways_to));
    host_tlb_flush = flush;
}

static void destroy(void) {
    vm_window_trim(&window);
    assert_int_equal(window.nodes.frames, 0);
    virt_destroy(&virt);
    host_tlb_flush = NULL;
}

// A block has appeared: its pages, their guards, their frames.
static void learn(uint64_t begin, uint64_t pages, enum vm_kind kind) {
    size_t i = 0;
    while (live[i].used) {
        i++;
    }
    assert_true(begin >= VIRT_BEGIN && begin % PAGE_SIZE == 0);
    uint64_t first = page_index(begin);
    assert_true(first > 0 && first + pages < PAGES);
    assert_true(owner[first - 1] == 0 && owner[first + pages] == 0);
    for (uint64_t p = first; p < first + pages; p++) {
        struct paging_range page;
        vaddr_t address = vaddr(VIRT_BEGIN + p * PAGE_SIZE);
        assert_int_equal(owner[p], 0);
        assert_int_equal(remembered[p], 0); // a flush would still be owed
        assert_true(tables_query(&virt.kernel, address, &page));
        assert_int_equal(page.attributes & ~PAGING_SMALL, PAGING_WRITE | PAGING_GLOBAL);
        uint64_t frame = pfn_of(page.to).value + (address.value - page.begin.value) / PAGE_SIZE;
        if (kind != VM_MAPPED) {
            assert_int_equal(ways_to[frame], 0); // nobody can reach it through an old address
            struct page_info info = page_inspect(&virt.world.pages, pfn(frame));
            assert_int_equal(info.state, PAGE_STATE_ALLOCATED);
            assert_int_equal(info.owner, kind == VM_STACK ? PAGE_OWNER_STACK : PAGE_OWNER_VMALLOC);
        } else {
            assert_int_equal(frame, mine[p - first].value);
        }
        remembered[p] = frame;
        ways_to[frame]++;
        owner[p] = (uint8_t)(i + 1);
    }
    live[i] = (struct live){begin, pages, kind, true};
}

static bool is_clear(uint64_t begin, uint64_t pages) {
    for (uint64_t p = 0; p < pages; p++) {
        struct paging_range page;
        vaddr_t address = vaddr(begin + p * PAGE_SIZE);
        assert_true(tables_query(&virt.kernel, address, &page));
        const uint64_t *words =
            port_direct_map(paddr(page.to.value + (address.value - page.begin.value)));
        for (size_t i = 0; i < PAGE_SIZE / 8; i++) {
            if (words[i] != 0) {
                return false;
            }
        }
    }
    return true;
}

static void dirty(uint64_t begin) {
    struct paging_range page;
    assert_true(tables_query(&virt.kernel, vaddr(begin), &page));
    memset(port_direct_map(page.to), 0xa5, 64);
}

static uint64_t random_pages(void) {
    uint64_t what = pick(20);
    return what < 14 ? 1 + pick(20) : what < 19 ? 1 + pick(100) : 400 + pick(1500);
}

static size_t live_count(void) {
    size_t count = 0;
    for (size_t i = 0; i < LIVE; i++) {
        count += live[i].used;
    }
    return count;
}

static void random_allocation(void) {
    uint64_t pages = random_pages(), what = pick(10);
    if (live_count() == LIVE) {
        return;
    }
    if (what < 5) {
        uint64_t begin = (uintptr_t)vmalloc(&window, pages * PAGE_SIZE - pick(PAGE_SIZE));
        if (begin != 0) {
            learn(begin, pages, VM_ALLOCATED);
            dirty(begin);
        }
    } else if (what < 6) {
        uint64_t begin = (uintptr_t)vzalloc(&window, pages * PAGE_SIZE);
        if (begin != 0) {
            assert_true(is_clear(begin, pages));
            learn(begin, pages, VM_ALLOCATED);
        }
    } else if (what < 8) {
        struct vm_stack stack;
        if (stack_alloc(&window, pages % 10 + 1, &stack)) {
            assert_int_equal(stack.top.value - stack.bottom.value, (pages % 10 + 1) * PAGE_SIZE);
            learn(stack.bottom.value, pages % 10 + 1, VM_STACK);
        }
    } else {
        pages = pages % 64 + 1;
        uint64_t begin = (uintptr_t)vmap(&window, mine, pages, PAGING_WRITE);
        if (begin != 0) {
            learn(begin, pages, VM_MAPPED);
        }
    }
}

static void free_block(struct live *block) {
    struct vm_stack stack = {vaddr(block->begin), vaddr(block->begin + block->pages * PAGE_SIZE)};
    if (block->kind == VM_ALLOCATED) {
        vfree(&window, (void *)block->begin);
    } else if (block->kind == VM_STACK) {
        stack_free(&window, &stack);
    } else {
        vunmap(&window, (void *)block->begin);
    }
    for (uint64_t p = page_index(block->begin); block->pages-- != 0; p++) {
        struct paging_range page;
        assert_false(tables_query(&virt.kernel, vaddr(VIRT_BEGIN + p * PAGE_SIZE), &page));
        owner[p] = 0;
        if (block->kind == VM_MAPPED) {
            assert_int_equal(remembered[p], 0); // the caller may use its frames at once
        }
    }
    block->used = false;
}

static void look(void) {
    uint64_t index = pick(PAGES);
    struct vm_view view;
    assert_true(vm_window_look(&window, vaddr(VIRT_BEGIN + index * PAGE_SIZE + 5), &view));
    assert_int_equal(view.is_block && !view.block.freed, owner[index] != 0);
    if (owner[index] != 0) {
        const struct live *block = &live[owner[index] - 1];
        assert_int_equal(view.block.begin.value, block->begin);
        assert_int_equal(view.block.end.value, block->begin + block->pages * PAGE_SIZE);
        assert_int_equal(view.block.kind, block->kind);
    }
    for (uint64_t below = index; below-- > 0;) {
        if (owner[below] != 0 && owner[below] != owner[index]) {
            assert_true(view.has_below &&
                        view.below.end.value >= VIRT_BEGIN + (below + 1) * PAGE_SIZE);
            break;
        }
    }
    for (uint64_t above = index + 1; above < PAGES; above++) {
        if (owner[above] != 0 && owner[above] != owner[index]) {
            assert_true(view.has_above && view.above.begin.value <= VIRT_BEGIN + above * PAGE_SIZE);
            break;
        }
    }
}

static void random_operations(void **state) {
    (void)state;
    seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    uint64_t steps = environment("STRATA_STEPS", 6000);
    printf("seed 0x%lx, %lu steps\n", seed, steps);
    create();
    for (size_t i = 0; i < 64; i++) {
        mine[i] = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST);
    }
    uint64_t before = virt_free_count(&virt);
    for (uint64_t step = 0; step < steps; step++) {
        uint64_t what = pick(100);
        size_t i = pick(LIVE);
        if (what < 45) {
            random_allocation();
        } else if (what < 90 && live[i].used) {
            free_block(&live[i]);
        } else if (what == 99 && pick(10) == 0) {
            vm_window_trim(&window);
        } else {
            look();
        }
        if (step % 32 == 0) {
            assert_null(vm_window_check(&window));
        }
    }
    for (size_t i = 0; i < LIVE; i++) {
        if (live[i].used) {
            free_block(&live[i]);
        }
    }
    vm_window_trim(&window);
    assert_null(vm_window_check(&window));
    assert_null(tables_check(&virt.kernel));
    assert_int_equal(virt_free_count(&virt), before);
    assert_int_equal(window.ranges.count, 0);
    for (size_t i = 0; i < 64; i++) {
        page_free_frame(&virt.world.pages, mine[i]);
    }
    destroy();
}

// A small window, so that what waits is in the way of what is asked for.
static void stale_translations(void **state) {
    (void)state;
    create();
    void *first = vmalloc(&window, 4 * PAGE_SIZE);
    learn((uintptr_t)first, 4, VM_ALLOCATED);
    uint64_t frame = remembered[page_index((uintptr_t)first)];
    uint64_t before = page_free_count(&virt.world.pages);
    vfree(&window, first);
    memset(owner, 0, sizeof(owner));
    // Still remembered: nobody gets the frames, or the place.
    assert_int_equal(page_free_count(&virt.world.pages), before);
    assert_int_equal(page_inspect(&virt.world.pages, pfn(frame)).state, PAGE_STATE_ALLOCATED);
    void *second = vmalloc(&window, 4 * PAGE_SIZE);
    assert_ptr_not_equal(first, second);
    learn((uintptr_t)second, 4, VM_ALLOCATED);
    vm_window_trim(&window);
    assert_int_equal(remembered[page_index((uintptr_t)first)], 0);
    void *third = vmalloc(&window, 4 * PAGE_SIZE);
    assert_ptr_equal(first, third);
    vfree(&window, second);
    vfree(&window, third);
    destroy();
}

// Whatever is kept back is used before anything is refused.
static void what_waits_is_used(void **state) {
    (void)state;
    create();
    static pfn_t frames[FRAMES];
    uint64_t count = 0;
    void *block = vmalloc(&window, 16 * PAGE_SIZE);
    while ((frames[count] = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST)).value !=
           PAGE_NO_FRAME.value) {
        count++;
    }
    vfree(&window, block); // the only memory that there is
    assert_int_equal(page_free_count(&virt.world.pages), 0);
    void *again = vmalloc(&window, 16 * PAGE_SIZE);
    assert_non_null(again);
    assert_null(vmalloc(&window, PAGE_SIZE));
    vfree(&window, again);
    while (count != 0) {
        page_free_frame(&virt.world.pages, frames[--count]);
    }
    // Addresses: all of them in blocks of one page that wait or are ready.
    vm_window_trim(&window);
    vm_window_init(&window, &virt.kernel, &virt.world.pages, vaddr(VIRT_BEGIN),
                   vaddr(VIRT_BEGIN + 201 * PAGE_SIZE));
    void *small[100];
    for (size_t i = 0; i < 100; i++) {
        small[i] = vmalloc(&window, PAGE_SIZE);
        assert_non_null(small[i]);
    }
    assert_null(vmalloc(&window, PAGE_SIZE));
    for (size_t i = 0; i < 100; i++) {
        vfree(&window, small[i]);
    }
    void *all = vmalloc(&window, 199 * PAGE_SIZE);
    assert_non_null(all);
    assert_null(vmalloc(&window, PAGE_SIZE));
    vfree(&window, all);
    destroy();
}

static uint64_t blocks_of(enum vm_kind kind) {
    struct vm_usage usage;
    vm_window_usage(&window, &usage);
    return usage.blocks[kind];
}

static uint64_t failures_of(uint64_t pages, enum vm_kind kind) {
    uint64_t n = 1;
    for (;; n++) {
        create();
        for (size_t i = 0; i < 64; i++) {
            mine[i] = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST);
        }
        uint64_t before = virt_free_count(&virt);
        virt_fail_nth(&virt, n);
        struct vm_stack stack = {vaddr(0), vaddr(0)};
        uint64_t begin = 0;
        if (kind == VM_ALLOCATED) {
            begin = (uintptr_t)vmalloc(&window, pages * PAGE_SIZE);
        } else if (kind == VM_STACK) {
            begin = stack_alloc(&window, pages, &stack) ? stack.bottom.value : 0;
        } else {
            begin = (uintptr_t)vmap(&window, mine, pages, PAGING_WRITE);
        }
        bool failed = begin == 0, injected = virt.watch.failures.injected != 0;
        virt_fail_never(&virt);
        assert_null(vm_window_check(&window));
        if (failed) {
            assert_true(injected);
            assert_int_equal(blocks_of(kind), 0);
        } else {
            learn(begin, pages, kind);
            free_block(&live[0]);
        }
        vm_window_trim(&window);
        assert_int_equal(window.ranges.count, 0);
        assert_int_equal(virt_free_count(&virt), before);
        destroy();
        if (!injected) {
            return n;
        }
    }
}

static void every_failure_changes_nothing(void **state) {
    (void)state;
    // One request at least for the record, one for the table, one for memory.
    assert_true(failures_of(1, VM_ALLOCATED) > 3);
    assert_true(failures_of(16, VM_ALLOCATED) > 3);
    assert_true(failures_of(31, VM_ALLOCATED) > 7); // five blocks of frames
    failures_of(17, VM_ALLOCATED);
    failures_of(100, VM_ALLOCATED);
    failures_of(512, VM_ALLOCATED);
    failures_of(520, VM_ALLOCATED); // a tail that needs a table
    failures_of(1300, VM_ALLOCATED);
    failures_of(4, VM_STACK);
    assert_true(failures_of(1, VM_MAPPED) > 2);
    failures_of(64, VM_MAPPED);
}

// Memory so cut up that no two free frames are neighbours.
static void scattered_frames(void **state) {
    (void)state;
    create();
    static pfn_t frames[FRAMES];
    uint64_t count = 0, kept = 0;
    while ((frames[count] = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST)).value !=
           PAGE_NO_FRAME.value) {
        count++;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (frames[i].value % 2 == 0) {
            page_free_frame(&virt.world.pages, frames[i]);
        } else {
            frames[kept++] = frames[i];
        }
    }
    uint64_t before = virt_free_count(&virt);
    void *block = vmalloc(&window, 1000 * PAGE_SIZE);
    assert_non_null(block);
    learn((uintptr_t)block, 1000, VM_ALLOCATED);
    assert_null(vmalloc(&window, RAM / 2));
    assert_null(vm_window_check(&window));
    free_block(&live[0]);
    vm_window_trim(&window);
    assert_int_equal(virt_free_count(&virt), before);
    while (kept != 0) {
        page_free_frame(&virt.world.pages, frames[--kept]);
    }
    destroy();
}

static void large_pages_where_they_fit(void **state) {
    (void)state;
    create();
    uint64_t begin = (uintptr_t)vmalloc(&window, 5 * MIB);
    assert_int_equal(begin % (2 * MIB), 0);
    struct paging_range page;
    assert_true(tables_query(&virt.kernel, vaddr(begin + 3 * MIB), &page));
    assert_int_equal(page.level, 1);
    assert_true(tables_query(&virt.kernel, vaddr(begin + 4 * MIB), &page));
    assert_int_equal(page.level, 0);
    learn(begin, 5 * MIB / PAGE_SIZE, VM_ALLOCATED);
    free_block(&live[0]);
    destroy();
}

#define EXPECT_PANIC(call, ...)                                                                    \
    do {                                                                                           \
        char expected[200];                                                                        \
        snprintf(expected, sizeof(expected), __VA_ARGS__);                                         \
        if (HOST_EXPECT_PANIC()) {                                                                 \
            call;                                                                                  \
            host_panic_end();                                                                      \
            fail();                                                                                \
        } else {                                                                                   \
            assert_string_equal(host_panic_message, expected);                                     \
        }                                                                                          \
    } while (false)

static void misuse_is_named(void **state) {
    (void)state;
    create();
    uint8_t *block = vmalloc(&window, 3 * PAGE_SIZE);
    uint64_t at = (uintptr_t)block;
    vfree(&window, NULL);
    vunmap(&window, NULL);
    EXPECT_PANIC(vfree(&window, block + PAGE_SIZE), "vfree: 0x%lx: it is inside the block at 0x%lx",
                 at + PAGE_SIZE, at);
    EXPECT_PANIC(vfree(&window, block - 1), "vfree: 0x%lx: nothing was allocated there", at - 1);
    EXPECT_PANIC(vunmap(&window, block), "vunmap: 0x%lx: it lies in the vmalloc block at 0x%lx", at,
                 at);
    vfree(&window, block);
    EXPECT_PANIC(vfree(&window, block),
                 "vfree: 0x%lx: double free: the vmalloc block at 0x%lx was freed before", at, at);
    vm_window_trim(&window);
    EXPECT_PANIC(vfree(&window, block), "vfree: 0x%lx: nothing was allocated there", at);
    struct vm_stack stack;
    assert_true(stack_alloc(&window, 2, &stack));
    at = stack.bottom.value;
    EXPECT_PANIC(vfree(&window, (void *)at), "vfree: 0x%lx: it lies in the stack block at 0x%lx",
                 at, at);
    stack_free(&window, &stack);
    EXPECT_PANIC(stack_free(&window, &stack),
                 "stack_free: 0x%lx: double free: the stack block at 0x%lx was freed before", at,
                 at);
    destroy();
}

// What is held: the frames are free and nobody remembers them, the place is nobody's.
static void held_places_stay_empty(void **state) {
    (void)state;
    create();
    const uint64_t sizes[] = {1, 3, 32, 33, 600};
    for (unsigned i = 0; i < 5; i++) {
        uint64_t before = page_free_count(&virt.world.pages), pages = sizes[i];
        uint8_t *held = vmalloc_aligned(&window, pages * PAGE_SIZE, 16 * PAGE_SIZE);
        uint64_t first = page_index((uintptr_t)held);
        assert_int_equal((uintptr_t)held % (16 * PAGE_SIZE), 0);
        learn((uintptr_t)held, pages, VM_ALLOCATED);
        vm_hold(&window, held);
        for (uint64_t page = first; page < first + pages; page++) {
            assert_int_equal(remembered[page], 0);
        }
        assert_true(page_free_count(&virt.world.pages) + 64 >= before); // records and tables
        assert_null(vm_window_check(&window));
        struct vm_usage usage;
        vm_window_usage(&window, &usage);
        assert_int_equal(usage.held_blocks, 1);
        struct vm_view view;
        assert_true(vm_window_look(&window, vaddr((uintptr_t)held), &view));
        assert_true(view.is_block && view.block.freed);
        vm_window_trim(&window);
        uint8_t *other = vmalloc_aligned(&window, pages * PAGE_SIZE, 16 * PAGE_SIZE);
        assert_ptr_not_equal(other, held);
        vfree(&window, other);
        EXPECT_PANIC(vfree(&window, held),
                     "vfree: 0x%lx: double free: the vmalloc block at 0x%lx was freed before",
                     (uintptr_t)held, (uintptr_t)held);
        vm_let_go(&window, held);
        EXPECT_PANIC(vm_let_go(&window, held), "vm_let_go: 0x%lx: no block is held there",
                     (uintptr_t)held);
        memset(owner, 0, sizeof(owner));
        memset(live, 0, sizeof(live));
        vm_window_trim(&window);
        assert_null(vm_window_check(&window));
    }
    assert_null(vmalloc_aligned(&window, PAGE_SIZE, 0));
    assert_null(vmalloc_aligned(&window, PAGE_SIZE, 3 * PAGE_SIZE));
    destroy();
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    struct vm_stack stack;
    create();
    assert_null(vmalloc(&window, 0));
    assert_null(vmalloc(&window, UINT64_MAX));
    assert_null(vmalloc(&window, UINT64_MAX - PAGE_SIZE));
    assert_null(vmalloc(&window, PAGES * PAGE_SIZE));
    assert_null(vmap(&window, mine, 0, PAGING_WRITE));
    assert_null(vmap(&window, mine, UINT64_MAX / PAGE_SIZE, PAGING_WRITE));
    assert_false(stack_alloc(&window, 0, &stack));
    assert_false(stack_alloc(&window, UINT64_MAX, &stack));
    pfn_t beyond = pfn(UINT64_C(1) << 40);
    assert_null(vmap(&window, &beyond, 1, PAGING_WRITE));
    assert_null(vmap(&window, mine, 1, PAGING_WRITE | PAGING_EXECUTE));
    assert_null(vm_window_check(&window));
    assert_int_equal(blocks_of(VM_MAPPED), 0);
    destroy();
}

static void damage_is_found(void **state) {
    (void)state;
    create();
    void *block = vmalloc(&window, 2 * PAGE_SIZE);
    uint64_t at = (uintptr_t)block;
    assert_null(vm_window_check(&window));
    assert_int_equal(tables_map(&virt.kernel, vaddr(at - PAGE_SIZE), 1, paddr(MIB), 0), TABLES_OK);
    assert_string_equal(vm_window_check(&window), "something is mapped on a guard page");
    assert_int_equal(tables_unmap(&virt.kernel, vaddr(at - PAGE_SIZE), 1, NULL, NULL), TABLES_OK);
    uint64_t *entries = ((struct vm_block *)window.ranges.root)->entries;
    struct tlb_batch batch;
    pfn_t frame;
    tlb_batch_init(&batch, &virt.kernel);
    slots_unmap(entries, vaddr(at), 1, &frame, &batch);
    assert_string_equal(vm_window_check(&window), "a page of a block in use is not mapped");
    slots_map(entries, vaddr(at), 1, &frame, window.memory_bits);
    window.ranges.count++;
    assert_string_equal(vm_window_check(&window), "there are not as many ranges as are counted");
    window.ranges.count--;
    window.ready_count++;
    assert_string_equal(vm_window_check(&window),
                        "there are not as many blocks waiting or ready as are counted");
    window.ready_count--;
    vfree(&window, block);
    slots_map(entries, vaddr(at), 1, &frame, window.memory_bits);
    assert_string_equal(vm_window_check(&window),
                        "a page of a block that was freed is still mapped");
    slots_unmap(entries, vaddr(at), 1, NULL, &batch);
    tlb_batch_flush(&batch);
    // Held by somebody: a report gives up.
    struct vm_view view;
    unsigned long flags = lock_acquire(&window.lock);
    assert_false(vm_window_look(&window, vaddr(at), &view));
    lock_release(&window.lock, flags);
    assert_string_equal(vm_kind_name(VM_DEVICE), "ioremap");
    assert_string_equal(vm_kind_name(VM_KIND_COUNT_), "?");
    destroy();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),  cmocka_unit_test(stale_translations),
        cmocka_unit_test(what_waits_is_used), cmocka_unit_test(every_failure_changes_nothing),
        cmocka_unit_test(scattered_frames),   cmocka_unit_test(large_pages_where_they_fit),
        cmocka_unit_test(misuse_is_named),    cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(damage_is_found),    cmocka_unit_test(held_places_stay_empty),
    };
    return cmocka_run_group_tests_name("vmalloc", tests, NULL, NULL);
}
