// SPDX-License-Identifier: MIT
// Commands that take and give pages by hand.
//
// The page allocator panics when it is given back what it did not give out; a typing mistake must
// not. So everything is looked at first, and a refusal says what is really there.
#include <mm/report.h>
#include <monitor/monitor.h>
#include <monitor/reclaim.h>
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

static void alloc_block(struct text *out, size_t count, char **arguments) {
    unsigned order;
    uint64_t ceiling = PAGE_ANYWHERE.value;
    if (!read_order(out, arguments[0], &order) ||
        (count == 3 && !monitor_number(out, "below", arguments[2], &ceiling))) {
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

static void print_pages(struct text *out, pfn_t first, uint64_t pages) {
    uint64_t begin = paddr_of(first).value, bytes = pages * PAGE_SIZE;
    text_printf(out, "[0x%lx, 0x%lx), %lu pages, ", begin, begin + bytes, pages);
    text_size(out, bytes);
}

// COUNT pages or bytes: at least one page.
static bool read_pages(struct text *out, const char *word, const char *unit, uint64_t *pages) {
    uint64_t number;
    if (!monitor_number(out, "count", word, &number)) {
        return false;
    }
    if (number == 0) {
        text_printf(out, "0 %s are nothing: there must be one at least\n", unit);
        return false;
    }
    bool bytes = strcmp(unit, "bytes") == 0;
    *pages = bytes ? number / PAGE_SIZE + (number % PAGE_SIZE != 0) : number;
    return true;
}

// The words behind COUNT pages: in any order, each with its number.
static bool read_constraints(struct text *out, size_t count, char **arguments, uint64_t *align,
                             uint64_t *ceiling, uint64_t *boundary) {
    for (size_t i = 0; i < count; i += 2) {
        const char *name = arguments[i];
        uint64_t *number = strcmp(name, "align") == 0      ? align
                           : strcmp(name, "below") == 0    ? ceiling
                           : strcmp(name, "boundary") == 0 ? boundary
                                                           : NULL;
        if (number == NULL || i + 1 == count) {
            text_puts(out, "like this: alloc 3 (an order), alloc 3 below 16M, alloc 100 pages, "
                           "alloc 96K bytes align 64K below 4G boundary 128K\n");
            return false;
        }
        if (!monitor_number(out, name, arguments[i + 1], number)) {
            return false;
        }
    }
    return true;
}

static void alloc_pages(struct text *out, uint64_t pages, size_t count, char **arguments) {
    uint64_t align = 0, ceiling = PAGE_ANYWHERE.value, boundary = 0;
    if (!read_constraints(out, count, arguments, &align, &ceiling, &boundary)) {
        return;
    }
    pfn_t first;
    struct page_refusal refusal;
    enum page_status status = page_alloc_contig(&strata.pages, pages, align, paddr(ceiling),
                                                boundary, PAGE_OWNER_MONITOR, &first, &refusal);
    if (status == PAGE_OK) {
        text_puts(out, "allocated ");
        print_pages(out, first, pages);
    } else if (status == PAGE_NO_MEMORY) {
        text_puts(out, "not allocated: ");
        report_refusal(out, &refusal);
    } else {
        text_puts(out, "not allocated: no memory could ever satisfy this: align and boundary are "
                       "powers of two, and the pages must fit within the boundary");
    }
    text_puts(out, "\n");
}

static void alloc(struct text *out, size_t count, char **arguments) {
    bool bytes = count >= 2 && strcmp(arguments[1], "bytes") == 0;
    bool pages = count >= 2 && strcmp(arguments[1], "pages") == 0;
    uint64_t number, ignored;
    if (bytes || pages) {
        if (read_pages(out, arguments[0], arguments[1], &number)) {
            alloc_pages(out, number, count - 2, arguments + 2);
        }
    } else if (count == 1 || (count == 3 && strcmp(arguments[1], "below") == 0)) {
        alloc_block(out, count, arguments);
    } else {
        read_constraints(out, 1, arguments + 1, &ignored, &ignored, &ignored); // says how
    }
}

static void refuse_free(struct text *out, pfn_t frame) {
    text_printf(out, "not freed: 0x%lx is ", paddr_of(frame).value);
    whatis_frame(out, &strata, frame);
    text_puts(out,
              "\nonly what alloc gave out can be freed, with its own order or as many pages\n");
}

// The order of a block that alloc gave out and that begins here, or -1.
static int block_by_hand(pfn_t frame) {
    struct page_info info = page_inspect(&strata.pages, frame);
    bool ours = info.state == PAGE_STATE_ALLOCATED && info.owner == PAGE_OWNER_MONITOR &&
                info.block.value == frame.value;
    return ours ? (int)info.order : -1;
}

static void free_block(struct text *out, pfn_t block, unsigned order) {
    if (block_by_hand(block) != (int)order) {
        refuse_free(out, block);
        return;
    }
    page_free(&strata.pages, block, order);
    text_puts(out, "freed ");
    print_block(out, block, order);
    text_puts(out, "\n");
}

// Contiguous pages are blocks that follow one another: all of them are looked at before one is
// freed.
static void free_pages(struct text *out, pfn_t first, uint64_t pages) {
    for (uint64_t done = 0; done < pages;) {
        int order = block_by_hand(pfn(first.value + done));
        if (order < 0 || UINT64_C(1) << order > pages - done) {
            refuse_free(out, pfn(first.value + done));
            return;
        }
        done += UINT64_C(1) << order;
    }
    for (uint64_t done = 0; done < pages;) {
        unsigned order = page_inspect(&strata.pages, pfn(first.value + done)).order;
        page_free(&strata.pages, pfn(first.value + done), order);
        done += UINT64_C(1) << order;
    }
    text_puts(out, "freed ");
    print_pages(out, first, pages);
    text_puts(out, "\n");
}

static void free_by_hand(struct text *out, size_t count, char **arguments) {
    pfn_t first;
    unsigned order;
    uint64_t number;
    if (!read_frame(out, arguments[0], &first)) {
        return;
    }
    if (count == 2) {
        if (read_order(out, arguments[1], &order)) {
            free_block(out, first, order);
        }
    } else if (strcmp(arguments[2], "pages") != 0 && strcmp(arguments[2], "bytes") != 0) {
        text_puts(out, "like this: free 0x100000 3 (an order), or free 0x100000 100 pages\n");
    } else if (read_pages(out, arguments[1], arguments[2], &number)) {
        free_pages(out, first, number);
    }
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
    page_drain(&strata.pages); // what lies in this CPU's stacks is free as well
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

static void reclaim(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    reclaim_print(out, &strata);
}

const struct monitor_command monitor_change_commands[] = {
    {"alloc", "ORDER [below ADDRESS] | COUNT pages|bytes [align A] [below B] [boundary C]",
     "takes a block of 2^ORDER pages, or contiguous ones", 1, 8, alloc},
    {"free", "ADDRESS ORDER | ADDRESS COUNT pages|bytes", "gives them back", 2, 3, free_by_hand},
    {"reserve", "BEGIN END", "takes exactly these addresses, END not included", 2, 2, reserve},
    {"release", "BEGIN END", "gives reserved addresses back", 2, 2, release},
    {"reclaim", "", "gives back all that is kept for later, and says by whom", 0, 0, reclaim},
    {0},
};
