// SPDX-License-Identifier: MIT
// Allocating and freeing when a CPU's stack cannot serve: it is refilled or flushed, or gone
// around. Here is also where a wrong free is told what is wrong with it.
#include "search.h"
#include "stack.h"
#include "watch.h"

#include <mm/assert.h>

const char *page_owner_name(enum page_owner owner) {
    static const char *const names[PAGE_OWNER_COUNT_] = {
        "kernel", "page-table", "slab", "large",   "vmalloc", "stack",
        "user",   "dma",        "acpi", "monitor", "test",    "other",
    };
    return owner < PAGE_OWNER_COUNT_ ? names[owner] : "?";
}

const char *page_status_name(enum page_status status) {
    static const char *const names[] = {
        "ok", "no memory", "bad request", "not free", "not reserved",
    };
    return status < sizeof(names) / sizeof(names[0]) ? names[status] : "?";
}

// Interrupts on this CPU count too: one instruction, or interrupts off.
static inline void count_owned(struct page_allocator *allocator, enum page_owner owner,
                               int64_t pages) {
    unsigned long flags = port_irq_save();
    allocator->cpus[port_cpu()].owned_pages[owner] += pages;
    port_irq_restore(flags);
}

// Around the stacks.
static bool alloc_from_sections(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                                enum page_owner owner, bool atomic, pfn_t *out) {
    struct search search = {
        .order = order,
        .min = 1,
        .atomic = atomic,
        .state = state_of(order, owner),
        .limit = ceiling.value >> PAGE_SHIFT,
    };
    struct taken taken;
    if (!page_take(allocator, &search, &taken)) {
        return false;
    }
    *out = pfn(taken.base + taken.runs[0].first);
    count_owned(allocator, owner, INT64_C(1) << order);
    return true;
}

void page_set_shrinker(struct page_allocator *allocator, page_shrinker *shrinker, void *context) {
    allocator->shrinker_context = context;
    __atomic_store_n(&allocator->shrinker, shrinker, __ATOMIC_RELEASE);
}

bool page_shrink(struct page_allocator *allocator) {
    page_shrinker *shrinker = __atomic_load_n(&allocator->shrinker, __ATOMIC_ACQUIRE);
    if (shrinker == NULL || shrinker(allocator->shrinker_context) == 0) {
        return false;
    }
    page_drain(allocator);
    return true;
}

// When the stack has no such block.
static enum page_status alloc_without_stack(struct page_allocator *allocator, unsigned order,
                                            paddr_t ceiling, enum page_owner owner, bool atomic,
                                            pfn_t *out) {
    if (order > PAGE_ORDER_MAX || owner >= PAGE_OWNER_COUNT_) {
        return PAGE_BAD_REQUEST;
    }
    if (order == 0 && ceiling.value == PAGE_ANYWHERE.value && page_stack_refill(allocator) &&
        page_stack_pop(allocator, 0, UINT64_MAX, owner, out)) {
        return PAGE_OK;
    }
    if (alloc_from_sections(allocator, order, ceiling, owner, atomic, out)) {
        return PAGE_OK;
    }
    // What this CPU keeps back may be what is missing.
    page_drain(allocator);
    if (alloc_from_sections(allocator, order, ceiling, owner, atomic, out)) {
        return PAGE_OK;
    }
    bool served = page_shrink(allocator) &&
                  alloc_from_sections(allocator, order, ceiling, owner, atomic, out);
    return served ? PAGE_OK : PAGE_NO_MEMORY;
}

enum page_status page_alloc_block(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                                  enum page_owner owner, bool atomic, pfn_t *out) {
    if (order < PAGE_STACK_ORDERS && owner < PAGE_OWNER_COUNT_ &&
        page_stack_pop(allocator, order, ceiling.value >> PAGE_SHIFT, owner, out)) {
        return PAGE_OK;
    }
    return alloc_without_stack(allocator, order, ceiling, owner, atomic, out);
}

enum page_status page_alloc_slow(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                                 enum page_owner owner, pfn_t *out, const void *caller) {
    return allocator->watch == NULL
               ? alloc_without_stack(allocator, order, ceiling, owner, false, out)
               : page_watch_alloc(allocator, order, ceiling, owner, false, out, caller);
}

pfn_t page_alloc_frame_slow(struct page_allocator *allocator, enum page_owner owner,
                            const void *caller) {
    pfn_t frame;
    enum page_status status = page_alloc_slow(allocator, 0, PAGE_ANYWHERE, owner, &frame, caller);
    return status == PAGE_OK ? frame : PAGE_NO_FRAME;
}

enum page_status page_alloc_atomic_slow(struct page_allocator *allocator, unsigned order,
                                        paddr_t ceiling, enum page_owner owner, pfn_t *out,
                                        const void *caller) {
    return allocator->watch == NULL
               ? alloc_without_stack(allocator, order, ceiling, owner, true, out)
               : page_watch_alloc(allocator, order, ceiling, owner, true, out, caller);
}

// Says what is wrong with a free, and stops.
static _Noreturn void misuse(struct page_allocator *allocator, pfn_t block, unsigned order) {
    uint64_t frame = block.value;
    if (order > PAGE_ORDER_MAX) {
        port_panic("page_free: frame 0x%lx: order %u is beyond the largest, %u", frame, order,
                   PAGE_ORDER_MAX);
    }
    struct page_info info = page_inspect(allocator, block);
    switch (info.state) {
    case PAGE_STATE_FREE:
        port_panic("page_free: frame 0x%lx, order %u: double free: it lies in a free block of "
                   "order %u",
                   frame, order, info.order);
    case PAGE_STATE_ALLOCATED:
        if (info.block.value == frame) {
            port_panic("page_free: frame 0x%lx: wrong order %u: it was allocated with order %u "
                       "for %s",
                       frame, order, info.order, page_owner_name(info.owner));
        }
        port_panic("page_free: frame 0x%lx, order %u: it is inside a block, frame 0x%lx of order "
                   "%u for %s",
                   frame, order, info.block.value, info.order, page_owner_name(info.owner));
    case PAGE_STATE_CACHED:
        port_panic("page_free: frame 0x%lx, order %u: double free: it lies in a CPU's stack", frame,
                   order);
    case PAGE_STATE_RESERVED:
        port_panic("page_free: frame 0x%lx, order %u: it is reserved", frame, order);
    case PAGE_STATE_BAD:
        port_panic("page_free: frame 0x%lx, order %u: it was taken out as bad", frame, order);
    case PAGE_STATE_METADATA:
        port_panic("page_free: frame 0x%lx, order %u: it holds the allocator's own metadata", frame,
                   order);
    case PAGE_STATE_UNMANAGED:
        break;
    }
    port_panic("page_free: frame 0x%lx, order %u: it is not the allocator's memory", frame, order);
}

// Frees what a locked section knows as an allocated block of this order; false when it knows no
// such block.
static bool free_locked(struct page_allocator *allocator, struct section *section, uint32_t frame,
                        unsigned order) {
    uint8_t first = state_of(order, 0);
    uint8_t state = section->taken_state;
    if (section->kind == SECTION_SPLIT && frame < section->span) {
        state = state_read(section, frame);
    } else if (section->kind != SECTION_TAKEN || frame != 0) {
        return false;
    }
    unsigned owner = (unsigned)state - first;
    if (owner >= PAGE_OWNER_COUNT_) {
        return false;
    }
    if (section->kind == SECTION_TAKEN) {
        section->kind = SECTION_WHOLE;
        section_set_free(section, SECTION_FRAMES);
    } else {
        section->state[frame] = STATE_NONE;
        section_put(section, frame, order);
    }
    count_owned(allocator, (enum page_owner)owner, -(INT64_C(1) << order));
    return true;
}

void page_free_block(struct page_allocator *allocator, pfn_t block, unsigned order) {
    if (order == 0 && page_stack_flush(allocator) && page_stack_push(allocator, block, 0)) {
        return;
    }
    uint64_t index = block.value >> SECTION_SHIFT;
    if (index >= allocator->section_count || order > PAGE_ORDER_MAX) {
        misuse(allocator, block, order);
    }
    struct section *section = &allocator->sections[index];
    unsigned long flags = lock_acquire(&section->lock);
    bool freed = free_locked(allocator, section, block.value & (SECTION_FRAMES - 1), order);
    page_update_hint(allocator, index);
    lock_release(&section->lock, flags);
    if (!freed) {
        misuse(allocator, block, order);
    }
}

void page_free_slow(struct page_allocator *allocator, pfn_t block, unsigned order,
                    const void *caller) {
    if (allocator->watch != NULL) {
        page_watch_free(allocator, block, order, caller);
    }
    page_free_block(allocator, block, order);
}
