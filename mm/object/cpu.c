// SPDX-License-Identifier: MIT
// A CPU's part of a cache: refilling and flushing its magazines, and the slabs behind them.
//
// A magazine that is full is flushed only for an object of another CPU's slab. One's own goes
// straight back to its slab, and so does one of many that come from one slab (returns.c): what a
// CPU frees in bulk is not moved twice.
//
// The slabs of a cache are under its lock. Each has a home, the part that made it: refilled from
// its own slabs first, a CPU does not meet others in the bytes and the objects of a slab. One slab
// is emptied before the next, also when one of a higher address gets room meanwhile: then what
// others free goes round in whole slabs, not in ever the same pieces of many. Likewise a word that
// has all its objects is taken whole, so that its bytes, one line, come from their CPU once. A slab
// with nothing in stock is in no heap; whose last object comes back is empty, and goes back to the
// pages when there is another empty one.
//
// Two CPUs that free one object in the same instant both find it handed out. It is caught when the
// second of them is flushed, or the slab's returns are counted.
#include "internal.h"

#include <string.h>

// Empty slabs that a cache keeps.
#define RESERVE_SLABS 1

// Slabs that are harvested before a refill, at most.
#define HARVEST_SLABS 16

// Objects of one slab in a row, after which as many are expected of the next.
#define VISIT_LEAST 64

// A magazine holds this many bytes at most, but always a few objects.
#define MAGAZINE_BYTES (64 * KIB)
#define MAGAZINE_MIN   4

// A random permutation (R. Durstenfeld, 1964).
static void shuffle(struct object_cpu *part) {
    for (unsigned i = 0; i < 64; i++) {
        unsigned other = (unsigned)(object_random(&part->random) % (i + 1));
        part->order[i] = part->order[other];
        part->order[other] = (uint8_t)i;
    }
}

struct object_cpu *object_part_create(struct object_cache *cache, unsigned flags) {
    struct object_heap *heap = cache->heap;
    struct object_cpu *part = record_alloc(heap, sizeof(*part), flags);
    if (part == NULL) {
        return NULL;
    }
    uint64_t fits = MAGAZINE_BYTES / cache->size;
    part->cpu = port_cpu();
    part->capacity = fits > MAGAZINE_MAX ? MAGAZINE_MAX : fits < MAGAZINE_MIN ? MAGAZINE_MIN : fits;
    part->cache = cache;
    part->random =
        __atomic_add_fetch(&heap->random, UINT64_C(0x632be59bd9b4e019), __ATOMIC_RELAXED) ^
        (uint64_t)cache;
    shuffle(part);
    return part;
}

static inline void load(struct magazine *magazine, uint64_t at, struct slab *slab, uint64_t index,
                        uint32_t size) {
    magazine->objects[at] = slab->base + index * size;
    magazine->handed[at] = slab->handed + index;
    handed_write(slab->handed + index, IN_STOCK);
}

// Moves the 64 objects of a word that has them all, in random order; their bytes are written by
// eights.
static void load_full(struct object_cpu *part, struct slab *slab, unsigned word,
                      struct magazine *magazine) {
    uint64_t first = UINT64_C(64) * word, size = part->cache->size;
    uint8_t *handed = slab->handed + first, *objects = slab->base + first * size;
    unsigned flip = object_random(&part->random) & 63;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t slot = part->order[i] ^ flip;
        magazine->objects[magazine->count + i] = objects + slot * size;
        magazine->handed[magazine->count + i] = handed + slot;
    }
    for (unsigned i = 0; i < 64; i += 8) {
        __atomic_store_n((uint64_t *)(void *)(handed + i), IN_STOCK, __ATOMIC_RELAXED);
    }
    magazine->count += 64;
    slab_bits(slab)[word] = 0;
}

// Moves up to `most` objects of a word that has all of its own, in random order.
static void load_fresh(struct object_cpu *part, struct slab *slab, unsigned word, uint64_t most,
                       struct magazine *magazine) {
    uint64_t bits = slab_bits(slab)[word], at = magazine->count, end = at + most;
    unsigned flip = object_random(&part->random) & 63;
    for (unsigned i = 0; i < 64 && at < end; i++) {
        unsigned slot = part->order[i] ^ flip;
        if ((bits >> slot & 1) != 0) {
            load(magazine, at++, slab, word * 64 + slot, part->cache->size);
            bits ^= UINT64_C(1) << slot;
        }
    }
    magazine->count = at;
    slab_bits(slab)[word] = bits;
}

// Moves up to `most` objects of one word into a magazine. Of a fresh word in random order.
static void load_word(struct object_cpu *part, struct slab *slab, unsigned word, uint64_t most,
                      struct magazine *magazine) {
    uint64_t bits = slab_bits(slab)[word], before = magazine->count, end = before + most;
    if (bits == UINT64_MAX && most >= 64) {
        load_full(part, slab, word, magazine);
    } else if (bits == slab_word(slab->count, word)) {
        load_fresh(part, slab, word, most, magazine);
    } else {
        uint64_t at = before;
        for (; at < end && bits != 0; at++) {
            load(magazine, at, slab, word * 64 + (unsigned)__builtin_ctzll(bits),
                 part->cache->size);
            bits &= bits - 1;
        }
        magazine->count = at;
        slab_bits(slab)[word] = bits;
    }
    slab->stock -= (uint16_t)(magazine->count - before);
}

// Whether a word would have to be split for a magazine that could have it whole.
static bool is_for_the_next(uint64_t bits, uint64_t most, const struct magazine *magazine) {
    return bits == UINT64_MAX && most == MAGAZINE_MAX && magazine->count != 0;
}

// Moves objects of a slab that has some, until the magazine has `most`. False when it stays with
// fewer for the sake of a whole word. The lock is held.
static bool load_slab(struct object_cpu *part, struct slab *slab, uint64_t most,
                      struct magazine *magazine) {
    unsigned word = slab->cursor;
    while (magazine->count < most && slab->stock != 0) {
        uint64_t bits = slab_bits(slab)[word];
        if (is_for_the_next(bits, most, magazine)) {
            slab->cursor = (uint8_t)word;
            return false;
        }
        if (bits != 0) {
            slab->cache->empty_slabs -= slab_is_empty(slab);
            load_word(part, slab, word, most - magazine->count, magazine);
            slab->cursor = (uint8_t)word;
        }
        word = word + 1 < slab->words ? word + 1 : 0;
    }
    if (slab->stock == 0) {
        slab_heap_remove(slab);
    }
    return true;
}

// Moves objects of a part's slabs, until the magazine has `most`, or nearly. The lock is held.
static void load_part(struct object_cpu *part, struct object_cpu *home, uint64_t most,
                      struct magazine *magazine) {
    bool more = true;
    while (more && magazine->count < most && home->heap != NULL) {
        if (home->current == NULL) {
            home->current = home->heap;
        }
        more = load_slab(part, home->current, most, magazine);
    }
}

// The same of others' slabs: there is no memory for one's own.
static bool load_others(struct object_cpu *part, uint64_t most, struct magazine *magazine) {
    struct object_cache *cache = part->cache;
    unsigned long irq = lock_acquire(&cache->lock);
    object_claim_returned(cache);
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        load_part(part, __atomic_load_n(&cache->cpus[i], __ATOMIC_ACQUIRE), most, magazine);
    }
    lock_release(&cache->lock, irq);
    return magazine->count != 0;
}

// A new slab becomes the part's. The lock is held.
static void enlist(struct object_cpu *part, struct slab *slab) {
    struct object_cache *cache = part->cache;
    slab->cursor = (uint8_t)(object_random(&part->random) % slab->words);
    slab_list_add(&cache->slabs, slab);
    slab_heap_insert(slab);
    part->created += part->created < 2;
    cache->empty_slabs++;
    cache->slab_count++;
    cache->slab_peak = cache->slab_count > cache->slab_peak ? cache->slab_count : cache->slab_peak;
    cache->bytes += slab_size(slab);
}

// The opposite: it is empty.
static void delist(struct slab *slab) {
    struct object_cache *cache = slab->cache;
    slab_list_remove(slab);
    slab_heap_remove(slab);
    cache->empty_slabs--;
    cache->slab_count--;
    cache->bytes -= slab_size(slab);
    cache->released_pages += slab_size(slab) / PAGE_SIZE;
}

// Fills an empty magazine with up to `most` objects. False without memory.
static bool refill(struct object_cpu *part, uint64_t most, struct magazine *magazine,
                   unsigned flags) {
    struct object_cache *cache = part->cache;
    unsigned long irq = lock_acquire(&cache->lock);
    load_part(part, part, most, magazine);
    if (magazine->count == 0) {
        object_claim_visited(part);
        load_part(part, part, most, magazine);
    }
    lock_release(&cache->lock, irq);
    if (magazine->count != 0) {
        return true;
    }
    struct slab *slab = slab_create(part, flags);
    if (slab == NULL) {
        return load_others(part, most, magazine);
    }
    irq = lock_acquire(&cache->lock);
    enlist(part, slab);
    load_part(part, part, most, magazine);
    lock_release(&cache->lock, irq);
    return true;
}

void *object_take(struct object_cpu *part, unsigned flags) {
    struct magazine *magazine = &part->magazine;
    if (magazine->count == 0) {
        object_harvest(part, HARVEST_SLABS);
        if (!refill(part, part->capacity, magazine, flags)) {
            return NULL;
        }
    }
    return object_pop(magazine);
}

void *object_take_around(struct object_cpu *part, unsigned flags) {
    struct magazine one = {.count = 0};
    __atomic_fetch_add(&part->cache->around, 1, __ATOMIC_RELAXED);
    if (!refill(part, 1, &one, flags)) {
        return NULL;
    }
    handed_write(one.handed[0], HANDED_OUT);
    return one.objects[0];
}

// Puts the objects at the beginning of a magazine that are of one slab back into it; returns how
// many. The lock is held.
static uint64_t unload(struct slab *slab, const struct magazine *magazine, uint64_t from,
                       uint64_t end) {
    uint64_t at = from, index = (uint64_t)(magazine->handed[at] - slab->handed);
    do {
        uint64_t bit = UINT64_C(1) << (index & 63), free = slab_bits(slab)[index / 64];
        if (__builtin_expect((free & bit) != 0 || handed_read(magazine->handed[at]) != IN_STOCK,
                             false)) {
            object_misuse(slab->cache->heap, slab->cache, magazine->objects[at]); // both at once
        }
        slab_bits(slab)[index / 64] = free | bit;
        at++;
        index = at < end ? (uint64_t)(magazine->handed[at] - slab->handed) : UINT64_MAX;
    } while (index < slab->count);
    return at - from;
}

bool slab_stock_up(struct slab *slab, uint64_t objects) {
    if (slab->stock == 0 && objects != 0) {
        slab_heap_insert(slab);
    }
    slab->stock += (uint16_t)objects;
    if (!slab_is_empty(slab) || slab->cache->empty_slabs++ < RESERVE_SLABS) {
        return false;
    }
    delist(slab);
    return true;
}

static void release_all(struct slab *slabs) {
    while (slabs != NULL) {
        struct slab *next = slabs->next;
        slab_release(slabs);
        slabs = next;
    }
}

// Gives the oldest `count` objects of a magazine back to their slabs.
static void flush(struct object_cache *cache, struct magazine *magazine, uint64_t count) {
    struct slab *released = NULL;
    unsigned long irq = lock_acquire(&cache->lock);
    for (uint64_t at = 0; at < count;) {
        struct slab *slab = directory_find(&cache->directory, magazine->objects[at]);
        if (__builtin_expect(slab->cache != cache, false)) { // both at once, and its page went
            object_misuse(cache->heap, cache, magazine->objects[at]);
        }
        uint64_t objects = unload(slab, magazine, at, count);
        at += objects;
        if (slab_stock_up(slab, objects)) {
            slab->next = released;
            released = slab;
        }
    }
    lock_release(&cache->lock, irq);
    uint64_t rest = magazine->count - count;
    memmove(magazine->objects, magazine->objects + count, rest * sizeof(magazine->objects[0]));
    memmove(magazine->handed, magazine->handed + count, rest * sizeof(magazine->handed[0]));
    magazine->count = rest;
    release_all(released);
}

// Whether it is likely that many objects of this slab come now, one after the other: many of
// another one did, or the latest in the full magazine is one of them.
static bool is_worth_a_visit(const struct object_cpu *part, const struct slab *slab) {
    const struct magazine *magazine = &part->magazine;
    return part->brought >= VISIT_LEAST ||
           (uint64_t)(magazine->handed[magazine->count - 1] - slab->handed) < slab->count;
}

void object_put(struct object_cpu *part, struct slab *slab, void *object, uint8_t *handed) {
    object_hide(part->cache, object);
    if (object_push(part, object, handed)) {
        return;
    }
    if (slab->home == part) {
        object_return_home(slab, handed);
        return;
    }
    if (part->visited != slab && is_worth_a_visit(part, slab)) {
        object_visit(part, slab);
    }
    if (object_return_visiting(part, slab, handed)) {
        return;
    }
    flush(part->cache, &part->magazine, part->capacity / 2);
    object_push(part, object, handed);
}

void object_put_around(struct object_cache *cache, void *object, uint8_t *handed) {
    struct magazine one = {.count = 1, .objects = {object}, .handed = {handed}};
    __atomic_fetch_add(&cache->around, 1, __ATOMIC_RELAXED);
    object_hide(cache, object);
    handed_write(handed, IN_STOCK);
    flush(cache, &one, 1);
}

void object_part_empty(struct object_cpu *part) {
    flush(part->cache, &part->magazine, part->magazine.count);
    object_visit(part, NULL);
    object_harvest(part, UINT64_MAX);
}

void object_release_empty(struct object_cache *cache) {
    struct slab *released = NULL;
    unsigned long irq = lock_acquire(&cache->lock);
    object_claim_returned(cache);
    for (struct slab *slab = cache->slabs, *next; slab != NULL; slab = next) {
        next = slab->list_next;
        if (slab_is_empty(slab)) {
            delist(slab);
            slab->next = released;
            released = slab;
        }
    }
    lock_release(&cache->lock, irq);
    release_all(released);
}
