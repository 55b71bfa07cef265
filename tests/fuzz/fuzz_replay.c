// SPDX-License-Identifier: MIT
// Any bytes as a recording: refused with a reason, or an allocator is built from it that keeps
// every invariant, and its events are done again up to the first bad one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <host/host.h>
#include <host/strata-replay/replay.h>
#include <host/strata-replay/start.h>

#define SECTIONS_MOST 8 // more take long and show nothing new

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static void do_again(struct page_allocator *allocator, const struct recording *recording) {
    static struct page_watch watch;
    struct replay replay = {.allocator = allocator, .exact = replay_can_be_exact(recording)};
    expect(page_watch_start(allocator, &watch), "no watch can be attached");
    for (size_t i = 0; i < recording->event_count; i++) {
        char what[200];
        replay_describe(&recording->events[i].is, what, sizeof(what));
        if (!replay_event(&replay, &recording->events[i].is)) {
            expect(replay.expected[0] != '\0' && replay.found[0] != '\0', "bad, but not why");
            return;
        }
    }
    const char *broken = page_check(allocator);
    expect(broken == NULL, broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct page_allocator allocator;
    struct recording recording;
    FILE *text = size == 0 ? NULL : fmemopen((void *)(uintptr_t)data, size, "r");
    if (text == NULL) {
        return 0;
    }
    recording_read(&recording, text);
    fclose(text);
    size_t line = 0;
    if (recording.line != 0 && recording.section_count <= SECTIONS_MOST) {
        const char *wrong = start_build(&allocator, &recording, &line);
        if (wrong == NULL) {
            do_again(&allocator, &recording);
        }
        start_free(&allocator);
    }
    recording_free(&recording);
    return 0;
}
