// SPDX-License-Identifier: MIT
// An interrupt at every instruction of the page allocator that can be interrupted.
//
// The processor steps through each call, trap flag set, and every SIGTRAP with interrupts on is an
// interrupt that uses the allocator itself, on the same CPU: it takes a frame and gives another
// back, takes a larger block, drains the stacks. What it meets is a stack in use, or one that
// changes between any two instructions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <page/stack.h>
#include <signal.h>
#include <ucontext.h>

#define TRAP_FLAG INT64_C(0x100)
#define KEPT      5 // frames that the interrupts have at a time

static struct world world;
static bool stepping, draining, keeping;
static uint64_t interrupts; // that used the allocator
static uint64_t in_use[2];  // of these, that met stack 0, or 3, in use
static pfn_t kept[KEPT];    // frames that one interrupt took and a later one gives back
static uint64_t refused;    // what an interrupt did not get

static pfn_t take(unsigned order, enum page_owner owner) {
    pfn_t block = PAGE_NO_FRAME;
    refused += page_alloc(&world.pages, order, PAGE_ANYWHERE, owner, &block) != PAGE_OK;
    return block;
}

static void swap_frame(pfn_t *frame) {
    if (frame->value != PAGE_NO_FRAME.value) {
        page_free(&world.pages, *frame, 0);
    }
    *frame = take(0, PAGE_OWNER_KERNEL);
}

static void interrupt(void) {
    const struct page_stack *stacks = world.pages.cpus[0].stacks;
    in_use[0] += stacks[0].gate == PAGE_GATE_HELD;
    in_use[1] += stacks[3].gate == PAGE_GATE_HELD;
    uint64_t number = interrupts++;
    pfn_t *frame = &kept[number % KEPT];
    swap_frame(frame);
    if (!keeping && frame->value != PAGE_NO_FRAME.value) {
        page_free(&world.pages, *frame, 0);
        *frame = PAGE_NO_FRAME;
    }
    if (number % 3 == 0) {
        pfn_t block = take(3, PAGE_OWNER_KERNEL);
        if (block.value != PAGE_NO_FRAME.value) {
            page_free(&world.pages, block, 3);
        }
    }
    if (draining && number % 7 == 0) {
        page_drain(&world.pages);
    }
}

static void stepped(int signal, siginfo_t *info, void *context) {
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    (void)signal, (void)info;
    *flags = stepping ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
    if (stepping && host_interrupts_off == 0) {
        interrupt();
    }
}

// Stepping is slow: calls of which there are many are stepped through now and then.
static bool skipping;

static void step(bool on) {
    if (!skipping) {
        stepping = on;
        raise(SIGTRAP);
    }
}

static int set_up(void **state) {
    (void)state;
    const struct world_range ranges[] = {{16 * MIB, 32 * MIB, EFI_CONVENTIONAL}};
    const struct sigaction action = {.sa_sigaction = stepped, .sa_flags = SA_SIGINFO};
    host_cpu_set(0);
    world_create(&world, ranges, 1);
    for (unsigned i = 0; i < KEPT; i++) {
        kept[i] = PAGE_NO_FRAME;
    }
    keeping = true;
    draining = false;
    return sigaction(SIGTRAP, &action, NULL);
}

// Everything is given back: all of it is free again, and every counter agrees.
static int tear_down(void **state) {
    (void)state;
    struct page_census census;
    signal(SIGTRAP, SIG_DFL);
    for (unsigned i = 0; i < KEPT; i++) {
        if (kept[i].value != PAGE_NO_FRAME.value) {
            page_free(&world.pages, kept[i], 0);
        }
    }
    page_drain(&world.pages);
    page_census(&world.pages, &census);
    const char *broken = page_check(&world.pages);
    world_destroy(&world);
    if (broken != NULL || census.owned_pages[PAGE_OWNER_TEST] != 0 ||
        census.owned_pages[PAGE_OWNER_KERNEL] != 0 || census.cached_pages != 0) {
        print_error("%s\n", broken != NULL ? broken : "something is left");
        return -1;
    }
    return 0;
}

static pfn_t alloc(unsigned order) {
    uint64_t before = interrupts;
    step(true);
    pfn_t block = take(order, PAGE_OWNER_TEST);
    step(false);
    assert_null(page_check(&world.pages));
    assert_true(skipping || interrupts > before + 10);
    struct page_info info = page_inspect(&world.pages, block);
    assert_int_equal(info.state, PAGE_STATE_ALLOCATED);
    assert_int_equal(info.owner, PAGE_OWNER_TEST);
    assert_int_equal(info.block.value, block.value);
    return block;
}

static void give(pfn_t block, unsigned order) {
    step(true);
    page_free(&world.pages, block, order);
    step(false);
    assert_null(page_check(&world.pages));
    page_inspect(&world.pages, block);
}

// Refills, pops, pushes and flushes: more frames than a stack has room for, there and back.
static void frames(void **state) {
    (void)state;
    pfn_t taken[PAGE_STACK_FRAMES + PAGE_STACK_BATCH];
    const unsigned count = sizeof(taken) / sizeof(taken[0]);
    const struct page_stack *stack = &world.pages.cpus[0].stacks[0];
    unsigned refills = 0, flushes = 0;
    in_use[0] = refused = 0;
    for (unsigned i = 0; i < count; i++) {
        bool refill = stack->top == stack->begin;
        refills += refill;
        skipping = i % 8 != 0 && !refill;
        taken[i] = alloc(0);
    }
    for (unsigned i = 0; i < count; i++) {
        bool flush = stack->top == stack->end;
        flushes += flush;
        skipping = i % 8 != 0 && !flush;
        give(taken[i], 0);
    }
    skipping = false;
    assert_true(refills >= 2 && flushes >= 1);
    assert_true(in_use[0] > count);
    assert_int_equal(refused, 0);
}

static void blocks(void **state) {
    (void)state;
    pfn_t taken[4];
    in_use[1] = refused = 0;
    draining = true;
    for (unsigned order = 1; order <= 10; order++) {
        const unsigned count = order == 3 ? 4 : 1;
        for (unsigned i = 0; i < count; i++) {
            taken[i] = alloc(order);
        }
        for (unsigned i = 0; i < count; i++) {
            give(taken[i], order);
        }
    }
    assert_true(in_use[1] > 4);
    assert_int_equal(refused, 0);
}

// All of memory is free between two interrupts, if not in the sections: it can be taken.
static void ranges(void **state) {
    (void)state;
    uint64_t count = page_free_count(&world.pages);
    pfn_t begin = pfn_of(paddr(16 * MIB)), end = pfn(begin.value + count), first;
    assert_int_equal(page_inspect(&world.pages, end).state, PAGE_STATE_UNMANAGED);
    keeping = false;
    step(true);
    enum page_status reserved = page_reserve(&world.pages, begin, end, NULL);
    step(false);
    assert_int_equal(reserved, PAGE_OK);
    step(true);
    enum page_status released = page_release(&world.pages, begin, end, NULL);
    step(false);
    assert_int_equal(released, PAGE_OK);
    step(true);
    enum page_status status =
        page_alloc_contig(&world.pages, count, 0, PAGE_ANYWHERE, 0, PAGE_OWNER_TEST, &first, NULL);
    step(false);
    assert_int_equal(status, PAGE_OK);
    assert_null(page_check(&world.pages));
    step(true);
    page_free_contig(&world.pages, first, count);
    step(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("page_interrupts", tests, NULL, NULL);
}
