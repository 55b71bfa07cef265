// SPDX-License-Identifier: MIT
// The ledger: what the map describes as RAM, held against what the regions, the bitmaps and the
// state bytes say.
#include <mm/ledger.h>
#include <string.h>

const char *account_name(enum account account) {
    static const char *const before[] = {"free", "cached", "kernel-image", "page-metadata"};
    static const char *const after[] = {
        "reserved-ranges", "loader", "bootsvc", "acpi-tables", "nvs",
        "runtime",         "low",    "special", "unaccepted",  "bad",
    };
    if (account < ACCOUNT_OWNER_FIRST) {
        return before[account];
    }
    if (account <= ACCOUNT_OWNER_LAST) {
        return page_owner_name((enum page_owner)(account - ACCOUNT_OWNER_FIRST));
    }
    return account < ACCOUNT_COUNT_ ? after[account - ACCOUNT_OWNER_LAST - 1] : "?";
}

// The account that a class of kept memory stands in; usable memory is counted frame by frame
// instead.
static enum account account_of(enum memory_class class) {
    switch (class) {
    case MEMORY_BOOTSVC:
        return ACCOUNT_BOOTSVC;
    case MEMORY_LOADER:
        return ACCOUNT_LOADER;
    case MEMORY_ACPI:
        return ACCOUNT_ACPI;
    case MEMORY_SPECIAL:
        return ACCOUNT_SPECIAL;
    case MEMORY_UNACCEPTED:
        return ACCOUNT_UNACCEPTED;
    case MEMORY_LOW:
        return ACCOUNT_LOW;
    case MEMORY_METADATA:
        return ACCOUNT_PAGE_METADATA;
    case MEMORY_KERNEL:
        return ACCOUNT_KERNEL_IMAGE;
    case MEMORY_NVS:
        return ACCOUNT_NVS;
    case MEMORY_RUNTIME:
        return ACCOUNT_RUNTIME;
    case MEMORY_BAD:
        return ACCOUNT_BAD;
    case MEMORY_USABLE:
    case MEMORY_PMEM:
    case MEMORY_RESERVED:
    case MEMORY_MMIO:
    case MEMORY_CLASS_COUNT_:
        break;
    }
    return ACCOUNT_COUNT_;
}

static void add_classes(struct ledger *ledger, const struct memmap *map) {
    for (unsigned i = 0; i < MEMORY_CLASS_COUNT_; i++) {
        enum memory_class class = (enum memory_class)i;
        enum account account = account_of(class);
        uint64_t bytes = map->class_bytes[class];
        if (!memory_class_is_ram(class)) {
            ledger->not_ram += bytes;
            continue;
        }
        ledger->total += bytes;
        if (account != ACCOUNT_COUNT_) {
            ledger->bytes[account] += bytes;
        }
    }
}

static void add_census(struct ledger *ledger, const struct page_census *census) {
    ledger->bytes[ACCOUNT_FREE] = census->free_pages * PAGE_SIZE;
    ledger->bytes[ACCOUNT_CACHED] = census->cached_pages * PAGE_SIZE;
    ledger->bytes[ACCOUNT_RESERVED_RANGES] = census->reserved_pages * PAGE_SIZE;
    ledger->bytes[ACCOUNT_BAD] += census->bad_pages * PAGE_SIZE;
    ledger->bytes[ACCOUNT_PAGE_METADATA] += census->metadata_pages * PAGE_SIZE;
    for (unsigned owner = 0; owner < PAGE_OWNER_COUNT_; owner++) {
        ledger->bytes[ACCOUNT_OWNER_FIRST + owner] = census->owned_pages[owner] * PAGE_SIZE;
    }
}

// The image, structures, tables and stacks; not what is held for others.
static uint64_t own_bytes(const struct ledger *ledger) {
    static const enum page_owner others[] = {PAGE_OWNER_USER, PAGE_OWNER_DMA, PAGE_OWNER_MONITOR,
                                             PAGE_OWNER_TEST};
    uint64_t bytes = ledger->bytes[ACCOUNT_KERNEL_IMAGE] + ledger->bytes[ACCOUNT_PAGE_METADATA];
    for (unsigned owner = 0; owner < PAGE_OWNER_COUNT_; owner++) {
        bytes += ledger->bytes[ACCOUNT_OWNER_FIRST + owner];
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        bytes -= ledger->bytes[ACCOUNT_OWNER_FIRST + others[i]];
    }
    return bytes;
}

// Counters that are kept on the way, against what was counted.
static const char *find_mismatch(const struct ledger *ledger, const struct memmap *map,
                                 struct page_allocator *allocator) {
    if (page_free_count(allocator) * PAGE_SIZE !=
        ledger->bytes[ACCOUNT_FREE] + ledger->bytes[ACCOUNT_CACHED]) {
        return "the counts of free pages disagree with the bitmaps and the state bytes";
    }
    if (allocator->metadata_bytes != ledger->bytes[ACCOUNT_PAGE_METADATA]) {
        return "the allocator's count of its metadata disagrees with the map and the state bytes";
    }
    if (map->described_bytes != ledger->described) {
        return "the classes do not add up to what the firmware described";
    }
    return NULL;
}

void ledger_compute(struct ledger *ledger, const struct memmap *map,
                    struct page_allocator *allocator) {
    struct page_census census;
    memset(ledger, 0, sizeof(*ledger));
    page_census(allocator, &census);
    add_classes(ledger, map);
    add_census(ledger, &census);
    ledger->described = ledger->total + ledger->not_ram;
    ledger->left = ledger->total - ledger->bytes[ACCOUNT_NVS] - ledger->bytes[ACCOUNT_RUNTIME] -
                   ledger->bytes[ACCOUNT_UNACCEPTED];
    ledger->own = own_bytes(ledger);
    ledger->unaccounted = (int64_t)ledger->total;
    for (unsigned i = 0; i < ACCOUNT_COUNT_; i++) {
        ledger->unaccounted -= (int64_t)ledger->bytes[i];
    }
    ledger->mismatch = find_mismatch(ledger, map, allocator);
}

static enum account account_of_page(const struct page_info *info) {
    switch (info->state) {
    case PAGE_STATE_FREE:
        return ACCOUNT_FREE;
    case PAGE_STATE_CACHED:
        return ACCOUNT_CACHED;
    case PAGE_STATE_ALLOCATED:
        return (enum account)(ACCOUNT_OWNER_FIRST + info->owner);
    case PAGE_STATE_RESERVED:
        return ACCOUNT_RESERVED_RANGES;
    case PAGE_STATE_BAD:
        return ACCOUNT_BAD;
    case PAGE_STATE_METADATA:
        return ACCOUNT_PAGE_METADATA;
    case PAGE_STATE_UNMANAGED:
        break;
    }
    return ACCOUNT_COUNT_;
}

// A hole can be larger than all RAM.
static uint64_t frames_of_hole(const struct memmap *map, pfn_t frame) {
    uint64_t begin = paddr_of(frame).value;
    for (size_t i = 0; i < map->region_count; i++) {
        if (map->regions[i].begin.value > begin) {
            return pfn_of(map->regions[i].begin).value - frame.value;
        }
    }
    return PAGE_NO_FRAME.value - frame.value;
}

enum account ledger_account_of(const struct memmap *map, struct page_allocator *allocator,
                               pfn_t frame, uint64_t *frames) {
    const struct memory_region *region = memmap_find(map, paddr_of(frame));
    *frames = 1;
    if (region == NULL) {
        *frames = frames_of_hole(map, frame);
        return ACCOUNT_COUNT_;
    }
    if (region->class != MEMORY_USABLE) {
        *frames = pfn_of(region->end).value - frame.value;
        return account_of(region->class);
    }
    struct page_info info = page_inspect(allocator, frame);
    if (info.state == PAGE_STATE_FREE || info.state == PAGE_STATE_ALLOCATED) {
        *frames = info.block.value + (UINT64_C(1) << info.order) - frame.value;
    }
    return account_of_page(&info);
}
