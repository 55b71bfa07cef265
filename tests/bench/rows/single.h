// SPDX-License-Identifier: MIT
// Rows of single frames, one thread: hot pairs, bulk, churn. Part of rows.h.
#pragma once

#include "../bench.h"
#ifndef PEER
#include "../contestants/loop.h" // read alone, this is about the empty loop
#endif

#include <stdio.h>
#include <stdlib.h>

_Noreturn static void give_up(const char *what) {
    fprintf(stderr, "bench: %s: %s\n", PEER_TITLE, what);
    exit(1);
}

static uint32_t pick(const struct workload *workload, uint64_t index) {
    return workload->picks[index & workload->pick_mask];
}

// Allocates single frames into the slots until there are `limit` or no more; returns how many.
static uint32_t fill(const struct workload *workload, uint32_t limit) {
    uint32_t *slots = workload->slots;
    for (uint32_t i = 0; i < limit; i++) {
        slots[i] = peer_alloc(0);
        if (slots[i] == NO_FRAME) {
            return i;
        }
    }
    return limit;
}

static void fill_exactly(const struct workload *workload, uint32_t count) {
    if (fill(workload, count) != count) {
        give_up("the arena is smaller than it should be");
    }
}

static void free_slots(const struct workload *workload, uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; i++) {
        peer_free(workload->slots[i], 0);
    }
}

static void shuffle(const struct workload *workload, uint32_t count) {
    uint64_t state = random_seed(workload->repeat);
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = scaled((uint32_t)(random_next(&state) >> 32), i);
        uint32_t frame = workload->slots[i - 1];
        workload->slots[i - 1] = workload->slots[other];
        workload->slots[other] = frame;
    }
}

// Rows in which one operation is like the next are timed in steps, and the median step counts: when
// another program had the CPU, the steps after it find the caches cold.
#define STEP      4096 // operations
#define STEPS_MAX 4096

struct steps {
    unsigned count;
    double times[STEPS_MAX];
};

static void steps_add(struct steps *steps, double ns) {
    if (steps->count < STEPS_MAX) {
        steps->times[steps->count++] = ns;
    }
}

static int compare_times(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

// ns for each operation.
static double steps_median(struct steps *steps) {
    qsort(steps->times, steps->count, sizeof(steps->times[0]), compare_times);
    return steps->times[steps->count / 2] / STEP;
}

static __attribute__((noinline)) void frame_pairs(uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        peer_free(peer_alloc(0), 0);
    }
}

static __attribute__((noinline)) void huge_pairs(uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        peer_free(peer_alloc(HUGE_ORDER), HUGE_ORDER);
    }
}

// A hot pair: one block, again and again.
static double time_pairs(const struct workload *workload, void (*pairs)(uint64_t)) {
    struct steps steps = {.count = 0};
    peer_open(workload->frames);
    pairs(workload->operations / 8);
    for (uint64_t done = 0; done < workload->operations; done += STEP) {
        double begin = cpu_ns();
        pairs(STEP);
        steps_add(&steps, cpu_ns() - begin);
    }
    peer_close();
    return steps_median(&steps);
}

static void run_hot(const struct workload *workload, double *values) {
    values[ROW_HOT] = time_pairs(workload, frame_pairs);
}

static void run_order_9(const struct workload *workload, double *values) {
    if (PEER_ORDER_MAX >= HUGE_ORDER) {
        values[ROW_ORDER_9] = time_pairs(workload, huge_pairs);
    }
}

// Nearly all of the arena allocated frame by frame, freed in the same order; then once more, freed
// in random order. Before that the arena ages: it is filled and freed in random order, as an arena
// is that was in use for a while (a stack is in the order of its frees then).
static void run_bulk(const struct workload *workload, double *values) {
    uint32_t count = workload->frames - workload->frames / 64;
    peer_open(workload->frames);
    fill_exactly(workload, count);
    shuffle(workload, count);
    free_slots(workload, 0, count);
    double times[4];
    times[0] = cpu_ns();
    fill_exactly(workload, count);
    times[1] = cpu_ns();
    free_slots(workload, 0, count);
    times[2] = cpu_ns();
    fill_exactly(workload, count);
    shuffle(workload, count);
    times[3] = cpu_ns();
    free_slots(workload, 0, count);
    values[ROW_RANDOM_FREE] = (cpu_ns() - times[3]) / count;
    values[ROW_BULK_ALLOC] = (times[1] - times[0]) / count;
    values[ROW_BULK_FREE] = (times[2] - times[1]) / count;
    peer_close();
}

// Frees a random slot's frame and takes a frame into it.
static __attribute__((noinline)) void churn(const struct workload *workload, uint32_t live,
                                            uint64_t from, uint64_t to) {
    uint32_t *slots = workload->slots;
    for (uint64_t i = from; i < to; i++) {
        uint32_t slot = scaled(pick(workload, i), live);
        peer_free(slots[slot], 0);
        slots[slot] = peer_alloc(0);
    }
}

// Random slots give `burst` frames back, then take as many.
static __attribute__((noinline)) void churn_bursts(const struct workload *workload, uint32_t live,
                                                   uint64_t from, uint64_t to) {
    enum { BURST = 1024 };
    uint32_t *slots = workload->slots, empty[BURST];
    for (uint64_t i = from; i < to;) {
        uint32_t count = 0;
        for (; count < BURST && i < to; i++) {
            uint32_t slot = scaled(pick(workload, i), live);
            if (slots[slot] != NO_FRAME) {
                peer_free(slots[slot], 0);
                slots[slot] = NO_FRAME;
                empty[count++] = slot;
            }
        }
        while (count > 0) {
            slots[empty[--count]] = peer_alloc(0);
        }
    }
}

typedef void (*churn_function)(const struct workload *, uint32_t, uint64_t, uint64_t);

// Churns in steps until the operations are done or the time is up; ns for each free and allocation.
static double time_churn(const struct workload *workload, churn_function function, uint32_t live,
                         uint64_t from) {
    struct steps steps = {.count = 0};
    double first = cpu_ns(), now = first;
    for (uint64_t done = 0; done < workload->operations && now - first < workload->budget_ns;
         done += STEP) {
        double begin = cpu_ns();
        function(workload, live, from + done, from + done + STEP);
        now = cpu_ns();
        steps_add(&steps, now - begin);
    }
    return steps_median(&steps);
}

// `live` frames held; no more than that when the arena ends before. Then churned.
static double time_full(const struct workload *workload, churn_function function, uint32_t live) {
    peer_open(workload->frames);
    live = fill(workload, live);
    time_churn(workload, function, live, 0);
    double ns = time_churn(workload, function, live, workload->operations);
    peer_close();
    return ns;
}

static uint32_t percent(const struct workload *workload, unsigned part) {
    return (uint32_t)((uint64_t)workload->frames * part / 100);
}

static void run_churn_75(const struct workload *workload, double *values) {
    values[ROW_CHURN_75] = time_full(workload, churn, percent(workload, 75));
}

static void run_churn_99(const struct workload *workload, double *values) {
    values[ROW_CHURN_99] = time_full(workload, churn, percent(workload, 99));
}

static void run_last_frame(const struct workload *workload, double *values) {
    values[ROW_LAST_FRAME] = time_full(workload, churn, workload->frames);
}

static void run_burst(const struct workload *workload, double *values) {
    values[ROW_BURST] = time_full(workload, churn_bursts, percent(workload, 75));
}
