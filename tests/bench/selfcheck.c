// SPDX-License-Identifier: MIT
// Before anybody is measured: every contestant against a naive oracle, a byte a frame.
//
// Random requests until the arena is nearly full and back; every block must be aligned, in range
// and disjoint from all others; a single frame is refused only when none is left; when all is freed
// again, as much can be had as in the beginning.
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES     (1u << 14) // 64 MiB
#define OPERATIONS 100000

struct block {
    uint32_t frame;
    uint8_t order;
};

struct oracle {
    const struct contestant *contestant;
    uint8_t *held; // one byte a frame
    uint32_t frame_end;
    struct block *blocks;
    uint32_t block_count;
    uint32_t held_frames, capacity;
};

// Notes a block as held; false when it cannot be one.
static bool hold(struct oracle *oracle, uint32_t frame, unsigned order) {
    uint32_t count = 1u << order;
    if (frame % count != 0 || frame >= oracle->frame_end || oracle->frame_end - frame < count) {
        return false;
    }
    for (uint32_t i = frame; i < frame + count; i++) {
        if (oracle->held[i] != 0) {
            return false;
        }
        oracle->held[i] = 1;
    }
    oracle->blocks[oracle->block_count++] = (struct block){frame, (uint8_t)order};
    oracle->held_frames += count;
    return true;
}

static void give_back(struct oracle *oracle, uint32_t index) {
    struct block block = oracle->blocks[index];
    oracle->blocks[index] = oracle->blocks[--oracle->block_count];
    oracle->held_frames -= 1u << block.order;
    memset(oracle->held + block.frame, 0, 1u << block.order);
    oracle->contestant->free(block.frame, block.order);
}

// Allocates single frames until refused; NULL, or what was wrong.
static const char *exhaust(struct oracle *oracle) {
    uint32_t frame;
    while ((frame = oracle->contestant->alloc(0)) != NO_FRAME) {
        if (!hold(oracle, frame, 0)) {
            return "gave a frame that it does not have, or twice";
        }
    }
    return NULL;
}

static const char *random_step(struct oracle *oracle, uint64_t *state, bool growing) {
    uint64_t random = random_next(state);
    unsigned most = oracle->contestant->order_max < HUGE_ORDER ? 0 : HUGE_ORDER;
    bool frees = oracle->block_count > 0 && random % 8 < (growing ? 3 : 5);
    if (frees) {
        give_back(oracle, scaled((uint32_t)(random >> 32), oracle->block_count));
        return NULL;
    }
    unsigned order = scaled((uint32_t)(random >> 32), most + 1);
    uint32_t frame = oracle->contestant->alloc(order);
    if (frame == NO_FRAME) {
        return order == 0 && oracle->held_frames < oracle->capacity
                   ? "refused a frame although it has one"
                   : NULL;
    }
    return hold(oracle, frame, order) ? NULL : "gave a block that overlaps, or lies askew";
}

static const char *check(struct oracle *oracle) {
    uint64_t state = UINT64_C(0x1234567887654321);
    const char *wrong = exhaust(oracle);
    oracle->capacity = oracle->held_frames;
    if (wrong == NULL && oracle->capacity < FRAMES - FRAMES / 16) {
        wrong = "has less than it was given";
    }
    while (oracle->block_count > 0) {
        give_back(oracle, oracle->block_count - 1);
    }
    for (unsigned i = 0; wrong == NULL && i < OPERATIONS; i++) {
        wrong = random_step(oracle, &state, i / 8192 % 2 == 0);
    }
    while (wrong == NULL && oracle->block_count > 0) {
        give_back(oracle, oracle->block_count - 1);
    }
    if (wrong == NULL) {
        wrong = exhaust(oracle);
    }
    return wrong == NULL && oracle->held_frames != oracle->capacity ? "lost frames" : wrong;
}

const char *selfcheck(const struct contestant *contestant) {
    contestant->open(FRAMES);
    struct oracle oracle = {.contestant = contestant, .frame_end = contestant->frame_end()};
    oracle.held = calloc(oracle.frame_end, 1);
    oracle.blocks = malloc(oracle.frame_end * sizeof(*oracle.blocks));
    const char *wrong = check(&oracle);
    contestant->close();
    free(oracle.held);
    free(oracle.blocks);
    return wrong;
}
