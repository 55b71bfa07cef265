// SPDX-License-Identifier: MIT
// kmalloc beside general allocators: what is measured, and who takes part. Included by bench.h.
//
// Each scenario of each contestant runs in a process of its own, so that everybody begins with
// fresh memory and nobody has what another one left. One runs at a time.
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum row {
    ROW_HOT_8,
    ROW_HOT_64,
    ROW_HOT_256,
    ROW_HOT_1K,
    ROW_HOT_2K,
    ROW_HOT_4K,
    ROW_HOT_16K,
    ROW_HOT_64K,
    ROW_FRESH,
    ROW_BULK_ALLOC,
    ROW_BULK_FREE,
    ROW_BULK_RANDOM,
    ROW_CHURN,
    ROW_PRODUCER,
    ROW_HOT_ALONE,
    ROW_HOT_TWO,
    ROW_CHURN_ALONE,
    ROW_CHURN_TWO,
    ROW_REALLOC_DOUBLE,
    ROW_REALLOC_64,
    ROW_MEMORY_FULL,
    ROW_MEMORY_HALF,
    ROW_MEMORY_REFILLED,
    ROW_MEMORY_FREED,
    ROW_COUNT_,
};

enum scenario {
    SCENARIO_HOT,
    SCENARIO_BULK,
    SCENARIO_CHURN,
    SCENARIO_PRODUCER,
    SCENARIO_THREADS,
    SCENARIO_REALLOC,
    SCENARIO_MEMORY,
    SCENARIO_COUNT_,
};

enum contestant_id { STRATA, MIMALLOC, JEMALLOC, GLIBC, LOOP, CONTESTANT_COUNT_ };

#define BULK      100000 // objects of 64 bytes
#define LIVE      10000  // objects that are churned
#define SIZE_MOST 2048   // of these, from 8 bytes on

struct workload {
    uint64_t pairs;    // hot pairs of a size
    uint64_t churns;   // frees with an allocation
    uint64_t messages; // from the producer to the consumer
    uint32_t memory;   // objects whose memory is measured
    unsigned repeat;
    unsigned cpus[2];
};

struct contestant {
    const char *id, *title;
    // Fills in the scenario's rows; leaves NAN what it does not measure.
    void (*run)(enum scenario scenario, const struct workload *workload, double *values);
};

// Ends a contestant's turn: returns when all others had theirs.
void take_turn(void);

extern const struct contestant strata_contestant, mimalloc_contestant, jemalloc_contestant,
    glibc_contestant, loop_contestant;
extern const struct contestant *const contestants[CONTESTANT_COUNT_];
