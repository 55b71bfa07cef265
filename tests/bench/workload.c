// SPDX-License-Identifier: MIT
// The sequences of requests, made once and given to every contestant alike.
#include "bench.h"

#include <stdlib.h>

// Blocks of random orders, as many as fill half of the arena: whenever less is held one more is
// taken, else a random one is freed. Which slot an event touches does not depend on what a
// contestant answers.
static void make_events(struct workload *workload, uint64_t *state) {
    uint32_t *events = malloc(workload->event_count * sizeof(*events));
    uint32_t *live = calloc(workload->frames, sizeof(*live));
    uint8_t *orders = calloc(workload->frames, 1);
    uint32_t count = 0, target = workload->frames / 2, held = 0;
    // live[0 … count) are slots in use, those after it are unused.
    for (uint32_t i = 0; i < workload->frames; i++) {
        live[i] = i;
    }
    for (uint32_t i = 0; i < workload->event_count; i++) {
        uint32_t random = (uint32_t)(random_next(state) >> 32);
        if (held < target) {
            uint8_t order = (uint8_t)scaled(random, HUGE_ORDER + 1);
            uint32_t slot = live[count++];
            orders[slot] = order;
            held += 1u << order;
            events[i] = EVENT(slot, order, 0u);
        } else {
            uint32_t at = scaled(random, count), slot = live[at];
            live[at] = live[--count];
            live[count] = slot;
            held -= 1u << orders[slot];
            events[i] = EVENT(slot, (uint32_t)orders[slot], 1u);
        }
    }
    free(live);
    free(orders);
    workload->events = events;
}

void workload_create(struct workload *workload, uint64_t arena_bytes, bool quick) {
    const uint64_t gib = UINT64_C(1) << 30;
    uint32_t pick_count = quick ? 1u << 14 : 1u << 22;
    uint32_t *picks = malloc(pick_count * sizeof(*picks));
    uint64_t state = UINT64_C(0x5eed5eed5eed5eed);
    for (uint32_t i = 0; i < pick_count; i++) {
        picks[i] = (uint32_t)(random_next(&state) >> 32);
    }
    *workload = (struct workload){
        .frames = (uint32_t)(arena_bytes >> 12),
        .picks = picks,
        .pick_mask = pick_count - 1,
        .event_count = quick ? 1u << 14 : 1u << 21,
        .operations = quick ? 4096 : 1u << 20,
        .budget_ns = quick ? 1e6 : 60e6,
        .init_bytes = {quick ? gib : 16 * gib, quick ? 4 * gib : 1024 * gib},
    };
    workload->slots = malloc(workload->frames * sizeof(*workload->slots));
    for (uint32_t i = 0; i < workload->frames; i++) {
        workload->slots[i] = NO_FRAME;
    }
    make_events(workload, &state);
    machine_cpus(workload->cpus);
}

void workload_destroy(struct workload *workload) {
    free((void *)(uintptr_t)workload->picks);
    free((void *)(uintptr_t)workload->events);
    free(workload->slots);
}
