// SPDX-License-Identifier: MIT
// A recording, read from what a machine said on its serial line.
#pragma once

#include <mm/watch.h>
#include <stdio.h>

struct replay_section {
    struct page_start_section is;
    size_t line;
};

struct replay_run {
    struct page_start_run is;
    size_t line;
};

struct replay_event {
    struct page_event is;
    size_t line;
    char caller[64];
};

struct recording {
    size_t line;  // where it begins; 0 when there is none
    size_t found; // how many recordings the text holds; this is the last
    uint64_t section_count, recorded, kept;
    struct page_reserves reserves;
    struct replay_section *sections;
    struct replay_run *runs;
    struct replay_event *events;
    size_t start_section_count, run_count, event_count;
    bool complete; // its end was found
    // The first line of the recording that is damaged: nothing behind it was read.
    size_t damaged_line; // 0: none
    char damage[200];
};

// Reads the last recording in a text of any kind: lines that are no record of a trace do not
// matter.
void recording_read(struct recording *recording, FILE *text);
void recording_free(struct recording *recording);
