// SPDX-License-Identifier: MIT
// Medians and verdicts.
#include "table.h"

#include <stdlib.h>

static int compare_values(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

void results_sort(struct results *results) {
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        for (unsigned who = 0; results->counts[row] > 0 && who < CONTESTANT_COUNT_; who++) {
            qsort(results->values[row][who], results->counts[row], sizeof(double), compare_values);
        }
    }
}

double results_median(const struct results *results, enum row row, enum contestant_id who) {
    const double *sorted = results->values[row][who];
    unsigned count = results->counts[row], middle = count / 2;
    if (count == 0) {
        return NAN;
    }
    return count % 2 != 0 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double bound_value(const struct results *results, const struct bound *bound) {
    double value = results_median(results, bound->row, STRATA);
    if (bound->kind != BOUND_RATIO) {
        return value;
    }
    return value / results_median(results, bound->other_row, bound->other);
}

bool bound_is_met(const struct bound *bound, double value) {
    return bound->kind == BOUND_AT_LEAST ? value >= bound->limit : value <= bound->limit;
}
