// SPDX-License-Identifier: MIT
// The rows and what must hold of them.
#include "table.h"

#include <stdio.h>

#define TIME(scenario, id, title)                                                                  \
    { id, title, "ns", SCENARIO_##scenario, 1, true }
#define SHARE(scenario, id, title)                                                                 \
    { id, title, "", SCENARIO_##scenario, 3, false }
#define PERCENT(scenario, id, title)                                                               \
    { id, title, "%", SCENARIO_##scenario, 4, false }

const struct row_info rows[ROW_COUNT_] = {
    [ROW_HOT] = TIME(HOT, "hot", "hot pair"),
    [ROW_BULK_ALLOC] = TIME(BULK, "bulk-alloc", "bulk allocation"),
    [ROW_BULK_FREE] = TIME(BULK, "bulk-free", "bulk free, in sequence"),
    [ROW_RANDOM_FREE] = TIME(BULK, "bulk-free-random", "bulk free, random order"),
    [ROW_CHURN_75] = TIME(CHURN_75, "churn-75", "churn at 75 %"),
    [ROW_CHURN_99] = TIME(CHURN_99, "churn-99", "churn at 99 %"),
    [ROW_LAST_FRAME] = TIME(LAST_FRAME, "last-frame", "the one free frame"),
    [ROW_BURST] = TIME(BURST, "churn-burst", "churn at 75 %, bursts of 1,024"),
    [ROW_MIXED] = TIME(MIXED, "mixed", "mixed orders 0-9 at 50 %"),
    [ROW_MIXED_SHARE] = SHARE(MIXED, "mixed-share", "  free in whole 2 MiB after it"),
    [ROW_MIXED_GIVEN] = SHARE(MIXED, "mixed-given", "  given as 2 MiB when asked"),
    [ROW_MIXED_REFUSED] = PERCENT(MIXED, "mixed-refused", "  requests refused"),
    [ROW_HEALING] = TIME(HEALING, "healing", "healing, free + allocation"),
    [ROW_HEALING_SHARE] = SHARE(HEALING, "healing-share", "  free in whole 2 MiB after it"),
    [ROW_HEALING_GIVEN] = SHARE(HEALING, "healing-given", "  given as 2 MiB when asked"),
    [ROW_ORDER_9] = TIME(ORDER_9, "order-9", "hot pair of order 9"),
    [ROW_HOT_ALONE] = TIME(THREADS, "hot-alone", "one thread: hot pair"),
    [ROW_HOT_TWO] = TIME(THREADS, "hot-two", "two threads: hot pair, each"),
    [ROW_CHURN_ALONE] = TIME(THREADS, "churn-alone", "one thread: churn"),
    [ROW_CHURN_TWO] = TIME(THREADS, "churn-two", "two threads: churn, each"),
    [ROW_HANDOFF] = TIME(HANDOFF, "handoff", "one allocates, the other frees"),
    [ROW_INIT_16G] = TIME(INIT, "init-16g", "initialisation of 16 GiB"),
    [ROW_INIT_1T] = TIME(INIT, "init-1t", "initialisation of 1 TiB"),
    [ROW_INIT_16G_WARM] = TIME(INIT, "init-16g-warm", "  16 GiB, metadata touched before"),
    [ROW_INIT_1T_WARM] = TIME(INIT, "init-1t-warm", "  1 TiB, metadata touched before"),
    [ROW_METADATA] = PERCENT(METADATA, "metadata", "metadata, all in use"),
    [ROW_METADATA_FRESH] = PERCENT(METADATA, "metadata-fresh", "  nothing in use yet"),
    [ROW_METADATA_FRESH_1T] = PERCENT(METADATA, "metadata-fresh-1t", "  of 1 TiB, nothing in use"),
};

const struct bound bounds[] = {
    {ROW_HOT, BOUND_RATIO, LIST_BUDDY, ROW_HOT, 0.35},
    {ROW_HOT, BOUND_RATIO, ARRAY_STACK, ROW_HOT, 2.2},
    {ROW_BULK_ALLOC, BOUND_RATIO, LIST_BUDDY, ROW_BULK_ALLOC, 0.2},
    {ROW_BULK_ALLOC, BOUND_RATIO, INTRUSIVE_STACK, ROW_BULK_ALLOC, 0.05},
    {ROW_BULK_FREE, BOUND_RATIO, LIST_BUDDY, ROW_BULK_FREE, 0.6},
    {ROW_RANDOM_FREE, BOUND_RATIO, LIST_BUDDY, ROW_RANDOM_FREE, 0.2},
    {ROW_RANDOM_FREE, BOUND_RATIO, INTRUSIVE_STACK, ROW_RANDOM_FREE, 0.6},
    {ROW_CHURN_75, BOUND_RATIO, LIST_BUDDY, ROW_CHURN_75, 0.2},
    {ROW_CHURN_99, BOUND_RATIO, LIST_BUDDY, ROW_CHURN_99, 0.2},
    {ROW_LAST_FRAME, BOUND_RATIO, LIST_BUDDY, ROW_LAST_FRAME, 0.5},
    {ROW_MIXED, BOUND_RATIO, LIST_BUDDY, ROW_MIXED, 0.35},
    {ROW_MIXED_SHARE, BOUND_AT_LEAST, STRATA, ROW_MIXED_SHARE, 0.97},
    {ROW_HEALING_SHARE, BOUND_AT_LEAST, STRATA, ROW_HEALING_SHARE, 0.99},
    {ROW_ORDER_9, BOUND_RATIO, LIST_BUDDY, ROW_ORDER_9, 0.8},
    {ROW_HOT_TWO, BOUND_RATIO, STRATA, ROW_HOT_ALONE, 1.1},
    {ROW_CHURN_TWO, BOUND_RATIO, STRATA, ROW_CHURN_ALONE, 1.1},
    {ROW_HANDOFF, BOUND_RATIO, LIST_BUDDY, ROW_HANDOFF, 1.0},
    {ROW_INIT_16G, BOUND_RATIO, LIST_BUDDY, ROW_INIT_16G, 0.001},
    {ROW_INIT_1T, BOUND_RATIO, STRATA, ROW_INIT_16G, 2},
    {ROW_INIT_16G_WARM, BOUND_RATIO, LIST_BUDDY, ROW_INIT_16G_WARM, 0.001},
    {ROW_INIT_1T_WARM, BOUND_RATIO, STRATA, ROW_INIT_16G_WARM, 2},
    {ROW_METADATA, BOUND_AT_MOST, STRATA, ROW_METADATA, 0.04},
    {ROW_METADATA_FRESH, BOUND_RATIO, STRATA, ROW_METADATA, 1},
};
const unsigned bound_count = sizeof(bounds) / sizeof(bounds[0]);

const char *const bench_program = "strata bench pages";

void report_heading(const struct results *results) {
    printf("Page allocators on equal work: arena %g GiB, %s, %s pages for metadata and arena,\n"
           "medians of %u interleaved repeats, the loop included; ± half the quartiles' distance;\n"
           "ratios: the median of those within a repeat\n"
           "L list buddy with 64-byte frames and per-CPU lists, A array stack, S intrusive stack,\n"
           "B bitmap with next-fit hint (A, S and B: no checks, no locks but in the thread rows);\n"
           "a spin lock that nobody else wants, taken and released: %.1f ns\n\n",
           results->arena_gib, machine_name(), machine_huge_pages ? "2 MiB" : "4 KiB",
           results->repeats, results->lock_ns);
}
