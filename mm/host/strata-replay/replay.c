// SPDX-License-Identifier: MIT
// Events, done again and judged.
//
// What has to be as it was recorded: what the allocator panics about, success and refusal, and that
// an allocation is a place that the request allows and that is free. Where a recording can be
// exact, the place as well. Otherwise an allocation that this code places elsewhere is moved to the
// recorded place, so that the events after it find what they found then.
#include "replay.h"

#include <host/host.h>
#include <mm/report.h>
#include <page/internal.h>
#include <string.h>

bool replay_can_be_exact(const struct recording *recording) {
    for (size_t i = 0; i < recording->event_count; i++) {
        if (recording->events[i].is.cpu != recording->events[0].is.cpu) {
            return false;
        }
    }
    return recording->recorded == recording->kept;
}

static uint64_t begin_of(const struct page_event *event) {
    return paddr_of(event->first).value;
}

static uint64_t end_of(const struct page_event *event) {
    return begin_of(event) + event->count * PAGE_SIZE;
}

void replay_describe(const struct page_event *event, char *out, size_t capacity) {
    struct text_buffer text;
    text_buffer_init(&text, out, capacity);
    text_puts(&text.text, page_operation_name((enum page_operation)event->operation));
    bool request =
        event->operation == PAGE_OPERATION_ALLOC || event->operation == PAGE_OPERATION_CONTIG;
    if (request && event->status != PAGE_OK) {
        text_printf(&text.text, " of %lu pages", event->count);
    } else {
        text_printf(&text.text, " [0x%lx, 0x%lx)", begin_of(event), end_of(event));
    }
    if (event->operation == PAGE_OPERATION_ALLOC || event->operation == PAGE_OPERATION_FREE) {
        text_printf(&text.text, ", order %u", event->order);
    }
    if (request) {
        text_printf(&text.text, ", for %s", page_owner_name((enum page_owner)event->owner));
    }
    if (request && event->ceiling.value != PAGE_ANYWHERE.value) {
        text_printf(&text.text, ", below 0x%lx", event->ceiling.value);
    }
    if (event->status != PAGE_OK) {
        text_printf(&text.text, ": %s%s", page_status_name((enum page_status)event->status),
                    event->injected ? ", made to fail" : "");
    }
}

static bool bad(struct replay *replay, const char *expected, const char *found) {
    snprintf(replay->expected, sizeof(replay->expected), "%s", expected);
    snprintf(replay->found, sizeof(replay->found), "%s", found);
    return false;
}

static bool bad_frame(struct replay *replay, const char *expected, pfn_t frame) {
    struct page_info info = page_inspect(replay->allocator, frame);
    struct text_buffer text;
    char found[300];
    text_buffer_init(&text, found, sizeof(found));
    text_printf(&text.text, "0x%lx is ", paddr_of(frame).value);
    report_frame(&text.text, &info);
    return bad(replay, expected, found);
}

// The first frame of [begin, end) that is not free is in the way.
static bool bad_frames(struct replay *replay, const char *expected, pfn_t begin, pfn_t end) {
    pfn_t frame = begin;
    while (frame.value + 1 < end.value &&
           page_inspect(replay->allocator, frame).state == PAGE_STATE_FREE) {
        frame.value++;
    }
    return bad_frame(replay, expected, frame);
}

static bool inside(const struct replay *replay, const struct page_event *event) {
    uint64_t end = section_base(replay->allocator->section_count);
    return event->count != 0 && event->first.value < end &&
           event->count <= end - event->first.value;
}

// Gives back what the allocator gave for an event.
static void give_back(struct replay *replay, const struct page_event *event, pfn_t first) {
    if (event->operation == PAGE_OPERATION_ALLOC) {
        page_free(replay->allocator, first, event->order);
    } else {
        page_free_contig(replay->allocator, first, event->count);
    }
}

static bool place_allowed(const struct page_event *event) {
    uint64_t align = UINT64_C(1) << event->align_log, boundary = UINT64_C(1) << event->boundary_log;
    if (event->operation == PAGE_OPERATION_ALLOC) {
        align = PAGE_SIZE << event->order;
    }
    return begin_of(event) % align == 0 && end_of(event) <= event->ceiling.value &&
           (event->boundary_log == 0 ||
            begin_of(event) / boundary == (end_of(event) - 1) / boundary);
}

// The recorded place instead of the one at `first`.
static bool move(struct replay *replay, const struct page_event *event, pfn_t first) {
    pfn_t end = pfn(event->first.value + event->count);
    give_back(replay, event, first);
    enum page_status status =
        page_allocate_range(replay->allocator, event->first, end, (enum page_owner)event->owner);
    if (status == PAGE_NOT_FREE) {
        return bad_frames(replay, "free memory at the place that was given out", event->first, end);
    }
    if (status != PAGE_OK) {
        return bad(replay, "the place that was given out", page_status_name(status));
    }
    char found[100];
    snprintf(found, sizeof(found), "0x%lx, where this code places it", paddr_of(first).value);
    replay->elsewhere++;
    return !replay->exact || bad(replay, "the place that was given out", found);
}

static bool judge_allocation(struct replay *replay, const struct page_event *event,
                             enum page_status status, pfn_t first) {
    if (event->status != PAGE_OK) {
        if (status != PAGE_OK) {
            return true;
        }
        give_back(replay, event, first);
        replay->otherwise++;
        return !replay->exact || bad(replay, "no memory", "memory for it");
    }
    if (!inside(replay, event) || !place_allowed(event)) {
        return bad(replay, "a place that the request allows", "one that it does not");
    }
    if (status == PAGE_OK) {
        return first.value == event->first.value || move(replay, event, first);
    }
    pfn_t end = pfn(event->first.value + event->count);
    replay->otherwise++;
    if (replay->exact || page_allocate_range(replay->allocator, event->first, end,
                                             (enum page_owner)event->owner) != PAGE_OK) {
        return bad_frames(replay, "memory for it", event->first, end);
    }
    return true;
}

static bool alloc(struct replay *replay, const struct page_event *event) {
    pfn_t first = pfn(0);
    if (event->count != UINT64_C(1) << event->order) {
        return bad(replay, "as many pages as its order says", "another number");
    }
    enum page_status status = (event->atomic ? page_alloc_atomic : page_alloc)(
        replay->allocator, event->order, event->ceiling, (enum page_owner)event->owner, &first);
    return judge_allocation(replay, event, status, first);
}

static bool contig(struct replay *replay, const struct page_event *event) {
    pfn_t first = pfn(0);
    enum page_status status = page_alloc_contig(
        replay->allocator, event->count, UINT64_C(1) << event->align_log, event->ceiling,
        event->boundary_log == 0 ? 0 : UINT64_C(1) << event->boundary_log,
        (enum page_owner)event->owner, &first, NULL);
    if (status == PAGE_BAD_REQUEST) {
        return bad(replay, "a request that can be", "one that cannot");
    }
    return judge_allocation(replay, event, status, first);
}

static bool release(struct replay *replay, const struct page_event *event) {
    if (!inside(replay, event)) {
        return bad(replay, "memory of this machine", "addresses beyond it");
    }
    if (event->operation == PAGE_OPERATION_FREE) {
        page_free(replay->allocator, event->first, event->order);
    } else {
        page_free_contig(replay->allocator, event->first, event->count);
    }
    return true;
}

static bool range(struct replay *replay, const struct page_event *event) {
    enum page_status (*const change)(struct page_allocator *, pfn_t, pfn_t, pfn_t *) =
        event->operation == PAGE_OPERATION_RESERVE   ? page_reserve
        : event->operation == PAGE_OPERATION_RELEASE ? page_release
                                                     : page_retire;
    pfn_t end = pfn(event->first.value + event->count), obstacle = event->first;
    if (!replay->exact && event->status != PAGE_OK) {
        return true; // what was in the way may have come with an event that was lost
    }
    enum page_status status = change(replay->allocator, event->first, end, &obstacle);
    if (status == event->status) {
        return true;
    }
    bool no_memory = status == PAGE_NO_MEMORY || event->status == PAGE_NO_MEMORY;
    const char *expected = page_status_name((enum page_status)event->status);
    if (status == PAGE_NOT_FREE || status == PAGE_NOT_RESERVED) {
        return bad_frame(replay, expected, obstacle);
    }
    replay->otherwise++;
    return (no_memory && !replay->exact) || bad(replay, expected, page_status_name(status));
}

static bool metadata(struct replay *replay, const struct page_event *event) {
    pfn_t first, end = pfn(event->first.value + event->count);
    if (!inside(replay, event) || event->count > 512 ||
        !page_take_metadata(replay->allocator, (uint32_t)event->count, &first)) {
        return bad(replay, "memory for the allocator's own use", "none");
    }
    if (first.value == event->first.value) {
        return true;
    }
    page_return_metadata(replay->allocator, first, (uint32_t)event->count);
    replay->elsewhere++;
    return (!replay->exact &&
            page_reserve(replay->allocator, event->first, end, NULL) == PAGE_OK) ||
           bad_frames(replay, "the place that was taken", event->first, end);
}

static bool do_event(struct replay *replay, const struct page_event *event) {
    switch ((enum page_operation)event->operation) {
    case PAGE_OPERATION_ALLOC:
        return alloc(replay, event);
    case PAGE_OPERATION_CONTIG:
        return contig(replay, event);
    case PAGE_OPERATION_FREE:
    case PAGE_OPERATION_FREE_CONTIG:
        return release(replay, event);
    case PAGE_OPERATION_RESERVE:
    case PAGE_OPERATION_RELEASE:
    case PAGE_OPERATION_RETIRE:
        return range(replay, event);
    case PAGE_OPERATION_METADATA:
        return metadata(replay, event);
    case PAGE_OPERATION_COUNT_:
        break;
    }
    return bad(replay, "an operation", "none");
}

bool replay_event(struct replay *replay, const struct page_event *event) {
    if (event->injected) {
        return event->status == PAGE_NO_MEMORY ||
               bad(replay, "no memory, for it was made to fail",
                   page_status_name((enum page_status)event->status));
    }
    if (!HOST_EXPECT_PANIC()) {
        return bad(replay, "a block that can be freed", host_panic_message);
    }
    bool fine = do_event(replay, event);
    host_panic_end();
    return fine;
}
