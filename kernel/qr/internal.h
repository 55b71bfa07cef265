// SPDX-License-Identifier: MIT
// What the files of this folder share.
#pragma once

#include "qr.h"

// Patterns along each edge whose middles are aligned (ISO/IEC 18004, Annex E).
static inline unsigned qr_alignments(unsigned version) {
    return version == 1 ? 0 : version / 7 + 2;
}

// How many bytes a code holds, check bytes and all.
size_t qr_codewords(unsigned version);

// The text as bits in qr->data, padded; its version is known. Then with its check bytes,
// interleaved, in qr->codewords.
void qr_put_text(struct qr *qr, const char *text, size_t length, bool alphanumeric);
void qr_interleave(struct qr *qr);

// The smallest version that holds the text, or 0.
unsigned qr_version_for(size_t length, bool alphanumeric, enum qr_level level, unsigned most);
bool qr_is_alphanumeric(const char *text, size_t length);

// `check_count` check bytes of `count` bytes.
void qr_reed_solomon(const uint8_t *bytes, size_t count, uint8_t *check, size_t check_count);

// How hard the code is to read (7.8.3).
unsigned long qr_penalty(const struct qr *qr);
