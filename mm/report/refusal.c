// SPDX-License-Identifier: MIT
// Frames, and requests for contiguous ones that were refused, in sentences.
#include <mm/report.h>

void report_frame(struct text *out, const struct page_info *info) {
    static const char *const names[] = {
        [PAGE_STATE_UNMANAGED] = "not the page allocator's",
        [PAGE_STATE_FREE] = "free",
        [PAGE_STATE_ALLOCATED] = "allocated",
        [PAGE_STATE_CACHED] = "free, in a CPU's stack",
        [PAGE_STATE_RESERVED] = "reserved",
        [PAGE_STATE_BAD] = "bad, taken out for good",
        [PAGE_STATE_METADATA] = "the page allocator's own metadata",
    };
    text_puts(out, names[info->state]);
    if (info->state == PAGE_STATE_FREE || info->state == PAGE_STATE_ALLOCATED) {
        text_printf(out, ", in a block of order %u at 0x%lx", info->order,
                    paddr_of(info->block).value);
    }
    if (info->state == PAGE_STATE_ALLOCATED) {
        text_printf(out, ", owner %s", page_owner_name(info->owner));
    }
}

static void report_runs(struct text *out, const struct page_refusal *refusal) {
    if (refusal->runs == 0) {
        text_puts(out, "nothing is free");
        return;
    }
    text_printf(out, "free runs: %lu; long enough: %lu", refusal->runs, refusal->long_enough);
    if (refusal->beyond_ceiling != 0) {
        text_printf(out, "; of these too short below the ceiling: %lu", refusal->beyond_ceiling);
    }
    if (refusal->misaligned != 0) {
        text_printf(out, "; without an aligned place: %lu", refusal->misaligned);
    }
    if (refusal->crossing != 0) {
        text_printf(out, "; crossing a boundary at each aligned place: %lu", refusal->crossing);
    }
}

static void report_fitting(struct text *out, const struct page_refusal *refusal) {
    text_printf(out,
                "; with a place for it: %lu. A reserve keeps it, or the request was made to fail",
                refusal->fitting);
}

static void report_nearest(struct text *out, const struct page_refusal *refusal) {
    uint64_t begin = paddr_of(refusal->nearest).value;
    uint64_t end = begin + refusal->nearest_pages * PAGE_SIZE;
    text_printf(out, ". The nearest miss is [0x%lx, 0x%lx), ", begin, end);
    text_size(out, end - begin);
    if (refusal->in_the_way.state == PAGE_STATE_FREE) {
        text_puts(out, ", which the ceiling ends");
        return;
    }
    bool lower = refusal->obstacle.value < refusal->nearest.value;
    text_printf(out, "; %s it 0x%lx is ", lower ? "below" : "above",
                paddr_of(refusal->obstacle).value);
    report_frame(out, &refusal->in_the_way);
}

void report_refusal(struct text *out, const struct page_refusal *refusal) {
    report_runs(out, refusal);
    if (refusal->fitting != 0) {
        report_fitting(out, refusal);
    } else if (refusal->nearest_pages != 0) {
        report_nearest(out, refusal);
    } else if (refusal->runs != 0) {
        text_puts(out, ". Nothing is free below the ceiling");
    }
    text_puts(out, ".");
}
