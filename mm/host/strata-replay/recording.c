// SPDX-License-Identifier: MIT
// From lines to a recording. What the records are is said in include/mm/report.h.
#include "recording.h"

#include "record.h"

#include <mm/report.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MOST  (UINT64_C(1) << 40) // 52 bits of address
#define SECTION_MOST 16384               // 16 TiB

static void *grow(void *array, size_t count, size_t bytes) {
    if ((count & (count - 1)) == 0) {
        array = realloc(array, (count == 0 ? 1 : 2 * count) * bytes);
        if (array == NULL) {
            fprintf(stderr, "strata-replay: out of memory\n");
            exit(2);
        }
    }
    return array;
}

static const char *kind_name(unsigned i) {
    return section_kind_name((enum section_kind)i);
}

static const char *state_name(unsigned i) {
    return page_state_name((enum page_state)i);
}

static const char *owner_name(unsigned i) {
    return page_owner_name((enum page_owner)i);
}

static const char *status_name(unsigned i) {
    return page_status_name((enum page_status)i);
}

static const char *operation_name(unsigned i) {
    return page_operation_name((enum page_operation)i);
}

static uint8_t owner_in(struct record *record) {
    return (uint8_t)record_choice(record, "owner", owner_name, PAGE_OWNER_COUNT_);
}

// The frame at an address.
static pfn_t frame_in(struct record *record) {
    uint64_t address = record_number(record, "start", FRAMES_MOST << PAGE_SHIFT);
    if (address % PAGE_SIZE != 0 && record->defect[0] == '\0') {
        snprintf(record->defect, sizeof(record->defect), "0x%lx is not the address of a page",
                 address);
    }
    return pfn_of(paddr(address));
}

static void read_head(struct recording *recording, struct record *record, size_t line) {
    size_t found = recording->found;
    recording_free(recording);
    recording->line = line;
    recording->found = found + 1;
    recording->section_count = record_number(record, "sections", SECTION_MOST);
    recording->recorded = record_number(record, "recorded", UINT64_MAX);
    recording->kept = record_number(record, "kept", UINT64_MAX);
    recording->reserves.below_16m = record_number(record, "below_16m", FRAMES_MOST);
    recording->reserves.below_4g = record_number(record, "below_4g", FRAMES_MOST);
    recording->reserves.atomic = record_number(record, "atomic", FRAMES_MOST);
}

static void read_section(struct recording *recording, struct record *record, size_t line) {
    struct replay_section section = {.line = line};
    uint64_t last = recording->section_count == 0 ? 0 : recording->section_count - 1;
    section.is.index = (uint32_t)record_number(record, "index", last);
    section.is.kind = (uint8_t)record_choice(record, "state", kind_name, SECTION_SPLIT + 1);
    if (section.is.kind == SECTION_SPLIT) {
        section.is.span = (uint32_t)record_number(record, "span", SECTION_FRAMES);
        section.is.own_metadata = record_flag(record, "own_metadata");
    } else if (section.is.kind == SECTION_TAKEN) {
        section.is.state = (uint8_t)record_choice(record, "as", state_name, 7);
        section.is.owner = owner_in(record);
    }
    recording->sections =
        grow(recording->sections, recording->start_section_count, sizeof(section));
    recording->sections[recording->start_section_count++] = section;
}

static void read_run(struct recording *recording, struct record *record, size_t line) {
    struct replay_run run = {.line = line};
    run.is.first = frame_in(record);
    run.is.count = (uint32_t)record_number(record, "blocks", SECTION_FRAMES * 4);
    run.is.state = (uint8_t)record_choice(record, "state", state_name, 7);
    if (run.is.state == PAGE_STATE_ALLOCATED) {
        run.is.order = (uint8_t)record_number(record, "order", PAGE_ORDER_MAX);
        run.is.owner = owner_in(record);
    }
    recording->runs = grow(recording->runs, recording->run_count, sizeof(run));
    recording->runs[recording->run_count++] = run;
}

static uint8_t log_in(struct record *record, const char *name) {
    uint64_t bytes = record_number(record, name, UINT64_MAX);
    if ((bytes & (bytes - 1)) != 0 && record->defect[0] == '\0') {
        snprintf(record->defect, sizeof(record->defect), "\"%s\" is no power of two", name);
    }
    return bytes <= 1 ? 0 : (uint8_t)(63 - __builtin_clzll(bytes));
}

static void read_request(struct record *record, struct page_event *event) {
    bool alloc = event->operation == PAGE_OPERATION_ALLOC;
    bool free = event->operation == PAGE_OPERATION_FREE;
    bool contig = event->operation == PAGE_OPERATION_CONTIG;
    if (alloc || free) {
        event->order = (uint8_t)record_number(record, "order", free ? 255 : PAGE_ORDER_MAX);
    }
    if (alloc || free || contig) {
        event->owner = owner_in(record);
    }
    if (alloc || contig) {
        event->ceiling = paddr(record_number(record, "ceiling", UINT64_MAX));
    }
    if (contig) {
        event->align_log = log_in(record, "align");
        event->boundary_log = log_in(record, "boundary");
    }
    event->atomic = record_flag(record, "atomic");
    event->injected = record_flag(record, "injected");
}

// Events follow one another without a gap; the first kept one may have any number.
static void check_sequence(const struct recording *recording, struct record *record,
                           uint64_t sequence) {
    uint64_t expected = recording->event_count == 0
                            ? recording->recorded - recording->kept + 1
                            : recording->events[recording->event_count - 1].is.sequence + 1;
    if (sequence != expected && record->defect[0] == '\0') {
        snprintf(record->defect, sizeof(record->defect),
                 "event %lu stands where event %lu belongs: lines are missing", sequence, expected);
    }
}

static void read_event(struct recording *recording, struct record *record, size_t line) {
    struct replay_event event = {.line = line};
    event.is.sequence = record_number(record, "sequence", UINT64_MAX);
    check_sequence(recording, record, event.is.sequence);
    event.is.operation =
        (uint8_t)record_choice(record, "operation", operation_name, PAGE_OPERATION_COUNT_);
    event.is.status = (uint8_t)record_choice(record, "status", status_name, PAGE_NOT_RESERVED + 1);
    event.is.first = frame_in(record);
    event.is.count = record_number(record, "pages", FRAMES_MOST);
    event.is.cpu = (uint8_t)record_number(record, "cpu", 255);
    record_string(record, "caller", event.caller, sizeof(event.caller));
    read_request(record, &event.is);
    if (record->defect[0] == '\0') {
        recording->events = grow(recording->events, recording->event_count, sizeof(event));
        recording->events[recording->event_count++] = event;
    }
}

static void read_end(struct recording *recording, struct record *record) {
    uint64_t events = record_number(record, "events", UINT64_MAX);
    if (events != recording->event_count && record->defect[0] == '\0') {
        snprintf(record->defect, sizeof(record->defect), "it counts %lu events, but %zu were found",
                 events, recording->event_count);
    }
    recording->complete = record->defect[0] == '\0';
}

// A line that is a record of a trace, or means to be one.
static void read_line(struct recording *recording, const char *text, size_t length, size_t line) {
    struct record record;
    bool sound = record_read(&record, text, length);
    bool head = record_is(&record, "record", "trace");
    if (!head && (recording->line == 0 || recording->complete || recording->damaged_line != 0)) {
        return;
    }
    if (!sound) {
        // It is said below.
    } else if (head) {
        read_head(recording, &record, line);
    } else if (record_is(&record, "record", "trace-section")) {
        read_section(recording, &record, line);
    } else if (record_is(&record, "record", "trace-run")) {
        read_run(recording, &record, line);
    } else if (record_is(&record, "record", "trace-event")) {
        read_event(recording, &record, line);
    } else if (record_is(&record, "record", "trace-end")) {
        read_end(recording, &record);
    } else {
        return;
    }
    if (record.defect[0] != '\0') {
        recording->damaged_line = line;
        snprintf(recording->damage, sizeof(recording->damage), "%s", record.defect);
    }
}

void recording_read(struct recording *recording, FILE *text) {
    static const char mark[] = "{\"record\":\"trace";
    *recording = (struct recording){.line = 0};
    char *bytes = NULL;
    size_t room = 0, line = 0;
    ssize_t length;
    while ((length = getline(&bytes, &room, text)) >= 0) {
        line++;
        while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r')) {
            bytes[--length] = '\0';
        }
        const char *begin = strstr(bytes, mark); // not in a line with a NUL before it
        if (begin != NULL) {
            read_line(recording, begin, (size_t)length - (size_t)(begin - bytes), line);
        }
    }
    free(bytes);
}

void recording_free(struct recording *recording) {
    free(recording->sections);
    free(recording->runs);
    free(recording->events);
    memset(recording, 0, sizeof(*recording));
}
