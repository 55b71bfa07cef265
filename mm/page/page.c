// SPDX-License-Identifier: MIT
// Allocating and freeing blocks. include/mm/page.h has the concept, section.h the structure.
//
// Low memory is spent last: a request is served from above 4 GiB, else from above 16 MiB, else from
// anywhere below its ceiling. In each of these zones the highest section serves it that has, in
// this order, so that large blocks stay whole and untouched sections untouched,
//   1. a block smaller than 2 MiB that will do
//   2. blocks of 2 MiB
//   3. everything: it is wholly free, and its metadata is made now
// For 1 GiB it is 3, then 2 (where a section may be free but for its own metadata, which goes).
// The two-byte hints are read without locks; what they promise is tried under the lock.
//
// Never: a write to the memory that is handed out.
#include "internal.h"

#include <mm/assert.h>
#include <string.h>

// Hints are scanned four at a time.
typedef uint64_t __attribute__((may_alias)) hint_word_t;
#define HINTS_IN_WORD 4

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

// The last section in [lowest, *index) whose hint has a bit of `mask`.
static bool last_section_with(const struct page_allocator *allocator, uint16_t mask,
                              uint64_t lowest, uint64_t *index) {
    const hint_word_t *words = (const hint_word_t *)allocator->hints;
    uint64_t wide = mask * UINT64_C(0x0001000100010001);
    for (uint64_t at = *index; at > lowest;) {
        uint64_t word = (at - 1) / HINTS_IN_WORD;
        unsigned within = (unsigned)(at - word * HINTS_IN_WORD);
        uint64_t found =
            __atomic_load_n(&words[word], __ATOMIC_RELAXED) & wide & bits_up_to(16 * within - 1);
        if (found != 0) {
            *index = word * HINTS_IN_WORD + bit_last(found) / 16;
            return *index >= lowest;
        }
        at = word * HINTS_IN_WORD;
    }
    return false;
}

bool page_split_whole(struct page_allocator *allocator, uint64_t index, struct piece avoid) {
    struct section *section = &allocator->sections[index];
    uint32_t pages = (uint32_t)(section_metadata_bytes(SECTION_FRAMES) >> PAGE_SHIFT);
    bool at_end = avoid.end <= SECTION_FRAMES - pages;
    if (!at_end && avoid.begin < pages) {
        return false;
    }
    uint32_t first = at_end ? (uint32_t)SECTION_FRAMES - pages : 0;
    void *storage = port_direct_map(paddr_of(pfn(section_base(index) + first)));
    section_open(section, storage, SECTION_FRAMES, STATE_NONE);
    section->own_metadata = at_end;
    memset(section->state + first, STATE_METADATA, pages);
    section_put_range(section, at_end ? 0 : pages, at_end ? first : (uint32_t)SECTION_FRAMES);
    __atomic_fetch_add(&allocator->metadata_bytes, (uint64_t)pages << PAGE_SHIFT, __ATOMIC_RELAXED);
    return true;
}

// Whether a SPLIT section is free but for its own metadata at its end.
static bool is_idle(const struct section *section) {
    uint64_t pages = section_metadata_bytes(SECTION_FRAMES) >> PAGE_SHIFT;
    return section->own_metadata && section->free_pages == SECTION_FRAMES - pages;
}

// Drops the metadata of an idle section: it is WHOLE again.
static void make_whole(struct page_allocator *allocator, struct section *section) {
    section->kind = SECTION_WHOLE;
    section->bitmap = NULL;
    section->state = NULL;
    section->own_metadata = false;
    section->span = 0;
    section->free_pages = SECTION_FRAMES;
    __atomic_fetch_sub(&allocator->metadata_bytes, section_metadata_bytes(SECTION_FRAMES),
                       __ATOMIC_RELAXED);
}

static void count_owned(struct page_allocator *allocator, enum page_owner owner, int64_t pages) {
    allocator->cpus[port_cpu()].owned_pages[owner] += pages;
}

// A request, as the search passes it down. The block may lie in the frames [floor, limit).
struct search {
    unsigned order;
    enum page_owner owner;
    uint64_t floor, limit;
};

static struct bounds bounds_in(const struct search *search, uint64_t index) {
    uint64_t base = section_base(index), room = search->limit - base;
    return (struct bounds){
        (uint32_t)(search->floor > base ? search->floor - base : 0),
        (uint32_t)(room < SECTION_FRAMES ? room : SECTION_FRAMES),
    };
}

// Takes a block from a locked section; false when it has none.
static bool take_locked(struct page_allocator *allocator, uint64_t index,
                        const struct search *search, uint32_t *frame) {
    struct section *section = &allocator->sections[index];
    struct bounds bounds = bounds_in(search, index);
    bool all =
        search->order == PAGE_ORDER_MAX && bounds.floor == 0 && bounds.limit == SECTION_FRAMES;
    if (all && section->kind == SECTION_SPLIT && is_idle(section)) {
        make_whole(allocator, section);
    }
    if (section->kind == SECTION_WHOLE && all) {
        section->kind = SECTION_TAKEN;
        section->taken_state = state_of(search->order, search->owner);
        section->free_pages = 0;
        *frame = 0;
        return true;
    }
    if (section->kind == SECTION_WHOLE && bounds.limit >= 1u << search->order &&
        search->order != PAGE_ORDER_MAX) {
        page_split_whole(allocator, index, (struct piece){0, 0});
    }
    if (section->kind != SECTION_SPLIT || !section_take(section, search->order, bounds, frame)) {
        return false;
    }
    section->state[*frame] = state_of(search->order, search->owner);
    return true;
}

// Tries the sections whose hint has a bit of `mask`, from the top down.
static bool take_from(struct page_allocator *allocator, uint16_t mask, const struct search *search,
                      pfn_t *out) {
    uint64_t index = (search->limit + SECTION_FRAMES - 1) >> SECTION_SHIFT;
    uint64_t lowest = search->floor >> SECTION_SHIFT;
    while (last_section_with(allocator, mask, lowest, &index)) {
        struct section *section = &allocator->sections[index];
        uint32_t frame;
        unsigned long flags = lock_acquire(&section->lock);
        bool taken = take_locked(allocator, index, search, &frame);
        if (taken) {
            count_owned(allocator, search->owner, INT64_C(1) << search->order);
        }
        page_update_hint(allocator, index);
        lock_release(&section->lock, flags);
        if (taken) {
            *out = pfn(section_base(index) + frame);
            return true;
        }
    }
    return false;
}

static bool take_from_zone(struct page_allocator *allocator, const struct search *search,
                           pfn_t *out) {
    const uint16_t largest = 1u << (BITMAP_ORDERS - 1);
    const uint16_t small = (uint16_t)((largest - 1) >> search->order << search->order);
    if (small != 0 && take_from(allocator, small, search, out)) {
        return true;
    }
    if (search->order == PAGE_ORDER_MAX && take_from(allocator, HINT_WHOLE, search, out)) {
        return true;
    }
    return take_from(allocator, largest, search, out) ||
           take_from(allocator, HINT_WHOLE, search, out);
}

enum page_status page_alloc(struct page_allocator *allocator, unsigned order, paddr_t ceiling,
                            enum page_owner owner, pfn_t *out) {
    static const uint64_t floors[] = {4 * GIB >> PAGE_SHIFT, 16 * MIB >> PAGE_SHIFT, 0};
    if (order > PAGE_ORDER_MAX || owner >= PAGE_OWNER_COUNT_) {
        return PAGE_BAD_REQUEST;
    }
    uint64_t end = section_base(allocator->section_count);
    uint64_t limit = ceiling.value >> PAGE_SHIFT;
    struct search search = {order, owner, 0, limit < end ? limit : end};
    for (unsigned zone = 0; zone < sizeof(floors) / sizeof(floors[0]); zone++) {
        search.floor = floors[zone];
        if (search.floor < search.limit && take_from_zone(allocator, &search, out)) {
            return PAGE_OK;
        }
    }
    return PAGE_NO_MEMORY;
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
        state = section->state[frame];
    } else if (section->kind != SECTION_TAKEN || frame != 0) {
        return false;
    }
    unsigned owner = (unsigned)state - first;
    if (owner >= PAGE_OWNER_COUNT_) {
        return false;
    }
    if (section->kind == SECTION_TAKEN) {
        section->kind = SECTION_WHOLE;
        section->free_pages = SECTION_FRAMES;
    } else {
        section->state[frame] = STATE_NONE;
        section_put(section, frame, order);
    }
    count_owned(allocator, (enum page_owner)owner, -(INT64_C(1) << order));
    return true;
}

void page_free(struct page_allocator *allocator, pfn_t block, unsigned order) {
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
