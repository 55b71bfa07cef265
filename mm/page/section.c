// SPDX-License-Identifier: MIT
// The free set of one section. section.h has the drawing, the invariants and the contracts.
#include "section.h"

#include <mm/assert.h>
#include <string.h>

#define LAST_ORDER (BITMAP_ORDERS - 1) // 2 MiB

uint64_t section_metadata_bytes(uint32_t span) {
    return align_up(align_up(sizeof(struct bitmap), 64) + span, PAGE_SIZE);
}

void section_close(struct section *section) {
    static uint8_t unmanaged = STATE_UNMANAGED;
    section->kind = SECTION_ABSENT;
    section->own_metadata = false;
    section->span = 0;
    section->bitmap = NULL;
    section->state = &unmanaged;
    section->state_mask = 0;
    section_set_free(section, 0);
}

void section_open(struct section *section, void *storage, uint32_t span, uint8_t fill) {
    section->bitmap = storage;
    section->state = (uint8_t *)storage + align_up(sizeof(struct bitmap), 64);
    section->state_mask = SECTION_FRAMES - 1;
    section->span = span;
    section_set_free(section, 0);
    section->kind = SECTION_SPLIT;
    memset(section->bitmap, 0, sizeof(*section->bitmap));
    memset(section->state, fill, span);
}

// Frees what is left of a block of order `from` around its part of order `to` at `frame`:
//
//   from   [                               ]
//          [   free        ][              ]
//          [               ][ free  ][     ]
//   to                               [taken]
static void split(struct bitmap *bitmap, uint32_t frame, unsigned from, unsigned to) {
    while (from > to) {
        from--;
        bitmap_set(bitmap, from, frame >> from ^ 1);
    }
}

// Takes the upper 2^order frames of a block of order `from`.
static struct frame_run take_upper(struct bitmap *bitmap, uint32_t block, unsigned from,
                                   unsigned order) {
    uint32_t size = 1u << order, first = ((block + 1) << from) - size;
    bitmap_clear(bitmap, from, block);
    split(bitmap, first, from, order);
    return (struct frame_run){first, size};
}

// Orders 0 … 9, from anywhere in the section.
static bool take_any(struct section *section, unsigned order, uint32_t *frame) {
    struct bitmap *bitmap = section->bitmap;
    uint32_t orders = bitmap->orders >> order << order;
    if (orders == 0) {
        return false;
    }
    unsigned from = (unsigned)__builtin_ctz(orders);
    *frame = take_upper(bitmap, bitmap_last(bitmap, from), from, order).first;
    return true;
}

// Orders 0 … 9. The block may begin at frames `first` to `last`.
static bool take_small(struct section *section, unsigned order, uint32_t first, uint32_t last,
                       uint32_t *frame) {
    struct bitmap *bitmap = section->bitmap;
    for (uint32_t orders = bitmap->orders >> order << order; orders != 0; orders &= orders - 1) {
        unsigned from = (unsigned)__builtin_ctz(orders);
        uint32_t block;
        if (!bitmap_last_up_to(bitmap, from, last >> from, &block)) {
            continue;
        }
        uint32_t found = ((block + 1) << from) - (1u << order);
        found = found < last ? found : last;
        if (found < first) {
            continue;
        }
        bitmap_clear(bitmap, from, block);
        split(bitmap, found, from, order);
        *frame = found;
        return true;
    }
    return false;
}

// Bit i of the result: bits i … i + 2^log - 1 of `word` are set, and i is a multiple of 2^log.
static uint64_t aligned_runs(uint64_t word, unsigned log) {
    static const uint64_t aligned[] = {
        UINT64_MAX,
        UINT64_C(0x5555555555555555),
        UINT64_C(0x1111111111111111),
        UINT64_C(0x0101010101010101),
        UINT64_C(0x0001000100010001),
        UINT64_C(0x0000000100000001),
        1,
    };
    for (unsigned k = 0; k < log; k++) {
        word &= word >> (1u << k);
    }
    return word & aligned[log];
}

// Orders 10 … 15: the run lies in one word of the 2 MiB bitmap.
static bool find_run_in_word(const uint64_t *words, unsigned log, uint32_t last, uint32_t *block) {
    for (uint32_t word = (last >> 6) + 1; word-- != 0;) {
        uint64_t runs = aligned_runs(words[word], log);
        if (word == last >> 6) {
            runs &= bits_up_to(last & 63);
        }
        if (runs != 0) {
            *block = word * 64 + bit_last(runs);
            return true;
        }
    }
    return false;
}

// Orders 16 … 18: the run is whole words.
static bool find_run_of_words(const uint64_t *words, unsigned log, uint32_t last, uint32_t *block) {
    uint32_t step = 1u << (log - 6);
    for (uint32_t word = (last >> 6 & ~(step - 1)) + step; word != 0;) {
        word -= step;
        uint64_t all = UINT64_MAX;
        for (uint32_t i = 0; i < step; i++) {
            all &= words[word + i];
        }
        if (all == UINT64_MAX) {
            *block = word * 64;
            return true;
        }
    }
    return false;
}

// Clears or sets a run of `count` 2 MiB blocks.
static void change_run(struct bitmap *bitmap, uint32_t block, uint32_t count, bool set) {
    while (count != 0) {
        uint32_t in_word = 64 - (block & 63) < count ? 64 - (block & 63) : count;
        uint64_t bits = bits_up_to(in_word - 1) << (block & 63);
        if (set) {
            bitmap_set_bits(bitmap, LAST_ORDER, block >> 6, bits);
        } else {
            bitmap_clear_bits(bitmap, LAST_ORDER, block >> 6, bits);
        }
        block += in_word;
        count -= in_word;
    }
}

static bool take_large(struct section *section, unsigned order, uint32_t first, uint32_t last,
                       uint32_t *frame) {
    const uint64_t *words = bitmap_words(section->bitmap, LAST_ORDER);
    unsigned log = order - LAST_ORDER;
    uint32_t block;
    bool found = log < 6 ? find_run_in_word(words, log, last >> LAST_ORDER, &block)
                         : find_run_of_words(words, log, last >> LAST_ORDER, &block);
    if (!found || block << LAST_ORDER < first) {
        return false;
    }
    change_run(section->bitmap, block, 1u << log, false);
    *frame = block << LAST_ORDER;
    return true;
}

bool section_take(struct section *section, unsigned order, struct bounds bounds, uint32_t *frame) {
    uint32_t size = 1u << order;
    if (bounds.limit < size) {
        return false;
    }
    uint32_t last = (bounds.limit - size) & ~(size - 1);
    bool anywhere = bounds.floor == 0 && bounds.limit == SECTION_FRAMES;
    bool taken = order > LAST_ORDER ? take_large(section, order, bounds.floor, last, frame)
                 : anywhere         ? take_any(section, order, frame)
                                    : take_small(section, order, bounds.floor, last, frame);
    if (taken) {
        section_add_free(section, -size);
    }
    return taken;
}

// Takes up to `max` of the highest blocks of order 0 in a word that has some. No two of them are
// buddies, but they may be neighbours.
static unsigned take_from_word(struct bitmap *bitmap, uint32_t word, unsigned max,
                               struct frame_run *runs) {
    uint64_t bits = bitmap_words(bitmap, 0)[word], left = bits;
    unsigned count = 0;
    for (; count < max && left != 0; count++) {
        unsigned bit = bit_last(left);
        left ^= UINT64_C(1) << bit;
        runs[count] = (struct frame_run){word * 64 + bit, 1};
    }
    bitmap_clear_bits(bitmap, 0, word, bits ^ left);
    return count;
}

unsigned section_take_frames(struct section *section, unsigned min, uint32_t floor,
                             struct frame_run *runs) {
    struct bitmap *bitmap = section->bitmap;
    unsigned count = 0, run_count = 0;
    for (unsigned order = 0; order < BITMAP_ORDERS && count < min;) {
        if ((bitmap->orders >> order & 1) == 0 || bitmap_last(bitmap, order) < floor >> order) {
            order++;
            continue;
        }
        uint32_t block = bitmap_last(bitmap, order);
        if (order == 0) {
            unsigned taken = take_from_word(bitmap, block / 64, min - count, runs + run_count);
            count += taken;
            run_count += taken;
            continue;
        }
        unsigned part = order < SECTION_PART_ORDER ? order : SECTION_PART_ORDER;
        runs[run_count++] = take_upper(bitmap, block, order, part);
        count += 1u << part;
    }
    section_add_free(section, -count);
    return run_count;
}

void section_put(struct section *section, uint32_t frame, unsigned order) {
    struct bitmap *bitmap = section->bitmap;
    section_add_free(section, 1u << order);
    if (order > LAST_ORDER) {
        change_run(bitmap, frame >> LAST_ORDER, 1u << (order - LAST_ORDER), true);
        return;
    }
    uint32_t block = frame >> order;
    if (order == 0) { // most of all frees, and half of these end here
        uint64_t *word = &bitmap->word[block >> 6], buddy = UINT64_C(1) << ((block ^ 1) & 63);
        if ((*word & buddy) == 0) {
            bitmap_set(bitmap, 0, block);
            return;
        }
        bitmap_clear(bitmap, 0, block ^ 1);
        block >>= 1;
        order = 1;
    }
    while (order < LAST_ORDER && bitmap_test(bitmap, order, block ^ 1)) {
        bitmap_clear(bitmap, order, block ^ 1);
        block >>= 1;
        order++;
    }
    bitmap_set(bitmap, order, block);
}

void section_put_range(struct section *section, uint32_t begin, uint32_t end) {
    while (begin < end) {
        unsigned order = largest_order(begin, end);
        section_put(section, begin, order);
        begin += 1u << order;
    }
}

int section_free_order(struct section *section, uint32_t frame) {
    for (unsigned order = 0; order < BITMAP_ORDERS; order++) {
        if (bitmap_test(section->bitmap, order, frame >> order)) {
            return (int)order;
        }
    }
    return -1;
}

uint32_t section_first_not_free(struct section *section, uint32_t begin, uint32_t end) {
    while (begin < end) {
        int order = begin < section->span ? section_free_order(section, begin) : -1;
        if (order < 0) {
            return begin;
        }
        begin = (uint32_t)align_down(begin, UINT64_C(1) << order) + (1u << order);
    }
    return end;
}

void section_take_range(struct section *section, uint32_t begin, uint32_t end) {
    uint32_t at = begin;
    while (at < end) {
        int order = section_free_order(section, at);
        ASSERT(order >= 0);
        uint32_t block = (uint32_t)align_down(at, UINT64_C(1) << order);
        uint32_t block_end = block + (1u << order);
        bitmap_clear(section->bitmap, (unsigned)order, block >> order);
        section_add_free(section, -(1u << order));
        section_put_range(section, block, at);
        if (block_end > end) {
            section_put_range(section, end, block_end);
        }
        at = block_end;
    }
}

void section_mark_allocated(struct section *section, uint32_t begin, uint32_t end,
                            enum page_owner owner) {
    for (uint32_t frame = begin; frame < end;) {
        unsigned order = largest_order(frame, end);
        memset(section->state + frame, STATE_NONE, UINT32_C(1) << order);
        state_write(section, frame, state_of(order, owner));
        frame += 1u << order;
    }
}

uint32_t section_block_of(const struct section *section, uint32_t frame) {
    for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
        uint32_t head = (uint32_t)align_down(frame, UINT64_C(1) << order);
        uint8_t state = state_read(section, head);
        if (state != STATE_NONE && head + state_pages(state) > frame) {
            return head;
        }
    }
    return UINT32_MAX;
}
