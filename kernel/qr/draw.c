// SPDX-License-Identifier: MIT
// Where the modules of a code are. (ISO/IEC 18004:2015, 6.3 and 7.7 to 7.10)
// Invariants (tests/unit/test_qr.c):
//   I1  every module is what an independent encoder makes it   agrees_with_a_library
//   I2  the mask is the one that is easiest to read            agrees_with_a_library
#include "internal.h"
#include <string.h>

#define TIMING 6 // the row, and the column

static void set(struct qr *qr, unsigned x, unsigned y, bool dark) {
    qr->modules[y * qr->side + x] = (uint8_t)(QR_FIXED | (dark ? QR_DARK : 0));
}

static unsigned away(unsigned a, unsigned b) {
    return a > b ? a - b : b - a;
}

static unsigned larger(unsigned a, unsigned b) {
    return a > b ? a : b;
}

// Squares one in the other around (x, y), to a distance: dark but for one or two of them.
static void draw_squares(struct qr *qr, unsigned x, unsigned y, unsigned distance, unsigned light,
                         unsigned also_light) {
    for (unsigned top = y > distance ? y - distance : 0; top <= y + distance; top++) {
        for (unsigned left = x > distance ? x - distance : 0; left <= x + distance; left++) {
            unsigned from = larger(away(left, x), away(top, y));
            if (left < qr->side && top < qr->side) {
                set(qr, left, top, from != light && from != also_light);
            }
        }
    }
}

// The middle of the i-th alignment pattern along an edge: evenly apart from the last one, which is
// seven from the edge, but for the first. (Annex E; version 32 is the one that is not so.)
static unsigned alignment_at(unsigned version, unsigned i) {
    unsigned count = qr_alignments(version), last = 17 + 4 * version - 7;
    unsigned step = (last - 6 + (count - 1) * 2 - 1) / ((count - 1) * 2) * 2;
    step = version == 32 ? 26 : step;
    return i == 0 ? 6 : last - (count - 1 - i) * step;
}

static void draw_alignments(struct qr *qr) {
    unsigned count = qr_alignments(qr->version);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < count; j++) {
            bool finder = (i == 0 && (j == 0 || j == count - 1)) || (i == count - 1 && j == 0);
            if (!finder) {
                draw_squares(qr, alignment_at(qr->version, i), alignment_at(qr->version, j), 2, 1,
                             1);
            }
        }
    }
}

// The remainder of a division by a polynomial of bits, behind what is divided.
static unsigned with_remainder(unsigned value, unsigned divisor, unsigned degree) {
    unsigned rest = value << degree;
    for (unsigned bit = 31; bit >= degree; bit--) {
        rest ^= (rest >> bit & 1) != 0 ? divisor << (bit - degree) : 0;
    }
    return value << degree | rest;
}

static void draw_version(struct qr *qr) {
    unsigned bits = with_remainder(qr->version, 0x1f25, 12);
    for (unsigned i = 0; i < 18 && qr->version >= 7; i++) {
        unsigned across = qr->side - 11 + i % 3, along = i / 3;
        set(qr, across, along, (bits >> i & 1) != 0);
        set(qr, along, across, (bits >> i & 1) != 0);
    }
}

// Level and mask, twice.
static void draw_format(struct qr *qr) {
    static const unsigned levels[] = {[QR_LOW] = 1, [QR_MEDIUM] = 0};
    unsigned bits = with_remainder(levels[qr->level] << 3 | qr->mask, 0x537, 10) ^ 0x5412;
    unsigned side = qr->side;
    for (unsigned i = 0; i < 15; i++) {
        bool dark = (bits >> i & 1) != 0;
        // Around the corner, past the timing.
        unsigned along = i < 6 ? i : i < 8 ? i + 1 : 14 - i + (i == 8);
        set(qr, i < 8 ? 8 : along, i < 8 ? along : 8, dark);
        set(qr, i < 8 ? side - 1 - i : 8, i < 8 ? 8 : side - 15 + i, dark);
    }
    set(qr, 8, side - 8, true);
}

static void draw_fixed(struct qr *qr) {
    unsigned side = qr->side;
    for (unsigned i = 0; i < side; i++) {
        set(qr, i, TIMING, i % 2 == 0);
        set(qr, TIMING, i, i % 2 == 0);
    }
    draw_squares(qr, 3, 3, 4, 2, 4);
    draw_squares(qr, side - 4, 3, 4, 2, 4);
    draw_squares(qr, 3, side - 4, 4, 2, 4);
    draw_alignments(qr);
    draw_version(qr);
    draw_format(qr);
}

// In columns two wide from the right, up and down in turn.
static void draw_codewords(struct qr *qr) {
    size_t bit = 0, bits = qr_codewords(qr->version) * 8;
    bool up = true;
    for (unsigned right = qr->side - 1; right != 0 && right < qr->side; right -= 2, up = !up) {
        right -= right == TIMING;
        for (unsigned i = 0; i < 2 * qr->side; i++) {
            unsigned y = up ? qr->side - 1 - i / 2 : i / 2;
            uint8_t *module = &qr->modules[y * qr->side + right - i % 2];
            if ((*module & QR_FIXED) == 0 && bit < bits) {
                *module = qr->codewords[bit / 8] >> (7 - bit % 8) & QR_DARK;
                bit++;
            }
        }
    }
}

static bool masked(unsigned mask, unsigned x, unsigned y) {
    switch (mask) {
    case 0:
        return (x + y) % 2 == 0;
    case 1:
        return y % 2 == 0;
    case 2:
        return x % 3 == 0;
    case 3:
        return (x + y) % 3 == 0;
    case 4:
        return (x / 3 + y / 2) % 2 == 0;
    case 5:
        return x * y % 2 + x * y % 3 == 0;
    case 6:
        return (x * y % 2 + x * y % 3) % 2 == 0;
    default:
        return ((x + y) % 2 + x * y % 3) % 2 == 0;
    }
}

// Does a mask, or undoes it.
static void apply_mask(struct qr *qr, unsigned mask) {
    for (unsigned y = 0; y < qr->side; y++) {
        for (unsigned x = 0; x < qr->side; x++) {
            uint8_t *module = &qr->modules[y * qr->side + x];
            *module ^= (*module & QR_FIXED) == 0 && masked(mask, x, y) ? QR_DARK : 0;
        }
    }
}

static void show_masked(struct qr *qr, unsigned mask) {
    qr->mask = mask;
    apply_mask(qr, mask);
    draw_format(qr);
}

static unsigned best_mask(struct qr *qr) {
    unsigned long least = ~0ul;
    unsigned best = 0;
    for (unsigned mask = 0; mask < QR_MASKS; mask++) {
        show_masked(qr, mask);
        unsigned long penalty = qr_penalty(qr);
        best = penalty < least ? mask : best;
        least = penalty < least ? penalty : least;
        apply_mask(qr, mask);
    }
    return best;
}

bool qr_encode(struct qr *qr, const char *text, size_t length, enum qr_level level,
               unsigned version_most, unsigned mask) {
    bool alphanumeric = qr_is_alphanumeric(text, length);
    qr->level = level;
    qr->version = qr_version_for(length, alphanumeric, level, version_most);
    if (qr->version == 0) {
        return false;
    }
    qr->side = 17 + 4 * qr->version;
    qr->mask = 0;
    memset(qr->modules, 0, sizeof(qr->modules));
    qr_put_text(qr, text, length, alphanumeric);
    qr_interleave(qr);
    draw_fixed(qr);
    draw_codewords(qr);
    show_masked(qr, mask < QR_MASKS ? mask : best_mask(qr));
    return true;
}
