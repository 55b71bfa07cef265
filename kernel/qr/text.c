// SPDX-License-Identifier: MIT
// A text as the bytes of a code. (ISO/IEC 18004:2015, 7.4 to 7.6)
#include "internal.h"
#include <string.h>

#define MODE_BITS         4
#define MODE_ALPHANUMERIC 2
#define MODE_BYTES        4

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

// Table 9: into how many blocks the bytes are dealt, and how many check bytes each has.
static const struct {
    uint8_t blocks[QR_VERSION_MAX], checks[QR_VERSION_MAX];
} corrections[QR_LEVEL_COUNT_] = {
    [QR_LOW] = {{1, 1, 1, 1,  1,  2,  2,  2,  2,  4,  4,  4,  4,  4,  6,  6,  6,  6,  7,  8,
                 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25},
                {7,  10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
                 28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30}},
    [QR_MEDIUM] = {{1,  1,  1,  2,  2,  4,  4,  4,  5,  5,  5,  8,  9,  9,  10, 10, 11, 13, 14, 16,
                    17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49},
                   {10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24,
                    24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28,
                    28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28}},
};

size_t qr_codewords(unsigned version) {
    size_t side = 17 + 4 * (size_t)version, alignments = qr_alignments(version);
    // Three finders with their separators, timing, format and the dark module, version.
    size_t fixed = 192 + 2 * (side - 16) + 31 + (version >= 7 ? 36 : 0);
    if (alignments != 0) {
        // Not in the finders' corners; those on the timing share five modules with it.
        fixed += (alignments * alignments - 3) * 25 - (alignments - 2) * 2 * 5;
    }
    return (side * side - fixed) / 8;
}

static size_t data_codewords(unsigned version, enum qr_level level) {
    size_t checks =
        (size_t)corrections[level].blocks[version - 1] * corrections[level].checks[version - 1];
    return qr_codewords(version) - checks;
}

// How wide the number of characters is.
static unsigned count_bits(unsigned version, bool alphanumeric) {
    if (!alphanumeric) {
        return version <= 9 ? 8 : 16;
    }
    return version <= 9 ? 9 : version <= 26 ? 11 : 13;
}

size_t qr_capacity(unsigned version, enum qr_level level) {
    size_t bits = data_codewords(version, level) * 8 - MODE_BITS - count_bits(version, true);
    return bits / 11 * 2 + (bits % 11 >= 6);
}

static const char *letter(char character) {
    return character != '\0' ? strchr(alphabet, character) : NULL;
}

bool qr_is_alphanumeric(const char *text, size_t length) {
    size_t i = 0;
    while (i < length && letter(text[i]) != NULL) {
        i++;
    }
    return i == length;
}

unsigned qr_version_for(size_t length, bool alphanumeric, enum qr_level level, unsigned most) {
    size_t bits = alphanumeric ? length / 2 * 11 + length % 2 * 6 : length * 8;
    for (unsigned version = 1; version <= most && version <= QR_VERSION_MAX; version++) {
        unsigned counted = count_bits(version, alphanumeric);
        if (length >> counted == 0 &&
            MODE_BITS + counted + bits <= data_codewords(version, level) * 8) {
            return version;
        }
    }
    return 0;
}

static void put_bits(struct qr *qr, size_t *at, unsigned value, unsigned count) {
    while (count-- > 0) {
        qr->data[*at / 8] |= (uint8_t)((value >> count & 1) << (7 - *at % 8));
        *at += 1;
    }
}

static void put_characters(struct qr *qr, size_t *at, const char *text, size_t length) {
    for (size_t i = 0; i + 1 < length; i += 2) {
        unsigned first = (unsigned)(letter(text[i]) - alphabet);
        put_bits(qr, at, first * 45 + (unsigned)(letter(text[i + 1]) - alphabet), 11);
    }
    if (length % 2 != 0) {
        put_bits(qr, at, (unsigned)(letter(text[length - 1]) - alphabet), 6);
    }
}

void qr_put_text(struct qr *qr, const char *text, size_t length, bool alphanumeric) {
    size_t at = 0, bytes = data_codewords(qr->version, qr->level);
    memset(qr->data, 0, sizeof(qr->data));
    put_bits(qr, &at, alphanumeric ? MODE_ALPHANUMERIC : MODE_BYTES, MODE_BITS);
    put_bits(qr, &at, (unsigned)length, count_bits(qr->version, alphanumeric));
    if (alphanumeric) {
        put_characters(qr, &at, text, length);
    } else {
        for (size_t i = 0; i < length; i++) {
            put_bits(qr, &at, (uint8_t)text[i], 8);
        }
    }
    // Four bits of 0 end it, as far as there is room; then two bytes in turn.
    size_t used = (at + 4 + 7) / 8;
    for (size_t i = used; i < bytes; i++) {
        qr->data[i] = (i - used) % 2 == 0 ? 0xec : 0x11;
    }
}

// The first blocks are a byte shorter when the bytes cannot be shared out evenly.
void qr_interleave(struct qr *qr) {
    size_t blocks = corrections[qr->level].blocks[qr->version - 1];
    size_t checks = corrections[qr->level].checks[qr->version - 1];
    size_t bytes = data_codewords(qr->version, qr->level);
    size_t least = bytes / blocks, short_blocks = blocks - bytes % blocks;
    const uint8_t *from = qr->data;
    for (size_t block = 0; block < blocks; block++) {
        size_t count = least + (block >= short_blocks);
        uint8_t check[32];
        qr_reed_solomon(from, count, check, checks);
        for (size_t i = 0; i < count; i++) {
            size_t place = i < least ? i * blocks + block : least * blocks + block - short_blocks;
            qr->codewords[place] = from[i];
        }
        for (size_t i = 0; i < checks; i++) {
            qr->codewords[bytes + i * blocks + block] = check[i];
        }
        from += count;
    }
}
