// SPDX-License-Identifier: MIT
// What one CPU of the page allocator meets when others are at it, brought about by hand: locks that
// are held, hints that are no longer true, a frame that two CPUs freed. test_page_threads.c has the
// same by chance.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/lock.h>
#include <page/search.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

static struct world world;

// A section that is split, one that is not there, two that are whole.
static int set_up(void **state) {
    (void)state;
    const struct world_range ranges[] = {{16 * MIB, 64 * MIB, EFI_CONVENTIONAL},
                                         {2 * GIB, 4 * GIB, EFI_CONVENTIONAL}};
    host_cpu_set(0);
    world_create(&world, ranges, 2);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    const char *broken = page_check(&world.pages);
    world_destroy(&world);
    if (broken != NULL) {
        print_error("%s\n", broken);
    }
    return broken == NULL ? 0 : -1;
}

static pfn_t alloc(unsigned order) {
    pfn_t block = PAGE_NO_FRAME;
    assert_int_equal(page_alloc(&world.pages, order, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block),
                     PAGE_OK);
    return block;
}

#define LARGE 14 // 64 MiB: more than the first section has

static void a_locked_section_is_passed_over(void **state) {
    (void)state;
    struct lock *lock = &world.pages.sections[3].lock;
    host_cpu_set(1);
    unsigned long flags = lock_acquire(lock);
    host_cpu_set(0);
    pfn_t block = PAGE_NO_FRAME;
    enum page_status status =
        page_alloc(&world.pages, LARGE, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block);
    host_cpu_set(1);
    lock_release(lock, flags);
    host_cpu_set(0);
    assert_int_equal(status, PAGE_OK);
    assert_int_equal(block.value >> SECTION_SHIFT, 2);
    page_free(&world.pages, block, LARGE);
}

#define TRAP_FLAG INT64_C(0x100)
#define STEPS     1000

static struct lock waited_for;
static unsigned steps;

// The other CPU gives the lock back after so many instructions of this one.
static void stepped(int signal, siginfo_t *info, void *context) {
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    (void)signal, (void)info;
    if (++steps == STEPS) {
        __atomic_store_n(&waited_for.held, 0, __ATOMIC_RELEASE);
    }
    *flags = steps < STEPS ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
}

static void a_lock_is_waited_for(void **state) {
    (void)state;
    const struct sigaction action = {.sa_sigaction = stepped, .sa_flags = SA_SIGINFO};
    waited_for.held = 1;
    assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
    raise(SIGTRAP);
    unsigned long flags = lock_acquire(&waited_for);
    assert_int_equal(steps, STEPS);
    assert_true(lock_is_held(&waited_for));
    lock_release(&waited_for, flags);
    assert_false(lock_is_held(&waited_for));
    signal(SIGTRAP, SIG_DFL);
}

// The hint was read before another CPU took the section.
static void a_hint_that_is_late_costs_a_look(void **state) {
    (void)state;
    pfn_t all = alloc(PAGE_ORDER_MAX);
    assert_int_equal(all.value, 3 * SECTION_FRAMES);
    world.pages.hints[3] = HINT_WHOLE | 1u << 9;
    pfn_t block = alloc(LARGE);
    assert_int_equal(block.value >> SECTION_SHIFT, 2);
    assert_int_equal(world.pages.hints[3], 0);
    page_free(&world.pages, block, LARGE);
    page_free(&world.pages, all, PAGE_ORDER_MAX);
}

// Of a split section whose last block has gone.
static void a_hint_of_an_empty_section(void **state) {
    (void)state;
    static pfn_t frames[64 * MIB / PAGE_SIZE];
    size_t count = 0;
    while (page_alloc(&world.pages, 0, paddr(GIB), PAGE_OWNER_TEST, &frames[count]) == PAGE_OK) {
        count++;
    }
    assert_int_equal(world.pages.sections[0].free_pages, 0);
    pfn_t whole[2] = {alloc(PAGE_ORDER_MAX), alloc(PAGE_ORDER_MAX)};
    world.pages.hints[0] = 1u << 3;
    pfn_t block;
    assert_int_equal(page_alloc(&world.pages, 3, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block),
                     PAGE_NO_MEMORY);
    assert_int_equal(world.pages.hints[0], 0);
    for (size_t i = 0; i < 2; i++) {
        page_free(&world.pages, whole[i], PAGE_ORDER_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        page_free(&world.pages, frames[i], 0);
    }
}

// The same of a section without bounds: all of it is reserved but the metadata at its end.
static void a_hint_of_a_reserved_section(void **state) {
    (void)state;
    pfn_t begin = pfn(3 * SECTION_FRAMES), end = pfn(4 * SECTION_FRAMES);
    uint64_t metadata = section_metadata_bytes(SECTION_FRAMES) / PAGE_SIZE;
    assert_int_equal(page_reserve(&world.pages, begin, pfn(begin.value + 1), NULL), PAGE_OK);
    begin.value++;
    end.value -= metadata;
    assert_int_equal(page_reserve(&world.pages, begin, end, NULL), PAGE_OK);
    assert_int_equal(world.pages.sections[3].free_pages, 0);
    world.pages.hints[3] = 1u << 4;
    pfn_t block = alloc(4);
    assert_int_not_equal(block.value >> SECTION_SHIFT, 3);
    assert_int_equal(world.pages.hints[3], 0);
    page_free(&world.pages, block, 4);
}

// A ceiling that leaves less of a whole section than is asked for: it stays whole.
static void a_ceiling_just_above_a_whole_section(void **state) {
    (void)state;
    pfn_t block;
    assert_int_equal(page_alloc(&world.pages, LARGE, paddr(2 * GIB + MIB), PAGE_OWNER_TEST, &block),
                     PAGE_NO_MEMORY);
    assert_int_equal(world.pages.sections[2].kind, SECTION_WHOLE);
}

static void a_frame_that_two_cpus_freed(void **state) {
    (void)state;
    pfn_t frame = alloc(0);
    uint8_t *byte = &world.pages.sections[frame.value >> SECTION_SHIFT]
                         .state[frame.value & (SECTION_FRAMES - 1)];
    uint8_t allocated = *byte;
    page_free(&world.pages, frame, 0);
    *byte = allocated; // as the other CPU saw it a moment before
    host_cpu_set(1);
    page_free(&world.pages, frame, 0);
    page_drain(&world.pages);
    host_cpu_set(0);
    if (HOST_EXPECT_PANIC()) {
        page_drain(&world.pages);
        host_panic_end();
        fail();
    }
    char message[128];
    snprintf(message, sizeof(message),
             "page_free: frame 0x%lx: double free: two CPUs freed it at once", frame.value);
    assert_string_equal(host_panic_message, message);
    // The panic left a lock behind; the allocator is not used again.
    lock_innermost[0] = NULL;
    host_interrupts_off = 0;
    world_destroy(&world);
    (void)set_up(NULL);
}

static void what_is_managed_is_found(void **state) {
    (void)state;
    pfn_t found;
    assert_true(
        page_find_managed(&world.pages, pfn_of(paddr(GIB)), pfn_of(paddr(4 * GIB)), &found));
    assert_int_equal(found.value, 2 * SECTION_FRAMES);
    assert_true(
        page_find_managed(&world.pages, pfn_of(paddr(15 * MIB)), pfn_of(paddr(GIB)), &found));
    assert_int_equal(found.value, 16 * MIB / PAGE_SIZE);
    assert_false(
        page_find_managed(&world.pages, pfn_of(paddr(GIB)), pfn_of(paddr(2 * GIB)), &found));
    assert_false(
        page_find_managed(&world.pages, pfn_of(paddr(4 * GIB)), pfn_of(paddr(9 * GIB)), &found));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_locked_section_is_passed_over),  cmocka_unit_test(a_lock_is_waited_for),
        TEST(a_hint_that_is_late_costs_a_look), TEST(a_hint_of_an_empty_section),
        TEST(a_hint_of_a_reserved_section),     TEST(a_ceiling_just_above_a_whole_section),
        TEST(a_frame_that_two_cpus_freed),      TEST(what_is_managed_is_found),
    };
    return cmocka_run_group_tests_name("page_cpus", tests, NULL, NULL);
}
