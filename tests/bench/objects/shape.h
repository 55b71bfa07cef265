// SPDX-License-Identifier: MIT
// A contestant's scenarios, compiled for it: it has defined PEER, PEER_ID, PEER_TITLE and
//   peer_open()           before anything else; `cpu`: this thread plays it from now on
//   peer_alloc, peer_free, peer_realloc
//   peer_taken()          bytes of memory taken now; NAN when nobody can tell
//   peer_shrink()         gives back what can be given back
#pragma once

#ifndef PEER // read alone, this is about the empty loop
#ifndef BENCH_OBJECTS
#define BENCH_OBJECTS
#endif
#include "loop.h"
#endif
#include "../bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Long loops are timed in steps, and the median step counts.
#define STEPS 25

// A loop that is timed begins a line of the instruction cache, everybody's: where the linker happens
// to put one moved a free of 4 ns by a tenth.
#define TIMED static __attribute__((noinline, aligned(64)))

static int compare_times(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_of(double *times, unsigned count) {
    qsort(times, count, sizeof(times[0]), compare_times);
    return times[count / 2];
}

TIMED void pairs(uint64_t count, size_t size) {
    for (uint64_t i = 0; i < count; i++) {
        peer_free(peer_alloc(size));
    }
}

static double time_pairs(uint64_t count, size_t size) {
    double times[STEPS];
    pairs(count / 8, size);
    for (unsigned step = 0; step < STEPS; step++) {
        double begin = cpu_ns();
        pairs(count / STEPS, size);
        times[step] = (cpu_ns() - begin) / (double)(count / STEPS);
    }
    return median_of(times, STEPS);
}

static void run_hot(const struct workload *workload, double *values) {
    static const size_t sizes[] = {8, 64, 256, 1024, 2048, 4096, 16384, 65536};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        take_turn();
        values[ROW_HOT_8 + i] = time_pairs(workload->pairs, sizes[i]);
    }
}

static void *objects[BULK];

TIMED void take_bulk(void) {
    for (uint32_t i = 0; i < BULK; i++) {
        objects[i] = peer_alloc(64);
    }
}

TIMED void free_bulk(void) {
    for (uint32_t i = 0; i < BULK; i++) {
        peer_free(objects[i]);
    }
}

static void shuffle(uint64_t seed) {
    for (uint32_t i = BULK; i > 1; i--) {
        uint32_t other = scaled((uint32_t)(random_next(&seed) >> 32), i);
        void *object = objects[i - 1];
        objects[i - 1] = objects[other];
        objects[other] = object;
    }
}

// Fresh first; then in an arena that was freed in random order before, as one that is in use is. The
// first round of a turn is not counted: the caches are another one's then, and the branch predictor.
static void run_bulk(const struct workload *workload, double *values) {
    enum { TURNS = 15 };
    double alloc[TURNS], sequence[TURNS], random[TURNS], times[4];
    times[0] = cpu_ns();
    take_bulk();
    values[ROW_FRESH] = (cpu_ns() - times[0]) / BULK;
    shuffle(random_seed(workload->repeat));
    free_bulk();
    for (unsigned turn = 0; turn < TURNS; turn++) {
        take_turn();
        for (unsigned round = 0; round < 2; round++) {
            take_bulk();
            shuffle(random_seed(workload->repeat * TURNS + turn));
            times[0] = cpu_ns();
            free_bulk();
            times[1] = cpu_ns();
            take_bulk();
            times[2] = cpu_ns();
            free_bulk();
            times[3] = cpu_ns();
        }
        random[turn] = (times[1] - times[0]) / BULK;
        alloc[turn] = (times[2] - times[1]) / BULK;
        sequence[turn] = (times[3] - times[2]) / BULK;
    }
    values[ROW_BULK_ALLOC] = median_of(alloc, TURNS);
    values[ROW_BULK_FREE] = median_of(sequence, TURNS);
    values[ROW_BULK_RANDOM] = median_of(random, TURNS);
}

static size_t random_size(uint64_t *seed) {
    return 8 + scaled((uint32_t)(random_next(seed) >> 32), SIZE_MOST - 7);
}

struct churn {
    void *objects[LIVE];
    uint64_t seed;
};

TIMED void churn_some(struct churn *churn, uint64_t count) {
    uint64_t seed = churn->seed;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t random = random_next(&seed);
        void **object = &churn->objects[scaled((uint32_t)(random >> 32), LIVE)];
        peer_free(*object);
        *object = peer_alloc(8 + scaled((uint32_t)random, SIZE_MOST - 7));
    }
    churn->seed = seed;
}

static void churn_fill(struct churn *churn) {
    for (uint32_t i = 0; i < LIVE; i++) {
        churn->objects[i] = peer_alloc(random_size(&churn->seed));
    }
}

static void churn_empty(struct churn *churn) {
    for (uint32_t i = 0; i < LIVE; i++) {
        peer_free(churn->objects[i]);
    }
}

static void run_churn(const struct workload *workload, double *values) {
    static struct churn churn;
    double times[STEPS];
    churn.seed = random_seed(workload->repeat);
    churn_fill(&churn);
    churn_some(&churn, workload->churns / 4);
    for (unsigned step = 0; step < STEPS; step++) {
        double begin = cpu_ns();
        churn_some(&churn, workload->churns / STEPS);
        times[step] = (cpu_ns() - begin) / (double)(workload->churns / STEPS);
    }
    churn_empty(&churn);
    values[ROW_CHURN] = median_of(times, STEPS);
}

// A ring of messages; each index is written by one side only.
#define RING 4096
static struct {
    _Alignas(64) uint64_t put;
    _Alignas(64) uint64_t got;
    _Alignas(64) bool ready; // the consumer
    _Alignas(64) void *slots[RING];
} ring;

// Waiting may mean that the other one needs this CPU.
static void wait_turn(unsigned *spins) {
    if (++*spins % 64 == 0) {
        sched_yield();
    } else {
        __builtin_ia32_pause();
    }
}

TIMED void *consume(void *argument) {
    const struct workload *workload = argument;
    unsigned spins = 0;
    machine_pin(workload->cpus[1]);
    peer_thread(1);
    __atomic_store_n(&ring.ready, true, __ATOMIC_RELEASE);
    for (uint64_t got = 0; got < workload->messages;) {
        uint64_t put = __atomic_load_n(&ring.put, __ATOMIC_ACQUIRE);
        if (put == got) {
            wait_turn(&spins);
            continue;
        }
        for (; got < put; got++) {
            peer_free(ring.slots[got % RING]);
        }
        __atomic_store_n(&ring.got, got, __ATOMIC_RELEASE);
    }
    return NULL;
}

// Shows the consumer so many messages at once, a power of two. Looks at what the other one writes
// only when the ring was full by its last look. Returns when the last message has been freed.
TIMED void produce(uint64_t messages, uint64_t at_once) {
    unsigned spins = 0;
    for (uint64_t put = 0, got = 0; put < messages;) {
        if (put - got == RING) {
            got = __atomic_load_n(&ring.got, __ATOMIC_ACQUIRE);
            if (put - got == RING) {
                wait_turn(&spins);
            }
            continue;
        }
        ring.slots[put % RING] = peer_alloc(64);
        put++;
        if ((put & (at_once - 1)) == 0 || put == messages) {
            __atomic_store_n(&ring.put, put, __ATOMIC_RELEASE);
        }
    }
    while (__atomic_load_n(&ring.got, __ATOMIC_ACQUIRE) != messages) {
        wait_turn(&spins);
    }
}

// How far the consumer stays behind decides whether the two meet in the same lines: from close
// behind to half a ring, each distance counts the same.
static void run_producer(const struct workload *workload, double *values) {
    static const uint64_t distances[] = {8, 32, 128, 512, 2048};
    enum { TURNS = sizeof(distances) / sizeof(distances[0]) };
    struct workload part = *workload;
    double taken = 0;
    part.messages /= TURNS;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        pthread_t consumer;
        unsigned spins = 0;
        take_turn();
        ring.put = ring.got = 0;
        ring.ready = false;
        pthread_create(&consumer, NULL, consume, &part);
        while (!__atomic_load_n(&ring.ready, __ATOMIC_ACQUIRE)) {
            wait_turn(&spins);
        }
        double begin = wall_ns();
        produce(part.messages, distances[turn]);
        taken += wall_ns() - begin;
        pthread_join(consumer, NULL);
    }
    values[ROW_PRODUCER] = taken / (double)(part.messages * TURNS);
}

// Two threads do the same, step by step: each a step alone, while the other one sleeps, and then
// both one at once. So one thread and two meet the same memory, the same CPUs and the same moments.
struct worker {
    const struct workload *workload;
    unsigned number;
    double hot[2], churn[2]; // a step alone; with the other one
    struct churn objects;
};

static pthread_barrier_t barrier;

// Returns to both threads at once.
static void start_together(void) {
    static unsigned arrived;
    unsigned spins = 0, both = (__atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL) | 1) + 1;
    while ((int)(__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) - both) < 0) {
        wait_turn(&spins);
    }
}

static void hot_step(struct worker *worker) {
    pairs(worker->workload->pairs / STEPS, 64);
}

static void churn_step(struct worker *worker) {
    churn_some(&worker->objects, worker->workload->churns / STEPS);
}

static void time_worker(struct worker *worker, void (*step)(struct worker *), uint64_t operations,
                        double medians[2]) {
    double times[2][STEPS];
    for (unsigned i = 0; i < STEPS / 4; i++) {
        step(worker);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        for (unsigned turn = 0; turn < 3; turn++) {
            pthread_barrier_wait(&barrier);
            if (turn == 2) {
                start_together();
            }
            if (turn == 2 || turn == worker->number) {
                double begin = cpu_ns();
                step(worker);
                times[turn == 2][i] = (cpu_ns() - begin) / (double)operations;
            }
        }
    }
    medians[0] = median_of(times[0], STEPS);
    medians[1] = median_of(times[1], STEPS);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    const struct workload *workload = worker->workload;
    machine_pin(workload->cpus[worker->number]);
    peer_thread(worker->number);
    worker->objects.seed = random_seed(workload->repeat * 2 + worker->number);
    time_worker(worker, hot_step, workload->pairs / STEPS, worker->hot);
    churn_fill(&worker->objects);
    time_worker(worker, churn_step, workload->churns / STEPS, worker->churn);
    churn_empty(&worker->objects);
    return NULL;
}

static void run_threads(const struct workload *workload, double *values) {
    static struct worker workers[2];
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 2);
    for (unsigned i = 0; i < 2; i++) {
        workers[i] = (struct worker){.workload = workload, .number = i};
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    values[ROW_HOT_ALONE] = (workers[0].hot[0] + workers[1].hot[0]) / 2;
    values[ROW_HOT_TWO] = (workers[0].hot[1] + workers[1].hot[1]) / 2;
    values[ROW_CHURN_ALONE] = (workers[0].churn[0] + workers[1].churn[0]) / 2;
    values[ROW_CHURN_TWO] = (workers[0].churn[1] + workers[1].churn[1]) / 2;
}

// Both return how many steps it took.
TIMED uint64_t grow_by_doubling(void) {
    uint64_t count = 0;
    for (unsigned i = 0; i < 8; i++) {
        void *memory = peer_alloc(16);
        for (size_t size = 32; size <= 1 << 20; size *= 2, count++) {
            memory = peer_realloc(memory, size);
        }
        peer_free(memory);
    }
    return count;
}

TIMED uint64_t grow_by_64(void) {
    uint64_t count = 0;
    void *memory = peer_alloc(64);
    for (size_t size = 128; size <= 1 << 16; size += 64, count++) {
        memory = peer_realloc(memory, size);
    }
    peer_free(memory);
    return count;
}

static void run_realloc(const struct workload *workload, double *values) {
    enum { TURNS = 15 };
    double doubling[TURNS], steps[TURNS];
    (void)workload;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        double begin = cpu_ns();
        uint64_t count = grow_by_doubling();
        doubling[turn] = (cpu_ns() - begin) / (double)count;
        begin = cpu_ns();
        count = grow_by_64();
        steps[turn] = (cpu_ns() - begin) / (double)count;
    }
    values[ROW_REALLOC_DOUBLE] = median_of(doubling, TURNS);
    values[ROW_REALLOC_64] = median_of(steps, TURNS);
}

struct held {
    void *memory;
    size_t size;
};

// Written to from end to end, so that all of it is really there.
static double fill_held(struct held *held, uint32_t count, uint64_t *seed) {
    double bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (held[i].memory == NULL) {
            held[i].size = random_size(seed);
            held[i].memory = peer_alloc(held[i].size);
            memset(held[i].memory, 1, held[i].size);
        }
        bytes += (double)held[i].size;
    }
    return bytes;
}

static double free_held(struct held *held, uint32_t count, unsigned one_in, uint64_t *seed) {
    double bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (held[i].memory != NULL && random_next(seed) >> 32 < (UINT64_C(1) << 32) / one_in) {
            peer_free(held[i].memory);
            held[i].memory = NULL;
        } else if (held[i].memory != NULL) {
            bytes += (double)held[i].size;
        }
    }
    return bytes;
}

static void run_memory(const struct workload *workload, double *values) {
    uint64_t seed = random_seed(workload->repeat);
    uint32_t count = workload->memory;
    struct held *held = machine_map(count * sizeof(*held));
    memset(held, 0, count * sizeof(*held));
    peer_free(peer_alloc(1));
    double before = peer_taken();
    double live = fill_held(held, count, &seed), full = live;
    values[ROW_MEMORY_FULL] = (peer_taken() - before) / live;
    live = free_held(held, count, 2, &seed);
    peer_shrink();
    values[ROW_MEMORY_HALF] = (peer_taken() - before) / live;
    live = fill_held(held, count, &seed);
    values[ROW_MEMORY_REFILLED] = (peer_taken() - before) / live;
    free_held(held, count, 1, &seed);
    peer_shrink();
    values[ROW_MEMORY_FREED] = (peer_taken() - before) / full;
}

static void run(enum scenario scenario, const struct workload *workload, double *values) {
    static void (*const scenarios[SCENARIO_COUNT_])(const struct workload *, double *) = {
        [SCENARIO_HOT] = run_hot,         [SCENARIO_BULK] = run_bulk,
        [SCENARIO_CHURN] = run_churn,     [SCENARIO_PRODUCER] = run_producer,
        [SCENARIO_THREADS] = run_threads, [SCENARIO_REALLOC] = run_realloc,
        [SCENARIO_MEMORY] = run_memory,
    };
    peer_open();
    if (PEER_TAKES_PART || scenario == SCENARIO_HOT || scenario == SCENARIO_BULK ||
        scenario == SCENARIO_CHURN || scenario == SCENARIO_PRODUCER) {
        scenarios[scenario](workload, values);
    }
}

const struct contestant PEER = {PEER_ID, PEER_TITLE, run};
