// SPDX-License-Identifier: MIT
// The table for the terminal and the same as JSON.
#include "table.h"

#include <stdio.h>
#include <string.h>

// Half of the distance between the quartiles, in percent of the median.
static double spread_percent(const struct results *results, enum row row, enum contestant_id who) {
    double low = results_quantile(results, row, who, 0.25);
    double high = results_quantile(results, row, who, 0.75);
    return 50 * (high - low) / results_median(results, row, who);
}

static void print_number(double value, int decimals) {
    if (isnan(value)) {
        printf("%12s", "-");
    } else if (value >= 1e5) {
        printf("%12.0f", value);
    } else {
        printf("%12.*f", decimals, value);
    }
}

static void print_bound(const struct results *results, const struct bound *bound) {
    double value = bound_value(results, bound);
    if (isnan(value)) {
        return;
    }
    const char *verdict = bound_is_met(bound, value) ? "met" : "MISSED";
    const char *sign = bound->kind == BOUND_AT_LEAST ? "≥" : "≤";
    if (bound->kind != BOUND_RATIO) {
        printf("  %.4g %s %g %s;", value, sign, bound->limit, verdict);
    } else if (bound->other == STRATA) {
        printf("  %.3g of %s %s %g %s;", value, rows[bound->other_row].id, sign, bound->limit,
               verdict);
    } else {
        printf("  %.3g %s %s %g %s;", value, contestants[bound->other]->title, sign, bound->limit,
               verdict);
    }
}

static void print_row(const struct results *results, enum row row) {
    const struct row_info *info = &rows[row];
    printf("%-34s %2s", info->title, info->unit);
    for (unsigned who = 0; who < CONTESTANT_COUNT_; who++) {
        print_number(results_median(results, row, who), info->decimals);
    }
    printf("  ");
    if (info->is_time) {
        printf("±%4.1f %%", spread_percent(results, row, STRATA));
    } else {
        printf("%7s", "");
    }
    for (unsigned i = 0; i < bound_count; i++) {
        if (bounds[i].row == row) {
            print_bound(results, &bounds[i]);
        }
    }
    printf("\n");
}

static void print_tally(const struct results *results) {
    unsigned met = 0, known = 0;
    for (unsigned i = 0; i < bound_count; i++) {
        double value = bound_value(results, &bounds[i]);
        known += !isnan(value);
        met += !isnan(value) && bound_is_met(&bounds[i], value);
    }
    printf("\n%u of %u bounds met\n", met, known);
}

void report_table(const struct results *results) {
    report_heading(results);
    printf("%-37s", "");
    for (unsigned who = 0; who < CONTESTANT_COUNT_; who++) {
        printf("%12s", contestants[who]->title);
    }
    printf("  spread   Strata against its bounds\n");
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        if (results->counts[row] > 0) {
            print_row(results, row);
        }
    }
    print_tally(results);
}

static void json_number(FILE *out, double value) {
    if (isnan(value) || isinf(value)) {
        fputs("null", out);
    } else {
        fprintf(out, "%.6g", value);
    }
}

static void json_values(FILE *out, const struct results *results, enum row row) {
    const char *separator = "";
    for (unsigned who = 0; who < CONTESTANT_COUNT_; who++) {
        if (isnan(results_median(results, row, who))) {
            continue;
        }
        fprintf(out, "%s\"%s\": {\"median\": ", separator, contestants[who]->id);
        json_number(out, results_median(results, row, who));
        fputs(", \"min\": ", out);
        json_number(out, results_quantile(results, row, who, 0));
        fputs(", \"max\": ", out);
        json_number(out, results_quantile(results, row, who, 1));
        fputs("}", out);
        separator = ", ";
    }
}

static void json_bounds(FILE *out, const struct results *results, enum row row) {
    static const char *const kinds[] = {"ratio", "at-least", "at-most"};
    const char *separator = "";
    for (unsigned i = 0; i < bound_count; i++) {
        const struct bound *bound = &bounds[i];
        double value = bound_value(results, bound);
        if (bound->row != row || isnan(value)) {
            continue;
        }
        fprintf(out,
                "%s{\"kind\": \"%s\", \"against\": \"%s\", \"of\": \"%s\", \"value\": ", separator,
                kinds[bound->kind], contestants[bound->other]->id, rows[bound->other_row].id);
        json_number(out, value);
        fprintf(out, ", \"limit\": %g, \"met\": %s}", bound->limit,
                bound_is_met(bound, value) ? "true" : "false");
        separator = ", ";
    }
}

static void json_row(FILE *out, const struct results *results, enum row row) {
    const char *title = rows[row].title + strspn(rows[row].title, " ");
    fprintf(out,
            "    {\"id\": \"%s\", \"title\": \"%s\", \"unit\": \"%s\", \"time\": %s,\n"
            "     \"values\": {",
            rows[row].id, title, rows[row].unit, rows[row].is_time ? "true" : "false");
    json_values(out, results, row);
    fputs("},\n     \"bounds\": [", out);
    json_bounds(out, results, row);
    fputs("]}", out);
}

bool report_json(const struct results *results, const char *path) {
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return false;
    }
    fprintf(out,
            "{\n  \"program\": \"%s\",\n  \"machine\": \"%s\",\n"
            "  \"compiler\": \"%s\",\n  \"pages\": \"%s\",\n  \"arena_gib\": %g,\n"
            "  \"quick\": %s,\n  \"repeats\": %u,\n  \"lock_ns\": %.3g,\n  \"rows\": [\n",
            bench_program, machine_name(), __VERSION__, machine_huge_pages ? "2 MiB" : "4 KiB",
            results->arena_gib, results->quick ? "true" : "false", results->repeats,
            results->lock_ns);
    const char *separator = "";
    for (unsigned row = 0; row < ROW_COUNT_; row++) {
        if (results->counts[row] > 0) {
            fputs(separator, out);
            json_row(out, results, row);
            separator = ",\n";
        }
    }
    fputs("\n  ]\n}\n", out);
    return fclose(out) == 0;
}
