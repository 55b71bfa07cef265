// SPDX-License-Identifier: MIT
// One entry of an x86-64 page table: Intel SDM vol. 3A, tables 4-14 to 4-20; AMD APM vol. 2, 5.3.
//
//   63  62 … 52   51 … 12   11 … 9  8  7    6  5  4    3    2  1  0
//   NX  ignored   address   ignored G  PS   D  A  PCD  PWT  U  W  P
//                                     /PAT
//
// An entry that points to a table carries, in bits the CPU ignores, how many of the table's 512
// entries are present: so nobody searches a table to learn that it is empty or full. Its accessed
// bit is set from the start, so the CPU never writes to it.
//
// The same attributes stand in the same bits at all levels but for one: PAT is bit 7 in an entry
// for 4 KiB and bit 12 in one for a large page, where bit 7 says that it is one. Here an entry's
// *flat* form is how it would look for 4 KiB, so splitting and joining is adding.
#pragma once

#include <mm/port.h>

#define ENTRY_PRESENT    UINT64_C(0x1)
#define ENTRY_WRITE      UINT64_C(0x2)
#define ENTRY_USER       UINT64_C(0x4)
#define ENTRY_NO_CACHE   UINT64_C(0x10)
#define ENTRY_ACCESSED   UINT64_C(0x20)
#define ENTRY_DIRTY      UINT64_C(0x40)
#define ENTRY_LARGE      UINT64_C(0x80)
#define ENTRY_PAT        UINT64_C(0x80)
#define ENTRY_GLOBAL     UINT64_C(0x100)
#define ENTRY_SMALL      UINT64_C(0x200) // ours: PAGING_SMALL
#define ENTRY_LARGE_PAT  UINT64_C(0x1000)
#define ENTRY_ADDRESS    UINT64_C(0x000ffffffffff000)
#define ENTRY_COUNT_ONE  (UINT64_C(1) << 52)
#define ENTRY_COUNT_BITS (UINT64_C(0x3ff) << 52)
#define ENTRY_NO_EXECUTE (UINT64_C(1) << 63)

// An entry for 4 KiB that is not present and not free (slots.c).
#define ENTRY_RESERVED ENTRY_SMALL

// What the CPU notes by itself.
#define ENTRY_NOTED (ENTRY_ACCESSED | ENTRY_DIRTY)

#define TABLE_ENTRIES 512
#define LEVEL_MAX     4 // the root's with 5-level paging

// How many pages of 4 KiB an entry of this level spans.
static inline uint64_t level_pages(unsigned level) {
    return UINT64_C(1) << (9 * level);
}

static inline unsigned level_shift(unsigned level) {
    return PAGE_SHIFT + 9 * level;
}

// Which entry of a table of this level is page number `page`'s.
static inline unsigned level_index(uint64_t page, unsigned level) {
    return (unsigned)(page >> (9 * level)) & (TABLE_ENTRIES - 1);
}

static inline uint64_t entry_read(const uint64_t *entry) {
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

// Writes the entry of page number `page`; what was written before is seen before it.
static inline void entry_write(uint64_t *entry, uint64_t value, uint64_t page, unsigned level) {
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
    port_entry_written(entry, page << PAGE_SHIFT, level);
}

// The same, unless the entry is not `expected` any more: the CPU may set accessed and dirty at any
// moment.
static inline bool entry_exchange(uint64_t *entry, uint64_t expected, uint64_t value, uint64_t page,
                                  unsigned level) {
    if (!__atomic_compare_exchange_n(entry, &expected, value, false, __ATOMIC_RELEASE,
                                     __ATOMIC_RELAXED)) {
        return false;
    }
    port_entry_written(entry, page << PAGE_SHIFT, level);
    return true;
}

static inline bool entry_is_present(uint64_t entry) {
    return (entry & ENTRY_PRESENT) != 0;
}

// Of an entry of level 1 and above.
static inline bool entry_is_table(uint64_t entry) {
    return (entry & (ENTRY_PRESENT | ENTRY_LARGE)) == ENTRY_PRESENT;
}

static inline bool entry_is_leaf(uint64_t entry, unsigned level) {
    return entry_is_present(entry) && (level == 0 || (entry & ENTRY_LARGE) != 0);
}

static inline uint64_t *entry_table(uint64_t entry) {
    return port_direct_map(paddr(entry & ENTRY_ADDRESS));
}

static inline unsigned entry_count(uint64_t entry) {
    return (unsigned)((entry & ENTRY_COUNT_BITS) / ENTRY_COUNT_ONE);
}

static inline uint64_t entry_flat(uint64_t entry, unsigned level) {
    if (level == 0) {
        return entry;
    }
    uint64_t pat = (entry & ENTRY_LARGE_PAT) != 0 ? ENTRY_PAT : 0;
    return (entry & ~(ENTRY_LARGE | ENTRY_LARGE_PAT)) | pat;
}

static inline uint64_t entry_leaf(uint64_t flat, unsigned level) {
    if (level == 0) {
        return flat;
    }
    uint64_t pat = (flat & ENTRY_PAT) != 0 ? ENTRY_LARGE_PAT : 0;
    return (flat & ~ENTRY_PAT) | ENTRY_LARGE | pat;
}
