// SPDX-License-Identifier: MIT
// strata-replay: does again, on the desk, what a page allocator did in a machine.
//
// Reads the records of a trace, builds the allocator as it was at the start, runs every event
// through the same code and checks every invariant after each, up to the first bad event.
#include "replay.h"
#include "start.h"

#include <errno.h>
#include <getopt.h>
#include <host/host.h>
#include <host/output.h>
#include <stdlib.h>
#include <string.h>

enum exit_status { EXIT_FINE, EXIT_BAD, EXIT_WRONG_INPUT, EXIT_NO_OUTPUT };

struct settings {
    uint64_t check_every;
    bool quiet, anywhere;
};

static const char help[] =
    "usage: strata-replay [OPTION]... [FILE]\n"
    "Does again what a page allocator did in a machine, from a recording that its monitor printed\n"
    "(trace on, trace dump). FILE may be a whole serial log; of several recordings the last "
    "counts.\n"
    "Reads standard input when there is no FILE, or for \"-\".\n"
    "\n"
    "  --check-every N  check every invariant after each N events (default 1; 0: at the end only)\n"
    "  --anywhere       do not insist that memory is placed where it was\n"
    "  --quiet          say nothing when all is well\n"
    "  --help, --version\n"
    "\n"
    "Stops at the first bad event and says what was expected and what was found. Refusals,\n"
    "successes and misuse have to be as they were recorded; so have the places of allocations "
    "when\n"
    "the recording is whole and of one CPU.\n"
    "\n"
    "Exit status: 0; 1 for a bad event or a broken invariant; 2 for input that is no recording;\n"
    "3 when the output cannot be written.\n";

static int say_bad(const char *name, const struct replay_event *event, const char *expected,
                   const char *found) {
    char what[200];
    replay_describe(&event->is, what, sizeof(what));
    printf("%s:%zu: event %lu: %s\n  by %s on CPU %u\n  expected: %s\n  found: %s\n", name,
           event->line, event->is.sequence, what, event->caller, event->is.cpu, expected, found);
    return EXIT_BAD;
}

static int run_events(const char *name, const struct recording *recording, struct replay *replay,
                      const struct settings *settings) {
    for (size_t i = 0; i < recording->event_count; i++) {
        const struct replay_event *event = &recording->events[i];
        if (!replay_event(replay, &event->is)) {
            return say_bad(name, event, replay->expected, replay->found);
        }
        bool last = i + 1 == recording->event_count;
        bool check = settings->check_every != 0 && (i + 1) % settings->check_every == 0;
        const char *broken = check || last ? page_check(replay->allocator) : NULL;
        if (broken != NULL) {
            return say_bad(name, event, "every invariant to hold after it", broken);
        }
    }
    if (recording->damaged_line != 0) {
        printf("%s:%zu: event %zu: damaged\n  found: %s\n", name, recording->damaged_line,
               recording->event_count + 1 + (size_t)(recording->recorded - recording->kept),
               recording->damage);
        return EXIT_BAD;
    }
    return EXIT_FINE;
}

static void say_fine(const char *name, const struct recording *recording,
                     const struct replay *replay) {
    printf("%s:%zu: %zu events done again, every check held\n", name, recording->line,
           recording->event_count);
    if (recording->found > 1) {
        printf("  the last of %zu recordings\n", recording->found);
    }
    if (recording->recorded != recording->kept) {
        printf("  the first %lu events were lost; the start is made up from the others\n",
               recording->recorded - recording->kept);
    }
    if (replay->elsewhere + replay->otherwise != 0) {
        printf("  %lu allocations would be placed elsewhere, %lu requests answered otherwise\n",
               replay->elsewhere, replay->otherwise);
    }
    if (!recording->complete) {
        puts("  the recording breaks off");
    }
}

static int run(const char *name, const struct recording *recording,
               const struct settings *settings) {
    static struct page_allocator allocator;
    static struct page_watch watch;
    size_t line = recording->line;
    bool in_start = recording->damaged_line != 0 && recording->event_count == 0;
    if (recording->line == 0 || in_start) {
        fprintf(stderr, "%s:%zu: %s\n", name, recording->damaged_line,
                in_start ? recording->damage : "no recording in it: no line is a record \"trace\"");
        return EXIT_WRONG_INPUT;
    }
    const char *wrong = start_build(&allocator, recording, &line);
    if (wrong != NULL) {
        fprintf(stderr, "%s:%zu: the start cannot be: %s\n", name, line, wrong);
        return EXIT_WRONG_INPUT;
    }
    struct replay replay = {
        .allocator = &allocator,
        .exact = !settings->anywhere && replay_can_be_exact(recording),
    };
    page_watch_start(&allocator, &watch); // it was watched there, too: the stacks are closed
    int status = run_events(name, recording, &replay, settings);
    if (status == EXIT_FINE && !settings->quiet) {
        say_fine(name, recording, &replay);
    }
    return status;
}

static int run_file(const char *name, const struct settings *settings) {
    bool standard = strcmp(name, "-") == 0;
    FILE *stream = standard ? stdin : fopen(name, "rb");
    if (stream == NULL) {
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
        return EXIT_WRONG_INPUT;
    }
    struct recording recording;
    recording_read(&recording, stream);
    int status = run(standard ? "standard input" : name, &recording, settings);
    recording_free(&recording);
    if (!standard) {
        fclose(stream);
    }
    return status;
}

static bool read_count(const char *text, uint64_t *count) {
    char *end;
    errno = 0;
    *count = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

// What the options say; -1 to go on, else the exit status.
static int read_options(int count, char **words, struct settings *settings) {
    static const struct option options[] = {
        {"check-every", required_argument, NULL, 'c'},
        {"anywhere", no_argument, NULL, 'a'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(count, words, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            if (!read_count(optarg, &settings->check_every)) {
                fprintf(stderr, "strata-replay: --check-every %s: a number is wanted\n", optarg);
                return EXIT_WRONG_INPUT;
            }
            break;
        case 'a':
            settings->anywhere = true;
            break;
        case 'q':
            settings->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_FINE;
        case 'v':
            puts("strata-replay " STRATA_VERSION);
            return EXIT_FINE;
        default:
            fputs("try strata-replay --help\n", stderr);
            return EXIT_WRONG_INPUT;
        }
    }
    return -1;
}

static int start(int count, char **words) {
    struct settings settings = {.check_every = 1};
    int status = read_options(count, words, &settings);
    if (status >= 0) {
        return status;
    }
    if (count - optind > 1) {
        fputs("strata-replay: one FILE at a time\n", stderr);
        return EXIT_WRONG_INPUT;
    }
    return run_file(optind < count ? words[optind] : "-", &settings);
}

int main(int count, char **words) {
    return output_end("strata-replay", start(count, words), EXIT_NO_OUTPUT);
}
