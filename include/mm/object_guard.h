// SPDX-License-Identifier: MIT
// One cache whose objects have pages of their own, so that whoever runs over the end of one stops
// at that very instruction; for finding out who it is. Part of the option `debug`.
//
//   at the end     nothing │ red …… red [object]red │ nothing    red behind it: alignment only
//   at the begin   nothing │ [object]red ……… red    │ nothing    for what runs over the front
//                           └──── pages of its own ─┘
//
// When it is freed the pages go back at once, and may be somebody else's the next moment. Their
// addresses do not: nothing is ever mapped there again until there are no others, or so many freed
// objects wait as the window has room for; then those that were freed first are used again. So
// whoever reads or writes through an old pointer stops, also when the memory has long been handed
// out anew (use after reuse): red zones and poison cannot see that. What lies between the object
// and its pages' ends is red, and looked at when it is freed. A report about a fault asks
// object_guard_look whose address it is: object, cache, who allocated and who freed it.
//
// Where the pages come from is the caller's business: a kernel has vmalloc, a hosted program mmap.
// Such an object does not lie in the direct map, so its physical address is not its distance from
// there; what has to lie below a ceiling is never guarded. When there is no memory for such pages,
// the object comes from a slab like any other.
//
// Large objects of kmalloc are guarded as the cache OBJECT_GUARD_LARGE. One whose size is a power
// of two is aligned to that, another one to 8 bytes, as in the classes, and no more to a page.
#pragma once

#include <mm/cache.h>
#include <mm/ranges.h>

#define OBJECT_GUARD_LARGE "large" // the name under which large objects are chosen

// Whoever makes the pages. Called with no lock held.
struct object_guard_pages {
    // Pages at a multiple of `align` bytes, a power of two from PAGE_SIZE on, to read and to write,
    // with nothing mapped before and behind them; NULL when there are none.
    void *(*take)(void *context, uint64_t pages, uint64_t align);
    // Takes the memory away, but keeps the addresses: nothing is mapped there when it returns.
    void (*hide)(void *context, void *begin, uint64_t pages);
    // Gives the addresses of hidden pages back.
    void (*give)(void *context, void *begin, uint64_t pages);
    void *context;
    // How many freed objects keep their addresses: each costs a record of 128 bytes, and what
    // whoever makes the pages needs to keep addresses.
    uint64_t window;
};

struct guarded; // mm/object/guard.c

// Fields are private to mm/object/.
struct object_guard {
    struct object_heap *heap;
    struct object_guard_pages pages;
    struct lock lock;
    char cache[OBJECT_NAME_MAX]; // that is guarded; "": none
    bool at_begin;
    struct object_cache large;             // what large objects are of; it has no slabs
    struct ranges objects;                 // in use and freed, by their pages
    struct guarded *oldest, *newest;       // freed: in quarantine
    uint64_t in_use, quarantined, refused; // refused: came from a slab instead
};

// Makes a heap able to guard a cache; none is chosen yet. False, with nothing done, when the heap
// has not the option `debug`, or has such a guard already.
bool object_guard_start(struct object_guard *guard, struct object_heap *heap,
                        const struct object_guard_pages *pages);

// From now on the objects of this cache are guarded, those of another one that was chosen before
// are no more; NULL: of none. Those that exist stay as they are. False when there is no such cache
// yet: it is guarded from its first object on when it is made. `name` is copied.  O(caches).
bool object_guard_choose(struct object_guard *guard, const char *name, bool at_begin);

// Ends it. False, with nothing changed, while guarded objects are in use. No other CPU may use the
// heap.
bool object_guard_end(struct object_guard *guard);

// A guarded object.
struct object_guarded {
    const struct object_cache *cache;
    const uint8_t *object;
    uint64_t size;        // as asked for
    const uint8_t *begin; // of its pages
    uint64_t bytes;       // of them
    bool in_use;
    uint32_t allocated_by, freed_by; // offsets in the program's text (port_text); 0: never
};

// All guarded objects, in use and freed, in the order of their addresses: the one that comes after
// `*guarded`. NULL as its `begin`: the first. False at the end. What is there throughout is seen
// once.  O(log objects).
bool object_guard_next(struct object_heap *heap, struct object_guarded *guarded);

// The guarded object in whose pages, or in the page before or behind them, the address lies: the
// nearer one of two. False when there is none, or the lock cannot be had in a moment: for reports
// about faults.  O(log objects).
bool object_guard_look(struct object_heap *heap, const void *address, struct object_guarded *out);
