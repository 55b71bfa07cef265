// SPDX-License-Identifier: MIT
// The rows of the table: what they are called, and what must hold of Strata's numbers.
#pragma once

#include "bench.h"

struct row_info {
    const char *id, *title, *unit;
    enum scenario scenario;
    int decimals;
    bool is_time; // the plot shows these
};
extern const struct row_info rows[ROW_COUNT_];

enum bound_kind {
    BOUND_RATIO,    // Strata's number <= limit × the other's (or Strata's own in another row)
    BOUND_AT_LEAST, // Strata's number >= limit
    BOUND_AT_MOST,  // Strata's number <= limit
};

struct bound {
    enum row row;
    enum bound_kind kind;
    enum contestant_id other;
    enum row other_row;
    double limit;
};
extern const struct bound bounds[];
extern const unsigned bound_count;

#define REPEATS_MAX 101

// Every number that was measured; NAN where a contestant takes no part.
struct results {
    unsigned repeats;
    unsigned counts[ROW_COUNT_]; // of each row; 0: not measured
    bool quick;
    double arena_gib;
    double lock_ns; // machine_lock_ns
    double values[ROW_COUNT_][CONTESTANT_COUNT_][REPEATS_MAX];
};

double results_median(const struct results *results, enum row row, enum contestant_id who);
// Of a row that was measured; `part` 0: the smallest, 1: the largest.
double results_quantile(const struct results *results, enum row row, enum contestant_id who,
                        double part);
// What a bound compares with its limit, and whether it holds. A ratio is the median of those within
// each repeat. NAN when something is missing.
double bound_value(const struct results *results, const struct bound *bound);
bool bound_is_met(const struct bound *bound, double value);

// The program's: what stands above its table, and in its JSON.
void report_heading(const struct results *results);
extern const char *const bench_program;

void report_table(const struct results *results);
// False when the file cannot be written.
bool report_json(const struct results *results, const char *path);
