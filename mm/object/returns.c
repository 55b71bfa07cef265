// SPDX-License-Identifier: MIT
// Objects that go straight back to their slab, because the magazine is full.
//
// To one of the CPU's own: a return counts and writes the object's byte; there is no lock, and
// nobody else looks at the count. The bits follow in the harvest, before the next refill: many for
// the price of one. A slab with returned objects is in its home's list, which is under the cache's
// lock. When the last object that is missing comes back the slab is harvested at once, because it
// is empty then: `room` is how many may be returned before that has to be asked again. Objects of
// the slab that come back on other CPUs meanwhile make the question come late; then an empty slab
// waits for the next refill, or for whoever shrinks.
//
// To another CPU's: who frees many of one slab in a row, as a consumer does what a producer has
// allocated, visits it. A visitor writes the bytes and counts for itself. When it goes on to the
// next slab it counts in this one and gives the bits: so it needs the lock, and the lines behind
// it, once for hundreds of objects. A slab that is visited stays. Its home looks there before it
// makes another one.
//
// A CPU that shrinks or gets no memory claims what others have not: gives it its bits, and leaves
// the counts to harvest and visitors. Only a slab that has everything back is settled by whoever
// finds it, for its home can have none of it in hand.
//
// Of each slab this is counted: what came back, and what got its bit for that. When nobody is left
// who has not counted, the two agree, or an object came back twice in the same instant.
#include "internal.h"

static void enlist(struct object_cpu *part, struct slab *slab) {
    slab->returned_next = part->returned;
    slab->returned_link = &part->returned;
    if (part->returned != NULL) {
        part->returned->returned_link = &slab->returned_next;
    }
    __atomic_store_n(&part->returned, slab, __ATOMIC_RELAXED);
}

static void delist(struct slab *slab) {
    __atomic_store_n(slab->returned_link, slab->returned_next, __ATOMIC_RELAXED);
    if (slab->returned_next != NULL) {
        slab->returned_next->returned_link = slab->returned_link;
    }
}

// A bit for each of eight bytes: those that are RETURNED.
static uint64_t returned_of_eight(const uint8_t *handed) {
    uint64_t bytes = __atomic_load_n((const uint64_t *)(const void *)handed, __ATOMIC_RELAXED);
    _Static_assert(RETURNED == 4, "the bit that is shifted");
    return (bytes >> 2 & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

// Gives what is RETURNED and has no bit its bit; returns how many. The bytes stay as they are until
// the object is taken out. The lock is held.
static uint32_t give_bits(struct slab *slab) {
    uint32_t found = 0;
    for (unsigned word = 0; word < slab->words; word++) {
        uint64_t bits = 0;
        for (unsigned i = 0; i < 64 && word * 64 + i < slab->count; i += 8) {
            bits |= returned_of_eight(&slab->handed[word * 64 + i]) << i;
        }
        found += (uint32_t)__builtin_popcountll(bits & ~slab_bits(slab)[word]);
        slab_bits(slab)[word] |= bits;
    }
    return found;
}

// What was written into objects that another CPU has returned is seen from now on. ThreadSanitizer
// does not know fences.
static void acquire_returned(const struct slab *slab) {
#if __has_feature(thread_sanitizer)
    for (unsigned i = 0; i < slab->count; i++) {
        (void)__atomic_load_n(&slab->handed[i], __ATOMIC_ACQUIRE);
    }
#else
    (void)slab;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

// The same, and counts them as claimed; they are to be counted as stock.
static uint32_t claim(struct slab *slab) {
    uint32_t found = give_bits(slab);
    if (found != 0) {
        acquire_returned(slab);
    }
    slab->claimed += found;
    return found;
}

static _Noreturn void freed_at_once(const struct slab *slab) {
    port_panic("%s: double free: two CPUs have freed an object of the slab at 0x%lx in the same "
               "instant: %u came back, %u are there",
               slab->cache->name, (uint64_t)slab_block(slab), slab->came_back, slab->claimed);
}

// Nobody may return objects of the slab uncounted any more, so that all that came back were there.
static void agree(struct slab *slab) {
    if (slab->came_back != slab->claimed) {
        freed_at_once(slab);
    }
    slab->came_back = slab->claimed = 0;
}

// Takes a slab that was claimed out of its home's list. The lock is held, and the home's gate, or
// nothing is missing.
static void settle(struct slab *slab) {
    slab->came_back += slab_returned(slab);
    delist(slab);
    slab->room = slab->returned_and_room = 0;
    if (slab->visitors == 0) {
        agree(slab);
    }
}

// Claims for a slab that stays, because a list or a visitor knows it.
static void take_in(struct slab *slab) {
    uint32_t found = claim(slab);
    if (found != 0) {
        slab_stock_up(slab, found);
    }
}

void object_claim_returned(struct object_cache *cache) {
    for (struct slab *slab = cache->slabs; slab != NULL; slab = slab->list_next) {
        take_in(slab);
        if (slab->stock == slab_objects(slab) && slab->returned_and_room != 0 &&
            slab->visitors == 0) {
            settle(slab);
            cache->empty_slabs++;
        }
    }
}

void object_claim_visited(struct object_cpu *part) {
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        struct object_cpu *other = __atomic_load_n(&part->cache->cpus[cpu], __ATOMIC_ACQUIRE);
        if (other->visited != NULL && other->visited->home == part) {
            take_in(other->visited);
        }
    }
}

// Counts what a visitor has brought, who leaves. True when the slab is empty and has to be
// released. The lock is held.
static bool leave(struct slab *slab, uint32_t brought) {
    uint32_t found = claim(slab);
    slab->came_back += brought;
    slab->visitors--;
    if (slab->visitors == 0 && slab->returned_and_room == 0) {
        agree(slab);
    } else if (slab->visitors == 0 && slab->stock + found == slab_objects(slab)) {
        settle(slab);
    }
    return slab_stock_up(slab, found);
}

void object_visit(struct object_cpu *part, struct slab *slab) {
    struct object_cache *cache = part->cache;
    unsigned long irq = lock_acquire(&cache->lock);
    struct slab *left = part->visited;
    bool released = left != NULL && leave(left, part->brought);
    part->visited = slab;
    part->brought = 0;
    if (slab != NULL) {
        slab->visitors++;
    }
    lock_release(&cache->lock, irq);
    if (released) {
        slab_release(left);
    }
}

// True when the slab is empty and has to be released. The lock is held.
static bool harvest(struct slab *slab) {
    uint32_t found = claim(slab);
    settle(slab);
    return slab_stock_up(slab, found);
}

// The byte comes last: then the slab may be another CPU's.
void object_return_home(struct slab *slab, uint8_t *handed) {
    struct object_cache *cache = slab->cache;
    if (object_return_quick(slab, handed)) {
        return;
    }
    unsigned long irq = lock_acquire(&cache->lock);
    if (slab->returned_and_room == 0) {
        enlist(slab->home, slab);
    }
    uint32_t returned = slab->returned_and_room + 1u;
    // Below 0: an object came back twice, which the harvest tells.
    int32_t missing =
        (int32_t)(slab_objects(slab) - slab->stock - (slab->came_back + returned - slab->claimed));
    slab->room = missing <= 0 ? 0 : (uint32_t)missing - 1;
    slab->returned_and_room = returned + slab->room;
    handed_return(handed);
    bool released = missing <= 0 && harvest(slab);
    lock_release(&cache->lock, irq);
    if (released) {
        slab_release(slab);
    }
}

void object_harvest(struct object_cpu *part, uint64_t slabs) {
    struct object_cache *cache = part->cache;
    // Nobody else puts one there, so without the lock none is none.
    bool more = __atomic_load_n(&part->returned, __ATOMIC_RELAXED) != NULL;
    for (; slabs != 0 && more; slabs--) {
        unsigned long irq = lock_acquire(&cache->lock);
        struct slab *slab = part->returned;
        more = slab != NULL;
        bool released = more && harvest(slab);
        lock_release(&cache->lock, irq);
        if (released) {
            slab_release(slab);
        }
    }
}
