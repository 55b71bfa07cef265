// SPDX-License-Identifier: MIT
// A text as a QR code: squares that a camera reads.
//
//    text ──> bits, padded ──> blocks, each with its check bytes ──> interleaved
//                                                                        │ zigzag
//    finders, timing, alignment, format, version ──> modules <───────────┘
//                                                        │ eight masks: the best
//                                                        v
//                                                   dark and light
//
// After ISO/IEC 18004:2015: one segment, alphanumeric when all of the text can be (capitals,
// digits, and " $%*+-./:"; two characters in 11 bits), else bytes; versions 1 to 40; error
// correction L and M. A library would do (libqrcodegen, which the tests compare with), were it
// compiled for a kernel: without a stack protector, vector registers and a red zone.
// Pure: tests/unit/test_qr.c.
#pragma once

#include <strata/types.h>

#define QR_VERSION_MAX   40
#define QR_SIDE_MAX      177 // of version 40
#define QR_CODEWORDS_MAX 3706
#define QR_QUIET         4 // light modules that have to be around a code
#define QR_MASKS         8
#define QR_MASK_BEST     QR_MASKS

// How much of a code may be unreadable.
enum qr_level {
    QR_LOW,    // 7 %
    QR_MEDIUM, // 15 %
    QR_LEVEL_COUNT_,
};

struct qr {
    unsigned version, side; // side = 17 + 4 * version, in modules
    enum qr_level level;
    unsigned mask;
    uint8_t modules[QR_SIDE_MAX * QR_SIDE_MAX]; // QR_DARK, QR_FIXED
    uint8_t data[QR_CODEWORDS_MAX], codewords[QR_CODEWORDS_MAX];
};

enum {
    QR_DARK = 1,
    QR_FIXED = 2, // part of a pattern, not of the text: no mask changes it
};

// How many characters of the alphanumeric set fit.
size_t qr_capacity(unsigned version, enum qr_level level);

// Makes the smallest code of at most `version_most` that holds the text, with the mask that is
// asked for. False, with `qr` undefined, when the text is too long.  O(modules).
bool qr_encode(struct qr *qr, const char *text, size_t length, enum qr_level level,
               unsigned version_most, unsigned mask);

// Whether a module is dark; those outside are not.
static inline bool qr_dark(const struct qr *qr, unsigned x, unsigned y) {
    return x < qr->side && y < qr->side && (qr->modules[y * qr->side + x] & QR_DARK) != 0;
}
