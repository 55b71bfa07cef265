// SPDX-License-Identifier: MIT
// The defect matrix: every kind of misuse of kmalloc and of object caches, for every class, in the
// first, the middle and the last slot of a slab. The kernel's `selftest` and the hosted tests
// (tests/unit/test_object_defects.c) play the same table; each says how it catches a panic and a
// fault. Everything happens in a heap of its own, over the player's pages, and they are all given
// back.
//
//   objects              options            misused so that
//   kmalloc's classes    none               what is promised always is caught
//   with a constructor   the option debug   everything else is caught, with address, class, sites
//   large ones
//   kmalloc's classes    debug, guarded     what touches a byte that it must not touch faults there
#pragma once

#include <mm/kmalloc.h>
#include <mm/object_guard.h>

#define DEFECTS_OBJECTS 1200 // that are taken until a slab's first, middle and last are among them
#define DEFECTS_SLOTS   3    // the first, the middle one, the last

// A game. The first part is the player's, the rest is private to defects.c and defects_rows.c.
struct defects {
    struct page_allocator *pages;
    const struct object_guard_pages *guard_pages; // NULL: no guards are played
    // Calls `act` with the test: what the panic said that it ended in, NULL when it came back.
    const char *(*panics)(struct defects *test, void (*act)(void *test));
    // Whether a read of this byte, or a write to it, faults there.
    bool (*faults)(struct defects *test, volatile uint8_t *byte, bool write);
    // It was not caught. `said`: what was said instead, or NULL.
    void (*missed)(const struct defects *test, const char *defect, const char *said);
    bool (*stopped)(void); // the game is to end
    uint64_t played, caught;

    struct kmalloc kmalloc;
    struct object_cache made, other;
    struct object_guard guard;
    bool debug, at_begin;
    unsigned kind;              // of the objects
    struct object_cache *cache; // that they come from; NULL: kmalloc
    size_t size;                // of them
    uint8_t *object;            // that is misused
    void *bad;                  // what is given to the call that has to panic
    size_t freed_as;
    uint8_t *taken[DEFECTS_OBJECTS];
};

// Plays all but the guarded objects, with or without the option debug.
void defects_play(struct defects *test, bool debug);

// Plays guarded objects of every class, at both ends of their pages.
void defects_play_guarded(struct defects *test);
