// SPDX-License-Identifier: MIT
// Red zones, poison, quarantine, and who did it.
//
// The last OBJECT_REDZONE bytes of each slot, what lies before the first slot and what lies behind
// the last are red for as long as the slab lives; between the end of the bytes that were asked for
// and there it is red while the object is in use, and poison while it is free. Objects with a
// constructor keep what they hold: they are not poisoned, but summed up.
//
// What an object's byte says and what its memory holds change together only for whoever holds the
// cache's lock: under it red and poison are written, and its trace says that it is settled.
// object_debug_find takes it too, so that another CPU's look never meets half of a change. An
// object that was taken out of its magazine, whose byte is HANDED_OUT already, is not settled yet:
// nothing is known of its bytes.
//
// Invariants (tests/unit/test_object_debug.c):
//   D1  no defect is found where there is none, at whatever moment    half_a_change_is_no_defect
//   D2  of two frees at once the second is caught, by its trace       two_frees_at_once_with_debug
#include "guard.h"

#include <strata/text.h>
#include <string.h>

static bool is_poisoned(const struct object_cache *cache) {
    return cache->construct == NULL;
}

void object_debug_shape(struct object_cache *cache) {
    cache->size = (uint32_t)align_up(cache->wanted + OBJECT_REDZONE, cache->align);
    cache->lead = cache->align > PAGE_SIZE ? cache->align : (uint32_t)PAGE_SIZE;
    uint8_t order = 0;
    while (slab_fits(cache, order) < 3) {
        order++;
    }
    cache->first_order = cache->order = order;
}

static unsigned trace_order(const struct slab *slab) {
    _Static_assert(SLAB_OBJECTS * sizeof(struct object_trace) <= 2 * PAGE_SIZE, "order 1 at most");
    return slab->count * sizeof(struct object_trace) > PAGE_SIZE;
}

bool object_debug_open(struct slab *slab, unsigned flags) {
    struct object_cache *cache = slab->cache;
    pfn_t block;
    if (!object_take_pages(cache->heap, trace_order(slab), flags, PAGE_OWNER_SLAB, &block)) {
        return false;
    }
    slab->traces = port_direct_map(paddr_of(block));
    memset(slab->traces, 0, PAGE_SIZE << trace_order(slab));
    memset(slab_block(slab), OBJECT_RED, PAGE_SIZE << slab->order);
    for (unsigned i = 0; is_poisoned(cache) && i < slab->count; i++) {
        memset(slab->base + (size_t)i * cache->size, OBJECT_POISON, cache->size - OBJECT_REDZONE);
    }
    return true;
}

void object_debug_close(struct slab *slab) {
    page_free(slab->cache->heap->pages, object_frame(slab->traces), trace_order(slab));
}

struct object_trace object_debug_trace(const struct slab *slab, uint64_t index) {
    return slab->traces != NULL && index < slab->count ? slab->traces[index]
                                                       : (struct object_trace){.size = 0};
}

const uint8_t *object_debug_wrong(const uint8_t *begin, const uint8_t *end, uint8_t expected) {
    const uint64_t eight = expected * UINT64_C(0x0101010101010101);
    for (uint64_t found; end - begin >= 8; begin += 8) {
        __builtin_memcpy(&found, begin, sizeof(found));
        if (found != eight) {
            break;
        }
    }
    while (begin < end && *begin == expected) {
        begin++;
    }
    return begin < end ? begin : NULL;
}

static struct object_defect defect_of(const struct slab *slab, uint64_t index, const char *what,
                                      const uint8_t *at, uint8_t expected) {
    const struct object_trace *trace = &slab->traces[index];
    return (struct object_defect){
        .what = what,
        .address = at,
        .found = *at,
        .expected = expected,
        .cache = slab->cache->name,
        .object = slab->base + index * slab->cache->size,
        .size = trace->size,
        .in_use = handed_read(&slab->handed[index]) == HANDED_OUT,
        .allocated_by = trace->allocated_by,
        .freed_by = trace->freed_by,
    };
}

// Of an object with a constructor, which keeps what it holds while it is free (G. Fowler, L. Noll
// and P. Vo's hash, FNV-1a).
static uint32_t sum_of(const struct slab *slab, uint64_t index) {
    const uint8_t *at = slab->base + index * slab->cache->size;
    const uint8_t *end = at + slab->cache->size - OBJECT_REDZONE;
    uint32_t sum = 2166136261u;
    while (at < end) {
        sum = (uint32_t)((sum ^ *at++) * UINT64_C(16777619));
    }
    return sum;
}

void object_debug_constructed(struct slab *slab) {
    for (uint64_t i = 0; !is_poisoned(slab->cache) && i < slab->count; i++) {
        slab->traces[i].sum = sum_of(slab, i);
    }
}

// An object and the zones at both of its ends.
static bool find_in_object(const struct slab *slab, uint64_t index, bool in_use,
                           struct object_defect *defect) {
    const struct object_cache *cache = slab->cache;
    const uint8_t *object = slab->base + index * cache->size, *end = object + cache->size;
    const uint8_t *red = in_use ? object + slab->traces[index].size : end - OBJECT_REDZONE;
    const uint8_t *wrong = object_debug_wrong(object - OBJECT_REDZONE, object, OBJECT_RED);
    const char *what = "the red zone before the object";
    uint8_t expected = OBJECT_RED;
    if (wrong == NULL) {
        what = "the red zone behind the object";
        wrong = object_debug_wrong(red, end, OBJECT_RED);
    }
    if (wrong == NULL && !in_use && !is_poisoned(cache) &&
        sum_of(slab, index) != slab->traces[index].sum) {
        *defect = defect_of(slab, index, "somewhere in the freed object", object, *object);
        defect->somewhere = true;
        return true;
    }
    if (wrong == NULL && !in_use && is_poisoned(cache)) {
        what = "the freed object";
        expected = OBJECT_POISON;
        wrong = object_debug_wrong(object, red, OBJECT_POISON);
    }
    if (wrong != NULL) {
        *defect = defect_of(slab, index, what, wrong, expected);
    }
    return wrong != NULL;
}

// What lies before the first and behind the last object.
static bool find_at_ends(const struct slab *slab, struct object_defect *defect) {
    const uint8_t *block = slab_block(slab), *end = block + (PAGE_SIZE << slab->order);
    const uint8_t *behind = slab->base + (size_t)slab->count * slab->cache->size;
    const uint8_t *wrong = object_debug_wrong(block, slab->base, OBJECT_RED);
    uint64_t index = 0;
    if (wrong == NULL) {
        wrong = object_debug_wrong(behind, end, OBJECT_RED);
        index = slab->count - 1u;
    }
    if (wrong != NULL) {
        *defect = defect_of(slab, index, "the red zone at the end of the slab", wrong, OBJECT_RED);
    }
    return wrong != NULL;
}

// The lock is held.
static bool find_in_slab(const struct slab *slab, struct object_defect *defect) {
    for (uint64_t i = 0; i < slab->count; i++) {
        bool in_use = handed_read(&slab->handed[i]) == HANDED_OUT;
        bool known = !in_use || slab->traces[i].settled;
        if (known && find_in_object(slab, i, in_use, defect)) {
            return true;
        }
    }
    return find_at_ends(slab, defect);
}

bool object_debug_find(struct object_heap *heap, struct object_defect *defect) {
    bool found = false;
    unsigned long list = lock_acquire(&heap->list);
    struct object_cache *cache = heap->options.debug ? heap->caches : NULL;
    for (; cache != NULL && !found; cache = cache->next) {
        unsigned long irq = lock_acquire(&cache->lock);
        for (struct slab *slab = cache->slabs; slab != NULL && !found; slab = slab->list_next) {
            found = find_in_slab(slab, defect);
        }
        lock_release(&cache->lock, irq);
    }
    lock_release(&heap->list, list);
    return found || large_debug_find(heap, defect) || guard_defect(heap, defect);
}

static const char *caller_name(uint32_t caller, uint32_t *into) {
    *into = caller;
    if (caller == 0) {
        return "nobody";
    }
    const char *name = port_code_name(caller, into);
    return name != NULL ? name : (*into = caller, "text");
}

_Noreturn void object_debug_refuse(const struct object_defect *defect, const char *when) {
    uint32_t allocated_into, freed_into;
    const char *allocated = caller_name(defect->allocated_by, &allocated_into);
    const char *freed = caller_name(defect->freed_by, &freed_into);
    char values[32] = "";
    if (!defect->somewhere) {
        struct text_buffer text;
        text_buffer_init(&text, values, sizeof(values));
        text_printf(&text.text, ": 0x%02x instead of 0x%02x", defect->found, defect->expected);
    }
    port_panic("%s: 0x%lx was written to, %s%s; object 0x%lx of %s, %lu bytes, allocated by "
               "%s+0x%x, freed by %s+0x%x",
               when, (uint64_t)defect->address, defect->what, values, (uint64_t)defect->object,
               defect->cache, defect->size, allocated, allocated_into, freed, freed_into);
}

uint32_t object_debug_site(const void *caller) {
    return (uint32_t)((uint64_t)caller - (uint64_t)port_text());
}

void object_debug_alloc(struct slab *slab, void *object, size_t size, const void *caller) {
    struct object_cache *cache = slab->cache;
    struct object_defect defect;
    uint64_t index;
    slab_index(slab, object, &index);
    unsigned long irq = lock_acquire(&cache->lock);
    bool written = find_in_object(slab, index, false, &defect);
    if (!written) {
        slab->traces[index] = (struct object_trace){
            .allocated_by = object_debug_site(caller), .size = (uint32_t)size, .settled = true};
        if (is_poisoned(cache)) {
            memset(object, OBJECT_FRESH, size);
        }
        // The last bytes of the slot are red already, and looked at by who has the object behind.
        memset((uint8_t *)object + size, OBJECT_RED, cache->size - OBJECT_REDZONE - size);
    }
    lock_release(&cache->lock, irq);
    if (written) {
        object_debug_refuse(&defect, "use after free");
    }
}

// Out of quarantine: nobody may have written to it meanwhile.
static void let_go(struct object_heap *heap, void *object) {
    struct slab *slab = object_find(heap, object);
    struct object_defect defect;
    uint64_t index;
    slab_index(slab, object, &index);
    if (find_in_object(slab, index, false, &defect)) {
        object_debug_refuse(&defect, "use after free");
    }
    object_return(slab, object, &slab->handed[index]);
}

// Exchanges an object with the oldest in quarantine; NULL when there is room.
static void *quarantine(struct object_heap *heap, void *object) {
    unsigned long irq = lock_acquire(&heap->lock);
    void **place = &heap->quarantine[heap->quarantined++ % OBJECT_QUARANTINE];
    void *oldest = *place;
    *place = object;
    lock_release(&heap->lock, irq);
    return oldest;
}

// What it holds while it is free. Locked.
static void settle_freed(struct slab *slab, void *object, uint64_t index, const void *caller) {
    struct object_trace *trace = &slab->traces[index];
    if (is_poisoned(slab->cache)) {
        memset(object, OBJECT_POISON, slab->cache->size - OBJECT_REDZONE);
    }
    trace->sum = is_poisoned(slab->cache) ? 0 : sum_of(slab, index);
    trace->freed_by = object_debug_site(caller);
    trace->settled = 0;
    handed_write(&slab->handed[index], QUARANTINED);
}

void object_debug_free(struct slab *slab, void *object, uint64_t index, const void *caller) {
    struct object_cache *cache = slab->cache;
    struct object_defect defect;
    unsigned long irq = lock_acquire(&cache->lock);
    bool ours = slab->traces[index].settled; // another CPU may be quicker
    bool written = ours && find_in_object(slab, index, true, &defect);
    if (ours && !written) {
        settle_freed(slab, object, index, caller);
    }
    lock_release(&cache->lock, irq);
    if (!ours) {
        object_misuse(cache->heap, cache->is_class ? NULL : cache, object);
    }
    if (written) {
        defect.freed_by = object_debug_site(caller);
        object_debug_refuse(&defect, "out of bounds");
    }
    void *oldest = quarantine(cache->heap, object);
    if (oldest != NULL) {
        let_go(cache->heap, oldest);
    }
}

void object_debug_drain(struct object_heap *heap) {
    for (unsigned i = 0; heap->options.debug && i < OBJECT_QUARANTINE; i++) {
        void *object = quarantine(heap, NULL);
        if (object != NULL) {
            let_go(heap, object);
        }
    }
}

// The sites that are being counted.
struct tally {
    struct object_site *sites;
    size_t capacity, count;
};

static void count_object(struct tally *tally, const char *cache, uint32_t caller, uint64_t bytes) {
    struct object_site *sites = tally->sites;
    size_t at = 0;
    while (at < tally->count && (sites[at].caller != caller || sites[at].cache != cache)) {
        at++;
    }
    if (at == tally->capacity) {
        return;
    }
    if (at == tally->count) {
        sites[tally->count++] = (struct object_site){.cache = cache, .caller = caller};
    }
    sites[at].objects++;
    sites[at].bytes += bytes;
}

static bool count_guarded(void *tally, const struct object_guarded *guarded) {
    count_object(tally, guarded->cache->name, guarded->allocated_by, guarded->size);
    return false;
}

static void count_large(void *tally, const struct slab *slab) {
    count_object(tally, "large", slab->traces->allocated_by, slab->wanted);
}

// The lock is held.
static void count_slab(struct tally *tally, const struct slab *slab) {
    for (uint64_t i = 0; i < slab->count; i++) {
        const struct object_trace *trace = &slab->traces[i];
        if (trace->settled) {
            count_object(tally, slab->cache->name, trace->allocated_by, trace->size);
        }
    }
}

static void sort_sites(struct object_site *sites, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct object_site site = sites[i];
        size_t at = i;
        for (; at != 0 && sites[at - 1].bytes < site.bytes; at--) {
            sites[at] = sites[at - 1];
        }
        sites[at] = site;
    }
}

size_t object_sites(struct object_heap *heap, struct object_site *sites, size_t capacity) {
    struct tally tally = {.sites = sites, .capacity = capacity};
    unsigned long list = lock_acquire(&heap->list);
    struct object_cache *cache = heap->options.debug ? heap->caches : NULL;
    for (; cache != NULL; cache = cache->next) {
        unsigned long irq = lock_acquire(&cache->lock);
        for (const struct slab *slab = cache->slabs; slab != NULL; slab = slab->list_next) {
            count_slab(&tally, slab);
        }
        lock_release(&cache->lock, irq);
    }
    lock_release(&heap->list, list);
    large_debug_each(heap, count_large, &tally);
    guard_each(heap, count_guarded, &tally);
    sort_sites(sites, tally.count);
    return tally.count;
}
