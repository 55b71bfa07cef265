// SPDX-License-Identifier: MIT
// kmalloc beside mimalloc, jemalloc and glibc, in one program, in one run.
//
//   objects [--rows WORDS] [--repeats N] [--json FILE] [--quick]
//
// Each scenario runs as often as wanted, all contestants in turn, another one first each time, each
// in a process of its own, which is this program again and writes its numbers to a pipe.
//
// Never: a failure because something is slow. The exit code is for what is wrong.
#include "../table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const struct contestant *const contestants[CONTESTANT_COUNT_] = {
    [STRATA] = &strata_contestant,     [MIMALLOC] = &mimalloc_contestant,
    [JEMALLOC] = &jemalloc_contestant, [GLIBC] = &glibc_contestant,
    [LOOP] = &loop_contestant,
};

static _Noreturn void usage(void) {
    fputs("usage: objects [--rows WORDS] [--repeats N] [--json FILE] [--quick]\n", stderr);
    exit(2);
}

static struct workload workload_of(bool quick, unsigned repeat) {
    struct workload workload = {
        .pairs = quick ? 5000 : 500000,
        .churns = quick ? 5000 : 500000,
        .messages = quick ? 20000 : 2000000,
        .memory = quick ? 2000 : 100000,
        .repeat = repeat,
    };
    machine_cpus(workload.cpus);
    return workload;
}

// The child's part.
static int run_child(unsigned scenario, unsigned who, unsigned repeat, bool quick) {
    double values[ROW_COUNT_];
    struct workload workload = workload_of(quick, repeat);
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        values[row] = NAN;
    }
    machine_huge_pages = false;
    machine_pin(workload.cpus[0]);
    contestants[who]->run((enum scenario)scenario, &workload, values);
    return write(STDOUT_FILENO, values, sizeof(values)) == (ssize_t)sizeof(values) ? 0 : 1;
}

// Runs a scenario of a contestant in a new process. Exits when that fails.
static void run_apart(unsigned scenario, unsigned who, unsigned repeat, bool quick,
                      double *values) {
    char words[4][16];
    const unsigned numbers[4] = {scenario, who, repeat, quick};
    int ends[2], status;
    for (unsigned i = 0; i < 4; i++) {
        snprintf(words[i], sizeof(words[i]), "%u", numbers[i]);
    }
    if (pipe(ends) != 0) {
        perror("bench: pipe");
        exit(2);
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "objects", "--child", words[0], words[1], words[2], words[3],
              (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], values, ROW_COUNT_ * sizeof(values[0]));
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0 ||
        got != (ssize_t)(ROW_COUNT_ * sizeof(values[0]))) {
        fprintf(stderr, "bench: scenario %u of %s failed\n", scenario, contestants[who]->title);
        exit(1);
    }
}

static bool is_selected(const char *words, const char *name) {
    char copy[256];
    snprintf(copy, sizeof(copy), "%s", words == NULL ? "" : words);
    bool any = false;
    for (char *word = strtok(copy, " ,"); word != NULL; word = strtok(NULL, " ,")) {
        any = true;
        if (strstr(name, word) != NULL) {
            return true;
        }
    }
    return !any;
}

static bool is_wanted(const char *words, unsigned scenario) {
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        if (rows[row].scenario == scenario && is_selected(words, rows[row].id)) {
            return true;
        }
    }
    return false;
}

static void run_scenario(struct results *results, unsigned scenario) {
    for (unsigned repeat = 0; repeat < results->repeats; repeat++) {
        for (unsigned turn = 0; turn < CONTESTANT_COUNT_; turn++) {
            unsigned who = (turn + repeat) % CONTESTANT_COUNT_;
            double values[ROW_COUNT_];
            run_apart(scenario, who, repeat, results->quick, values);
            for (unsigned row = 0; row < ROW_COUNT_; row++) {
                if (rows[row].scenario == scenario) {
                    results->values[row][who][repeat] = values[row];
                    results->counts[row] = results->repeats;
                }
            }
        }
    }
}

int main(int count, char **words) {
    static struct results results = {.repeats = 9};
    const char *selected = NULL, *json = NULL;
    if (count == 6 && strcmp(words[1], "--child") == 0) {
        unsigned numbers[4];
        for (unsigned i = 0; i < 4; i++) {
            numbers[i] = (unsigned)strtoul(words[2 + i], NULL, 10);
        }
        return run_child(numbers[0], numbers[1], numbers[2], numbers[3] != 0);
    }
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;
        if (strcmp(words[i], "--quick") == 0) {
            results.quick = true;
        } else if (value != NULL && strcmp(words[i], "--rows") == 0) {
            selected = words[++i];
        } else if (value != NULL && strcmp(words[i], "--json") == 0) {
            json = words[++i];
        } else if (value != NULL && strcmp(words[i], "--repeats") == 0) {
            results.repeats = (unsigned)strtoul(words[++i], NULL, 10);
        } else {
            usage();
        }
    }
    if (results.repeats < 1 || results.repeats > REPEATS_MAX) {
        usage();
    }
    for (unsigned scenario = 0; scenario < SCENARIO_COUNT_; scenario++) {
        if (is_wanted(selected, scenario)) {
            run_scenario(&results, scenario);
        }
    }
    machine_huge_pages = false;
    report_table(&results);
    if (json != NULL && !report_json(&results, json)) {
        fprintf(stderr, "bench: cannot write %s\n", json);
        return 2;
    }
    return 0;
}
