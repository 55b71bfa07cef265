// SPDX-License-Identifier: MIT
// What every frame is, as records: runs of neighbours that are alike.
//
// A run of free frames says nothing of blocks, and need not: a free block's buddy is never free at
// the same order, so which frames are free determines the blocks.
#include <mm/report.h>

// A fragmented machine has millions of runs, and a serial line writes a hundred a second: what
// comes after so many is one run, of which the record says so.
#define RUNS_MAX 4096

struct writer {
    struct text *out;
    struct page_info info; // of the run that may go on
    pfn_t begin, end;
    uint64_t runs; // begun so far
};

static bool alike(const struct page_info *a, const struct page_info *b) {
    return a->state == b->state &&
           (a->state != PAGE_STATE_ALLOCATED || (a->owner == b->owner && a->order == b->order));
}

static void write_run(const struct writer *writer) {
    const struct page_info *info = &writer->info;
    bool listed = writer->runs <= RUNS_MAX;
    text_printf(writer->out, "{\"record\":\"frames\",\"start\":\"0x%lx\",\"end\":\"0x%lx\"",
                paddr_of(writer->begin).value, paddr_of(writer->end).value);
    text_printf(writer->out, ",\"state\":\"%s\"",
                listed ? page_state_name(info->state) : "not-listed");
    if (listed && info->state == PAGE_STATE_ALLOCATED) {
        text_printf(writer->out, ",\"order\":%u,\"owner\":\"%s\"", info->order,
                    page_owner_name(info->owner));
    }
    text_puts(writer->out, "}\n");
}

static void add(struct writer *writer, pfn_t begin, pfn_t end, const struct page_info *info) {
    bool begun = writer->runs != 0;
    bool joins = begun && writer->end.value == begin.value && alike(&writer->info, info);
    if (joins || writer->runs > RUNS_MAX) {
        writer->end = end;
        return;
    }
    if (begun) {
        write_run(writer);
    }
    writer->runs++;
    writer->info = *info;
    writer->begin = begin;
    writer->end = end;
}

static void add_split(struct writer *writer, struct page_allocator *allocator, pfn_t frame,
                      pfn_t end) {
    while (page_find_managed(allocator, frame, end, &frame)) {
        struct page_info info = page_inspect(allocator, frame);
        bool block = info.state == PAGE_STATE_FREE || info.state == PAGE_STATE_ALLOCATED;
        pfn_t next = pfn(block ? info.block.value + (UINT64_C(1) << info.order) : frame.value + 1);
        add(writer, frame, next, &info);
        frame = next;
    }
}

void record_frames(struct text *out, struct page_allocator *allocator) {
    struct writer writer = {.out = out};
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        struct section_report report;
        page_section_report(allocator, i, &report);
        pfn_t begin = pfn_of(report.begin);
        pfn_t end = pfn(begin.value + GIB / PAGE_SIZE);
        if (report.kind == SECTION_SPLIT) {
            add_split(&writer, allocator, begin, end);
        } else if (report.kind != SECTION_ABSENT) {
            struct page_info info = page_inspect(allocator, begin);
            add(&writer, begin, end, &info);
        }
    }
    if (writer.runs != 0) {
        write_run(&writer);
    }
}
