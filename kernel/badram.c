// SPDX-License-Identifier: MIT
// Bad memory: what is out, and taking more of it out while the machine runs.
//
// Ranges that the firmware or badram= names are regions of their own and never reach the page
// allocator. What turns out to be bad later (a person says so, or the memory test) is in its hands
// and stays there, marked, in a region that is otherwise usable.
#include <memtest.h>
#include <mm/port.h>
#include <mm/report.h>
#include <paging/start.h>

#define LINES_MAX 20 // of one command about frames in use

// Frames from `at` on that are in the same state, as one; at most up to `end`.
static uint64_t same_until(struct kernel *kernel, uint64_t at, uint64_t end,
                           struct page_info *info) {
    *info = page_inspect(&kernel->pages, pfn(at));
    if (info->state == PAGE_STATE_ALLOCATED) {
        uint64_t after = info->block.value + (UINT64_C(1) << info->order);
        return after < end ? after : end;
    }
    enum page_state state;
    do {
        at++;
        state = page_inspect(&kernel->pages, pfn(at)).state;
    } while (at < end && state == info->state);
    return at;
}

static void print_range(struct text *out, uint64_t begin, uint64_t end) {
    text_printf(out, "[0x%lx, 0x%lx), %lu pages", begin * PAGE_SIZE, end * PAGE_SIZE, end - begin);
}

// What the allocator holds as bad in one region. Free and allocated blocks are stepped over whole.
static uint64_t report_retired(struct text *out, struct kernel *kernel, uint64_t begin,
                               uint64_t end) {
    uint64_t pages = 0;
    for (uint64_t at = begin; at < end;) {
        struct page_info info = page_inspect(&kernel->pages, pfn(at));
        uint64_t after = at + 1;
        if (info.state == PAGE_STATE_BAD) {
            after = same_until(kernel, at, end, &info);
            text_puts(out, "  ");
            print_range(out, at, after);
            text_puts(out, ", retired\n");
            pages += after - at;
        } else if (info.state == PAGE_STATE_FREE || info.state == PAGE_STATE_ALLOCATED) {
            after = info.block.value + (UINT64_C(1) << info.order);
        }
        at = after;
    }
    return pages;
}

void badram_report(struct text *out, struct kernel *kernel) {
    uint64_t pages = 0;
    for (size_t i = 0; i < kernel->map.region_count; i++) {
        const struct memory_region *region = &kernel->map.regions[i];
        uint64_t begin = region->begin.value / PAGE_SIZE, end = region->end.value / PAGE_SIZE;
        if (region->class == MEMORY_BAD) {
            text_puts(out, "  ");
            print_range(out, begin, end);
            text_puts(out, ", named by the firmware or by badram=\n");
            pages += end - begin;
        } else if (region->class == MEMORY_USABLE) {
            pages += report_retired(out, kernel, begin, end);
        }
    }
    text_printf(out, "bad memory: pages that are out: %lu\n", pages);
}

static void explain(struct text *out, struct kernel *kernel, uint64_t begin, uint64_t end,
                    const struct page_info *info) {
    text_puts(out, "not retired: ");
    print_range(out, begin, end);
    const struct memory_region *region = memmap_find(&kernel->map, paddr_of(pfn(begin)));
    if (info->state == PAGE_STATE_UNMANAGED) {
        text_printf(out, ": %s memory\n", region != NULL ? memory_class_name(region->class) : "no");
        return;
    }
    text_puts(out, ": ");
    report_frame(out, info);
    text_puts(out, "\n");
}

void badram_retire(struct text *out, struct kernel *kernel, pfn_t begin, pfn_t end) {
    uint64_t retired = 0, left = 0, lines = 0;
    page_drain(&kernel->pages);
    for (uint64_t at = begin.value; at < end.value;) {
        struct page_info info;
        uint64_t after = same_until(kernel, at, end.value, &info);
        if (info.state == PAGE_STATE_FREE &&
            page_retire(&kernel->pages, pfn(at), pfn(after), NULL) == PAGE_OK) {
            retired += after - at;
        } else {
            left += after - at;
            if (lines++ < LINES_MAX) {
                explain(out, kernel, at, after, &info);
            }
        }
        at = after;
    }
    if (lines > LINES_MAX) {
        text_printf(out, "… and %lu more ranges\n", lines - LINES_MAX);
    }
    paging_unmap_retired(kernel);
    text_printf(out, "pages retired for good: %lu, not retired: %lu\n", retired, left);
}
