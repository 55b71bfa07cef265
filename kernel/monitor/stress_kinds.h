// SPDX-License-Identifier: MIT
// What `stress` takes: an object of each kind of memory, filled with a pattern of its own.
//
//    word i of an object:  first + i * STRESS_STEP      `first` is random, so no two are alike
//
// So whoever writes to memory that is not his, or is given what somebody has, is found when the
// object is looked at: at the latest when it is given back.
#pragma once

#include <state.h>

#define STRESS_STEP   UINT64_C(0x9e3779b97f4a7c15)
#define STRESS_FRAMES 8 // of a vmap

struct stress; // stress.c

struct stress_object {
    const struct stress_kind *kind; // NULL: none
    uint8_t *memory;                // where it is written and read
    uint64_t bytes, first;          // the pattern
    pfn_t block;                    // of pages
    uint64_t pages;                 // of contiguous ones; of a vmap, frames
    unsigned order;                 // of a block
    struct object_cache *cache;     // of an object of a cache
    pfn_t frames[STRESS_FRAMES];    // of a vmap
};

struct stress_kind {
    const char *name;
    bool own_tables; // only there when the kernel stands on its own
    // Takes memory: all but `kind` and `first` of the object. False, with nothing taken, without.
    bool (*take)(struct stress *stress, struct stress_object *object);
    void (*give)(struct stress_object *object);
    // Changes its size, the first bytes stay; false, with nothing changed, when that cannot be.
    // NULL: it has one size.
    bool (*change)(struct stress *stress, struct stress_object *object);
};

extern const struct stress_kind stress_kinds[];
extern const size_t stress_kind_count;

// The caches that objects are taken from.  Begin: false, with nothing made, when one cannot be.
// End: false when one of them has objects that are handed out.
bool stress_caches_begin(void);
bool stress_caches_end(void);

// For the kinds: a random number, one below a bound; 4 KiB << 0 … most, each half as often as the
// one before.
uint64_t stress_random(struct stress *stress);
uint64_t stress_below(struct stress *stress, uint64_t bound);
unsigned stress_order(struct stress *stress, unsigned most);

// For the kinds: says that an answer was wrong, and counts it, unless it holds.
void stress_expect(struct stress *stress, bool holds, const char *sentence);
