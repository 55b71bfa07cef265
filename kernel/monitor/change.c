// SPDX-License-Identifier: MIT
// Commands that take and give pages by hand.
//
// The page allocator panics when it is given back what it did not give out; a typing mistake must
// not. So everything is looked at first, and a refusal says what is really there.
#include <monitor/monitor.h>
#include <monitor/whatis.h>
#include <state.h>
#include <string.h>

static bool read_order(struct text *out, const char *word, unsigned *order) {
    uint64_t number;
    if (!monitor_number(out, "order", word, &number)) {
        return false;
    }
    if (number > PAGE_ORDER_MAX) {
        text_printf(out, "an order is 0 (4 KiB) to %d (1 GiB)\n", PAGE_ORDER_MAX);
        return false;
    }
    *order = (unsigned)number;
    return true;
}

static bool read_frame(struct text *out, const char *word, pfn_t *frame) {
    uint64_t address;
    if (!monitor_number(out, "address", word, &address)) {
        return false;
    }
    if (address % PAGE_SIZE != 0) {
        text_printf(out, "0x%lx is not the address of a page: those are multiples of 0x1000\n",
                    address);
        return false;
    }
    *frame = pfn_of(paddr(address));
    return true;
}

static void print_block(struct text *out, pfn_t block, unsigned order) {
    uint64_t begin = paddr_of(block).value, bytes = PAGE_SIZE << order;
    text_printf(out, "[0x%lx, 0x%lx), order %u, ", begin, begin + bytes, order);
    text_size(out, bytes);
}

static void alloc(struct text *out, size_t count, char **arguments) {
    unsigned order;
    uint64_t ceiling = PAGE_ANYWHERE.value;
    if (!read_order(out, arguments[0], &order)) {
        return;
    }
    if (count != 1 && (count != 3 || strcmp(arguments[1], "below") != 0)) {
        text_puts(out, "like this: alloc 3, or alloc 3 below 16M\n");
        return;
    }
    if (count == 3 && !monitor_number(out, "below", arguments[2], &ceiling)) {
        return;
    }
    pfn_t block;
    enum page_status status =
        page_alloc(&strata.pages, order, paddr(ceiling), PAGE_OWNER_MONITOR, &block);
    if (status == PAGE_OK) {
        text_puts(out, "allocated ");
        print_block(out, block, order);
        text_puts(out, "\n");
    } else {
        text_printf(out, "not allocated: %s\n", page_status_name(status));
    }
}

static void free_block(struct text *out, size_t count, char **arguments) {
    (void)count;
    pfn_t block;
    unsigned order;
    if (!read_frame(out, arguments[0], &block) || !read_order(out, arguments[1], &order)) {
        return;
    }
    struct page_info info = page_inspect(&strata.pages, block);
    if (info.state == PAGE_STATE_ALLOCATED && info.owner == PAGE_OWNER_MONITOR &&
        info.block.value == block.value && info.order == order) {
        page_free(&strata.pages, block, order);
        text_puts(out, "freed ");
        print_block(out, block, order);
        text_puts(out, "\n");
        return;
    }
    text_printf(out, "not freed: 0x%lx is ", paddr_of(block).value);
    whatis_frame(out, &strata, block);
    text_puts(out, "\nonly blocks that alloc gave out can be freed, with their own order\n");
}

static bool read_range(struct text *out, char **arguments, pfn_t *begin, pfn_t *end) {
    if (!read_frame(out, arguments[0], begin) || !read_frame(out, arguments[1], end)) {
        return false;
    }
    if (begin->value >= end->value) {
        text_puts(out, "the range is empty: END is the first address behind it\n");
        return false;
    }
    return true;
}

static void print_refusal(struct text *out, const char *verb, enum page_status status,
                          pfn_t obstacle) {
    text_printf(out, "not %s: %s", verb, page_status_name(status));
    if (status == PAGE_NOT_FREE || status == PAGE_NOT_RESERVED) {
        text_printf(out, ": 0x%lx is ", paddr_of(obstacle).value);
        whatis_frame(out, &strata, obstacle);
    }
    text_puts(out, "\n");
}

static void reserve(struct text *out, size_t count, char **arguments) {
    (void)count;
    pfn_t begin, end, obstacle = pfn(0);
    if (!read_range(out, arguments, &begin, &end)) {
        return;
    }
    enum page_status status = page_reserve(&strata.pages, begin, end, &obstacle);
    if (status == PAGE_OK) {
        text_printf(out, "reserved %lu pages\n", end.value - begin.value);
    } else {
        print_refusal(out, "reserved", status, obstacle);
    }
}

// Whether all of the range was the page allocator's once: otherwise releasing it would hand out
// memory that it has no business with.
static bool range_usable(struct text *out, pfn_t begin, pfn_t end) {
    uint64_t at = paddr_of(begin).value;
    while (at < paddr_of(end).value) {
        const struct memory_region *region = memmap_find(&strata.map, paddr(at));
        if (region == NULL || region->class != MEMORY_USABLE) {
            text_printf(out, "not released: 0x%lx is %s, which was never free\n", at,
                        region == NULL ? "no memory" : memory_class_name(region->class));
            return false;
        }
        at = region->end.value;
    }
    return true;
}

static void release(struct text *out, size_t count, char **arguments) {
    (void)count;
    pfn_t begin, end, obstacle = pfn(0);
    if (!read_range(out, arguments, &begin, &end) || !range_usable(out, begin, end)) {
        return;
    }
    enum page_status status = page_release(&strata.pages, begin, end, &obstacle);
    if (status == PAGE_OK) {
        text_printf(out, "released %lu pages\n", end.value - begin.value);
    } else {
        print_refusal(out, "released", status, obstacle);
    }
}

const struct monitor_command monitor_change_commands[] = {
    {"alloc", "ORDER [below ADDRESS]", "takes a block of 2^ORDER pages", 1, 3, alloc},
    {"free", "ADDRESS ORDER", "gives a block back", 2, 2, free_block},
    {"reserve", "BEGIN END", "takes exactly these addresses, END not included", 2, 2, reserve},
    {"release", "BEGIN END", "gives reserved addresses back", 2, 2, release},
    {0},
};
