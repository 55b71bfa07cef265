// SPDX-License-Identifier: MIT
// What is measured, once for each contestant: a contestant's file defines the names below and then
// includes this, so that every loop calls its allocator directly. The allocators themselves are
// compiled by themselves: nobody's is inlined into a loop.
//
//   PEER            the contestant's struct
//   PEER_ID, PEER_TITLE, PEER_ORDER_MAX
//   PEER_NEEDS_LOCK true: has no locks of its own, gets one around each call where threads meet
//   PEER_IS_REAL    false: no allocator at all (the empty loop)
//   peer_open(frames), peer_close()     a fresh arena, and its end; memory may stay for the next
//   peer_alloc(order), peer_free(block, order), peer_drain()
//   peer_frame_end()                    one past the highest frame number
//   peer_metadata_bytes()               now
//   peer_init_ns(bytes, warm)           building the allocator of a machine of that size; NAN: not
//   peer_fresh_metadata_bytes(bytes)    after that; NAN: not known
#pragma once

#include "rows/shape.h"
#include "rows/single.h"
#include "rows/threads.h"

static void run_init(const struct workload *workload, double *values) {
    values[ROW_INIT_16G] = peer_init_ns(workload->init_bytes[0], false);
    values[ROW_INIT_16G_WARM] = peer_init_ns(workload->init_bytes[0], true);
    values[ROW_INIT_1T] = peer_init_ns(workload->init_bytes[1], false);
    values[ROW_INIT_1T_WARM] = peer_init_ns(workload->init_bytes[1], true);
}

static void run_metadata(const struct workload *workload, double *values) {
    double arena = (double)workload->frames * 4096;
    peer_open(workload->frames);
    values[ROW_METADATA_FRESH] = 100 * (double)peer_metadata_bytes() / arena;
    fill(workload, workload->frames);
    values[ROW_METADATA] = 100 * (double)peer_metadata_bytes() / arena;
    values[ROW_METADATA_FRESH_1T] =
        100 * peer_fresh_metadata_bytes(workload->init_bytes[1]) / (double)workload->init_bytes[1];
    peer_close();
}

static void run(enum scenario scenario, const struct workload *workload, double *values) {
    static void (*const functions[SCENARIO_COUNT_])(const struct workload *, double *) = {
        [SCENARIO_HOT] = run_hot,
        [SCENARIO_BULK] = run_bulk,
        [SCENARIO_CHURN_75] = run_churn_75,
        [SCENARIO_CHURN_99] = run_churn_99,
        [SCENARIO_LAST_FRAME] = run_last_frame,
        [SCENARIO_BURST] = run_burst,
        [SCENARIO_MIXED] = run_mixed,
        [SCENARIO_HEALING] = run_healing,
        [SCENARIO_ORDER_9] = run_order_9,
        [SCENARIO_THREADS] = run_threads,
        [SCENARIO_HANDOFF] = run_handoff,
        [SCENARIO_INIT] = run_init,
        [SCENARIO_METADATA] = run_metadata,
    };
    for (unsigned i = 0; i < ROW_COUNT_; i++) {
        values[i] = NAN;
    }
    functions[scenario](workload, values);
}

static uint32_t alloc_one(unsigned order) {
    return peer_alloc(order);
}

static void free_one(uint32_t block, unsigned order) {
    peer_free(block, order);
}

const struct contestant PEER = {
    PEER_ID,   PEER_TITLE, PEER_ORDER_MAX, run, peer_open, peer_close,
    alloc_one, free_one,   peer_frame_end,
};
