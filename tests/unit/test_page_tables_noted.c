// SPDX-License-Identifier: MIT
// The CPU notes in an entry that a page was read and written, between any two instructions of
// whoever changes the entry: it is not lost.
//
// The processor steps through the change, trap flag set, and the page is noted after a number of
// steps: few the first time, then more, until the change is through before.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tables_machine.h"
#include <host/host.h>
#include <paging/internal.h>
#include <signal.h>
#include <ucontext.h>

#define TRAP_FLAG INT64_C(0x100)
#define STRIDE    12 // about as many instructions lie between reading and exchanging

static uint64_t *entry;
static unsigned level;
static unsigned steps; // until the page is noted
static bool noted;

static void stepped(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    if (steps == 1) {
        noted = entry_is_leaf(*entry, level);
        *entry |= noted ? ENTRY_NOTED : 0;
    }
    steps -= steps != 0;
    *flags = steps != 0 ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
}

static int set_up(void **state) {
    const struct sigaction action = {.sa_sigaction = stepped, .sa_flags = SA_SIGINFO};
    return tables_set_up(state) == 0 ? sigaction(SIGTRAP, &action, NULL) : -1;
}

static int tear_down(void **state) {
    signal(SIGTRAP, SIG_DFL);
    return tables_tear_down(state);
}

// Makes the first of `pages` pages read-only while it is noted; false when that came too late.
static bool protect(struct page_tables *tables, uint64_t pages, unsigned after) {
    vaddr_t at = vaddr(KERNEL_BASE);
    assert_int_equal(tables_map(tables, at, pages, paddr(2 * MIB), DATA), TABLES_OK);
    entry = tables_leaf(tables, at.value);
    level = pages == 512;
    *entry &= ~ENTRY_NOTED;
    noted = false;
    steps = after;
    raise(SIGTRAP);
    enum tables_status status = tables_protect(tables, at, 1, 0, PAGING_WRITE, NULL);
    bool through = steps == 0;
    steps = 0;
    assert_int_equal(status, TABLES_OK);
    for (uint64_t page = 0; page < pages; page++) {
        struct paging_range range;
        vaddr_t address = vaddr(at.value + page * PAGE_SIZE);
        uint64_t value = *tables_leaf(tables, address.value);
        assert_true(tables_query(tables, address, &range));
        assert_int_equal((range.attributes & PAGING_WRITE) == 0, page == 0);
        if (noted && (value & ENTRY_NOTED) != ENTRY_NOTED) {
            fail_msg("page %lu is not noted, after %u steps", page, after);
        }
    }
    assert_int_equal(tables_unmap(tables, at, pages, NULL, NULL), TABLES_OK);
    return through;
}

static void new_attributes_keep_what_is_noted(void **state) {
    struct tables_machine *m = *state;
    unsigned after = 1;
    while (protect(&m->kernel, 1, after)) {
        after += STRIDE;
    }
    assert_true(after > 100);
}

// All parts of a page that is split are noted as it was.
static void a_split_keeps_what_is_noted(void **state) {
    struct tables_machine *m = *state;
    unsigned after = 1, in_time = 0;
    while (protect(&m->kernel, 512, after) && (noted || in_time == 0)) {
        in_time += noted;
        after += STRIDE * 100;
    }
    assert_true(in_time > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_attributes_keep_what_is_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_split_keeps_what_is_noted, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("page_tables_noted", tests, NULL, NULL);
}
