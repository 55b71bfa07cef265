// SPDX-License-Identifier: MIT
// Reading page tables as the CPU reads them: what an address means, and what is mapped where.
//
//    root ─[index 4]─> table ─[index 3]─> table ─[index 2]─> table ─[index 1]─> page
//                                  └ or a page of 1 GiB    └ or a page of 2 MiB
//
// For reports and audits: nothing here shares a line with the code that makes the tables, trusts
// what it finds, or changes anything. A table is followed only into memory that tables are made of.
// Format: Intel SDM volume 3, 4.5. Pure: tests/unit/test_walk.c.
#pragma once

#include <mm/memmap.h>
#include <strata/layout.h>

#define WALK_LEVELS_MAX 5

// Bits of an entry.
#define WALK_PRESENT    UINT64_C(0x1)
#define WALK_WRITE      UINT64_C(0x2)
#define WALK_USER       UINT64_C(0x4)
#define WALK_PWT        UINT64_C(0x8)
#define WALK_PCD        UINT64_C(0x10)
#define WALK_LARGE      UINT64_C(0x80) // in a table of level 2 or 3; PAT in one of level 1
#define WALK_GLOBAL     UINT64_C(0x100)
#define WALK_LARGE_PAT  UINT64_C(0x1000)
#define WALK_NO_EXECUTE UINT64_C(0x8000000000000000)
#define WALK_ADDRESS    UINT64_C(0x000ffffffffff000)

struct walker {
    paddr_t root;
    unsigned levels; // 4 or 5
    bool no_execute; // bit 63 of an entry means something
    const struct memmap *map;
};

struct walk_step {
    unsigned level; // 5 … 1
    unsigned index; // of the entry in its table
    paddr_t table;
    uint64_t entry;
};

enum walk_end {
    WALK_MAPPED,
    WALK_ABSENT,        // the last entry is not present
    WALK_UNREADABLE,    // the last entry leads to where no table can be
    WALK_NOT_CANONICAL, // no tables can translate such an address
};

// What the entries on the way allow together.
enum walk_permission { WALK_CAN_WRITE = 1, WALK_CAN_EXECUTE = 2, WALK_BY_USER = 4 };

struct walk {
    enum walk_end end;
    unsigned count;
    struct walk_step steps[WALK_LEVELS_MAX];
    // When mapped:
    paddr_t physical;     // of the address itself
    uint64_t page_bytes;  // 4 KiB, 2 MiB or 1 GiB
    unsigned permissions; // of enum walk_permission
    unsigned cache;       // index into the PAT: PWT + 2 * PCD + 4 * PAT
    bool global;
};

// Translates `address`.  O(levels). Any context.
void walk_address(struct walk *walk, const struct walker *walker, vaddr_t address);

// Neighbouring pages of one size that are mapped alike, to neighbouring frames.
struct walk_run {
    vaddr_t begin, last; // of the run: its first and its last byte
    paddr_t physical;    // of its first byte
    uint64_t page_bytes;
    unsigned permissions, cache;
    bool global;
};

// The first run that ends at or above `from` and begins at or below `to`, cut off below `from`.
// False when there is none.  O(tables on the way + pages of the run).
bool walk_next(struct walk_run *run, const struct walker *walker, vaddr_t from, vaddr_t to);

// The last mapped byte at or below `from` and at or above `to`. False when there is none.
bool walk_previous(vaddr_t *found, const struct walker *walker, vaddr_t from, vaddr_t to);

// Calls `visit` for every table that the root leads to, the root included, with its level.
void walk_tables(const struct walker *walker,
                 void (*visit)(void *context, paddr_t table, unsigned level), void *context);
