// SPDX-License-Identifier: MIT
// Page allocators side by side: what is measured, who takes part, what everybody is given to do.
//
//   workload   the sequences of requests, made once, the same for everybody
//   contestant an allocator behind one interface; rows.h turns it into the functions that measure
//   scenario   one run of a contestant from a fresh arena; it fills in one or more rows
//   row        one line of the table: a number for each contestant, and what Strata's must be
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

// objects/ measures kmalloc with the same table, report and machine.
#ifdef BENCH_OBJECTS
#include "objects/objects.h"
#else

#define NO_FRAME                  UINT32_MAX
#define HUGE_ORDER                9 // 2 MiB, in frames of 4 KiB
#define HUGE_COUNT                (1u << HUGE_ORDER)

enum row {
    ROW_HOT,
    ROW_BULK_ALLOC,
    ROW_BULK_FREE,
    ROW_RANDOM_FREE,
    ROW_CHURN_75,
    ROW_CHURN_99,
    ROW_LAST_FRAME,
    ROW_BURST,
    ROW_MIXED,
    ROW_MIXED_SHARE,
    ROW_MIXED_GIVEN,
    ROW_MIXED_REFUSED,
    ROW_HEALING,
    ROW_HEALING_SHARE,
    ROW_HEALING_GIVEN,
    ROW_ORDER_9,
    ROW_HOT_ALONE,
    ROW_HOT_TWO,
    ROW_CHURN_ALONE,
    ROW_CHURN_TWO,
    ROW_HANDOFF,
    ROW_INIT_16G,
    ROW_INIT_1T,
    ROW_INIT_16G_WARM,
    ROW_INIT_1T_WARM,
    ROW_METADATA,
    ROW_METADATA_FRESH,
    ROW_METADATA_FRESH_1T,
    ROW_COUNT_,
};

enum scenario {
    SCENARIO_HOT,
    SCENARIO_BULK,
    SCENARIO_CHURN_75,
    SCENARIO_CHURN_99,
    SCENARIO_LAST_FRAME,
    SCENARIO_BURST,
    SCENARIO_MIXED,
    SCENARIO_HEALING,
    SCENARIO_ORDER_9,
    SCENARIO_THREADS,
    SCENARIO_HANDOFF,
    SCENARIO_INIT,
    SCENARIO_METADATA,
    SCENARIO_COUNT_,
};

enum contestant_id {
    STRATA,
    LIST_BUDDY,
    ARRAY_STACK,
    INTRUSIVE_STACK,
    BITMAP,
    LOOP,
    CONTESTANT_COUNT_
};

struct workload {
    uint32_t frames;        // in the arena
    uint32_t *slots;        // room for as many frames: what a row holds
    const uint32_t *picks;  // uniform 32-bit numbers
    uint32_t pick_mask;     // how many, minus 1
    const uint32_t *events; // mixed orders: EVENT(…), the first half to settle, the rest timed
    uint32_t event_count;
    uint64_t operations;    // in a timed loop, at most
    double budget_ns;       // after which a timed loop may end early
    uint64_t init_bytes[2]; // the machines that are initialised
    unsigned cpus[2];       // of the machine that measures
    unsigned repeat;        // which one this is: healing is drawn anew in each
};

// A mixed-order event: take a block into a slot, or free what the slot holds.
#define EVENT(slot, order, frees) ((slot) << 5 | (frees) << 4 | (order))
#define EVENT_SLOT(event)         ((event) >> 5)
#define EVENT_FREES(event)        (((event) >> 4 & 1) != 0)
#define EVENT_ORDER(event)        ((event)&15)

struct contestant {
    const char *id, *title;
    unsigned order_max; // the largest block it can give
    // Runs a scenario and fills in its rows; leaves NAN what it does not measure.
    void (*run)(enum scenario scenario, const struct workload *workload, double *values);
    // One operation at a time, for the self-check.
    void (*open)(uint32_t frames);
    void (*close)(void);
    uint32_t (*alloc)(unsigned order);
    void (*free)(uint32_t block, unsigned order);
    uint32_t (*frame_end)(void); // one past the highest frame number it can give
};

extern const struct contestant strata_contestant, list_buddy_contestant, array_stack_contestant,
    intrusive_stack_contestant, bitmap_contestant, loop_contestant;
extern const struct contestant *const contestants[CONTESTANT_COUNT_];

// workload.c
void workload_create(struct workload *workload, uint64_t arena_bytes, bool quick);
void workload_destroy(struct workload *workload);

// selfcheck.c: NULL, or what the contestant does wrong, found against a naive oracle.
const char *selfcheck(const struct contestant *contestant);

#endif // BENCH_OBJECTS

// machine.c
extern bool machine_huge_pages; // map with 2 MiB pages where the host has them, as kernels do
void machine_pin(unsigned cpu); // this thread, for good
void machine_cpus(unsigned cpus[2]);
const char *machine_name(void);
double machine_lock_ns(void); // a spin lock that nobody else wants, taken and released
void *machine_map(uint64_t bytes);
void machine_unmap(void *memory, uint64_t bytes);
void machine_advise(void *memory, uint64_t bytes);

// The CPU time of this thread: other programs that run meanwhile do not count.
static inline double cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline uint64_t random_next(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

// A different sequence for each number.
static inline uint64_t random_seed(uint64_t number) {
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

// A 32-bit number, scaled to 0 … count - 1.
static inline uint32_t scaled(uint32_t random, uint32_t count) {
    return (uint32_t)((uint64_t)random * count >> 32);
}
