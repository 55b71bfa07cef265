// SPDX-License-Identifier: MIT
// The rows and what must hold of them.
#include "../table.h"

#include <stdio.h>

#define TIME(scenario, id, title)                                                                  \
    { id, title, "ns", SCENARIO_##scenario, 2, true }
#define SHARE(id, title)                                                                           \
    { id, title, "", SCENARIO_MEMORY, 3, false }

const struct row_info rows[ROW_COUNT_] = {
    [ROW_HOT_8] = TIME(HOT, "hot-8", "hot pair, 8 bytes"),
    [ROW_HOT_64] = TIME(HOT, "hot-64", "hot pair, 64 bytes"),
    [ROW_HOT_256] = TIME(HOT, "hot-256", "hot pair, 256 bytes"),
    [ROW_HOT_1K] = TIME(HOT, "hot-1k", "hot pair, 1 KiB"),
    [ROW_HOT_2K] = TIME(HOT, "hot-2k", "hot pair, 2 KiB"),
    [ROW_HOT_4K] = TIME(HOT, "hot-4k", "hot pair, 4 KiB"),
    [ROW_HOT_16K] = TIME(HOT, "hot-16k", "hot pair, 16 KiB"),
    [ROW_HOT_64K] = TIME(HOT, "hot-64k", "hot pair, 64 KiB"),
    [ROW_FRESH] = TIME(BULK, "fresh", "64 bytes, from fresh memory"),
    [ROW_BULK_ALLOC] = TIME(BULK, "bulk-alloc", "64 bytes in bulk, allocation"),
    [ROW_BULK_FREE] = TIME(BULK, "bulk-free", "64 bytes in bulk, free in sequence"),
    [ROW_BULK_RANDOM] = TIME(BULK, "bulk-random", "64 bytes in bulk, free at random"),
    [ROW_CHURN] = TIME(CHURN, "churn", "churn of 10,000, 8-2,048 bytes"),
    [ROW_PRODUCER] = TIME(PRODUCER, "producer", "one allocates, the other frees"),
    [ROW_HOT_ALONE] = TIME(THREADS, "hot-alone", "one thread: hot pair"),
    [ROW_HOT_TWO] = TIME(THREADS, "hot-two", "two threads: hot pair, each"),
    [ROW_CHURN_ALONE] = TIME(THREADS, "churn-alone", "one thread: churn"),
    [ROW_CHURN_TWO] = TIME(THREADS, "churn-two", "two threads: churn, each"),
    [ROW_REALLOC_DOUBLE] = TIME(REALLOC, "realloc-double", "growth by doubling, to 1 MiB, a step"),
    [ROW_REALLOC_64] = TIME(REALLOC, "realloc-64", "growth by 64 bytes, to 64 KiB, a step"),
    [ROW_MEMORY_FULL] = SHARE("memory-full", "memory taken per live byte"),
    [ROW_MEMORY_HALF] = SHARE("memory-half", "  a random half freed"),
    [ROW_MEMORY_REFILLED] = SHARE("memory-refilled", "  filled again"),
    [ROW_MEMORY_FREED] = SHARE("memory-freed", "  all freed, of what was live"),
};

const struct bound bounds[] = {
    {ROW_HOT_8, BOUND_RATIO, MIMALLOC, ROW_HOT_8, 0.95},
    {ROW_HOT_64, BOUND_RATIO, MIMALLOC, ROW_HOT_64, 0.95},
    {ROW_HOT_256, BOUND_RATIO, MIMALLOC, ROW_HOT_256, 0.95},
    {ROW_HOT_1K, BOUND_RATIO, MIMALLOC, ROW_HOT_1K, 0.95},
    {ROW_HOT_2K, BOUND_RATIO, MIMALLOC, ROW_HOT_2K, 0.5},
    {ROW_HOT_2K, BOUND_RATIO, JEMALLOC, ROW_HOT_2K, 0.7},
    {ROW_HOT_4K, BOUND_RATIO, MIMALLOC, ROW_HOT_4K, 0.5},
    {ROW_HOT_4K, BOUND_RATIO, JEMALLOC, ROW_HOT_4K, 0.7},
    {ROW_HOT_16K, BOUND_RATIO, MIMALLOC, ROW_HOT_16K, 0.5},
    {ROW_HOT_16K, BOUND_RATIO, JEMALLOC, ROW_HOT_16K, 0.7},
    {ROW_HOT_64K, BOUND_RATIO, MIMALLOC, ROW_HOT_64K, 0.5},
    {ROW_HOT_64K, BOUND_RATIO, JEMALLOC, ROW_HOT_64K, 0.7},
    {ROW_FRESH, BOUND_RATIO, MIMALLOC, ROW_FRESH, 0.5},
    {ROW_BULK_ALLOC, BOUND_RATIO, MIMALLOC, ROW_BULK_ALLOC, 1.0},
    {ROW_BULK_FREE, BOUND_RATIO, MIMALLOC, ROW_BULK_FREE, 1.0},
    {ROW_BULK_RANDOM, BOUND_RATIO, MIMALLOC, ROW_BULK_RANDOM, 1.0},
    {ROW_CHURN, BOUND_RATIO, MIMALLOC, ROW_CHURN, 0.7},
    {ROW_PRODUCER, BOUND_RATIO, MIMALLOC, ROW_PRODUCER, 0.4},
    {ROW_HOT_TWO, BOUND_RATIO, STRATA, ROW_HOT_ALONE, 1.1},
    {ROW_CHURN_TWO, BOUND_RATIO, STRATA, ROW_CHURN_ALONE, 1.1},
    {ROW_REALLOC_DOUBLE, BOUND_RATIO, MIMALLOC, ROW_REALLOC_DOUBLE, 1.0},
    {ROW_REALLOC_DOUBLE, BOUND_RATIO, JEMALLOC, ROW_REALLOC_DOUBLE, 1.0},
    {ROW_REALLOC_64, BOUND_RATIO, MIMALLOC, ROW_REALLOC_64, 1.0},
    {ROW_REALLOC_64, BOUND_RATIO, JEMALLOC, ROW_REALLOC_64, 1.0},
    {ROW_MEMORY_FULL, BOUND_RATIO, JEMALLOC, ROW_MEMORY_FULL, 1.0},
    {ROW_MEMORY_HALF, BOUND_RATIO, JEMALLOC, ROW_MEMORY_HALF, 1.0},
    {ROW_MEMORY_REFILLED, BOUND_RATIO, JEMALLOC, ROW_MEMORY_REFILLED, 1.0},
    {ROW_MEMORY_FREED, BOUND_AT_MOST, STRATA, ROW_MEMORY_FREED, 0.006},
};
const unsigned bound_count = sizeof(bounds) / sizeof(bounds[0]);

const char *const bench_program = "strata bench objects";

void report_heading(const struct results *results) {
    printf(
        "kmalloc beside general allocators: %s, 4 KiB pages for all but where a row says\n"
        "otherwise, each scenario in a process of its own, medians of %u interleaved repeats, the\n"
        "loop included; ± half the quartiles' distance; ratios: the median of those within a\n"
        "repeat. All that Strata always checks is on\n"
        "(double free, interior, foreign, wrong cache, random order); it knows interrupts.\n\n",
        machine_name(), results->repeats);
}
