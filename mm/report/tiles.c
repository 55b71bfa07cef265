// SPDX-License-Identifier: MIT
// Physical memory to scale.
//
//    0x0000000000  kKm......  F free       3.9 GiB
//    0x0000400000  .........  K kernel-image 572 KiB
//
// All tiles are of one size, the smallest power of two with which the rows that hold RAM are few
// enough to be seen at once.
#include <mm/report.h>
#include <string.h>

#define ROWS_MOST        16
#define TILE_SHIFT_LEAST 16 // 64 KiB

// One tile's letter and colour for each account, in the ledger's order.
static const struct {
    char letter;
    uint8_t colour;
} looks[] = {
    {'.', 0},  // free
    {',', 1},  // cached
    {'K', 2},  // kernel-image
    {'M', 3},  // page-metadata
    {'O', 10}, // kernel
    {'T', 4},  // page-table
    {'S', 5},  // slab
    {'L', 5},  // large
    {'V', 6},  // vmalloc
    {'X', 6},  // stack
    {'U', 7},  // user
    {'D', 8},  // dma
    {'A', 9},  // acpi
    {'H', 10}, // monitor: by hand
    {'Y', 10}, // test
    {'Z', 10}, // other
    {'R', 11}, // reserved-ranges
    {'B', 11}, // loader
    {'E', 11}, // bootsvc
    {'I', 9},  // acpi-tables
    {'N', 12}, // nvs
    {'F', 12}, // runtime: the firmware's
    {'W', 12}, // low
    {'P', 13}, // special
    {'Q', 13}, // unaccepted
    {'!', 14}, // bad
};
_Static_assert(sizeof(looks) / sizeof(looks[0]) == ACCOUNT_COUNT_, "a look for each account");

struct tiles {
    const struct memmap *map;
    struct page_allocator *allocator;
    unsigned shift, columns;
    uint64_t end; // of RAM
};

// How many rows hold RAM. Rows that several regions share are counted once: regions are sorted.
static uint64_t rows_with_ram(const struct tiles *tiles) {
    uint64_t row_bytes = (uint64_t)tiles->columns << tiles->shift, rows = 0, next = 0;
    for (size_t i = 0; i < tiles->map->region_count; i++) {
        const struct memory_region *region = &tiles->map->regions[i];
        if (memory_class_is_ram(region->class)) {
            uint64_t first = region->begin.value / row_bytes;
            uint64_t last = (region->end.value - 1) / row_bytes;
            first = first > next ? first : next;
            if (last >= first) {
                rows += last - first + 1;
                next = last + 1;
            }
        }
    }
    return rows;
}

// Where RAM begins, or goes on, from `from` on, which lies below RAM's end.
static uint64_t next_ram(const struct tiles *tiles, uint64_t from) {
    const struct memory_region *region = tiles->map->regions;
    while (!memory_class_is_ram(region->class) || region->end.value <= from) {
        region++;
    }
    return region->begin.value > from ? region->begin.value : from;
}

static void put_tile(struct text *out, const struct tiles *tiles, uint64_t begin) {
    uint64_t frames[ACCOUNT_COUNT_ + 1] = {0}, count = 0;
    uint64_t frame = begin >> PAGE_SHIFT,
             end = frame + (UINT64_C(1) << (tiles->shift - PAGE_SHIFT));
    while (frame < end) {
        enum account account = ledger_account_of(tiles->map, tiles->allocator, pfn(frame), &count);
        count = count < end - frame ? count : end - frame;
        frames[account] += count;
        frame += count;
    }
    unsigned most = ACCOUNT_FREE, named = ACCOUNT_COUNT_, accounts = 0;
    for (unsigned i = 0; i < ACCOUNT_COUNT_; i++) {
        accounts += frames[i] != 0;
        most = frames[i] > frames[most] ? i : most;
        bool idle = i == ACCOUNT_FREE || i == ACCOUNT_CACHED;
        if (frames[i] != 0 && (named == ACCOUNT_COUNT_ || named <= ACCOUNT_CACHED ||
                               (!idle && frames[i] > frames[named]))) {
            named = i;
        }
    }
    if (accounts == 0) {
        text_puts(out, " ");
        return;
    }
    char letter = looks[named].letter;
    bool whole = accounts == 1 && frames[ACCOUNT_COUNT_] == 0;
    bool small = !whole && letter >= 'A' && letter <= 'Z';
    text_style(out, TEXT_TILE + looks[most].colour);
    text_printf(out, "%c", small ? letter + ('a' - 'A') : letter);
    text_style(out, TEXT_PLAIN);
}

// The next account that has anything, from `*account` on, as a line of the legend; false: no more.
static bool put_legend(struct text *out, const struct ledger *ledger, unsigned *account) {
    while (*account < ACCOUNT_COUNT_ && ledger->bytes[*account] == 0) {
        (*account)++;
    }
    if (*account == ACCOUNT_COUNT_) {
        return false;
    }
    text_puts(out, "  ");
    text_style(out, TEXT_TILE + looks[*account].colour);
    text_printf(out, "%c", looks[*account].letter);
    text_style(out, TEXT_PLAIN);
    text_printf(out, " %s ", account_name((enum account) * account));
    text_size(out, ledger->bytes[*account]);
    (*account)++;
    return true;
}

static void put_row(struct text *out, const struct tiles *tiles, uint64_t begin) {
    text_printf(out, "  0x%010lx  ", begin);
    for (unsigned i = 0; i < tiles->columns; i++) {
        put_tile(out, tiles, begin + ((uint64_t)i << tiles->shift));
    }
}

void report_tiles(struct text *out, const struct memmap *map, struct page_allocator *allocator,
                  const struct ledger *ledger, unsigned columns) {
    struct tiles tiles = {map, allocator, TILE_SHIFT_LEAST, columns, memmap_ram_end(map).value};
    while (rows_with_ram(&tiles) > ROWS_MOST) {
        tiles.shift++;
    }
    uint64_t row_bytes = (uint64_t)columns << tiles.shift;
    unsigned account = 0;
    text_heading(out, "memory to scale:");
    text_puts(out, " a tile is ");
    text_size(out, UINT64_C(1) << tiles.shift);
    text_puts(out, "\n");
    for (uint64_t at = 0; at < tiles.end;) {
        uint64_t ram = align_down(next_ram(&tiles, at), row_bytes);
        if (ram > at) {
            text_printf(out, "  no RAM for ");
            text_size(out, ram - at);
            text_puts(out, "\n");
            at = ram;
        }
        put_row(out, &tiles, at);
        put_legend(out, ledger, &account);
        text_puts(out, "\n");
        at += row_bytes;
    }
    while (put_legend(out, ledger, &account)) {
        text_puts(out, "\n");
    }
    text_puts(out, "  a small letter: others share the tile\n");
}
