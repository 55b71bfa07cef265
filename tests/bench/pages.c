// SPDX-License-Identifier: MIT
// Strata's page allocator beside four others, in one program, in one run.
//
//   pages [--rows WORDS] [--only WORDS] [--repeats N] [--json FILE] [--small-pages] [--quick]
//
// First everybody is checked against an oracle. Then each scenario runs as often as wanted, all
// contestants in turn, another one first each time, pinned to one CPU. Times are CPU time of the
// measuring thread (but of the hand-off between two threads), medians, with what the loop around
// the calls costs: the column "loop" shows how much that is. All allocators are compiled with the
// same flags and none is inlined. Every arena and all metadata lie in 2 MiB pages, as a kernel's
// direct map does; --small-pages takes 4 KiB ones. Initialisation starts from memory that nobody
// has touched, so that the host's page faults are in it, for all alike; the rows "touched before"
// start from memory that an earlier initialisation has touched.
//
// Never: a failure because something is slow. The exit code is for what is wrong.
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct contestant *const contestants[CONTESTANT_COUNT_] = {
    [STRATA] = &strata_contestant,           [LIST_BUDDY] = &list_buddy_contestant,
    [ARRAY_STACK] = &array_stack_contestant, [INTRUSIVE_STACK] = &intrusive_stack_contestant,
    [BITMAP] = &bitmap_contestant,           [LOOP] = &loop_contestant,
};

struct options {
    const char *rows; // words, each part of a row's id; NULL: all
    const char *only; // words, each part of a contestant's id; NULL: all
    const char *json;
    unsigned repeats;
    bool quick;
};

static _Noreturn void usage(void) {
    fputs("usage: pages [--rows WORDS] [--only WORDS] [--repeats N] [--json FILE] [--small-pages] "
          "[--quick]\n"
          "  --rows WORDS   only rows whose names contain one of these words: ",
          stderr);
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        fprintf(stderr, "%s ", rows[row].id);
    }
    fputs(
        "\n  --quick        a tiny arena and no warming up: shows that it runs, measures nothing\n",
        stderr);
    exit(2);
}

static struct options read_options(int count, char **words) {
    struct options options = {.repeats = 9};
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--quick") == 0) {
            options.quick = true;
        } else if (strcmp(words[i], "--small-pages") == 0) {
            machine_huge_pages = false;
        } else if (value != NULL && strcmp(words[i], "--rows") == 0) {
            options.rows = words[++i];
        } else if (value != NULL && strcmp(words[i], "--only") == 0) {
            options.only = words[++i];
        } else if (value != NULL && strcmp(words[i], "--json") == 0) {
            options.json = words[++i];
        } else if (value != NULL && strcmp(words[i], "--repeats") == 0) {
            options.repeats = (unsigned)strtoul(words[++i], NULL, 10);
        } else {
            usage();
        }
    }
    if (options.repeats < 1 || options.repeats > REPEATS_MAX) {
        usage();
    }
    return options;
}

// Whether one of the words is part of the name.
static bool is_selected(const char *words, const char *name) {
    if (words == NULL || *words == '\0') {
        return true;
    }
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = strtok(copy, " ,"); word != NULL; word = strtok(NULL, " ,")) {
        if (strstr(name, word) != NULL) {
            return true;
        }
    }
    return false;
}

static const char *row_name(unsigned i) {
    return i < ROW_COUNT_ ? rows[i].id : NULL;
}

static const char *contestant_name(unsigned i) {
    return i < CONTESTANT_COUNT_ ? contestants[i]->id : NULL;
}

// Ends the program when one of the words is part of no name.
static void check_words(const char *option, const char *words, const char *(*name_of)(unsigned)) {
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", words != NULL ? words : "");
    for (char *word = strtok(copy, " ,"); word != NULL; word = strtok(NULL, " ,")) {
        unsigned i = 0;
        while (name_of(i) != NULL && strstr(name_of(i), word) == NULL) {
            i++;
        }
        if (name_of(i) != NULL) {
            continue;
        }
        fprintf(stderr, "bench: %s: nothing is called \"%s\"; there are", option, word);
        for (i = 0; name_of(i) != NULL; i++) {
            fprintf(stderr, " %s", name_of(i));
        }
        fputc('\n', stderr);
        exit(2);
    }
}

static void check_everybody(void) {
    for (unsigned who = 0; who < LOOP; who++) {
        const char *wrong = selfcheck(contestants[who]);
        if (wrong != NULL) {
            fprintf(stderr, "bench: %s %s\n", contestants[who]->title, wrong);
            exit(1);
        }
    }
}

// One scenario, all repeats, all contestants in turn.
static void run_scenario(struct results *results, const struct options *options,
                         enum scenario scenario, struct workload *workload) {
    for (unsigned repeat = 0; repeat < results->repeats; repeat++) {
        workload->repeat = repeat;
        for (unsigned turn = 0; turn < CONTESTANT_COUNT_; turn++) {
            unsigned who = (turn + repeat) % CONTESTANT_COUNT_;
            double values[ROW_COUNT_];
            bool runs = is_selected(options->only, contestants[who]->id);
            if (runs) {
                contestants[who]->run(scenario, workload, values);
            }
            for (unsigned row = 0; row < ROW_COUNT_; row++) {
                if (rows[row].scenario == scenario) {
                    results->values[row][who][repeat] = runs ? values[row] : NAN;
                    results->counts[row] = results->repeats;
                }
            }
        }
    }
}

// Measures the scenarios that have a selected row, with all their rows.
static void run_all(struct results *results, const struct options *options,
                    struct workload *workload) {
    bool wanted[SCENARIO_COUNT_] = {false};
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        wanted[rows[row].scenario] |= is_selected(options->rows, rows[row].id);
    }
    for (unsigned scenario = 0; scenario < SCENARIO_COUNT_; scenario++) {
        if (!wanted[scenario]) {
            continue;
        }
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "\r%u of %u ", scenario + 1, SCENARIO_COUNT_);
        }
        run_scenario(results, options, scenario, workload);
    }
    if (isatty(STDERR_FILENO)) {
        fputs("\r         \r", stderr);
    }
}

int main(int count, char **words) {
    static struct results results;
    struct options options = read_options(count, words);
    check_words("--rows (ROWS=)", options.rows, row_name);
    check_words("--only (ONLY=)", options.only, contestant_name);
    uint64_t arena = options.quick ? UINT64_C(256) << 20 : UINT64_C(4) << 30;
    struct workload workload;
    workload_create(&workload, arena, options.quick);
    machine_pin(workload.cpus[0]);
    check_everybody();
    results.repeats = options.repeats;
    results.quick = options.quick;
    results.arena_gib = (double)arena / (double)(UINT64_C(1) << 30);
    results.lock_ns = machine_lock_ns();
    run_all(&results, &options, &workload);
    workload_destroy(&workload);
    report_table(&results);
    if (options.json != NULL && !report_json(&results, options.json)) {
        fprintf(stderr, "bench: cannot write %s\n", options.json);
        return 2;
    }
    return 0;
}
