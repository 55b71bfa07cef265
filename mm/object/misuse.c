// SPDX-License-Identifier: MIT
// What is wrong with an address that was given back: looked at from all sides, then the end.
#include "guard.h"

#include <mm/report.h>

// What was done, and what is known to be wrong with it.
struct misuse {
    struct object_heap *heap;
    const struct object_cache *cache; // that the address was given to; NULL: kmalloc
    const void *address;
    const char *call;  // the function that was called
    const char *wrong; // NULL: it is found out here
};

static const char *into(const struct misuse *misuse) {
    return misuse->cache != NULL ? misuse->cache->name : "kmalloc";
}

// The caller's word, or what was found. Neither: another CPU was quicker.
static const char *word(const struct misuse *misuse, const char *found) {
    return misuse->wrong != NULL ? misuse->wrong : found != NULL ? found : "double free";
}

// It lies in no slab: what the page allocator says of it.
static _Noreturn void foreign(const struct misuse *misuse) {
    struct object_heap *heap = misuse->heap;
    const void *address = misuse->address;
    uint64_t at = (uint64_t)address;
    if (object_offset(address) / (2 * MIB) >= heap->directory.region_count) {
        port_panic("%s: 0x%lx, to %s: foreign: it is no memory", misuse->call, at, into(misuse));
    }
    struct page_info page = page_inspect(heap->pages, object_frame(address));
    uint64_t block = (uint64_t)port_direct_map(paddr_of(page.block));
    if (page.state == PAGE_STATE_ALLOCATED && page.owner == PAGE_OWNER_LARGE) {
        port_panic(
            "%s: 0x%lx, to %s: interior: it is inside a large object; the block at 0x%lx, order "
            "%u, holds it",
            misuse->call, at, into(misuse), block, page.order);
    }
    if (page.state == PAGE_STATE_FREE || page.state == PAGE_STATE_CACHED) {
        port_panic("%s: 0x%lx, to %s: double free or foreign: its page is free", misuse->call, at,
                   into(misuse));
    }
    port_panic("%s: 0x%lx, to %s: foreign: its page is %s%s%s", misuse->call, at, into(misuse),
               page_state_name(page.state), page.state == PAGE_STATE_ALLOCATED ? ", owner " : "",
               page.state == PAGE_STATE_ALLOCATED ? page_owner_name(page.owner) : "");
}

// What is wrong with a place in a slab.
static const char *wrong_in(const struct slab *slab, const struct object_cache *cache,
                            const void *address, uint64_t *index) {
    const struct object_cache *owner = slab->cache;
    bool begins = slab_index(slab, address, index);
    if (*index >= slab->count) {
        return "no object";
    }
    if (!begins) {
        return "interior";
    }
    if (cache != NULL ? owner != cache : !owner->is_class) {
        return "wrong cache";
    }
    return handed_read(&slab->handed[*index]) == HANDED_OUT ? NULL : "double free";
}

static const char *wrong_large(const struct slab *slab, const struct object_cache *cache,
                               const void *address) {
    bool freed = slab->traces != NULL && large_trace_of(slab)->freed;
    return slab->base != address ? "interior"
           : cache != NULL       ? "wrong cache"
           : freed               ? "double free"
                                 : NULL;
}

const char *object_refusal(struct object_heap *heap, const struct object_cache *cache,
                           const void *address) {
    const struct slab *slab = object_find(heap, address);
    uint64_t index;
    if (slab->kind == SLAB_SMALL) {
        return wrong_in(slab, cache, address, &index);
    }
    struct object_guarded guarded;
    if (guard_find(heap, address, &guarded)) {
        return guard_refusal(cache, &guarded, address);
    }
    if (slab->kind == SLAB_LARGE) {
        return wrong_large(slab, cache, address);
    }
    return object_inspect(heap, address).kind == OBJECT_LARGE ? "interior" : "foreign";
}

// ", allocated by …, freed by …", or nothing when nobody is known.
static void name_sites(char *out, size_t bytes, uint32_t allocated_by, uint32_t freed_by) {
    struct text_buffer text;
    text_buffer_init(&text, out, bytes);
    if (allocated_by != 0) {
        text_puts(&text.text, ", allocated by ");
        report_caller(&text.text, allocated_by);
        text_puts(&text.text, ", freed by ");
        report_caller(&text.text, freed_by);
    }
}

static _Noreturn void misuse_guarded(const struct misuse *misuse,
                                     const struct object_guarded *guarded) {
    const char *found = guard_refusal(misuse->cache, guarded, misuse->address);
    char sites[160];
    name_sites(sites, sizeof(sites), guarded->allocated_by, guarded->freed_by);
    port_panic("%s: 0x%lx, to %s: %s: a guarded object of %s at 0x%lx, %lu bytes%s", misuse->call,
               (uint64_t)misuse->address, into(misuse), word(misuse, found), guarded->cache->name,
               (uint64_t)guarded->object, guarded->size, sites);
}

static _Noreturn void misuse_large(const struct misuse *misuse, const struct slab *slab) {
    const char *found = wrong_large(slab, misuse->cache, misuse->address);
    char sites[160] = "";
    if (slab->traces != NULL) {
        name_sites(sites, sizeof(sites), slab->traces->allocated_by, slab->traces->freed_by);
    }
    port_panic("%s: 0x%lx, to %s: %s: it is%s a large object of %lu bytes at 0x%lx%s", misuse->call,
               (uint64_t)misuse->address, into(misuse), word(misuse, found),
               slab->base == misuse->address ? "" : " inside", slab->wanted, (uint64_t)slab->base,
               sites);
}

static _Noreturn void misuse_small(const struct misuse *misuse, const struct slab *slab) {
    uint64_t index;
    const char *found = wrong_in(slab, misuse->cache, misuse->address, &index);
    const struct object_cache *owner = slab->cache;
    struct object_trace trace = object_debug_trace(slab, index);
    char sites[160];
    name_sites(sites, sizeof(sites), trace.allocated_by, trace.freed_by);
    port_panic("%s: 0x%lx, to %s: %s: object %lu of %u of %s, %u bytes each, in the slab at 0x%lx "
               "of CPU %u%s",
               misuse->call, (uint64_t)misuse->address, into(misuse), word(misuse, found), index,
               slab->count, owner->name, owner->size, (uint64_t)slab_block(slab), slab->home->cpu,
               sites);
}

_Noreturn void object_misuse_by(struct object_heap *heap, const struct object_cache *cache,
                                const void *address, const char *call, const char *wrong) {
    const struct misuse misuse = {heap, cache, address, call, wrong};
    const struct slab *slab = object_find(heap, address);
    struct object_guarded guarded;
    if (guard_find(heap, address, &guarded)) {
        misuse_guarded(&misuse, &guarded);
    }
    if (slab->kind == SLAB_NONE) {
        foreign(&misuse);
    }
    if (slab->kind == SLAB_LARGE) {
        misuse_large(&misuse, slab);
    }
    misuse_small(&misuse, slab);
}

_Noreturn void object_misuse(struct object_heap *heap, const struct object_cache *cache,
                             const void *address) {
    object_misuse_by(heap, cache, address, cache != NULL ? "object_free" : "kmalloc_free", NULL);
}

_Noreturn void object_wrong_size(struct object_heap *heap, const void *memory, size_t freed_as,
                                 size_t expected, size_t there) {
    const struct slab *slab = object_find(heap, memory);
    struct object_info info = object_inspect(heap, memory);
    struct object_guarded guarded;
    struct object_trace trace = {.size = 0};
    char sites[160];
    if (guard_find(heap, memory, &guarded)) {
        info.cache = guarded.cache->name;
        info.slab = (void *)(uintptr_t)guarded.object;
        trace.allocated_by = guarded.allocated_by;
        trace.freed_by = guarded.freed_by;
    } else if (slab->traces != NULL) {
        trace = slab->traces[slab->kind == SLAB_LARGE ? 0 : info.index];
    }
    name_sites(sites, sizeof(sites), trace.allocated_by, trace.freed_by);
    port_panic("kmalloc_free_sized: 0x%lx: wrong size: freed as %lu bytes, which takes %lu, but "
               "it has %lu: an object of %s, in the slab at 0x%lx%s",
               (uint64_t)memory, freed_as, expected, there, info.cache, (uint64_t)info.slab, sites);
}
