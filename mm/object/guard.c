// SPDX-License-Identifier: MIT
// Guarded objects: pages of their own, and a record for each in a table by its first page.
//
// A record is in the table from the allocation until it leaves the quarantine, so that a fault on
// its pages, mapped or not, finds it. Pages are taken, hidden and given back with no lock held: the
// locks of whoever has them come before the heap's.
//
// Invariants (tests/unit/test_object_guard.c, and guard_check):
//   G1  a record is in its page's bucket exactly until its addresses go back      oracle_agrees
//   G2  as many records are in use and in quarantine as are counted               oracle_agrees
#include "guard.h"

#include <string.h>

#define LOOK_TRIES 10000
#define PAGES_MOST (OBJECT_SIZE_MAX / PAGE_SIZE)

struct guarded {
    struct guarded *next;  // of the same bucket
    struct guarded *newer; // in quarantine
    struct object_cache *cache;
    uint8_t *begin, *object;
    uint64_t pages;
    uint32_t size; // as asked for
    uint32_t allocated_by, freed_by;
    bool in_use;
};

static struct object_guarded describe(const struct guarded *record) {
    return (struct object_guarded){
        .cache = record->cache,
        .object = record->object,
        .size = record->size,
        .begin = record->begin,
        .bytes = record->pages * PAGE_SIZE,
        .in_use = record->in_use,
        .allocated_by = record->allocated_by,
        .freed_by = record->freed_by,
    };
}

static struct guarded **bucket_of(struct object_guard *guard, uint64_t address) {
    return &guard->buckets[address / PAGE_SIZE % OBJECT_GUARD_BUCKETS];
}

// The record whose pages the address lies in. Locked.
static struct guarded *find(struct object_guard *guard, uint64_t address) {
    uint64_t page = align_down(address, PAGE_SIZE);
    for (uint64_t back = 0; back < PAGES_MOST && back * PAGE_SIZE <= page; back++) {
        uint64_t begin = page - back * PAGE_SIZE;
        struct guarded *record = *bucket_of(guard, begin);
        while (record != NULL && (uint64_t)record->begin != begin) {
            record = record->next;
        }
        if (record != NULL) {
            return back < record->pages ? record : NULL;
        }
    }
    return NULL;
}

static void insert(struct object_guard *guard, struct guarded *record) {
    struct guarded **bucket = bucket_of(guard, (uint64_t)record->begin);
    record->next = *bucket;
    *bucket = record;
}

static void remove_record(struct object_guard *guard, const struct guarded *record) {
    struct guarded **place = bucket_of(guard, (uint64_t)record->begin);
    while (*place != record) {
        place = &(*place)->next;
    }
    *place = record->next;
}

bool object_guard_start(struct object_guard *guard, struct object_heap *heap,
                        const struct object_guard_pages *pages) {
    if (!heap->options.debug || heap->guard != NULL) {
        return false;
    }
    memset(guard, 0, sizeof(*guard));
    guard->heap = heap;
    guard->pages = *pages;
    guard->lock.rank = LOCK_OBJECT_HEAP;
    __atomic_store_n(&heap->guard, guard, __ATOMIC_RELEASE);
    return true;
}

bool guard_wants(const struct object_heap *heap, const char *name) {
    return heap->guard != NULL && heap->guard->cache[0] != '\0' &&
           strcmp(heap->guard->cache, name) == 0;
}

bool object_guard_choose(struct object_guard *guard, const char *name, bool at_begin) {
    bool found = false;
    size_t length = name != NULL ? strlen(name) : 0;
    length = length < OBJECT_NAME_MAX ? length : OBJECT_NAME_MAX - 1;
    unsigned long irq = lock_acquire(&guard->heap->list);
    memset(guard->cache, 0, sizeof(guard->cache));
    memcpy(guard->cache, length != 0 ? name : "", length);
    guard->at_begin = at_begin;
    for (struct object_cache *cache = guard->heap->caches; cache != NULL; cache = cache->next) {
        cache->guarded = guard_wants(guard->heap, cache->name);
        found = found || cache->guarded;
    }
    lock_release(&guard->heap->list, irq);
    return found;
}

// The object in its pages: as near to one end of them as its alignment allows.
static void place(struct guarded *record, bool at_begin) {
    const struct object_cache *cache = record->cache;
    uint64_t align = cache->align < PAGE_SIZE ? cache->align : PAGE_SIZE;
    uint8_t *end = record->begin + record->pages * PAGE_SIZE;
    record->object = at_begin ? record->begin : end - align_up(record->size, align);
}

static bool take_pages(struct object_guard *guard, struct guarded *record) {
    uint64_t align = record->cache->align < PAGE_SIZE ? PAGE_SIZE : record->cache->align;
    record->pages = align_up(record->size, PAGE_SIZE) / PAGE_SIZE;
    record->begin = guard->pages.take(guard->pages.context, record->pages, align);
    return record->begin != NULL;
}

static void fill(const struct guarded *record, bool zero) {
    memset(record->begin, OBJECT_RED, record->pages * PAGE_SIZE);
    if (record->cache->construct != NULL) {
        record->cache->construct(record->object);
    } else {
        memset(record->object, zero ? 0 : OBJECT_FRESH, record->size);
    }
}

void *guard_alloc(struct object_cache *cache, unsigned flags, size_t size, const void *caller) {
    struct object_guard *guard = cache->heap->guard;
    struct guarded *record = record_alloc(cache->heap, sizeof(*record), flags);
    if (record != NULL) {
        record->cache = cache;
        record->size = (uint32_t)size;
        record->allocated_by = object_debug_site(caller);
        record->in_use = true;
    }
    if (record == NULL || !take_pages(guard, record)) {
        if (record != NULL) {
            record_free(cache->heap, record);
        }
        __atomic_fetch_add(&guard->refused, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    place(record, guard->at_begin);
    fill(record, (flags & OBJECT_ZERO) != 0 || cache->heap->options.zero_on_alloc);
    void *object = record->object;
    unsigned long irq = lock_acquire(&guard->lock);
    insert(guard, record);
    guard->in_use++;
    lock_release(&guard->lock, irq);
    return object;
}

bool guard_find(struct object_heap *heap, const void *address, struct object_guarded *out) {
    struct object_guard *guard = __atomic_load_n(&heap->guard, __ATOMIC_ACQUIRE);
    if (guard == NULL) {
        return false;
    }
    unsigned long irq = lock_acquire(&guard->lock);
    const struct guarded *record = find(guard, (uint64_t)address);
    if (record != NULL) {
        *out = describe(record);
    }
    lock_release(&guard->lock, irq);
    return record != NULL;
}

// How far an address is from an object.
static uint64_t distance(const struct guarded *record, uint64_t address) {
    uint64_t begin = (uint64_t)record->object, end = begin + record->size;
    return address < begin ? begin - address : address >= end ? address - end + 1 : 0;
}

// The object of the pages that the address lies in, or of those beside it. Locked.
static const struct guarded *nearest(struct object_guard *guard, uint64_t address) {
    const struct guarded *record = find(guard, address);
    if (record == NULL) {
        const struct guarded *above = find(guard, address + PAGE_SIZE);
        record = find(guard, address - PAGE_SIZE);
        if (record == NULL ||
            (above != NULL && distance(above, address) < distance(record, address))) {
            record = above;
        }
    }
    return record;
}

bool object_guard_look(struct object_heap *heap, const void *address, struct object_guarded *out) {
    struct object_guard *guard = __atomic_load_n(&heap->guard, __ATOMIC_ACQUIRE);
    unsigned long irq;
    if (guard == NULL || !lock_try(&guard->lock, LOOK_TRIES, &irq)) {
        return false;
    }
    const struct guarded *record = nearest(guard, (uint64_t)address);
    if (record != NULL) {
        *out = describe(record);
    }
    lock_release(&guard->lock, irq);
    return record != NULL;
}

const char *guard_refusal(const struct object_cache *cache, const struct object_guarded *guarded,
                          const void *address) {
    const struct object_cache *owner = guarded->cache;
    if (address != guarded->object) {
        return "interior";
    }
    if (cache != NULL ? owner != cache : !owner->is_class) {
        return "wrong cache";
    }
    return guarded->in_use ? NULL : "double free";
}

// The one of a bucket that has the lowest address above `after`. Locked.
static const struct guarded *lowest_above(const struct guarded *bucket, const uint8_t *after) {
    const struct guarded *lowest = NULL;
    for (const struct guarded *at = bucket; at != NULL; at = at->next) {
        if (at->begin > after && (lowest == NULL || at->begin < lowest->begin)) {
            lowest = at;
        }
    }
    return lowest;
}

bool object_guard_next(struct object_heap *heap, struct object_guarded *guarded) {
    struct object_guard *guard = __atomic_load_n(&heap->guard, __ATOMIC_ACQUIRE);
    if (guard == NULL) {
        return false;
    }
    const uint8_t *after = guarded->begin;
    uint64_t bucket = (uint64_t)(bucket_of(guard, (uint64_t)after) - guard->buckets);
    const struct guarded *next = NULL;
    unsigned long irq = lock_acquire(&guard->lock);
    for (; next == NULL && bucket < OBJECT_GUARD_BUCKETS; bucket++) {
        next = lowest_above(guard->buckets[bucket], after);
        after = NULL;
    }
    if (next != NULL) {
        *guarded = describe(next);
    }
    lock_release(&guard->lock, irq);
    return next != NULL;
}

static struct object_defect defect_of(const struct object_guarded *guarded, const char *what,
                                      const uint8_t *at) {
    return (struct object_defect){
        .what = what,
        .address = at,
        .found = *at,
        .expected = OBJECT_RED,
        .cache = guarded->cache->name,
        .object = guarded->object,
        .size = guarded->size,
        .in_use = true,
        .allocated_by = guarded->allocated_by,
        .freed_by = guarded->freed_by,
    };
}

// What lies around an object must be red.
static bool find_around(const struct object_guarded *guarded, struct object_defect *defect) {
    const uint8_t *end = guarded->begin + guarded->bytes;
    const uint8_t *wrong = object_debug_wrong(guarded->object + guarded->size, end, OBJECT_RED);
    const char *what = "the red zone behind the object";
    if (wrong == NULL) {
        wrong = object_debug_wrong(guarded->begin, guarded->object, OBJECT_RED);
        what = "the red zone before the object";
    }
    if (wrong != NULL) {
        *defect = defect_of(guarded, what, wrong);
    }
    return wrong != NULL;
}

static void give_back(struct object_guard *guard, struct guarded *record) {
    guard->pages.give(guard->pages.context, record->begin, record->pages);
    record_free(guard->heap, record);
}

// Takes the oldest out of quarantine when there are more than so many; NULL when there are not.
static struct guarded *take_oldest(struct object_guard *guard, uint64_t most) {
    unsigned long irq = lock_acquire(&guard->lock);
    struct guarded *oldest = guard->quarantined > most ? guard->oldest : NULL;
    if (oldest != NULL) {
        guard->oldest = oldest->newer;
        guard->newest = guard->oldest == NULL ? NULL : guard->newest;
        guard->quarantined--;
        remove_record(guard, oldest);
    }
    lock_release(&guard->lock, irq);
    return oldest;
}

static void quarantine(struct object_guard *guard, struct guarded *record) {
    unsigned long irq = lock_acquire(&guard->lock);
    *(guard->oldest == NULL ? &guard->oldest : &guard->newest->newer) = record;
    guard->newest = record;
    guard->quarantined++;
    lock_release(&guard->lock, irq);
    struct guarded *oldest = take_oldest(guard, OBJECT_GUARD_QUARANTINE);
    if (oldest != NULL) {
        give_back(guard, oldest);
    }
}

bool guard_free(struct object_heap *heap, const struct object_cache *cache, void *object,
                const void *caller) {
    struct object_guarded guarded;
    struct object_defect defect;
    struct object_guard *guard = heap->guard;
    if (!guard_find(heap, object, &guarded)) {
        return false;
    }
    const char *refusal = guard_refusal(cache, &guarded, object);
    if (refusal == NULL && find_around(&guarded, &defect)) {
        object_debug_refuse(&defect, "out of bounds");
    }
    unsigned long irq = lock_acquire(&guard->lock);
    struct guarded *record = find(guard, (uint64_t)object);
    bool ours = refusal == NULL && record != NULL && record->in_use; // another CPU may be quicker
    if (ours) {
        record->in_use = false;
        record->freed_by = object_debug_site(caller);
        guard->in_use--;
    }
    lock_release(&guard->lock, irq);
    if (!ours) {
        object_misuse(heap, cache, object);
    }
    guard->pages.hide(guard->pages.context, record->begin, record->pages);
    quarantine(guard, record);
    return true;
}

void guard_drain(struct object_heap *heap) {
    struct guarded *oldest;
    while (heap->guard != NULL && (oldest = take_oldest(heap->guard, 0)) != NULL) {
        give_back(heap->guard, oldest);
    }
}

bool object_guard_end(struct object_guard *guard) {
    if (guard->in_use != 0) {
        return false;
    }
    object_guard_choose(guard, NULL, false);
    guard_drain(guard->heap);
    __atomic_store_n(&guard->heap->guard, NULL, __ATOMIC_RELEASE);
    return true;
}

bool guard_each(struct object_heap *heap,
                bool (*visit)(void *context, const struct object_guarded *guarded), void *context) {
    struct object_guard *guard = heap->guard;
    bool stopped = false;
    if (guard == NULL) {
        return false;
    }
    unsigned long irq = lock_acquire(&guard->lock);
    for (unsigned i = 0; i < OBJECT_GUARD_BUCKETS && !stopped; i++) {
        for (const struct guarded *at = guard->buckets[i]; at != NULL && !stopped; at = at->next) {
            struct object_guarded guarded = describe(at);
            stopped = at->in_use && visit(context, &guarded);
        }
    }
    lock_release(&guard->lock, irq);
    return stopped;
}

static bool visit_around(void *context, const struct object_guarded *guarded) {
    return find_around(guarded, context);
}

bool guard_defect(struct object_heap *heap, struct object_defect *defect) {
    return guard_each(heap, visit_around, defect);
}

const char *guard_check(struct object_heap *heap) {
    struct object_guard *guard = heap->guard;
    uint64_t in_use = 0, quarantined = 0, listed = 0;
    for (unsigned i = 0; guard != NULL && i < OBJECT_GUARD_BUCKETS; i++) {
        for (const struct guarded *at = guard->buckets[i]; at != NULL; at = at->next) {
            in_use += at->in_use;
            quarantined += !at->in_use;
            if (bucket_of(guard, (uint64_t)at->begin) != &guard->buckets[i]) {
                return "the record of a guarded object is in the wrong bucket";
            }
        }
    }
    for (const struct guarded *at = guard != NULL ? guard->oldest : NULL; at != NULL;
         at = at->newer) {
        listed++;
    }
    return guard != NULL && (in_use != guard->in_use || quarantined != guard->quarantined ||
                             listed != quarantined)
               ? "the counts of guarded objects disagree with their records"
               : NULL;
}
