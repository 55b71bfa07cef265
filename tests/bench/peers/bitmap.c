// SPDX-License-Identifier: MIT
// One bit a frame and a hint where to look next: the smallest metadata that there is, fast while
// much is free, and a walk through all of it when little is. Blocks of 2^order frames, aligned to
// their size, are found in the same walk.
#include "peers.h"

#include <string.h>

#define WORD_ORDER 6 // a word has 64 frames

uint64_t bitmap_pages_bytes(uint32_t frames) {
    return align_up(frames, 64 * 8) / 8;
}

void bitmap_pages_init(struct bitmap_pages *bitmap, uint32_t frames, void *storage) {
    uint32_t whole = frames / 64, rest = frames % 64;
    bitmap->words = storage;
    bitmap->word_count = (uint32_t)(bitmap_pages_bytes(frames) / 8);
    bitmap->next = 0;
    memset(storage, 0xff, bitmap_pages_bytes(frames));
    memset(storage, 0, whole * sizeof(uint64_t));
    if (rest != 0) {
        bitmap->words[whole] = UINT64_MAX << rest;
    }
}

// 2^order bits from bit 0; order 0 … 5.
static uint64_t block_mask(unsigned order) {
    return (UINT64_C(1) << (1u << order)) - 1;
}

// A bit for each aligned block of 2^order frames that is wholly free in the word.
static uint64_t free_blocks(uint64_t word, unsigned order) {
    static const uint64_t aligned[] = {
        UINT64_MAX,
        UINT64_C(0x5555555555555555),
        UINT64_C(0x1111111111111111),
        UINT64_C(0x0101010101010101),
        UINT64_C(0x0001000100010001),
        UINT64_C(0x0000000100000001),
    };
    uint64_t found = ~word;
    for (unsigned k = 0; k < order; k++) {
        found &= found >> (1u << k);
    }
    return found & aligned[order];
}

static uint32_t find_in_words(struct bitmap_pages *bitmap, unsigned order, uint32_t from,
                              uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        if (bitmap->words[i] == UINT64_MAX) {
            continue;
        }
        uint64_t found = free_blocks(bitmap->words[i], order);
        if (found != 0) {
            unsigned bit = (unsigned)__builtin_ctzll(found);
            bitmap->words[i] |= block_mask(order) << bit;
            bitmap->next = i;
            return i * 64 + bit;
        }
    }
    return PEER_NONE;
}

static bool words_are_free(const struct bitmap_pages *bitmap, uint32_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (bitmap->words[first + i] != 0) {
            return false;
        }
    }
    return true;
}

static uint32_t find_words(struct bitmap_pages *bitmap, unsigned order, uint32_t from,
                           uint32_t to) {
    uint32_t count = 1u << (order - WORD_ORDER);
    for (uint32_t i = (uint32_t)align_up(from, count); i + count <= to; i += count) {
        if (words_are_free(bitmap, i, count)) {
            memset(bitmap->words + i, 0xff, count * sizeof(uint64_t));
            bitmap->next = i + count < bitmap->word_count ? i + count : 0;
            return i * 64;
        }
    }
    return PEER_NONE;
}

uint32_t bitmap_pages_alloc(struct bitmap_pages *bitmap, unsigned order) {
    uint32_t next = bitmap->next, end = bitmap->word_count;
    if (order < WORD_ORDER) {
        uint32_t block = find_in_words(bitmap, order, next, end);
        return block != PEER_NONE ? block : find_in_words(bitmap, order, 0, next);
    }
    // A run may begin before the hint and end after it: the second walk goes a run further.
    uint32_t count = 1u << (order - WORD_ORDER);
    uint32_t block = find_words(bitmap, order, next, end);
    uint32_t again = next + count < end ? next + count : end;
    return block != PEER_NONE ? block : find_words(bitmap, order, 0, again);
}

void bitmap_pages_free(struct bitmap_pages *bitmap, uint32_t block, unsigned order) {
    if (order < WORD_ORDER) {
        bitmap->words[block / 64] &= ~(block_mask(order) << (block % 64));
    } else {
        memset(bitmap->words + block / 64, 0, sizeof(uint64_t) << (order - WORD_ORDER));
    }
}
