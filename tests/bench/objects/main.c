// SPDX-License-Identifier: MIT
// kmalloc beside mimalloc, jemalloc and glibc, in one program, in one run.
//
//   objects [--rows WORDS] [--repeats N] [--json FILE] [--quick]
//
// Each scenario runs as often as wanted. Every contestant plays it in a process of its own, which
// is this program again. One of them runs at a time; where they take turns (take_turn) everybody
// has one before anybody has the next, so that a machine that changes its speed from moment to
// moment changes it for all.
//
// Parent and child talk over the child's standard input and output: a byte says "go on" to it, it
// says TURN, or DONE and its numbers.
//
// Never: a failure because something is slow. The exit code is for what is wrong.
#include "../table.h"

#include <fcntl.h>
#include <signal.h>
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

// What a child says.
enum { TURN = 't', DONE = 'd' };

static void wait_to_go_on(void) {
    char go;
    if (read(STDIN_FILENO, &go, 1) != 1) {
        _exit(1); // the parent has gone
    }
}

void take_turn(void) {
    const char said = TURN;
    if (write(STDOUT_FILENO, &said, 1) != 1) {
        _exit(1);
    }
    wait_to_go_on();
}

// The child's part.
static int run_child(unsigned scenario, unsigned who, unsigned repeat, bool quick) {
    struct {
        char padding[7], said;
        double values[ROW_COUNT_];
    } done = {.said = DONE};
    struct workload workload = workload_of(quick, repeat);
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        done.values[row] = NAN;
    }
    wait_to_go_on();
    machine_huge_pages = false;
    machine_pin(workload.cpus[0]);
    contestants[who]->run((enum scenario)scenario, &workload, done.values);
    const size_t bytes = 1 + sizeof(done.values);
    return write(STDOUT_FILENO, &done.said, bytes) == (ssize_t)bytes ? 0 : 1;
}

struct child {
    pid_t pid;
    int to, from; // pipes
    bool done;
};

// A new process that waits to go on.
static struct child start(unsigned scenario, unsigned who, unsigned repeat, bool quick) {
    char words[4][16];
    const unsigned numbers[4] = {scenario, who, repeat, quick};
    int to[2], from[2];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(words[i], sizeof(words[i]), "%u", numbers[i]);
    }
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
        perror("bench: pipe");
        exit(2);
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        perror("bench: fork");
        exit(2);
    }
    if (pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execl("/proc/self/exe", "objects", "--child", words[0], words[1], words[2], words[3],
              (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    return (struct child){.pid = pid, .to = to[1], .from = from[0]};
}

static void finish(struct child *child) {
    close(child->to);
    close(child->from);
    child->done = true;
}

// Lets a child go on until its next turn or its end. False when it failed.
static bool go_on(struct child *child, double *values) {
    const ssize_t bytes = ROW_COUNT_ * sizeof(values[0]);
    char said = 0;
    int status;
    if (write(child->to, "", 1) != 1 || read(child->from, &said, 1) != 1) {
        return false;
    }
    if (said == TURN) {
        return true;
    }
    bool well = said == DONE && read(child->from, values, (size_t)bytes) == bytes;
    finish(child);
    return waitpid(child->pid, &status, 0) == child->pid && status == 0 && well;
}

// Plays a scenario once with everybody, another one first each time.
static void play(unsigned scenario, unsigned repeat, bool quick,
                 double values[CONTESTANT_COUNT_][ROW_COUNT_]) {
    struct child children[CONTESTANT_COUNT_];
    for (unsigned who = 0; who < CONTESTANT_COUNT_; who++) {
        children[who] = start(scenario, who, repeat, quick);
    }
    for (unsigned playing = CONTESTANT_COUNT_; playing != 0;) {
        for (unsigned turn = 0; turn < CONTESTANT_COUNT_; turn++) {
            unsigned who = (turn + repeat) % CONTESTANT_COUNT_;
            if (children[who].done) {
                continue;
            }
            if (!go_on(&children[who], values[who])) {
                fprintf(stderr, "bench: scenario %u of %s failed\n", scenario,
                        contestants[who]->title);
                exit(1);
            }
            playing -= children[who].done;
        }
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
        double values[CONTESTANT_COUNT_][ROW_COUNT_];
        play(scenario, repeat, results->quick, values);
        for (unsigned row = 0; row < ROW_COUNT_; row++) {
            if (rows[row].scenario != scenario) {
                continue;
            }
            for (unsigned who = 0; who < CONTESTANT_COUNT_; who++) {
                results->values[row][who][repeat] = values[who][row];
            }
            results->counts[row] = results->repeats;
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
    signal(SIGPIPE, SIG_IGN); // of a child that has gone, which is said then
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
