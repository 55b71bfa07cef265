// SPDX-License-Identifier: MIT
// The free blocks of one section, as bitmaps: for each order 0 … 9 one bit a block, and two levels
// of summary above.
//
//   top   one word an order          bit i: mid[i] has a bit
//   mid   one bit a word             bit j: word[j] has a bit
//   word  one bit a block            bit b: block b of this order is free
//
// 64 × 64 × 64 blocks of order 0 make exactly one section, so three counts of leading zeros find
// the last free block. A summary bit is written only when what it sums up becomes empty or stops
// being empty.
//
// Invariants (tests/unit/test_page.c, and page_check at run time):
//   B1  a summary bit is set exactly when the word below it is not 0     summaries_are_exact
//   B2  `orders` has a bit exactly for the orders whose top is not 0     summaries_are_exact
//
// This file knows nothing of buddies: who may be free beside whom is section.c's business.
#pragma once

#include <strata/types.h>

#define BITMAP_ORDERS 10   // kept as bitmaps: 4 KiB … 2 MiB
#define BITMAP_WORDS  8184 // 4096 + 2048 + … + 8
#define BITMAP_MIDS   130  // 64 + 32 + … + 1, then 1 for each of orders 7, 8 and 9

struct bitmap {
    uint32_t orders; // bit k: there is a free block of order k
    uint32_t unused;
    uint64_t top[BITMAP_ORDERS];
    uint64_t mid[BITMAP_MIDS];
    uint64_t word[BITMAP_WORDS];
};

static inline uint32_t bitmap_word_count(unsigned order) {
    return 4096u >> order;
}

// Where the words, and the middle summaries, of an order begin.
static inline uint64_t *bitmap_words(struct bitmap *bitmap, unsigned order) {
    return bitmap->word + (8192u - (8192u >> order));
}

static inline uint64_t *bitmap_mids(struct bitmap *bitmap, unsigned order) {
    return bitmap->mid + (order <= 6 ? 128u - (128u >> order) : 120u + order);
}

static inline unsigned bit_last(uint64_t word) {
    return 63u - (unsigned)__builtin_clzll(word);
}

// Bits 0 … last of a word.
static inline uint64_t bits_up_to(unsigned last) {
    return UINT64_MAX >> (63 - last);
}

static inline bool bitmap_test(struct bitmap *bitmap, unsigned order, uint32_t block) {
    return (bitmap_words(bitmap, order)[block >> 6] >> (block & 63) & 1) != 0;
}

// Sets `bits` of word `index`; none of them is set.
static inline void bitmap_set_bits(struct bitmap *bitmap, unsigned order, uint32_t index,
                                   uint64_t bits) {
    uint64_t *word = bitmap_words(bitmap, order) + index;
    uint64_t before = *word;
    *word = before | bits;
    if (before == 0) {
        uint64_t *mid = bitmap_mids(bitmap, order) + (index >> 6);
        uint64_t mid_before = *mid;
        *mid = mid_before | UINT64_C(1) << (index & 63);
        if (mid_before == 0) {
            bitmap->top[order] |= UINT64_C(1) << (index >> 6);
            bitmap->orders |= 1u << order;
        }
    }
}

// Clears `bits` of word `index`; all of them are set.
static inline void bitmap_clear_bits(struct bitmap *bitmap, unsigned order, uint32_t index,
                                     uint64_t bits) {
    uint64_t *word = bitmap_words(bitmap, order) + index;
    uint64_t after = *word & ~bits;
    *word = after;
    if (after == 0) {
        uint64_t *mid = bitmap_mids(bitmap, order) + (index >> 6);
        uint64_t mid_after = *mid & ~(UINT64_C(1) << (index & 63));
        *mid = mid_after;
        if (mid_after == 0) {
            uint64_t top_after = bitmap->top[order] & ~(UINT64_C(1) << (index >> 6));
            bitmap->top[order] = top_after;
            if (top_after == 0) {
                bitmap->orders &= ~(1u << order);
            }
        }
    }
}

static inline void bitmap_set(struct bitmap *bitmap, unsigned order, uint32_t block) {
    bitmap_set_bits(bitmap, order, block >> 6, UINT64_C(1) << (block & 63));
}

static inline void bitmap_clear(struct bitmap *bitmap, unsigned order, uint32_t block) {
    bitmap_clear_bits(bitmap, order, block >> 6, UINT64_C(1) << (block & 63));
}

// The last free block of an order that has one.
static inline uint32_t bitmap_last(struct bitmap *bitmap, unsigned order) {
    uint32_t mid = bit_last(bitmap->top[order]);
    uint32_t word = mid * 64 + bit_last(bitmap_mids(bitmap, order)[mid]);
    return word * 64 + bit_last(bitmap_words(bitmap, order)[word]);
}

// The last free block of an order at or before block `limit`. False when there is none.
static inline bool bitmap_last_up_to(struct bitmap *bitmap, unsigned order, uint32_t limit,
                                     uint32_t *block) {
    const uint64_t *words = bitmap_words(bitmap, order);
    const uint64_t *mids = bitmap_mids(bitmap, order);
    uint32_t word = limit >> 6;
    uint64_t bits = words[word] & bits_up_to(limit & 63);
    if (bits == 0) {
        // No later word of this mid word, then no later mid word, than the one before `word`.
        uint32_t mid = word >> 6;
        bits = mids[mid] & (bits_up_to(word & 63) >> 1);
        if (bits == 0) {
            bits = bitmap->top[order] & (bits_up_to(mid) >> 1);
            if (bits == 0) {
                return false;
            }
            mid = bit_last(bits);
            bits = mids[mid];
        }
        word = mid * 64 + bit_last(bits);
        bits = words[word];
    }
    *block = word * 64 + bit_last(bits);
    return true;
}
