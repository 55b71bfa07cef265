// SPDX-License-Identifier: MIT
// Building an allocator from a list of what it held.
//
// The state bytes of each split section are written first; what they leave over is free. Where the
// sections' metadata lay in the machine does not matter, but for a section that keeps it in its own
// last frames: it becomes whole when nothing else is in it.
#include "start.h"

#include <host/host.h>
#include <page/internal.h>
#include <stdlib.h>
#include <string.h>

static struct section *section_at(struct page_allocator *allocator, uint64_t frame) {
    return &allocator->sections[frame >> SECTION_SHIFT];
}

static uint8_t *state_at(struct page_allocator *allocator, uint64_t frame) {
    return section_at(allocator, frame)->state + (frame & (SECTION_FRAMES - 1));
}

static uint8_t state_byte(uint8_t state, unsigned order, uint8_t owner) {
    return state == PAGE_STATE_ALLOCATED  ? state_of(order, (enum page_owner)owner)
           : state == PAGE_STATE_RESERVED ? STATE_RESERVED
           : state == PAGE_STATE_BAD      ? STATE_BAD
           : state == PAGE_STATE_METADATA ? STATE_METADATA
                                          : STATE_NONE;
}

static void *cleared(size_t bytes) {
    void *memory = aligned_alloc(64, align_up(bytes, 64));
    if (memory == NULL) {
        fprintf(stderr, "strata-replay: out of memory\n");
        exit(2);
    }
    return memset(memory, 0, align_up(bytes, 64));
}

static void open_split(struct page_allocator *allocator, uint64_t index, uint32_t span,
                       bool own_metadata, uint8_t fill) {
    struct section *section = &allocator->sections[index];
    uint64_t bytes = section_metadata_bytes(span);
    pfn_t own = pfn(section_base(index + 1) - bytes / PAGE_SIZE);
    void *storage = own_metadata ? port_direct_map(paddr_of(own)) : cleared(bytes);
    section_open(section, storage, span, fill);
    section->own_metadata = own_metadata;
}

// Frees the metadata of a split section that open_split made outside of simulated memory.
static void free_metadata(const struct page_allocator *allocator, const struct section *section) {
    const uint8_t *metadata = (const uint8_t *)section->bitmap, *ram = port_direct_map(paddr(0));
    bool simulated = metadata >= ram && metadata < ram + allocator->section_count * GIB;
    if (section->kind == SECTION_SPLIT && !simulated) {
        free(section->bitmap);
    }
}

static const char *make_section(struct page_allocator *allocator,
                                const struct page_start_section *start) {
    struct section *section = &allocator->sections[start->index];
    if (section->kind != SECTION_ABSENT) {
        return "the section was there before";
    }
    if (start->kind == SECTION_SPLIT) {
        if (start->span % 64 != 0 || (start->own_metadata && start->span != SECTION_FRAMES)) {
            return "a section cannot have that span";
        }
        open_split(allocator, start->index, start->span, start->own_metadata, STATE_UNMANAGED);
    } else if (start->kind == SECTION_WHOLE) {
        section->kind = SECTION_WHOLE;
        section_set_free(section, SECTION_FRAMES);
    } else if (start->kind == SECTION_TAKEN) {
        section->kind = SECTION_TAKEN;
        section->taken_state = state_byte(start->state, PAGE_ORDER_MAX, start->owner);
        if (section->taken_state == STATE_NONE || section->taken_state == STATE_METADATA) {
            return "a section cannot be taken as that";
        }
    }
    return NULL;
}

// Marks a run's frames; those of blocks behind the first of each are as free ones are.
static const char *mark_run(struct page_allocator *allocator, const struct page_start_run *run) {
    uint64_t size = UINT64_C(1) << run->order, first = run->first.value;
    uint64_t end = first + run->count * size;
    if (run->state == PAGE_STATE_UNMANAGED || run->state == PAGE_STATE_CACHED ||
        first % size != 0 || first == end) {
        return "there cannot be such blocks";
    }
    for (uint64_t frame = first; frame < end; frame++) {
        struct section *section = section_at(allocator, frame);
        if (frame >= section_base(allocator->section_count) || section->kind != SECTION_SPLIT ||
            (frame & (SECTION_FRAMES - 1)) >= section->span) {
            return "it is not in a split section";
        }
        if (*state_at(allocator, frame) != STATE_UNMANAGED) {
            return "it overlaps another run";
        }
        bool head = frame % size == 0;
        *state_at(allocator, frame) =
            head ? state_byte(run->state, run->order, run->owner) : STATE_NONE;
    }
    return NULL;
}

// What was lost. Sections that events speak of get state bytes for all their frames, for nobody
// knows what was in them when.

static void open_for_all(struct page_allocator *allocator, uint64_t index) {
    struct section *section = &allocator->sections[index], before = *section;
    if (before.kind == SECTION_SPLIT && before.span == SECTION_FRAMES && !before.own_metadata) {
        return;
    }
    uint8_t taken = before.kind == SECTION_TAKEN ? before.taken_state : STATE_UNMANAGED;
    uint8_t fill = before.kind == SECTION_WHOLE ? STATE_NONE : taken;
    open_split(allocator, index, SECTION_FRAMES, false, state_is_head(fill) ? STATE_NONE : fill);
    section->state[0] = fill;
    if (before.kind == SECTION_SPLIT) {
        memcpy(section->state, before.state, before.span);
        free_metadata(allocator, &before);
    }
}

// The first frame of the allocated block that a frame lies in; UINT64_MAX for none.
static uint64_t block_around(struct page_allocator *allocator, uint64_t frame) {
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
        uint64_t head = align_down(frame, UINT64_C(1) << order);
        uint8_t state = *state_at(allocator, head);
        if (state_is_head(state) && head + (UINT64_C(1) << state_order(state)) > frame) {
            return head;
        }
    }
    return UINT64_MAX;
}

// Makes a frame free, and with it the block that it lies in: that was freed by a lost event.
static void assume_free(struct page_allocator *allocator, uint64_t frame) {
    uint64_t head = block_around(allocator, frame);
    if (head != UINT64_MAX) {
        *state_at(allocator, head) = STATE_NONE;
    }
    *state_at(allocator, frame) = STATE_NONE;
}

static bool is_touched(uint8_t *touched, uint64_t frame) {
    bool before = touched[frame / 8] >> (frame % 8) & 1;
    touched[frame / 8] |= (uint8_t)(1u << (frame % 8));
    return before;
}

// Marks [first, end) as blocks as large as they can be.
static void assume_allocated(struct page_allocator *allocator, uint64_t first, uint64_t end,
                             uint8_t owner) {
    while (first < end) {
        uint64_t rest = end - align_down(first, SECTION_FRAMES);
        unsigned order = largest_order(first & (SECTION_FRAMES - 1),
                                       (uint32_t)(rest < SECTION_FRAMES ? rest : SECTION_FRAMES));
        *state_at(allocator, first) = state_of(order, (enum page_owner)owner);
        first += UINT64_C(1) << order;
    }
}

// Whether [first, end) is allocated: one block, or blocks that follow one another.
static bool is_tiled(struct page_allocator *allocator, uint64_t first, uint64_t end, bool one) {
    uint64_t begin = first;
    while (first < end && state_is_head(*state_at(allocator, first))) {
        first += UINT64_C(1) << state_order(*state_at(allocator, first));
        if (one) {
            break;
        }
    }
    return first == end && begin != end;
}

// What was freed, and nothing said of it before, was allocated.
static void infer_freed(struct page_allocator *allocator, uint64_t first, uint64_t end,
                        const struct page_event *event, uint8_t *touched) {
    bool unknown = true, one = event->operation == PAGE_OPERATION_FREE;
    for (uint64_t frame = first; frame < end; frame++) {
        unknown &= !is_touched(touched, frame);
    }
    if (!unknown || is_tiled(allocator, first, end, one)) {
        return;
    }
    for (uint64_t frame = first; frame < end; frame++) {
        assume_free(allocator, frame);
    }
    assume_allocated(allocator, first, end, event->owner);
}

// What was allocated or taken was free, what was released was not.
static void infer_taken(struct page_allocator *allocator, uint64_t first, uint64_t end,
                        enum page_operation operation, uint8_t *touched) {
    for (uint64_t frame = first; frame < end; frame++) {
        bool reserved = *state_at(allocator, frame) == STATE_RESERVED;
        if (is_touched(touched, frame) || (operation == PAGE_OPERATION_RETIRE && reserved)) {
            continue;
        }
        assume_free(allocator, frame);
        if (operation == PAGE_OPERATION_RELEASE) {
            *state_at(allocator, frame) = STATE_RESERVED;
        }
    }
}

// What an event says about the frames that no event before it spoke of.
static void infer(struct page_allocator *allocator, const struct page_event *event,
                  uint8_t *touched) {
    uint64_t first = event->first.value, end = first + event->count;
    bool block = event->order <= PAGE_ORDER_MAX && event->count == UINT64_C(1) << event->order &&
                 first % event->count == 0;
    if (event->status != PAGE_OK || end > section_base(allocator->section_count)) {
        return;
    }
    for (uint64_t i = first >> SECTION_SHIFT; section_base(i) < end; i++) {
        open_for_all(allocator, i);
    }
    if (event->operation == PAGE_OPERATION_FREE_CONTIG ||
        (event->operation == PAGE_OPERATION_FREE && block)) {
        infer_freed(allocator, first, end, event, touched);
    } else if (event->operation != PAGE_OPERATION_FREE) {
        infer_taken(allocator, first, end, (enum page_operation)event->operation, touched);
    }
}

static void make_up_start(struct page_allocator *allocator, const struct recording *recording) {
    uint8_t *touched = cleared(section_base(allocator->section_count) / 8);
    for (size_t i = 0; i < recording->event_count; i++) {
        infer(allocator, &recording->events[i].is, touched);
    }
    free(touched);
}

// Makes everything free that the state bytes leave over, and counts the rest.
static void finish_section(struct page_allocator *allocator, uint64_t index) {
    struct section *section = &allocator->sections[index];
    int64_t *owned = allocator->cpus[0].owned_pages;
    if (section->kind == SECTION_TAKEN && state_is_head(section->taken_state)) {
        owned[state_owner(section->taken_state)] += SECTION_FRAMES;
    }
    for (uint32_t frame = 0; section->kind == SECTION_SPLIT && frame < section->span;) {
        uint8_t state = section->state[frame];
        uint32_t next = frame + state_pages(state);
        if (state == STATE_NONE) {
            while (next < section->span && section->state[next] == STATE_NONE) {
                next++;
            }
            section_put_range(section, frame, next);
        } else if (state_is_head(state)) {
            owned[state_owner(state)] += next - frame;
        } else {
            allocator->metadata_bytes += state == STATE_METADATA ? PAGE_SIZE : 0;
        }
        frame = next;
    }
    page_update_hint(allocator, index);
}

const char *start_build(struct page_allocator *allocator, const struct recording *recording,
                        size_t *line) {
    uint64_t count = recording->section_count;
    memset(allocator, 0, sizeof(*allocator));
    *line = recording->line;
    if (count == 0) {
        return "it has no sections";
    }
    host_memory(paddr(0), count * GIB);
    allocator->section_count = count;
    allocator->sections = cleared(count * sizeof(struct section));
    allocator->hints = cleared(count * sizeof(uint16_t));
    allocator->ranges.rank = LOCK_RANGES;
    page_set_reserves(allocator, &recording->reserves);
    const char *wrong = NULL;
    for (size_t i = 0; i < recording->start_section_count && wrong == NULL; i++) {
        *line = recording->sections[i].line;
        wrong = make_section(allocator, &recording->sections[i].is);
    }
    for (size_t i = 0; i < recording->run_count && wrong == NULL; i++) {
        *line = recording->runs[i].line;
        wrong = mark_run(allocator, &recording->runs[i].is);
    }
    if (wrong == NULL && recording->recorded != recording->kept) {
        make_up_start(allocator, recording);
    }
    for (uint64_t i = 0; i < count && wrong == NULL; i++) {
        finish_section(allocator, i);
    }
    if (wrong == NULL) {
        *line = recording->line;
        wrong = page_check(allocator);
    }
    return wrong;
}

void start_free(struct page_allocator *allocator) {
    for (uint64_t i = 0; i < allocator->section_count; i++) {
        free_metadata(allocator, &allocator->sections[i]);
    }
    free(allocator->sections);
    free(allocator->hints);
}
