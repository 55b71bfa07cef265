// SPDX-License-Identifier: MIT
// A machine with one handle of page tables, for the tests of them.
#pragma once

#include "world.h"
#include <mm/paging.h>

#define KERNEL_BASE UINT64_C(0xffff800000000000)
#define DATA        (PAGING_WRITE | PAGING_GLOBAL)

struct tables_machine {
    struct world world;
    struct page_tables kernel;
};

// A CPU that lacks nothing, with 4 levels.
extern const struct paging_format tables_all;

// cmocka's fixtures: 64 MiB and empty tables; in the end they are sound, and nothing is left.
int tables_set_up(void **state);
int tables_tear_down(void **state);

// The entry of the page that `address` lies in, of whatever size. Fails the test when there is
// none.
uint64_t *tables_leaf(const struct page_tables *tables, uint64_t address);
