// SPDX-License-Identifier: MIT
// Changing ranges of frames: page_reserve, page_retire, page_release, and allocating a range that
// was found (contig.c).
//
// Prepare, then commit: metadata that a section will need is made first; then every section of the
// range is locked and the whole range is checked; only then does anything change. One such change
// runs at a time (allocator->ranges), so nobody else makes anything of an ABSENT or a reserved
// section. But a section that is free as a whole, or was split to be prepared, can be taken by an
// allocation and given back in between, and then it has no metadata: it is prepared once more.
#include "internal.h"
#include "watch.h"

#include <mm/assert.h>
#include <string.h>

enum change { CHANGE_RESERVE, CHANGE_RETIRE, CHANGE_RELEASE, CHANGE_ALLOCATE };

static bool takes_reserved(enum change change) {
    return change == CHANGE_RELEASE || change == CHANGE_RETIRE;
}

unsigned long page_lock_range(struct page_allocator *allocator, pfn_t begin, pfn_t end) {
    unsigned long flags = port_irq_save();
    for (uint64_t i = begin.value >> SECTION_SHIFT; section_base(i) < end.value; i++) {
        lock_acquire_nested(&allocator->sections[i].lock);
    }
    return flags;
}

void page_unlock_range(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                       unsigned long flags) {
    uint64_t first = begin.value >> SECTION_SHIFT;
    for (uint64_t i = (end.value + SECTION_FRAMES - 1) >> SECTION_SHIFT; i-- > first;) {
        lock_release_nested(&allocator->sections[i].lock);
    }
    port_irq_restore(flags);
}

// Turns `pages` frames from `first` from free or allocated into metadata, or from metadata into
// free.
static void mark_storage(struct page_allocator *allocator, pfn_t first, uint32_t pages,
                         uint8_t state) {
    struct section *section = &allocator->sections[first.value >> SECTION_SHIFT];
    memset(section->state + (first.value & (SECTION_FRAMES - 1)), state, pages);
    uint64_t bytes = (uint64_t)pages << PAGE_SHIFT;
    __atomic_fetch_add(&allocator->metadata_bytes, state == STATE_METADATA ? bytes : -bytes,
                       __ATOMIC_RELAXED);
}

static void put_locked(struct page_allocator *allocator, pfn_t begin, pfn_t end) {
    uint64_t index = begin.value >> SECTION_SHIFT;
    struct piece piece = piece_of(index, begin, end);
    section_put_range(&allocator->sections[index], piece.begin, piece.end);
    page_update_hint(allocator, index);
}

// The tail of a larger block goes back, if there is one: an empty one may begin in the next
// section. The block is one of at most 2 MiB, so its section is SPLIT.
bool page_take_metadata(struct page_allocator *allocator, uint32_t pages, pfn_t *first) {
    unsigned order = pages == 1 ? 0 : 32u - (unsigned)__builtin_clz(pages - 1);
    enum page_status status =
        page_alloc_block(allocator, order, PAGE_ANYWHERE, PAGE_OWNER_KERNEL, false, first);
    if (status != PAGE_OK) {
        return false;
    }
    pfn_t tail = pfn(first->value + pages), end = pfn(first->value + (UINT64_C(1) << order));
    unsigned long flags = page_lock_range(allocator, *first, end);
    mark_storage(allocator, *first, pages, STATE_METADATA);
    if (tail.value < end.value) {
        put_locked(allocator, tail, end);
    }
    allocator->cpus[port_cpu()].owned_pages[PAGE_OWNER_KERNEL] -= INT64_C(1) << order;
    page_unlock_range(allocator, *first, end, flags);
    return true;
}

void page_return_metadata(struct page_allocator *allocator, pfn_t first, uint32_t pages) {
    pfn_t end = pfn(first.value + pages);
    unsigned long flags = page_lock_range(allocator, first, end);
    mark_storage(allocator, first, pages, STATE_NONE);
    put_locked(allocator, first, end);
    page_unlock_range(allocator, first, end, flags);
}

// What a section needs before a part of it can change.
enum need { NEED_NOTHING, NEED_SPLIT, NEED_METADATA };

static enum need need_of(struct section *section, struct piece piece, enum change change) {
    switch ((enum section_kind)section->kind) {
    case SECTION_SPLIT:
        return NEED_NOTHING;
    case SECTION_WHOLE:
        return change == CHANGE_RELEASE || piece_is_whole(piece) ? NEED_NOTHING : NEED_SPLIT;
    case SECTION_ABSENT:
    case SECTION_TAKEN:
        break;
    }
    bool changes = section->kind == SECTION_ABSENT
                       ? change == CHANGE_RELEASE
                       : section->taken_state == STATE_RESERVED && takes_reserved(change);
    return changes && !piece_is_whole(piece) ? NEED_METADATA : NEED_NOTHING;
}

// Makes a section SPLIT in storage from elsewhere. False when it has changed meanwhile, so that it
// needs none.
static bool open_elsewhere(struct page_allocator *allocator, uint64_t index, struct piece piece,
                           enum change change, pfn_t storage) {
    struct section *section = &allocator->sections[index];
    void *memory = port_direct_map(paddr_of(storage));
    unsigned long flags = lock_acquire(&section->lock);
    bool needed = need_of(section, piece, change) != NEED_NOTHING;
    if (needed) {
        bool whole = section->kind == SECTION_WHOLE;
        section_open(section, memory, SECTION_FRAMES,
                     whole                            ? STATE_NONE
                     : section->kind == SECTION_TAKEN ? STATE_RESERVED
                                                      : STATE_UNMANAGED);
        if (whole) {
            section_put_range(section, 0, SECTION_FRAMES);
        }
        page_update_hint(allocator, index);
    }
    lock_release(&section->lock, flags);
    return needed;
}

// Makes the metadata that changing this piece will need. False when there is no memory for it.
static bool prepare(struct page_allocator *allocator, uint64_t index, struct piece piece,
                    enum change change) {
    struct section *section = &allocator->sections[index];
    unsigned long flags = lock_acquire(&section->lock);
    enum need need = need_of(section, piece, change);
    if (need == NEED_SPLIT) {
        need = page_split_whole(allocator, index, piece) ? NEED_NOTHING : NEED_METADATA;
        page_update_hint(allocator, index);
    }
    lock_release(&section->lock, flags);
    if (need == NEED_NOTHING) {
        return true;
    }
    uint32_t pages = (uint32_t)(section_metadata_bytes(SECTION_FRAMES) >> PAGE_SHIFT);
    pfn_t storage;
    if (page_watch_refuses(allocator) || !page_take_metadata(allocator, pages, &storage)) {
        return false;
    }
    if (!open_elsewhere(allocator, index, piece, change, storage)) {
        page_return_metadata(allocator, storage, pages);
    }
    return true;
}

// The first frame of the piece that the change cannot take, or its end.
static uint32_t obstacle_in(struct section *section, struct piece piece, enum change change) {
    bool release = change == CHANGE_RELEASE;
    switch ((enum section_kind)section->kind) {
    case SECTION_ABSENT:
        return release ? piece.end : piece.begin;
    case SECTION_WHOLE:
        return release ? piece.begin : piece.end;
    case SECTION_TAKEN:
        return takes_reserved(change) && section->taken_state == STATE_RESERVED ? piece.end
                                                                                : piece.begin;
    case SECTION_SPLIT:
        break;
    }
    if (!release) {
        uint32_t frame = section_first_not_free(section, piece.begin, piece.end);
        while (change == CHANGE_RETIRE && frame < piece.end && frame < section->span &&
               state_read(section, frame) == STATE_RESERVED) {
            frame = section_first_not_free(section, frame + 1, piece.end);
        }
        return frame;
    }
    for (uint32_t frame = piece.begin; frame < piece.end; frame++) {
        uint8_t state = section->state[frame];
        if (state != STATE_UNMANAGED && state != STATE_RESERVED) {
            return frame;
        }
    }
    return piece.end;
}

// Marks a range as allocated, in blocks as large as they can be.
// Retires frames that are free or reserved.
static void mark_bad(struct section *section, struct piece piece) {
    for (uint32_t frame = piece.begin; frame < piece.end;) {
        uint32_t stop = section_first_not_free(section, frame, piece.end);
        if (frame < stop) {
            section_take_range(section, frame, stop);
        }
        frame = stop + 1;
    }
    memset(section->state + piece.begin, STATE_BAD, piece.end - piece.begin);
}

static void change_piece(struct section *section, struct piece piece, enum change change,
                         enum page_owner owner) {
    static const uint8_t states[] = {
        [CHANGE_RESERVE] = STATE_RESERVED,
        [CHANGE_RETIRE] = STATE_BAD,
        [CHANGE_RELEASE] = STATE_NONE,
    };
    bool release = change == CHANGE_RELEASE;
    uint8_t state = change == CHANGE_ALLOCATE ? state_of(PAGE_ORDER_MAX, owner) : states[change];
    if (section->kind != SECTION_SPLIT) {
        ASSERT(piece_is_whole(piece));
        section->kind = release ? SECTION_WHOLE : SECTION_TAKEN;
        section->taken_state = state;
        section_set_free(section, release ? SECTION_FRAMES : 0);
    } else if (release) {
        memset(section->state + piece.begin, state, piece.end - piece.begin);
        section_put_range(section, piece.begin, piece.end);
    } else if (change == CHANGE_RETIRE) {
        mark_bad(section, piece);
    } else {
        section_take_range(section, piece.begin, piece.end);
        if (change == CHANGE_ALLOCATE) {
            section_mark_allocated(section, piece.begin, piece.end, owner);
        } else {
            memset(section->state + piece.begin, state, piece.end - piece.begin);
        }
    }
}

static bool prepare_all(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                        enum change change) {
    for (uint64_t i = begin.value >> SECTION_SHIFT; section_base(i) < end.value; i++) {
        if (!prepare(allocator, i, piece_of(i, begin, end), change)) {
            return false;
        }
    }
    return true;
}

// Whether the locked range is still as prepare_all left it.
static bool is_prepared(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                        enum change change) {
    for (uint64_t i = begin.value >> SECTION_SHIFT; section_base(i) < end.value; i++) {
        if (need_of(&allocator->sections[i], piece_of(i, begin, end), change) != NEED_NOTHING) {
            return false;
        }
    }
    return true;
}

// Prepares the range, and locks it as it was prepared. False when there is no memory for that.
static bool prepare_and_lock(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                             enum change change, unsigned long *flags) {
    while (prepare_all(allocator, begin, end, change)) {
        *flags = page_lock_range(allocator, begin, end);
        if (is_prepared(allocator, begin, end, change)) {
            return true;
        }
        page_unlock_range(allocator, begin, end, *flags);
    }
    return false;
}

// Checks the whole locked range, then changes it. Returns the first frame in the way, or `end`.
static pfn_t commit(struct page_allocator *allocator, pfn_t begin, pfn_t end, enum change change,
                    enum page_owner owner) {
    uint64_t first = begin.value >> SECTION_SHIFT;
    for (uint64_t i = first; section_base(i) < end.value; i++) {
        struct piece piece = piece_of(i, begin, end);
        uint32_t frame = obstacle_in(&allocator->sections[i], piece, change);
        if (frame != piece.end) {
            return pfn(section_base(i) + frame);
        }
    }
    for (uint64_t i = first; section_base(i) < end.value; i++) {
        change_piece(&allocator->sections[i], piece_of(i, begin, end), change, owner);
        page_update_hint(allocator, i);
    }
    return end;
}

static enum page_status change_range(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                                     enum change change, enum page_owner owner, pfn_t *obstacle) {
    if (begin.value >= end.value || end.value > section_base(allocator->section_count)) {
        return PAGE_BAD_REQUEST;
    }
    unsigned long flags = lock_acquire(&allocator->ranges), inner;
    enum page_status status = PAGE_NO_MEMORY;
    page_drain(allocator); // what this CPU keeps back is free; interrupts are off: it stays so
    if (prepare_and_lock(allocator, begin, end, change, &inner)) {
        pfn_t stop = commit(allocator, begin, end, change, owner);
        if (stop.value == end.value && change == CHANGE_ALLOCATE) {
            int64_t pages = (int64_t)(end.value - begin.value);
            allocator->cpus[port_cpu()].owned_pages[owner] += pages;
        }
        page_unlock_range(allocator, begin, end, inner);
        status = stop.value == end.value    ? PAGE_OK
                 : change == CHANGE_RELEASE ? PAGE_NOT_RESERVED
                                            : PAGE_NOT_FREE;
        if (status != PAGE_OK && obstacle != NULL) {
            *obstacle = stop;
        }
    }
    lock_release(&allocator->ranges, flags);
    return status;
}

// The same, seen by a watch. What is released is recorded before another CPU can have it.
static enum page_status change_watched(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                                       enum change change, pfn_t *obstacle, const void *caller) {
    static const enum page_operation operations[] = {
        [CHANGE_RESERVE] = PAGE_OPERATION_RESERVE,
        [CHANGE_RETIRE] = PAGE_OPERATION_RETIRE,
        [CHANGE_RELEASE] = PAGE_OPERATION_RELEASE,
    };
    bool early = allocator->watch != NULL && change == CHANGE_RELEASE;
    uint64_t sequence = early ? page_watch_sequence(allocator) : 0;
    enum page_status status =
        change_range(allocator, begin, end, change, PAGE_OWNER_OTHER, obstacle);
    if (allocator->watch != NULL) {
        struct page_event event = {
            .sequence = early ? sequence : page_watch_sequence(allocator),
            .operation = (uint8_t)operations[change],
            .first = begin,
            .count = end.value - begin.value,
            .status = (uint8_t)status,
        };
        page_watch_record(allocator, event, caller);
    }
    return status;
}

enum page_status page_reserve(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                              pfn_t *obstacle) {
    return change_watched(allocator, begin, end, CHANGE_RESERVE, obstacle, PAGE_CALLER);
}

enum page_status page_retire(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                             pfn_t *obstacle) {
    return change_watched(allocator, begin, end, CHANGE_RETIRE, obstacle, PAGE_CALLER);
}

enum page_status page_release(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                              pfn_t *obstacle) {
    return change_watched(allocator, begin, end, CHANGE_RELEASE, obstacle, PAGE_CALLER);
}

enum page_status page_allocate_range(struct page_allocator *allocator, pfn_t begin, pfn_t end,
                                     enum page_owner owner) {
    return change_range(allocator, begin, end, CHANGE_ALLOCATE, owner, NULL);
}
