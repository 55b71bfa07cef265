// SPDX-License-Identifier: MIT
// A pool: objects kept back for those who can neither wait nor fail.
//
//    mempool_alloc ──> the cache ── no memory ──> the stock ── empty ──> refused, and counted
//    mempool_free  ──> the stock, until it is full ──> the cache
//
// While no more than `guaranteed` objects are out, a request is served, whatever memory is left.
// Whoever makes a pool declares how many objects can be out at once at worst: the pool says whether
// that is guaranteed, and remembers how many there really were.
//
// Any context but NMI, interrupts too.
#pragma once

#include <mm/cache.h>

struct mempool {
    struct object_cache *cache;
    void **stock; // the caller's array, of `guaranteed` objects
    struct lock lock;
    uint32_t guaranteed, worst_case;
    uint32_t stocked; // objects in the stock
    uint32_t out, most_out;
    uint64_t served_from_stock, refused;
    struct mempool *next, **link; // of the heap's pools: the heap's lock's
};

enum mempool_verdict {
    MEMPOOL_GUARANTEED,     // the declared worst case will be served
    MEMPOOL_NOT_GUARANTEED, // it is larger than what is kept back
    MEMPOOL_EXCEEDED,       // more objects were out at once than were declared
};

// "guaranteed", "not guaranteed", "declared worst case exceeded": stable, used in records.
const char *mempool_verdict_name(enum mempool_verdict verdict);

// Makes a pool over a cache, and fills its stock: `stock` has room for `guaranteed` pointers.
// False, with nothing held, without memory for that.  O(guaranteed).
bool mempool_init(struct mempool *pool, struct object_cache *cache, void **stock,
                  uint32_t guaranteed, uint32_t worst_case);

// Gives the stock back. False, with nothing changed, while objects are out.  O(guaranteed).
bool mempool_destroy(struct mempool *pool);

// Takes an object; NULL only when at least `guaranteed` are out and there is no memory.  O(1) and
// what object_alloc says.
void *mempool_alloc(struct mempool *pool);

// Gives one back; NULL is nothing. Panics as object_free does.  O(guaranteed).
void mempool_free(struct mempool *pool, void *object);

// What can be said of the worst case now.
enum mempool_verdict mempool_verdict(const struct mempool *pool);

// How a pool stands, all at one moment.
struct mempool_statistics {
    const char *name; // the cache's
    uint32_t size;    // of an object, as asked for
    uint32_t guaranteed, worst_case;
    uint32_t available; // in the stock
    uint32_t out, most_out;
    uint64_t served_from_stock, refused;
    enum mempool_verdict verdict;
};

void mempool_statistics(struct mempool *pool, struct mempool_statistics *statistics); // O(1)
