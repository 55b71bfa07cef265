// SPDX-License-Identifier: MIT
// Large objects with the option debug.
//
//   │ red: a page, and more for alignment │ object …… │ red: a page, and the rest of one │
//
// A freed one holds poison, and its pages go back when more than LARGE_QUARANTINE_PAGES have been
// freed after it; what is larger than that goes back at once.
#include "debug.h"

#include <string.h>

#define LARGE_QUARANTINE_PAGES (8 * MIB / PAGE_SIZE)
#define LEAD_MAX               (2 * MIB)

uint64_t large_lead(const struct object_heap *heap, uint64_t align) {
    return !heap->options.debug || align > LEAD_MAX ? 0
           : align <= PAGE_SIZE                     ? 1
                                                    : align / PAGE_SIZE;
}

bool large_debug_open(struct object_heap *heap, struct slab *slab, uint64_t lead,
                      const void *caller, unsigned flags) {
    struct large_trace *large = record_alloc(heap, sizeof(*large), flags);
    if (large == NULL) {
        return false;
    }
    large->trace.allocated_by = object_debug_site(caller);
    large->lead = lead;
    slab->traces = &large->trace;
    uint8_t *end = slab->base + slab->wanted;
    memset(slab->base - lead * PAGE_SIZE, OBJECT_RED, lead * PAGE_SIZE);
    memset(slab->base, OBJECT_FRESH, slab->wanted);
    memset(end, OBJECT_RED, slab->pages * PAGE_SIZE - slab->wanted);
    return true;
}

static bool find(const struct slab *slab, struct object_defect *defect) {
    const struct large_trace *large = large_trace_of(slab);
    const uint8_t *begin = slab->base, *end = begin + slab->wanted;
    const char *what = "the red zone before the object";
    uint8_t expected = OBJECT_RED;
    const uint8_t *wrong = object_debug_wrong(begin - large->lead * PAGE_SIZE, begin, expected);
    if (wrong == NULL) {
        what = "the red zone behind the object";
        wrong = object_debug_wrong(end, begin + slab->pages * PAGE_SIZE, expected);
    }
    if (wrong == NULL && large->freed) {
        what = "the freed object";
        expected = OBJECT_POISON;
        wrong = object_debug_wrong(begin, end, expected);
    }
    if (wrong != NULL) {
        *defect = (struct object_defect){
            .what = what,
            .address = wrong,
            .found = *wrong,
            .expected = expected,
            .cache = "large",
            .object = begin,
            .size = slab->wanted,
            .in_use = !large->freed,
            .allocated_by = large->trace.allocated_by,
            .freed_by = large->trace.freed_by,
        };
    }
    return wrong != NULL;
}

// The oldest in quarantine, when there is more of them than so many pages; NULL when there is not.
static struct slab *take_oldest(struct object_heap *heap, uint64_t most) {
    unsigned long irq = lock_acquire(&heap->lock);
    struct slab *oldest = heap->large_waiting_pages > most ? heap->large_oldest : NULL;
    if (oldest != NULL) {
        heap->large_oldest = large_trace_of(oldest)->newer;
        heap->large_waiting_pages -= oldest->pages;
    }
    lock_release(&heap->lock, irq);
    return oldest;
}

// Returns how many pages went back.
static uint64_t release(struct object_heap *heap, struct slab *slab) {
    struct object_defect defect;
    uint64_t pages = slab->pages + large_trace_of(slab)->lead;
    if (find(slab, &defect)) {
        object_debug_refuse(&defect, "use after free");
    }
    large_release(heap, slab);
    return pages;
}

void large_debug_free(struct object_heap *heap, struct slab *slab, const void *caller) {
    struct large_trace *large = large_trace_of(slab);
    struct object_defect defect;
    if (!large->freed && find(slab, &defect)) {
        object_debug_refuse(&defect, "out of bounds");
    }
    memset(slab->base, OBJECT_POISON, slab->wanted);
    unsigned long irq = lock_acquire(&heap->lock);
    bool ours = !large->freed;
    if (ours) {
        large->freed = true;
        large->trace.freed_by = object_debug_site(caller);
    }
    lock_release(&heap->lock, irq);
    if (!ours) {
        object_misuse(heap, NULL, slab->base);
    }
    irq = lock_acquire(&heap->lock);
    large->newer = NULL;
    *(heap->large_oldest == NULL ? &heap->large_oldest
                                 : &large_trace_of(heap->large_newest)->newer) = slab;
    heap->large_newest = slab;
    heap->large_waiting_pages += slab->pages;
    lock_release(&heap->lock, irq);
    for (slab = take_oldest(heap, LARGE_QUARANTINE_PAGES); slab != NULL;
         slab = take_oldest(heap, LARGE_QUARANTINE_PAGES)) {
        release(heap, slab);
    }
}

uint64_t large_debug_drain(struct object_heap *heap) {
    uint64_t pages = 0;
    for (struct slab *slab = take_oldest(heap, 0); slab != NULL; slab = take_oldest(heap, 0)) {
        pages += release(heap, slab);
    }
    return pages;
}

bool large_debug_find(struct object_heap *heap, struct object_defect *defect) {
    bool found = false;
    unsigned long irq = lock_acquire(&heap->lock);
    const struct slab *slab = heap->options.debug ? heap->large : NULL;
    for (; slab != NULL && !found; slab = slab->list_next) {
        found = find(slab, defect);
    }
    lock_release(&heap->lock, irq);
    return found;
}

void large_debug_each(struct object_heap *heap,
                      void (*visit)(void *context, const struct slab *slab), void *context) {
    unsigned long irq = lock_acquire(&heap->lock);
    const struct slab *slab = heap->options.debug ? heap->large : NULL;
    for (; slab != NULL; slab = slab->list_next) {
        if (!large_trace_of(slab)->freed) {
            visit(context, slab);
        }
    }
    lock_release(&heap->lock, irq);
}
