// SPDX-License-Identifier: MIT
// Objects that go straight back to their slab, because the magazine is full and the slab is this
// CPU's own.
//
// A return counts and writes the object's byte; there is no lock, and nobody else looks at the
// count. The bits follow in the harvest, before the next refill: many for the price of one. A slab
// with returned objects is in its home's list, which is under the cache's lock. When the last
// object that is missing comes back the slab is harvested at once, because it is empty then: `room`
// is how many may be returned before that has to be asked again. Objects of the slab that other
// CPUs flush meanwhile make the question come late; then an empty slab waits for the next refill,
// or for whoever shrinks.
//
// A CPU that shrinks or gets no memory claims what others have not harvested: gives it its bits,
// and leaves the count to the harvest. Only a slab that has everything back is settled by whoever
// finds it, for its home can have none of it in hand.
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
static uint32_t claim(struct slab *slab) {
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

// What was written into objects that another CPU has returned is seen from now on.
static void acquire_returned(const struct slab *slab) {
    for (unsigned i = 0; i < slab->count; i++) {
        (void)__atomic_load_n(&slab->handed[i], __ATOMIC_ACQUIRE);
    }
}

static _Noreturn void freed_at_once(const struct slab *slab, uint32_t returned, uint32_t there) {
    port_panic("%s: double free: two CPUs have freed an object of the slab at 0x%lx in the same "
               "instant: %u came back, %u are there",
               slab->cache->name, (uint64_t)slab_block(slab), returned, there);
}

// Takes a slab out of its home's list, with what was returned and now has bits. The lock is held.
static void settle(struct slab *slab, uint32_t there) {
    uint32_t returned = slab_returned(slab);
    if (there != returned) {
        freed_at_once(slab, returned, there);
    }
    delist(slab);
    slab->room = slab->returned_and_room = slab->claimed = 0;
}

void object_claim_returned(struct object_cache *cache) {
    for (struct slab *slab = cache->slabs; slab != NULL; slab = slab->list_next) {
        uint32_t found = claim(slab);
        if (found != 0) {
            acquire_returned(slab);
            slab->claimed += (uint16_t)found;
            slab_stock_up(slab, found);
        }
        if (slab->claimed != 0 && slab->stock == slab_objects(slab)) {
            settle(slab, slab->claimed);
            cache->empty_slabs++;
        }
    }
}

// True when the slab is empty and has to be released. The lock is held.
static bool harvest(struct slab *slab) {
    uint32_t found = claim(slab);
    settle(slab, found + slab->claimed);
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
    uint32_t missing = slab_objects(slab) - slab->stock - (returned - slab->claimed);
    slab->room = missing == 0 ? 0 : missing - 1;
    slab->returned_and_room = (uint16_t)(returned + slab->room);
    handed_return(handed);
    bool released = (missing == 0 || slab->claimed != 0) && harvest(slab);
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
