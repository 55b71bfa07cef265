// SPDX-License-Identifier: MIT
// A CPU's part of a cache: refilling and flushing its magazines, and the slabs behind them.
//
// The slabs of a cache are under its lock. Each has a home, the part that made it: refilled from
// its own slabs first, a CPU does not meet others in the bytes and the objects of a slab. A slab
// with nothing in stock is in no heap; whose last object comes back is empty, and goes back to the
// pages when there is another empty one.
//
// Two CPUs that free one object in the same instant both find it handed out. It is caught when the
// second of them is flushed.
#include "internal.h"

#include <string.h>

// Empty slabs that a cache keeps.
#define RESERVE_SLABS 1

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
    bool slow = heap->options.zero_on_alloc || heap->options.zero_on_free;
    uint64_t fits = MAGAZINE_BYTES / cache->size;
    part->cpu = port_cpu();
    part->open = part->cpu | (cache->is_class ? 0 : OBJECT_NAMED) | (slow ? OBJECT_SLOW : 0);
    part->open_for = part->open;
    part->capacity = fits > MAGAZINE_MAX ? MAGAZINE_MAX : fits < MAGAZINE_MIN ? MAGAZINE_MIN : fits;
    part->give = &part->magazines[0];
    part->back = &part->magazines[1];
    part->cache = cache;
    part->random =
        __atomic_add_fetch(&heap->random, UINT64_C(0x632be59bd9b4e019), __ATOMIC_RELAXED) ^
        (uint64_t)cache;
    shuffle(part);
    return part;
}

static inline void load(struct magazine *magazine, struct slab *slab, unsigned index) {
    magazine->objects[magazine->count] = slab->base + (size_t)index * slab->cache->size;
    magazine->handed[magazine->count++] = slab->handed + index;
}

// Moves up to `most` objects of one word into a magazine. Of a fresh word in random order.
static void load_word(struct object_cpu *part, struct slab *slab, unsigned word, uint64_t most,
                      struct magazine *magazine) {
    uint64_t free = slab->free[word], bits = free;
    uint64_t before = magazine->count;
    if (free == UINT64_MAX) {
        unsigned flip = object_random(&part->random) & 63;
        for (uint64_t i = 0; i < most && i < 64; i++) {
            unsigned slot = part->order[i] ^ flip;
            load(magazine, slab, word * 64 + slot);
            bits &= ~(UINT64_C(1) << slot);
        }
    } else {
        for (uint64_t i = 0; i < most && bits != 0; i++) {
            load(magazine, slab, word * 64 + (unsigned)__builtin_ctzll(bits));
            bits &= bits - 1;
        }
    }
    slab->free[word] = bits;
    slab->stock -= (uint16_t)(magazine->count - before);
}

// Moves up to `most` objects of a slab that has some. The lock is held.
static void load_slab(struct object_cpu *part, struct slab *slab, uint64_t most,
                      struct magazine *magazine) {
    unsigned word = slab->cursor;
    slab->cache->empty_slabs -= slab->stock == slab->count;
    uint64_t end = magazine->count + most;
    while (magazine->count < end && slab->stock != 0) {
        if (slab->free[word] != 0) {
            load_word(part, slab, word, end - magazine->count, magazine);
            slab->cursor = (uint8_t)word;
        }
        word = word + 1 < slab->words ? word + 1 : 0;
    }
    if (slab->stock == 0) {
        slab_heap_remove(&slab->home->heap, slab);
    }
}

// Moves up to `most` objects of a part's slabs. The lock is held.
static void load_part(struct object_cpu *part, struct object_cpu *home, uint64_t most,
                      struct magazine *magazine) {
    while (magazine->count < most && home->heap != NULL) {
        load_slab(part, home->heap, most - magazine->count, magazine);
    }
}

// The same of others' slabs: there is no memory for one's own.
static bool load_others(struct object_cpu *part, uint64_t most, struct magazine *magazine) {
    struct object_cache *cache = part->cache;
    unsigned long irq = lock_acquire(&cache->lock);
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        load_part(part, cache->cpus[i], most, magazine);
    }
    lock_release(&cache->lock, irq);
    return magazine->count != 0;
}

// A new slab becomes the part's. The lock is held.
static void enlist(struct object_cpu *part, struct slab *slab) {
    struct object_cache *cache = part->cache;
    slab->cursor = (uint8_t)(object_random(&part->random) % slab->words);
    slab_list_add(&cache->slabs, slab);
    slab_heap_insert(&part->heap, slab);
    part->created += part->created < 2;
    cache->empty_slabs++;
    cache->slab_count++;
    cache->slab_peak = cache->slab_count > cache->slab_peak ? cache->slab_count : cache->slab_peak;
    cache->bytes += PAGE_SIZE << slab->order;
}

// The opposite: it is empty.
static void delist(struct slab *slab) {
    struct object_cache *cache = slab->cache;
    slab_list_remove(slab);
    slab_heap_remove(&slab->home->heap, slab);
    cache->empty_slabs--;
    cache->slab_count--;
    cache->bytes -= PAGE_SIZE << slab->order;
}

// Fills an empty magazine with up to `most` objects. False without memory.
static bool refill(struct object_cpu *part, uint64_t most, struct magazine *magazine,
                   unsigned flags) {
    struct object_cache *cache = part->cache;
    unsigned long irq = lock_acquire(&cache->lock);
    load_part(part, part, most, magazine);
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
    if (part->give->count == 0 && part->back->count != 0) {
        struct magazine *back = part->back;
        part->back = part->give;
        part->give = back;
    }
    if (part->give->count == 0 && !refill(part, part->capacity, part->give, flags)) {
        return NULL;
    }
    return object_pop(part);
}

void *object_take_around(struct object_cpu *part, unsigned flags) {
    struct magazine one = {.count = 0};
    if (!refill(part, 1, &one, flags)) {
        return NULL;
    }
    handed_write(one.handed[0], HANDED_OUT);
    return one.objects[0];
}

static bool lies_in(const struct slab *slab, const void *object) {
    return (uint64_t)object - (uint64_t)slab->base < PAGE_SIZE << slab->order;
}

// An object comes back to its slab. The lock is held. Returns the slab when it has to be released.
static struct slab *unload(struct slab *slab, uint64_t index) {
    uint64_t bit = UINT64_C(1) << (index & 63), *word = &slab->free[index / 64];
    if (__builtin_expect((*word & bit) != 0, false)) {
        object_misuse(slab->cache->heap, slab->cache,
                      slab->base + index * slab->cache->size); // two CPUs in the same instant
    }
    *word |= bit;
    if (slab->stock++ == 0) {
        slab_heap_insert(&slab->home->heap, slab);
    }
    if (slab->stock != slab->count) {
        return NULL;
    }
    struct object_cache *cache = slab->cache;
    if (cache->empty_slabs++ < RESERVE_SLABS) {
        return NULL;
    }
    delist(slab);
    return slab;
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
    struct slab *slab = NULL, *released = NULL;
    unsigned long irq = lock_acquire(&cache->lock);
    for (uint64_t i = 0; i < count; i++) {
        void *object = magazine->objects[i];
        if (slab == NULL || !lies_in(slab, object)) {
            slab = object_find(cache->heap, object);
        }
        struct slab *empty = unload(slab, (uint64_t)(magazine->handed[i] - slab->handed));
        if (empty != NULL) {
            empty->next = released;
            released = empty;
            slab = NULL;
        }
    }
    lock_release(&cache->lock, irq);
    uint64_t rest = magazine->count - count;
    memmove(magazine->objects, magazine->objects + count, rest * sizeof(magazine->objects[0]));
    memmove(magazine->handed, magazine->handed + count, rest * sizeof(magazine->handed[0]));
    magazine->count = rest;
    release_all(released);
}

void object_put(struct object_cpu *part, void *object, uint8_t *handed) {
    if (part->back->count == part->capacity) {
        if (part->give->count == 0) {
            struct magazine *back = part->back;
            part->back = part->give;
            part->give = back;
        } else {
            flush(part->cache, part->back, part->capacity);
        }
    }
    object_push(part, object, handed);
}

void object_put_around(struct object_cache *cache, void *object, uint8_t *handed) {
    struct magazine one = {.count = 1, .objects = {object}, .handed = {handed}};
    handed_write(handed, IN_STOCK);
    flush(cache, &one, 1);
}

void object_part_empty(struct object_cpu *part) {
    flush(part->cache, part->give, part->give->count);
    flush(part->cache, part->back, part->back->count);
}

// An empty slab of a cache. The lock is held.
static struct slab *find_empty(const struct object_cache *cache) {
    struct slab *slab = cache->slabs;
    while (slab != NULL && slab->stock != slab->count) {
        slab = slab->list_next;
    }
    return slab;
}

uint64_t object_release_empty(struct object_cache *cache) {
    uint64_t pages = 0;
    struct slab *released = NULL;
    unsigned long irq = lock_acquire(&cache->lock);
    while (cache->empty_slabs != 0) {
        struct slab *slab = find_empty(cache);
        pages += UINT64_C(1) << slab->order;
        delist(slab);
        slab->next = released;
        released = slab;
    }
    lock_release(&cache->lock, irq);
    release_all(released);
    return pages;
}
