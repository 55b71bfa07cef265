// SPDX-License-Identifier: MIT
// Testing memory: patterns over frames that nobody uses, and taking out those that fail.
//
//    take the free runs          test them all at once, pattern by pattern       give them back
//    ░░▓▓▓▓▓░░░▓▓▓▓▓▓▓▓░   →    write ─► read, write the inverse ─► …     →    but the bad frames,
//      reserved  reserved        upward, then downward                          which are retired
//
// A test is a state machine that its caller drives: memtest_step does a few milliseconds of work
// and returns, so that the caller can show progress, let a person stop it, and flush the CPU's
// caches between two sweeps (what is read must come from the memory, not from a cache).
//
// All runs are swept as if they were one: only then does a write that lands elsewhere (an address
// line that is stuck, two addresses with one cell) show.
//
// Each pattern is a march test, March C-: for a word p of the pattern
//    up(write p)  up(read p, write ~p)  up(read ~p, write p)
//    down(read p, write ~p)  down(read ~p, write p)  down(read p)
// which finds all stuck bits, bits that cannot change in one direction, addresses that share a
// cell, and writes that change another word's bit. (M. Marinescu, Simple and efficient algorithms
// for functional RAM testing, IEEE Test Conference 1982; A. J. van de Goor, Testing Semiconductor
// Memories, 1991; the idea of inverting in place upward and downward is that of moving inversions:
// J. H. de Jonge and A. J. Smeulders, Computer Design 15(5), 1976.)
#pragma once

#include <mm/page.h>

enum memtest_pattern {
    MEMTEST_ADDRESS, // each word its own address
    MEMTEST_SOLID,   // all zeros, then all ones
    MEMTEST_CHECKER, // 0x5555…, then 0xaaaa…
    MEMTEST_RANDOM,  // a hash of the address and the seed
    MEMTEST_WALKING, // a single one, a bit further in each word
    MEMTEST_PATTERN_COUNT_,
};

// "own address", "zeros and ones", …
const char *memtest_pattern_name(enum memtest_pattern pattern);

struct memtest_range {
    pfn_t begin, end;
};

// A word that was not what had been written to it.
struct memtest_fault {
    paddr_t address;
    uint64_t expected, found;
    enum memtest_pattern pattern;
    unsigned pass; // from 0
};

#define MEMTEST_FAULTS 32 // faults that are described; frames that fail are all known

struct memtest {
    // The caller's arrays: what is tested, and the frames found bad; both in ascending order.
    struct memtest_range *runs, *bad;
    size_t run_count, run_capacity, bad_count, bad_capacity;
    unsigned pass_count;
    uint64_t seed;

    // What was found.
    struct memtest_fault faults[MEMTEST_FAULTS]; // the first of each frame, in the order found
    size_t fault_count;
    uint64_t mismatches;    // reads that disagreed
    uint64_t wrong_bits;    // in any of them
    uint64_t bad_pages;     // in `bad`
    uint64_t widened_pages; // of these, good ones between bad ones, for `bad` was full

    // How far it is.
    unsigned pass, round, element;
    size_t run;
    uint64_t offset; // bytes into the run
    uint64_t swept_bytes, sweep_bytes;
};

// An empty test of so many passes over `run_capacity` runs at the most. The arrays are the caller's
// and must outlive the test. `seed` makes the random pattern.
void memtest_init(struct memtest *test, struct memtest_range *runs, size_t run_capacity,
                  struct memtest_range *bad, size_t bad_capacity, unsigned passes, uint64_t seed);

// Adds frames, above those added before. False, with nothing changed, when `runs` is full.  O(1).
bool memtest_add(struct memtest *test, pfn_t begin, pfn_t end);

enum memtest_progress {
    MEMTEST_MORE,  // call again
    MEMTEST_SWEPT, // all runs were swept once: flush caches, then call again
    MEMTEST_DONE,  // all passes are through
};

// Works for some milliseconds on memory that nobody else touches, through the direct map.
enum memtest_progress memtest_step(struct memtest *test);

// The pattern that is at work, and the whole test's progress in percent.
enum memtest_pattern memtest_at(const struct memtest *test);
unsigned memtest_percent(const struct memtest *test);

// Reserves the free runs within [begin, end), in ascending order, and adds them. Returns where it
// stopped: `end`, or the first frame that it did not look at because `runs` is full. Frames in
// other CPUs' stacks are not seen.  O(blocks in the range), O(frames) where they are neither free
// nor allocated.
pfn_t memtest_take(struct memtest *test, struct page_allocator *allocator, pfn_t begin, pfn_t end);

// What became of the frames.
struct memtest_outcome {
    uint64_t released_pages; // good, free again
    uint64_t retired_pages;  // bad, out for good
    uint64_t kept_pages;     // still reserved: no memory for the metadata that changing it needs
};

// Gives back what memtest_take reserved, at any time, finished or not; bad frames are retired
// straight from the reservation, so that nobody gets them in between. Empties the test's runs.
struct memtest_outcome memtest_give_back(struct memtest *test, struct page_allocator *allocator);
