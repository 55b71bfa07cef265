// SPDX-License-Identifier: MIT
// The patterns, and the march over them. include/mm/memtest.h has the concept and the sources.
//
// A pass is a list of rounds (a pattern and its variant), a round a list of elements (a direction,
// what to read and what to write), an element a sweep over all runs, done in slices.
//
// Invariants (tests/unit/test_memtest.c, over simulated memory with faults):
//   M1  a stuck bit, a bit that cannot change, and two addresses of one cell are always found
//   M2  good memory never fails
//   M3  `bad` is sorted, disjoint, and holds every frame that failed
#include <mm/assert.h>
#include <mm/memtest.h>
#include <string.h>

// How memory is reached: not through the compiler's memory of what it wrote. The test replaces
// these by memory with faults.
#ifndef MEMTEST_LOAD
#define MEMTEST_LOAD(word)         (*(const volatile uint64_t *)(word))
#define MEMTEST_STORE(word, value) (*(volatile uint64_t *)(word) = (value))
#endif

#define SLICE_BYTES (4 * MIB) // of one step

// What an element reads or writes: the pattern, its inverse, nothing.
enum polarity { NOTHING, PLAIN, INVERSE };

struct element {
    bool down;
    enum polarity read, write;
};

static const struct element march_c_minus[] = {
    {false, NOTHING, PLAIN}, {false, PLAIN, INVERSE}, {false, INVERSE, PLAIN},
    {true, PLAIN, INVERSE},  {true, INVERSE, PLAIN},  {true, PLAIN, NOTHING},
};

// For the many variants of walking ones.
static const struct element short_march[] = {
    {false, NOTHING, PLAIN},
    {false, PLAIN, INVERSE},
    {true, INVERSE, NOTHING},
};

struct round {
    enum memtest_pattern pattern;
    unsigned variant; // of the walking pattern
    const struct element *elements;
    unsigned element_count;
};

#define MARCH       march_c_minus, 6
#define SHORT_MARCH short_march, 3

// Eight of the 64 places of the walking one in each pass; the next pass takes the next eight.
static const struct round rounds[] = {
    {MEMTEST_ADDRESS, 0, MARCH},        {MEMTEST_SOLID, 0, MARCH},
    {MEMTEST_CHECKER, 0, MARCH},        {MEMTEST_RANDOM, 0, MARCH},
    {MEMTEST_WALKING, 0, SHORT_MARCH},  {MEMTEST_WALKING, 8, SHORT_MARCH},
    {MEMTEST_WALKING, 16, SHORT_MARCH}, {MEMTEST_WALKING, 24, SHORT_MARCH},
    {MEMTEST_WALKING, 32, SHORT_MARCH}, {MEMTEST_WALKING, 40, SHORT_MARCH},
    {MEMTEST_WALKING, 48, SHORT_MARCH}, {MEMTEST_WALKING, 56, SHORT_MARCH},
};
#define ROUND_COUNT (sizeof(rounds) / sizeof(rounds[0]))

const char *memtest_pattern_name(enum memtest_pattern pattern) {
    static const char *const names[MEMTEST_PATTERN_COUNT_] = {
        "own address", "zeros and ones", "checkerboard", "random", "walking ones",
    };
    return pattern < MEMTEST_PATTERN_COUNT_ ? names[pattern] : "?";
}

void memtest_init(struct memtest *test, struct memtest_range *runs, size_t run_capacity,
                  struct memtest_range *bad, size_t bad_capacity, unsigned passes, uint64_t seed) {
    ASSERT(bad_capacity != 0);
    memset(test, 0, sizeof(*test));
    test->runs = runs;
    test->run_capacity = run_capacity;
    test->bad = bad;
    test->bad_capacity = bad_capacity;
    test->pass_count = passes;
    test->seed = seed;
}

bool memtest_add(struct memtest *test, pfn_t begin, pfn_t end) {
    size_t count = test->run_count;
    if (count != 0 && test->runs[count - 1].end.value == begin.value) {
        test->runs[count - 1].end = end;
    } else if (count == test->run_capacity) {
        return false;
    } else {
        test->runs[test->run_count++] = (struct memtest_range){begin, end};
    }
    test->sweep_bytes += (end.value - begin.value) * PAGE_SIZE;
    return true;
}

// The finaliser of splitmix64 (G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number
// generators, OOPSLA 2014).
static inline uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t value_at(enum memtest_pattern pattern, uint64_t variant, uint64_t address) {
    switch (pattern) {
    case MEMTEST_ADDRESS:
        return address;
    case MEMTEST_SOLID:
    case MEMTEST_PATTERN_COUNT_:
        break;
    case MEMTEST_CHECKER:
        return UINT64_C(0x5555555555555555);
    case MEMTEST_RANDOM:
        return mix(address + variant);
    case MEMTEST_WALKING:
        return UINT64_C(1) << ((address / sizeof(uint64_t) + variant) % 64);
    }
    return 0;
}

// The first range of `bad` that ends at or above the frame.
static size_t bad_position(const struct memtest *test, uint64_t frame) {
    size_t low = 0, high = test->bad_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (test->bad[middle].end.value < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// `bad` is full: the nearest range grows up to the frame. Better too much than a bad frame in use.
static void widen_nearest(struct memtest *test, size_t next, uint64_t frame) {
    struct memtest_range *bad = test->bad;
    uint64_t up = next < test->bad_count ? bad[next].begin.value - frame : UINT64_MAX;
    uint64_t down = next > 0 ? frame + 1 - bad[next - 1].end.value : UINT64_MAX;
    if (up < down) {
        bad[next].begin = pfn(frame);
    } else {
        bad[next - 1].end = pfn(frame + 1);
    }
    uint64_t added = up < down ? up : down;
    test->bad_pages += added;
    test->widened_pages += added - 1;
}

// Joins a range with the next when they meet.
static void join_with_next(struct memtest *test, size_t at) {
    struct memtest_range *range = &test->bad[at];
    if (at + 1 < test->bad_count && range->end.value == range[1].begin.value) {
        range->end = range[1].end;
        test->bad_count--;
        memmove(range + 1, range + 2, (test->bad_count - at - 1) * sizeof(*range));
    }
}

// Adds a frame to `bad`. False when it is there already.
static bool add_bad(struct memtest *test, uint64_t frame) {
    size_t at = bad_position(test, frame);
    struct memtest_range *range = &test->bad[at];
    bool exists = at < test->bad_count;
    if (exists && range->begin.value <= frame && frame < range->end.value) {
        return false;
    }
    if (exists && range->end.value == frame) {
        range->end = pfn(frame + 1);
        join_with_next(test, at);
    } else if (exists && range->begin.value == frame + 1) {
        range->begin = pfn(frame);
    } else if (test->bad_count == test->bad_capacity) {
        widen_nearest(test, at, frame);
        return true;
    } else {
        memmove(range + 1, range, (test->bad_count - at) * sizeof(*range));
        *range = (struct memtest_range){pfn(frame), pfn(frame + 1)};
        test->bad_count++;
    }
    test->bad_pages++;
    return true;
}

static __attribute__((noinline, cold)) void mismatch(struct memtest *test, uint64_t address,
                                                     uint64_t expected, uint64_t found) {
    test->mismatches++;
    test->wrong_bits |= expected ^ found;
    if (add_bad(test, address >> PAGE_SHIFT) && test->fault_count < MEMTEST_FAULTS) {
        test->faults[test->fault_count++] = (struct memtest_fault){
            paddr(address), expected, found, memtest_at(test), test->pass,
        };
    }
}

// One element over `count` words from `address`. Inlined for each pattern.
static inline __attribute__((always_inline)) void
sweep(struct memtest *test, const struct element *element, enum memtest_pattern pattern,
      uint64_t variant, uint64_t address, uint64_t count) {
    uint64_t *words = port_direct_map(paddr(address));
    uint64_t read_flip = element->read == INVERSE ? ~UINT64_C(0) : 0;
    uint64_t write_flip = element->write == INVERSE ? ~UINT64_C(0) : 0;
    bool reads = element->read != NOTHING, writes = element->write != NOTHING;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = element->down ? count - 1 - i : i;
        uint64_t value = value_at(pattern, variant, address + at * sizeof(uint64_t));
        if (reads) {
            uint64_t found = MEMTEST_LOAD(words + at);
            if (__builtin_expect(found != (value ^ read_flip), 0)) {
                mismatch(test, address + at * sizeof(uint64_t), value ^ read_flip, found);
            }
        }
        if (writes) {
            MEMTEST_STORE(words + at, value ^ write_flip);
        }
    }
}

static void sweep_slice(struct memtest *test, const struct round *round, uint64_t address,
                        uint64_t count) {
    const struct element *element = &round->elements[test->element];
    switch (round->pattern) {
    case MEMTEST_ADDRESS:
        sweep(test, element, MEMTEST_ADDRESS, 0, address, count);
        return;
    case MEMTEST_SOLID:
        sweep(test, element, MEMTEST_SOLID, 0, address, count);
        return;
    case MEMTEST_CHECKER:
        sweep(test, element, MEMTEST_CHECKER, 0, address, count);
        return;
    case MEMTEST_RANDOM:
        sweep(test, element, MEMTEST_RANDOM, mix(test->seed + test->pass), address, count);
        return;
    case MEMTEST_WALKING:
    case MEMTEST_PATTERN_COUNT_: // no round's
        break;
    }
    sweep(test, element, MEMTEST_WALKING, round->variant + test->pass, address, count);
}

// All runs are through: on to the next element, round, pass. False at the end of all.
static bool next_element(struct memtest *test) {
    test->run = 0;
    test->offset = 0;
    if (++test->element < rounds[test->round].element_count) {
        return true;
    }
    test->element = 0;
    if (++test->round < ROUND_COUNT) {
        return true;
    }
    test->round = 0;
    return ++test->pass < test->pass_count;
}

enum memtest_progress memtest_step(struct memtest *test) {
    if (test->pass >= test->pass_count || test->run_count == 0) {
        return MEMTEST_DONE;
    }
    const struct round *round = &rounds[test->round];
    bool down = round->elements[test->element].down;
    const struct memtest_range *run =
        &test->runs[down ? test->run_count - 1 - test->run : test->run];
    uint64_t begin = paddr_of(run->begin).value, bytes = paddr_of(run->end).value - begin;
    uint64_t left = bytes - test->offset;
    uint64_t slice = left < SLICE_BYTES ? left : SLICE_BYTES;
    uint64_t at = down ? begin + left - slice : begin + test->offset;
    sweep_slice(test, round, at, slice / sizeof(uint64_t));
    test->offset += slice;
    test->swept_bytes += slice;
    if (test->offset < bytes) {
        return MEMTEST_MORE;
    }
    test->offset = 0;
    if (++test->run < test->run_count) {
        return MEMTEST_MORE;
    }
    return next_element(test) ? MEMTEST_SWEPT : MEMTEST_DONE;
}

enum memtest_pattern memtest_at(const struct memtest *test) {
    return rounds[test->round].pattern;
}

unsigned memtest_percent(const struct memtest *test) {
    uint64_t elements = 0;
    for (size_t i = 0; i < ROUND_COUNT; i++) {
        elements += rounds[i].element_count;
    }
    uint64_t whole = test->sweep_bytes * elements * test->pass_count;
    return whole == 0 ? 100 : (unsigned)(test->swept_bytes / (whole / 100 + (whole < 100)));
}
