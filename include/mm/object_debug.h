// SPDX-License-Identifier: MIT
// Finding out who writes where nobody may: what object caches do more with the option `debug`.
//
//    slab   |red|object ▒▒red|object ▒▒red|object ▒▒red| … |red|
//            page            16 bytes and more               a page and more
//
// Around the objects lie red zones; objects that are free hold poison, and come back only after 256
// others were freed (the quarantine); each object knows who allocated and who freed it. A red zone
// or a poison that was written to is noticed when the object is freed, when it would be handed out
// again, and by object_debug_find, which looks at everything. Only the bytes that were asked for
// are the caller's: kmalloc_size says no more, and kmalloc_free_sized wants that number.
//
// An object with a constructor keeps what it holds; there is a sum of it while it is free. A large
// object has a red page at both ends (none before one that is aligned to more than 2 MiB), and its
// pages go back when 8 MiB were freed after it.
//
// A write through an old pointer is noticed as long as the place is nobody's when it is made: when
// it leaves the quarantine, and at the latest when it is handed out again. Made after that it is
// not: red zones are whole, and the bytes are the new owner's (use after reuse). Likewise a free by
// the old owner, which nothing tells from the new one's: the next free, the new owner's, is
// reported then, with the old owner's as the one that freed it.
//
// Nor is noticed a read (but of poison, which is no pointer to anything and no plausible number),
// and a write that jumps over a red zone into an object that is in use. mm/object_guard.h stops all
// of that, for the objects of one cache: reads, writes up to a page away, and whatever goes through
// an old pointer, before and after reuse.
#pragma once

#include <mm/cache.h>

#define OBJECT_RED     0xbb // what red zones hold,
#define OBJECT_POISON  0x6b // freed objects,
#define OBJECT_FRESH   0x5a // and objects that were just handed out
#define OBJECT_REDZONE 16   // bytes behind each object, at least

#define OBJECT_QUARANTINE 256

// A byte that is not what it has to be.
struct object_defect {
    const char *what;    // "the red zone behind the object", …
    const void *address; // of the first wrong byte
    uint8_t found, expected;
    const char *cache;  // its name
    const void *object; // the one whose zone or memory it is
    uint64_t size;      // of it, as asked for
    bool in_use;
    bool somewhere; // in the object, which has a constructor: found and expected say nothing
    uint32_t allocated_by, freed_by; // offsets in the program's text (port_text); 0: never
};

// Looks at all slabs of a heap with the option; false when nothing is wrong, or there is no such
// option.  O(bytes of all slabs).
bool object_debug_find(struct object_heap *heap, struct object_defect *defect);

// What one place in the program has allocated and not freed.
struct object_site {
    const char *cache;
    uint32_t caller;
    uint64_t objects, bytes;
};

// Counts the objects in use by cache and caller, most bytes first; stores up to `capacity` and
// returns how many. None without the option.  O(objects + in use * capacity at worst).
size_t object_sites(struct object_heap *heap, struct object_site *sites, size_t capacity);
