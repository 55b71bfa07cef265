// SPDX-License-Identifier: MIT
// The first page tables. Invariants (tests/unit/test_paging.c walks the finished tables):
//   I1  every byte of every range translates to its physical address with its permissions
//   I2  no other address translates
//   I3  paging_count is exactly what paging_map uses
//   I4  nothing is writable and executable where the CPU has NX, nothing is open to user mode
#include "paging.h"

#define ENTRY_PRESENT    UINT64_C(0x1)
#define ENTRY_WRITE      UINT64_C(0x2)
#define ENTRY_LARGE      UINT64_C(0x80)
#define ENTRY_NO_EXECUTE UINT64_C(0x8000000000000000)
#define ENTRY_ADDRESS    UINT64_C(0x000ffffffffff000)

#define LEVEL_BITS    9
#define LEVEL_ENTRIES (1 << LEVEL_BITS)
#define MIXED_CACHE   (2 * MIB) // below this fixed-range MTRRs differ from page to page

// Levels: 0 maps 4 KiB an entry, 1 2 MiB, 2 1 GiB, and so on up to levels - 1, the root's.
static unsigned level_shift(unsigned level) {
    return PAGE_SHIFT + LEVEL_BITS * level;
}

// The largest page that can begin the range.
static unsigned page_level(const struct paging_format *format, const struct paging_range *range) {
    unsigned level = format->gib_pages ? 2 : 1;
    for (; level > 0; level--) {
        uint64_t size = UINT64_C(1) << level_shift(level);
        if (range->bytes >= size && (range->virtual | range->physical) % size == 0 &&
            range->physical >= MIXED_CACHE) {
            break;
        }
    }
    return level;
}

// Takes the first page off the range.
static void advance(struct paging_range *range, unsigned level) {
    uint64_t size = UINT64_C(1) << level_shift(level);
    range->virtual += size;
    range->physical += size;
    range->bytes -= size;
}

size_t paging_count(const struct paging_format *format, const struct paging_range *ranges,
                    size_t count) {
    uint64_t last[5];
    for (unsigned i = 0; i < 5; i++) {
        last[i] = UINT64_MAX;
    }
    size_t tables = 0;
    for (size_t i = 0; i < count; i++) {
        struct paging_range range = ranges[i];
        while (range.bytes > 0) {
            unsigned level = page_level(format, &range);
            for (unsigned l = level; l < format->levels - 1; l++) {
                uint64_t table = range.virtual >> level_shift(l + 1);
                tables += table != last[l];
                last[l] = table;
            }
            advance(&range, level);
        }
    }
    return tables;
}

void paging_init(struct paging *paging, const struct paging_format *format, void *memory,
                 size_t pages) {
    *paging = (struct paging){
        .format = *format,
        .root = memory,
        .next = (uintptr_t)memory + PAGE_SIZE,
        .end = (uintptr_t)memory + pages * PAGE_SIZE,
    };
}

// The entry for `address` in a table of `level`, its tables above made where they are missing.
static uint64_t *entry_for(struct paging *paging, uint64_t address, unsigned level) {
    uint64_t *table = paging->root;
    for (unsigned l = paging->format.levels - 1;; l--) {
        uint64_t *entry = &table[(address >> level_shift(l)) % LEVEL_ENTRIES];
        if (l == level) {
            return entry;
        }
        if (*entry == 0) {
            if (paging->next == paging->end) {
                return NULL;
            }
            *entry = paging->next | ENTRY_PRESENT | ENTRY_WRITE;
            paging->next += PAGE_SIZE;
        }
        table = (uint64_t *)(uintptr_t)(*entry & ENTRY_ADDRESS);
    }
}

static bool map_range(struct paging *paging, struct paging_range range) {
    uint64_t bits = ENTRY_PRESENT;
    if ((range.permissions & PAGING_WRITE) != 0) {
        bits |= ENTRY_WRITE;
    }
    if ((range.permissions & PAGING_EXECUTE) == 0 && paging->format.no_execute) {
        bits |= ENTRY_NO_EXECUTE;
    }
    while (range.bytes > 0) {
        unsigned level = page_level(&paging->format, &range);
        uint64_t *entry = entry_for(paging, range.virtual, level);
        if (entry == NULL) {
            return false;
        }
        *entry = range.physical | bits | (level > 0 ? ENTRY_LARGE : 0);
        advance(&range, level);
    }
    return true;
}

bool paging_map(struct paging *paging, const struct paging_range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!map_range(paging, ranges[i])) {
            return false;
        }
    }
    return true;
}
