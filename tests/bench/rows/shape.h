// SPDX-License-Identifier: MIT
// Rows about fragmentation: what is left in blocks of 2 MiB. Part of rows.h.
#pragma once

#include "single.h"

#include <strata/types.h>
#include <string.h>

// A bit for each frame that could be free: what the allocator gave when it gave all it has, less
// what is held now. This is the benchmark's own count, the same for everybody.
struct free_map {
    uint64_t *words;
    uint32_t frame_end;
    uint64_t free;
};

static void free_map_set(struct free_map *map, uint32_t block, uint32_t count, bool is_free) {
    for (uint32_t frame = block; frame < block + count; frame++) {
        uint64_t bit = UINT64_C(1) << (frame % 64);
        if (((map->words[frame / 64] & bit) != 0) == is_free) {
            give_up("a frame was given twice");
        }
        map->words[frame / 64] ^= bit;
    }
    map->free += is_free ? count : -(uint64_t)count;
}

// Fills the arena and notes what it consists of; returns the number of frames, still held in slots.
static uint32_t free_map_create(struct free_map *map, const struct workload *workload) {
    uint32_t count = fill(workload, workload->frames);
    map->frame_end = (uint32_t)align_up(peer_frame_end(), HUGE_COUNT);
    map->words = calloc(map->frame_end / 64, sizeof(*map->words));
    map->free = 0;
    for (uint32_t i = 0; PEER_IS_REAL && i < count; i++) {
        free_map_set(map, workload->slots[i], 1, true);
    }
    return count;
}

// The share of the free memory that lies in aligned, wholly free blocks of 2 MiB.
static double free_map_share(const struct free_map *map) {
    uint64_t whole = 0;
    for (uint32_t block = 0; block < map->frame_end / HUGE_COUNT; block++) {
        const uint64_t *words = map->words + block * (HUGE_COUNT / 64);
        uint64_t all = UINT64_MAX;
        for (unsigned i = 0; i < HUGE_COUNT / 64; i++) {
            all &= words[i];
        }
        whole += all == UINT64_MAX ? HUGE_COUNT : 0;
    }
    return map->free == 0 ? NAN : (double)whole / (double)map->free;
}

// The share that the allocator really gives out in blocks of 2 MiB when asked for all it has; the
// arena is of no use afterwards.
static double share_given(const struct free_map *map) {
    uint64_t given = 0;
    peer_drain();
    while (PEER_ORDER_MAX >= HUGE_ORDER && peer_alloc(HUGE_ORDER) != NO_FRAME) {
        given += HUGE_COUNT;
    }
    return PEER_ORDER_MAX >= HUGE_ORDER ? (double)given / (double)map->free : NAN;
}

struct mixed {
    uint64_t asked, refused;
};

static __attribute__((noinline)) void run_events(const struct workload *workload, uint32_t from,
                                                 uint32_t to, struct mixed *count) {
    uint32_t *slots = workload->slots;
    for (uint32_t i = from; i < to; i++) {
        uint32_t event = workload->events[i], slot = EVENT_SLOT(event), order = EVENT_ORDER(event);
        if (!EVENT_FREES(event)) {
            slots[slot] = peer_alloc(order);
            count->asked++;
            count->refused += slots[slot] == NO_FRAME;
        } else if (slots[slot] != NO_FRAME) {
            peer_free(slots[slot], order);
            slots[slot] = NO_FRAME;
        }
    }
}

// Takes out of the map what the slots hold after all events.
static void hold_events(const struct workload *workload, struct free_map *map) {
    uint8_t *orders = calloc(workload->frames, 1);
    for (uint32_t i = 0; i < workload->event_count; i++) {
        orders[EVENT_SLOT(workload->events[i])] = (uint8_t)EVENT_ORDER(workload->events[i]);
    }
    for (uint32_t slot = 0; slot < workload->frames; slot++) {
        if (workload->slots[slot] != NO_FRAME) {
            free_map_set(map, workload->slots[slot], 1u << orders[slot], false);
        }
    }
    free(orders);
}

static void clear_slots(const struct workload *workload) {
    memset(workload->slots, 0xff, workload->frames * sizeof(*workload->slots));
}

static void run_mixed(const struct workload *workload, double *values) {
    if (PEER_ORDER_MAX < HUGE_ORDER) {
        return;
    }
    struct free_map map;
    struct mixed ignored = {0, 0}, count = {0, 0};
    uint32_t half = workload->event_count / 2;
    peer_open(workload->frames);
    free_slots(workload, 0, free_map_create(&map, workload));
    clear_slots(workload);
    run_events(workload, 0, half, &ignored);
    double begin = cpu_ns();
    run_events(workload, half, workload->event_count, &count);
    values[ROW_MIXED] = (cpu_ns() - begin) / half;
    values[ROW_MIXED_REFUSED] = 100.0 * (double)count.refused / (double)count.asked;
    if (PEER_IS_REAL) {
        hold_events(workload, &map);
        values[ROW_MIXED_SHARE] = free_map_share(&map);
        values[ROW_MIXED_GIVEN] = share_given(&map);
    }
    clear_slots(workload);
    free(map.words);
    peer_close();
}

// One round of healing: a random tenth of the first `live` slots goes to their end, is freed, and
// taken anew. Returns the time of the last two.
static double heal(const struct workload *workload, uint32_t live, uint64_t *state) {
    uint32_t *slots = workload->slots, tenth = live / 10;
    for (uint32_t i = live; i > live - tenth; i--) {
        uint32_t other = scaled((uint32_t)(random_next(state) >> 32), i), frame = slots[i - 1];
        slots[i - 1] = slots[other];
        slots[other] = frame;
    }
    double begin = cpu_ns();
    free_slots(workload, live - tenth, live);
    for (uint32_t i = live - tenth; i < live; i++) {
        slots[i] = peer_alloc(0);
    }
    return cpu_ns() - begin;
}

// What was never freed lies where it lay at first, and after 100 rounds that is one frame in
// 37,649 (1 / 0.9^100): some fourteen in 4 GiB, half of them where all else is free, each in a
// block of
// 2 MiB that cannot be whole. It takes luck to have fewer, so every repeat draws anew and the
// median counts.
static void run_healing(const struct workload *workload, double *values) {
    struct free_map map;
    uint64_t state = random_seed(workload->repeat + UINT64_C(1000));
    peer_open(workload->frames);
    uint32_t all = free_map_create(&map, workload), live = all - all / 2;
    shuffle(workload, all);
    free_slots(workload, live, all);
    double ns = 0;
    for (unsigned round = 0; round < 100; round++) {
        ns += heal(workload, live, &state);
    }
    uint32_t tenth = live / 10;
    values[ROW_HEALING] = ns / (100.0 * tenth);
    for (uint32_t i = 0; PEER_IS_REAL && i < live; i++) {
        free_map_set(&map, workload->slots[i], 1, false);
    }
    if (PEER_IS_REAL) {
        values[ROW_HEALING_SHARE] = free_map_share(&map);
        values[ROW_HEALING_GIVEN] = share_given(&map);
    }
    free(map.words);
    peer_close();
}
