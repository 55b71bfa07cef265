// SPDX-License-Identifier: MIT
// Medians and verdicts.
//
// A machine that others use changes its speed, for seconds, by up to a factor of two. Contestants
// run one after the other in each repeat, so a ratio is taken within the repeat, and the median of
// these is the verdict's.
#include "table.h"

#include <stdlib.h>
#include <string.h>

static int compare_values(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(const double *values, unsigned count) {
    double sorted[REPEATS_MAX];
    memcpy(sorted, values, count * sizeof(double));
    qsort(sorted, count, sizeof(double), compare_values);
    return count % 2 != 0 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double results_median(const struct results *results, enum row row, enum contestant_id who) {
    unsigned count = results->counts[row];
    return count == 0 ? NAN : median(results->values[row][who], count);
}

double results_quantile(const struct results *results, enum row row, enum contestant_id who,
                        double part) {
    double sorted[REPEATS_MAX];
    unsigned count = results->counts[row];
    memcpy(sorted, results->values[row][who], count * sizeof(double));
    qsort(sorted, count, sizeof(double), compare_values);
    return sorted[(unsigned)(part * (count - 1))];
}

double bound_value(const struct results *results, const struct bound *bound) {
    if (bound->kind != BOUND_RATIO) {
        return results_median(results, bound->row, STRATA);
    }
    const double *own = results->values[bound->row][STRATA];
    const double *other = results->values[bound->other_row][bound->other];
    double ratios[REPEATS_MAX];
    unsigned count = results->counts[bound->row];
    if (count == 0 || results->counts[bound->other_row] != count) {
        return NAN;
    }
    for (unsigned i = 0; i < count; i++) {
        ratios[i] = own[i] / other[i];
    }
    return median(ratios, count);
}

bool bound_is_met(const struct bound *bound, double value) {
    return bound->kind == BOUND_AT_LEAST ? value >= bound->limit : value <= bound->limit;
}
