// SPDX-License-Identifier: MIT
// Guarded objects: pages of their own, and a record for each in a tree by its addresses.
//
// A record is in the tree from the allocation until its addresses go back, so that a fault on its
// pages, mapped or not, finds it. Addresses of freed objects wait in the order in which they were
// freed, and the oldest go back when too many wait or when there are no others. Pages are taken,
// hidden and given back with no lock held: the locks of whoever has them come before the heap's.
//
// Invariants (tests/unit/test_object_guard_pages.c, and guard_check):
//   G1  a record is in the tree exactly until its addresses go back       oracle_agrees
//   G2  as many records are in use and in quarantine as are counted       oracle_agrees
//   G3  addresses go back in the order in which they were freed           addresses_go_in_turn
#include "guard.h"

#include <string.h>

#define LOOK_TRIES 10000

// So many freed objects' addresses are given back for one request that finds no room, at most.
#define ROOM_TRIES 64

struct guarded {
    struct range range;    // of its pages
    struct guarded *newer; // in quarantine
    const struct object_cache *cache;
    uint8_t *object;
    uint64_t size; // as asked for
    uint32_t allocated_by, freed_by;
    bool in_use;
};

static uint8_t *begin_of(const struct guarded *record) {
    return (uint8_t *)record->range.begin;
}

static uint64_t bytes_of(const struct guarded *record) {
    return record->range.end - record->range.begin;
}

static struct object_guarded describe(const struct guarded *record) {
    return (struct object_guarded){
        .cache = record->cache,
        .object = record->object,
        .size = record->size,
        .begin = begin_of(record),
        .bytes = bytes_of(record),
        .in_use = record->in_use,
        .allocated_by = record->allocated_by,
        .freed_by = record->freed_by,
    };
}

static struct guarded *record_of(const struct range *range) {
    _Static_assert(offsetof(struct guarded, range) == 0, "a record begins with its range");
    return (struct guarded *)(uintptr_t)range;
}

// The record whose pages the address lies in. Locked.
static struct guarded *find(const struct object_guard *guard, uint64_t address) {
    return record_of(ranges_find(&guard->objects, vaddr(address)));
}

// All records in turn: the first for NULL. Locked.
static struct guarded *next_record(const struct object_guard *guard, const struct guarded *record) {
    return record_of(record == NULL ? ranges_from(&guard->objects, vaddr(0))
                                    : ranges_next(&record->range, vaddr(0)));
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
    ranges_init(&guard->objects, vaddr(0), vaddr(UINT64_MAX), 0);
    guard->large =
        (struct object_cache){.heap = heap, .is_class = true, .name = OBJECT_GUARD_LARGE};
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
    guard->large.guarded = found = guard_wants(guard->heap, OBJECT_GUARD_LARGE);
    for (struct object_cache *cache = guard->heap->caches; cache != NULL; cache = cache->next) {
        cache->guarded = guard_wants(guard->heap, cache->name);
        found = found || cache->guarded;
    }
    lock_release(&guard->heap->list, irq);
    return found;
}

static void fill(const struct guarded *record, bool zero) {
    memset(begin_of(record), OBJECT_RED, bytes_of(record));
    if (record->cache->construct != NULL) {
        record->cache->construct(record->object);
    } else {
        memset(record->object, zero ? 0 : OBJECT_FRESH, record->size);
    }
}

// Takes pages for an object and puts it as near to one end of them as its alignment allows. NULL
// without memory or addresses. No other than its place is filled in.
static struct guarded *make(struct object_guard *guard, size_t size, size_t align, unsigned flags) {
    struct guarded *record = record_alloc(guard->heap, sizeof(*record), flags);
    if (record == NULL) {
        return NULL;
    }
    uint64_t bytes = align_up(size, PAGE_SIZE), small = align < PAGE_SIZE ? align : PAGE_SIZE;
    uint8_t *begin = guard->pages.take(guard->pages.context, bytes / PAGE_SIZE,
                                       align < PAGE_SIZE ? PAGE_SIZE : align);
    if (begin == NULL) {
        record_free(guard->heap, record);
        return NULL;
    }
    record->range.begin = (uint64_t)begin;
    record->range.end = record->range.begin + bytes;
    record->size = size;
    record->object = guard->at_begin ? begin : begin + bytes - align_up(size, small);
    return record;
}

static void insert(struct object_guard *guard, struct guarded *record) {
    unsigned long irq = lock_acquire(&guard->lock);
    bool inserted = ranges_insert(&guard->objects, &record->range, vaddr(record->range.begin),
                                  vaddr(record->range.end));
    guard->in_use++;
    lock_release(&guard->lock, irq);
    ASSERT(inserted);
}

static void give_back(struct object_guard *guard, struct guarded *record) {
    guard->pages.give(guard->pages.context, begin_of(record), bytes_of(record) / PAGE_SIZE);
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
        ranges_remove(&guard->objects, &oldest->range);
    }
    lock_release(&guard->lock, irq);
    return oldest;
}

// Gives the oldest addresses back when more than so many wait.
static bool give_oldest(struct object_guard *guard, uint64_t most) {
    struct guarded *oldest = take_oldest(guard, most);
    if (oldest != NULL) {
        give_back(guard, oldest);
    }
    return oldest != NULL;
}

void *guard_alloc(const struct object_cache *cache, unsigned flags, size_t size, size_t align,
                  const void *caller) {
    struct object_guard *guard = cache->heap->guard;
    struct guarded *record = make(guard, size, align, flags);
    for (unsigned i = 0; record == NULL && i < ROOM_TRIES && give_oldest(guard, 0); i++) {
        record = make(guard, size, align, flags);
    }
    if (record == NULL) {
        __atomic_fetch_add(&guard->refused, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    record->cache = cache;
    record->allocated_by = object_debug_site(caller);
    record->in_use = true;
    fill(record, (flags & OBJECT_ZERO) != 0 || cache->heap->options.zero_on_alloc);
    void *object = record->object;
    insert(guard, record);
    return object;
}

void *guard_alloc_large(struct object_heap *heap, unsigned flags, size_t size, size_t align,
                        const void *caller) {
    struct object_guard *guard = __atomic_load_n(&heap->guard, __ATOMIC_ACQUIRE);
    if (guard == NULL || !guard->large.guarded) {
        return NULL;
    }
    bool power = (size & (size - 1)) == 0;
    align = align > 8 ? align : align == 0 && power ? size : 8;
    return guard_alloc(&guard->large, flags, size, align, caller);
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

bool object_guard_next(struct object_heap *heap, struct object_guarded *guarded) {
    struct object_guard *guard = __atomic_load_n(&heap->guard, __ATOMIC_ACQUIRE);
    if (guard == NULL) {
        return false;
    }
    uint64_t end = guarded->begin == NULL ? 0 : (uint64_t)guarded->begin + guarded->bytes;
    unsigned long irq = lock_acquire(&guard->lock);
    const struct range *next = ranges_from(&guard->objects, vaddr(end));
    if (next != NULL) {
        *guarded = describe(record_of(next));
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

static void quarantine(struct object_guard *guard, struct guarded *record) {
    unsigned long irq = lock_acquire(&guard->lock);
    *(guard->oldest == NULL ? &guard->oldest : &guard->newest->newer) = record;
    guard->newest = record;
    guard->quarantined++;
    lock_release(&guard->lock, irq);
    give_oldest(guard, guard->pages.window);
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
    guard->pages.hide(guard->pages.context, begin_of(record), bytes_of(record) / PAGE_SIZE);
    quarantine(guard, record);
    return true;
}

void guard_drain(struct object_heap *heap) {
    while (heap->guard != NULL && give_oldest(heap->guard, 0)) {
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
    for (const struct guarded *at = next_record(guard, NULL); at != NULL && !stopped;
         at = next_record(guard, at)) {
        struct object_guarded guarded = describe(at);
        stopped = at->in_use && visit(context, &guarded);
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

// G2.
static const char *check_counts(const struct object_guard *guard) {
    uint64_t in_use = 0, quarantined = 0, listed = 0;
    for (const struct guarded *at = next_record(guard, NULL); at != NULL;
         at = next_record(guard, at)) {
        in_use += at->in_use;
        quarantined += !at->in_use;
    }
    for (const struct guarded *at = guard->oldest; at != NULL; at = at->newer) {
        listed++;
    }
    return in_use != guard->in_use || quarantined != guard->quarantined || listed != quarantined
               ? "the counts of guarded objects disagree with their records"
               : NULL;
}

const char *guard_check(struct object_heap *heap) {
    const struct object_guard *guard = heap->guard;
    const char *broken = guard == NULL ? NULL : ranges_check(&guard->objects);
    return guard == NULL || broken != NULL ? broken : check_counts(guard);
}
