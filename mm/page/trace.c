// SPDX-License-Identifier: MIT
// Beginning and ending a recording: its storage, and how everything is at the start. watch.c writes
// the events.
//
//   storage   | events, a ring … | runs of blocks … | sections |
//
// The start is kept as runs of equal neighbours, so it is small where memory was used in order.
//
// Invariant (tests/unit/test_replay.c, tests/tool/test_strata_replay.py):
//   T1  the start and the events, done again, give every result again      done_again
#include "watch.h"

#include <string.h>

// Writes the start as far as there is room, and counts all of it.
struct writer {
    struct page_start_section *sections;
    struct page_start_run *runs;
    uint64_t section_count, run_count, section_room, run_room;
    struct page_start_run last; // the run that may go on
};

static uint64_t end_of(const struct page_start_run *run) {
    return run->first.value + ((uint64_t)run->count << run->order);
}

static void write_run(struct writer *writer, struct page_start_run run) {
    struct page_start_run *last = &writer->last;
    if (writer->run_count != 0 && end_of(last) == run.first.value && last->state == run.state &&
        last->order == run.order && last->owner == run.owner) {
        last->count += run.count;
    } else {
        writer->run_count++;
        *last = run;
    }
    if (writer->run_count <= writer->run_room) {
        writer->runs[writer->run_count - 1] = *last;
    }
}

static void write_section(struct writer *writer, struct page_start_section section) {
    if (writer->section_count < writer->section_room) {
        writer->sections[writer->section_count] = section;
    }
    writer->section_count++;
}

static void write_split(struct writer *writer, struct section *section, uint64_t base) {
    uint32_t frame = 0;
    while (frame < section->span) {
        uint8_t state = state_read(section, frame);
        uint32_t pages = state_pages(state);
        struct page_start_run run = {.first = pfn(base + frame), .count = 1};
        if (state == STATE_NONE) {
            pages = 1u << (unsigned)section_free_order(section, frame);
            run.count = pages; // how they are blocks follows from which of them are free
            run.state = PAGE_STATE_FREE;
        } else if (state_is_head(state)) {
            run.state = PAGE_STATE_ALLOCATED;
            run.order = (uint8_t)state_order(state);
            run.owner = (uint8_t)state_owner(state);
        } else {
            run.state = (uint8_t)page_special_state(state);
        }
        if (run.state != PAGE_STATE_UNMANAGED) {
            write_run(writer, run);
        }
        frame += pages;
    }
}

// All sections are locked.
static void write_start(struct page_allocator *allocator, struct writer *writer) {
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        struct section *section = &allocator->sections[i];
        uint8_t taken = section->kind == SECTION_TAKEN ? section->taken_state : STATE_NONE;
        bool allocated = state_is_head(taken);
        struct page_start_section start = {
            .index = (uint32_t)i,
            .kind = section->kind,
            .state = (uint8_t)(allocated ? PAGE_STATE_ALLOCATED : page_special_state(taken)),
            .owner = (uint8_t)(allocated ? state_owner(taken) : PAGE_OWNER_OTHER),
        };
        if (section->kind == SECTION_SPLIT) {
            start.span = section->span;
            start.own_metadata = section->own_metadata;
            write_split(writer, section, section_base(i));
        }
        if (section->kind != SECTION_ABSENT) {
            write_section(writer, start);
        }
    }
}

static struct writer count_start(struct page_allocator *allocator) {
    struct writer writer = {.section_count = 0};
    pfn_t end = pfn(section_base(allocator->section_count));
    unsigned long flags = page_lock_range(allocator, pfn(0), end);
    write_start(allocator, &writer);
    page_unlock_range(allocator, pfn(0), end, flags);
    return writer;
}

static uint64_t start_bytes(const struct writer *writer) {
    return writer->section_count * sizeof(struct page_start_section) +
           writer->run_count * sizeof(struct page_start_run);
}

uint64_t page_trace_bytes(struct page_allocator *allocator, uint64_t events) {
    struct writer start = count_start(allocator);
    // The storage itself will be allocated before the trace begins: a few runs, perhaps a section.
    start.section_count += 2;
    start.run_count += 16;
    return align_up(start_bytes(&start) + events * sizeof(struct page_event), PAGE_SIZE);
}

bool page_trace_start(struct page_allocator *allocator, void *storage, uint64_t bytes,
                      uint64_t *events) {
    struct page_trace *trace = &allocator->watch->trace;
    struct writer writer = count_start(allocator);
    uint64_t taken = start_bytes(&writer);
    if (*events == 0 || taken > bytes || (bytes - taken) / sizeof(struct page_event) < *events) {
        return false;
    }
    *events = (bytes - taken) / sizeof(struct page_event);
    struct page_start_run *runs = (void *)((struct page_event *)storage + *events);
    struct page_start_section *sections = (void *)(runs + writer.run_count);
    *trace = (struct page_trace){
        .section_count = allocator->section_count,
        .reserves = allocator->reserves,
        .sections = sections,
        .start_section_count = writer.section_count,
        .runs = runs,
        .run_count = writer.run_count,
        .events = storage,
        .capacity = *events,
    };
    memset(trace->events, 0, trace->capacity * sizeof(struct page_event));
    writer = (struct writer){
        .sections = sections,
        .runs = runs,
        .section_room = writer.section_count,
        .run_room = writer.run_count,
    };
    pfn_t end = pfn(section_base(allocator->section_count));
    unsigned long flags = page_lock_range(allocator, pfn(0), end);
    write_start(allocator, &writer);
    trace->recording = true;
    page_unlock_range(allocator, pfn(0), end, flags);
    return true;
}

void page_trace_stop(struct page_allocator *allocator) {
    allocator->watch->trace.recording = false;
}
