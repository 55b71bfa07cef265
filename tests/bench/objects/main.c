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
// says TURN when it waits for that, also before its first turn, or DONE and its numbers.
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

void take_turn(void) {
    const char said = TURN;
    char go;
    if (write(STDOUT_FILENO, &said, 1) != 1 || read(STDIN_FILENO, &go, 1) != 1) {
        _exit(1); // the parent has gone
    }
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
    machine_huge_pages = false;
    machine_pin(workload.cpus[0]);
    take_turn();
    contestants[who]->run((enum scenario)scenario, &workload, done.values);
    const size_t bytes = 1 + sizeof(done.values);
    return write(STDOUT_FILENO, &done.said, bytes) == (ssize_t)bytes ? 0 : 1;
}

struct child {
    pid_t pid;
    int to, from; // pipes
    bool done;
};

// A new process.
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

// Returns when a child waits for its next turn or has ended. False when it failed.
static bool listen_to(struct child *child, double *values) {
    const ssize_t bytes = ROW_COUNT_ * sizeof(values[0]);
    char said = 0;
    int status;
    if (read(child->from, &said, 1) != 1) {
        return false;
    }
    if (said == TURN) {
        return true;
    }
    bool well = said == DONE && read(child->from, values, (size_t)bytes) == bytes;
    finish(child);
    return waitpid(child->pid, &status, 0) == child->pid && status == 0 && well;
}

static _Noreturn void say_failed(unsigned scenario, unsigned who) {
    fprintf(stderr, "bench: scenario %u of %s failed\n", scenario, contestants[who]->title);
    exit(1);
}

// Plays a scenario once with everybody: another one is first each time, and each round of turns
// goes the other way round than the one before, so that nobody always follows the same one.
static void play(unsigned scenario, unsigned repeat, bool quick,
                 double values[CONTESTANT_COUNT_][ROW_COUNT_]) {
    struct child children[CONTESTANT_COUNT_];
    for (unsigned who = 0; who < CONTESTANT_COUNT_; who++) {
        children[who] = start(scenario, who, repeat, quick);
        if (!listen_to(&children[who], values[who])) {
            say_failed(scenario, who);
        }
    }
    unsigned playing = CONTESTANT_COUNT_;
    for (unsigned round = 0; playing != 0; round++) {
        for (unsigned turn = 0; turn < CONTESTANT_COUNT_; turn++) {
            unsigned place = round % 2 == 0 ? turn : CONTESTANT_COUNT_ - 1 - turn;
            unsigned who = (place + repeat) % CONTESTANT_COUNT_;
            struct child *child = &children[who];
            if (child->done) {
                continue;
            }
            if (write(child->to, "", 1) != 1 || !listen_to(child, values[who])) {
                say_failed(scenario, who);
            }
            playing -= child->done;
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

// Whoever starts this may have closed these: a child's pipe in their place would not outlive exec.
static void open_standard_files(void) {
    int file;
    do {
        file = open("/dev/null", O_RDWR);
    } while (file >= 0 && file <= STDERR_FILENO);
    close(file);
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
    open_standard_files();
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
