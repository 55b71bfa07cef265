// SPDX-License-Identifier: MIT
// object_check: every invariant of the object allocator, walked. The numbers are internal.h's.
#include "guard.h"

// While it walks, an object of a magazine is marked in its byte, so that a second one is seen.
#define SEEN 0x80

static struct object_cpu *part_of(const struct object_cache *cache, unsigned cpu) {
    return cache->cpus[cpu] == object_nobody() ? NULL : cache->cpus[cpu];
}

// What its visitors have returned to a slab and not counted there; counts the visitors too.
static uint32_t brought_to(const struct slab *slab, unsigned *visitors) {
    uint32_t brought = 0;
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        const struct object_cpu *part = part_of(slab->cache, cpu);
        bool visits = part != NULL && part->visited == slab;
        brought += visits ? part->brought : 0;
        *visitors += visits;
    }
    return brought;
}

static const char *check_returns(const struct slab *slab, uint32_t unclaimed) {
    unsigned visitors = 0;
    uint32_t brought = brought_to(slab, &visitors);
    if (unclaimed + slab->claimed != slab_returned(slab) + slab->came_back + brought) {
        return "a slab's count of returned objects disagrees with their bytes";
    }
    return visitors != slab->visitors ? "a slab's count of visitors is wrong" : NULL;
}

// K1, K2 within a slab; *handed counts what is handed out or returned.
static const char *check_slab(const struct slab *slab, uint64_t *handed) {
    uint32_t stock = 0, returned = 0, gone = 0;
    for (unsigned i = 0; i < slab->words * 64u; i++) {
        bool lies = (slab_bits(slab)[i / 64] >> (i % 64) & 1) != 0;
        stock += lies;
        if (i >= slab->count) {
            if (lies) {
                return "a slab has an object behind its last one";
            }
            continue;
        }
        if (slab->handed[i] == GONE) {
            gone += !lies;
            continue;
        }
        bool given = slab->handed[i] == RETURNED;
        returned += given && !lies;
        *handed += given ? !lies : slab->handed[i] != IN_STOCK;
        if (lies && !given && slab->handed[i] != IN_STOCK) {
            return "an object is handed out and in its slab";
        }
    }
    if (gone != slab->gone) {
        return "a slab's count of objects that are gone disagrees with their bytes";
    }
    if (stock != slab->stock) {
        return "a slab's count of objects in stock disagrees with its bits";
    }
    bool ends = slab->count == SLAB_OBJECTS;
    return !ends && slab->handed[slab->count] != IN_STOCK ? "what is no object is handed out"
                                                          : check_returns(slab, returned);
}

// K4, for one slab.
static bool is_known(const struct object_heap *heap, const struct slab *slab) {
    uint64_t went = 0;
    for (uint64_t page = 0; page < UINT64_C(1) << slab->order; page++) {
        bool known = object_find(heap, slab_block(slab) + page * PAGE_SIZE) == slab;
        if (!known && !slab_page_went(slab, page)) {
            return false;
        }
        went += !known;
    }
    return went == slab->trimmed;
}

// K2, for an object of a magazine, whose slab is found again. Marks it.
static const char *check_in_magazine(const struct object_cpu *part, uint64_t at) {
    const struct magazine *magazine = &part->magazine;
    const struct slab *slab = object_find(part->cache->heap, magazine->objects[at]);
    uint64_t index;
    if (slab->cache != part->cache || !slab_index(slab, magazine->objects[at], &index) ||
        magazine->handed[at] != slab->handed + index) {
        return "a magazine has what is no object of its cache";
    }
    if (*magazine->handed[at] != IN_STOCK || (slab_bits(slab)[index / 64] >> index % 64 & 1) != 0) {
        return "an object of a magazine is elsewhere as well";
    }
    *magazine->handed[at] |= SEEN;
    return NULL;
}

static void unmark(const struct object_cpu *part, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        *part->magazine.handed[i] &= (uint8_t)~SEEN;
    }
}

// Marks the objects of a magazine; none when something is broken.
static const char *check_magazine(const struct object_cpu *part) {
    if (part->magazine.count > part->capacity) {
        return "a magazine has more objects than fit into it";
    }
    for (uint64_t i = 0; i < part->magazine.count; i++) {
        const char *broken = check_in_magazine(part, i);
        if (broken != NULL) {
            unmark(part, i);
            return broken;
        }
    }
    return NULL;
}

static const char *check_magazines(const struct object_cache *cache, uint64_t *objects) {
    const char *broken = NULL;
    unsigned cpu = 0;
    for (; cpu < PORT_CPU_MAX; cpu++) {
        const struct object_cpu *part = part_of(cache, cpu);
        broken = part == NULL ? NULL : check_magazine(part);
        if (broken != NULL) {
            break;
        }
        *objects += part == NULL ? 0 : part->magazine.count;
    }
    while (cpu-- != 0) {
        if (part_of(cache, cpu) != NULL) {
            unmark(part_of(cache, cpu), part_of(cache, cpu)->magazine.count);
        }
    }
    return broken;
}

// K3: counts the slabs of a part's heap. Children lie lower than their parents.
static const char *check_heap(struct object_cpu *part, uint64_t *slabs) {
    struct slab *slab = part->heap;
    bool has_current = part->current == NULL;
    while (slab != NULL) {
        ++*slabs;
        has_current = has_current || slab == part->current;
        if (slab->stock == 0 || slab->home != part || slab->cache != part->cache) {
            return "a slab is in a heap where it does not belong";
        }
        if ((slab->child != NULL &&
             (slab->child->base > slab->base || slab->child->before != slab)) ||
            (slab->next != NULL && slab->next->before != slab)) {
            return "a heap of slabs is out of order";
        }
        if (slab->child != NULL) {
            slab = slab->child;
            continue;
        }
        while (slab != NULL && slab->next == NULL) {
            while (slab->before != NULL && slab->before->child != slab) {
                slab = slab->before;
            }
            slab = slab->before;
        }
        slab = slab == NULL ? NULL : slab->next;
    }
    return has_current ? NULL : "the slab that is being emptied is not in its heap";
}

static const char *check_heaps(const struct object_cache *cache, uint64_t expected) {
    uint64_t slabs = 0;
    for (unsigned cpu = 0; cpu < PORT_CPU_MAX; cpu++) {
        struct object_cpu *part = part_of(cache, cpu);
        const char *broken = part == NULL ? NULL : check_heap(part, &slabs);
        if (broken != NULL) {
            return broken;
        }
    }
    return slabs != expected ? "a slab with room is in no heap" : NULL;
}

static const char *check_cache(struct object_cache *cache, uint64_t *frames) {
    uint64_t objects = 0, accounted = 0, slabs = 0, empty = 0, bytes = 0, with_room = 0;
    for (const struct slab *slab = cache->slabs; slab != NULL; slab = slab->list_next) {
        const char *broken = check_slab(slab, &accounted);
        if (broken != NULL) {
            return broken;
        }
        if (!is_known(cache->heap, slab)) {
            return "the directory does not know a frame of a slab";
        }
        objects += slab_objects(slab);
        accounted += slab->stock;
        slabs++;
        empty += slab_is_empty(slab);
        with_room += slab->stock != 0;
        bytes += slab_size(slab);
    }
    *frames += bytes / PAGE_SIZE;
    if (slabs != cache->slab_count || empty != cache->empty_slabs || bytes != cache->bytes) {
        return "a cache's counts of slabs disagree with its slabs";
    }
    const char *broken = check_magazines(cache, &accounted);
    if (broken == NULL && objects != accounted) {
        broken = "an object is neither in its slab, nor in a magazine, nor handed out";
    }
    return broken != NULL ? broken : check_heaps(cache, with_room);
}

// K4: frames that the directory knows.
static uint64_t count_known(const struct object_heap *heap) {
    uint64_t frames = 0;
    for (uint64_t i = 0; i < heap->directory.region_count; i++) {
        for (unsigned at = 0; at < 512 && heap->directory.regions[i] != heap->no_frames; at++) {
            frames += heap->directory.regions[i][at].numbers != 0;
        }
    }
    return frames;
}

const char *object_check(struct object_heap *heap) {
    uint64_t frames = 0, large = 0, pages = 0;
    for (struct object_cache *cache = heap->caches; cache != NULL; cache = cache->next) {
        const char *broken = check_cache(cache, &frames);
        if (broken != NULL) {
            return broken;
        }
    }
    for (const struct slab *slab = heap->large; slab != NULL; slab = slab->list_next) {
        large++;
        pages += slab->pages;
    }
    if (large != heap->large_count || pages != heap->large_pages) {
        return "the counts of large objects disagree with their list";
    }
    if (count_known(heap) != frames + large) {
        return "the directory knows a frame of no slab";
    }
    return guard_check(heap);
}
