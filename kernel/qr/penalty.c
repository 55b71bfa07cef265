// SPDX-License-Identifier: MIT
// How hard a code is to read: long runs, blocks, what looks like a finder, too much of one colour.
// (ISO/IEC 18004:2015, 7.8.3.1)
#include "internal.h"

#define RUN_LEAST 5
#define N1        3
#define N2        3
#define N3        40
#define N4        10

static bool dark(const struct qr *qr, bool column, unsigned line, unsigned at) {
    return (qr->modules[column ? at * qr->side + line : line * qr->side + at] & QR_DARK) != 0;
}

// The lengths of the runs of a line, light and dark in turn; the first may be none. Returns how
// many, an odd number: the last is light and may be none as well.
static unsigned runs_of(const struct qr *qr, bool column, unsigned line, unsigned *runs) {
    unsigned count = 0;
    bool colour = false;
    runs[0] = 0;
    for (unsigned at = 0; at < qr->side; at++) {
        if (dark(qr, column, line, at) != colour) {
            colour = !colour;
            runs[++count] = 0;
        }
        runs[count]++;
    }
    if (colour) {
        runs[++count] = 0;
    }
    return count + 1;
}

// Dark and light 1:1:3:1:1, with four light on one side and at least one on the other.
static unsigned finders_at(const unsigned *run) {
    unsigned unit = run[0], before = run[-1], after = run[5];
    if (run[1] != unit || run[2] != 3 * unit || run[3] != unit || run[4] != unit) {
        return 0;
    }
    return (before >= 4 * unit && after >= unit) + (after >= 4 * unit && before >= unit);
}

static unsigned long penalty_of_line(const struct qr *qr, bool column, unsigned line) {
    unsigned runs[QR_SIDE_MAX + 2], count = runs_of(qr, column, line, runs);
    unsigned long penalty = 0;
    for (unsigned i = 0; i < count; i++) {
        penalty += runs[i] >= RUN_LEAST ? N1 + runs[i] - RUN_LEAST : 0;
    }
    // Around the code all is light.
    runs[0] += qr->side;
    runs[count - 1] += qr->side;
    for (unsigned i = 1; i + 5 < count; i += 2) {
        penalty += N3 * (unsigned long)finders_at(runs + i);
    }
    return penalty;
}

static unsigned long penalty_of_blocks(const struct qr *qr) {
    unsigned long blocks = 0;
    for (unsigned y = 0; y + 1 < qr->side; y++) {
        for (unsigned x = 0; x + 1 < qr->side; x++) {
            unsigned sum = (unsigned)qr_dark(qr, x, y) + qr_dark(qr, x + 1, y) +
                           qr_dark(qr, x, y + 1) + qr_dark(qr, x + 1, y + 1);
            blocks += sum % 4 == 0;
        }
    }
    return N2 * blocks;
}

// For each 5 % that the dark modules' share is away from a half, the first not counted.
static unsigned long penalty_of_balance(const struct qr *qr) {
    unsigned long total = (unsigned long)qr->side * qr->side | 1, darks = 0; // a side is odd
    for (unsigned long i = 0; i < total; i++) {
        darks += qr->modules[i] & QR_DARK;
    }
    unsigned long off = darks * 20 > total * 10 ? darks * 20 - total * 10 : total * 10 - darks * 20;
    unsigned long steps = (off + total - 1) / total;
    return N4 * (steps > 0 ? steps - 1 : 0);
}

unsigned long qr_penalty(const struct qr *qr) {
    unsigned long penalty = penalty_of_blocks(qr) + penalty_of_balance(qr);
    for (unsigned line = 0; line < qr->side; line++) {
        penalty += penalty_of_line(qr, false, line) + penalty_of_line(qr, true, line);
    }
    return penalty;
}
