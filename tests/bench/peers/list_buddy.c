// SPDX-License-Identifier: MIT
// The classic buddy as Linux 6.1 shapes it: a 64-byte struct for every frame, free blocks of orders
// 0 … 10 in doubly linked lists through these structs, one lock, and before it per-CPU lists of
// orders 0 … 3 and 9, each CPU's under a lock of its own.
//
// What decides its speed is kept: the sizes of the structs and of the per-CPU lists (batch and high
// as computed for a zone of this size), refills at the lists' tails, frees at their heads, flushes
// from the tails and round the lists, more eager the longer nothing is allocated; the lower half of
// a split is given out; a freed block goes to the tail when its buddy's parent is about to merge.
// Left out, to its advantage: zones, migrate types, watermarks, statistics, and all checks but that
// of the reference count.
#include "peers.h"

#define LIST_FRAME_FREE 1u
#define ORDER_MAX       (LIST_BUDDY_ORDERS - 1)
#define CPU_COUNT       2 // among which the low watermark is divided

static void list_make_empty(struct list_link *list) {
    list->previous = list->next = list;
}

static bool list_is_empty(const struct list_link *list) {
    return list->next == list;
}

static void list_insert(struct list_link *link, struct list_link *previous,
                        struct list_link *next) {
    link->previous = previous;
    link->next = next;
    previous->next = link;
    next->previous = link;
}

static void list_add_first(struct list_link *list, struct list_link *link) {
    list_insert(link, list, list->next);
}

static void list_add_last(struct list_link *list, struct list_link *link) {
    list_insert(link, list->previous, list);
}

static void list_remove(struct list_link *link) {
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static struct list_frame *frame_of(struct list_link *link) {
    return (void *)((uint8_t *)link - offsetof(struct list_frame, link));
}

static uint32_t number_of(const struct list_buddy *buddy, const struct list_frame *frame) {
    return (uint32_t)(frame - buddy->frames);
}

// Whether a free block of exactly this order begins at `block`.
static bool is_free(const struct list_buddy *buddy, uint32_t block, unsigned order) {
    return block < buddy->frame_count && (buddy->frames[block].flags & LIST_FRAME_FREE) != 0 &&
           buddy->frames[block].order == order;
}

static void take_off(struct list_frame *frame) {
    list_remove(&frame->link);
    frame->flags &= ~(uint64_t)LIST_FRAME_FREE;
}

static void mark_free(struct list_frame *frame, unsigned order) {
    frame->flags |= LIST_FRAME_FREE;
    frame->order = order;
}

// Whether the block that this one will be half of has a free buddy.
static bool will_merge(const struct list_buddy *buddy, uint32_t block, unsigned order) {
    uint32_t parent = block & ~(1u << order);
    return order < ORDER_MAX - 1 && is_free(buddy, parent ^ (2u << order), order + 1);
}

// Gives a block to the buddy. The buddy's lock is held.
static void put(struct list_buddy *buddy, uint32_t block, unsigned order) {
    while (order < ORDER_MAX && is_free(buddy, block ^ (1u << order), order)) {
        take_off(&buddy->frames[block ^ (1u << order)]);
        block &= ~(1u << order);
        order++;
    }
    struct list_frame *frame = &buddy->frames[block];
    mark_free(frame, order);
    if (will_merge(buddy, block, order)) {
        list_add_last(&buddy->areas[order], &frame->link);
    } else {
        list_add_first(&buddy->areas[order], &frame->link);
    }
}

// Takes a block from the buddy, NULL when it has none. The buddy's lock is held.
static struct list_frame *take(struct list_buddy *buddy, unsigned order) {
    unsigned from = order;
    while (from < LIST_BUDDY_ORDERS && list_is_empty(&buddy->areas[from])) {
        from++;
    }
    if (from == LIST_BUDDY_ORDERS) {
        return NULL;
    }
    struct list_frame *frame = frame_of(buddy->areas[from].next);
    take_off(frame);
    while (from > order) {
        from--;
        struct list_frame *upper = frame + (1u << from);
        mark_free(upper, from);
        list_add_first(&buddy->areas[from], &upper->link);
    }
    return frame;
}

static bool is_cached(unsigned order) {
    return order <= 3 || order == 9;
}

static unsigned cache_of(unsigned order) {
    return order == 9 ? LIST_BUDDY_CACHED - 1 : order;
}

static unsigned order_of_cache(unsigned cache) {
    return cache == LIST_BUDDY_CACHED - 1 ? 9 : cache;
}

// Gives at least `pages` frames of a CPU's lists back, oldest first. The CPU's lock is held.
static void flush(struct list_buddy *buddy, struct list_buddy_cpu *cpu, uint32_t pages) {
    uint32_t done = 0;
    pages = pages < cpu->pages ? pages : cpu->pages;
    lock_acquire_nested(&buddy->lock);
    for (unsigned cache = 0; done < pages; cache = (cache + 1) % LIST_BUDDY_CACHED) {
        struct list_link *list = &cpu->lists[cache];
        if (list_is_empty(list)) {
            continue;
        }
        struct list_frame *frame = frame_of(list->previous);
        list_remove(&frame->link);
        put(buddy, number_of(buddy, frame), order_of_cache(cache));
        done += 1u << order_of_cache(cache);
    }
    lock_release_nested(&buddy->lock);
    cpu->pages -= done;
}

// The CPU's lock is held.
static void refill(struct list_buddy *buddy, struct list_buddy_cpu *cpu, unsigned order) {
    uint32_t wanted = buddy->batch >> order;
    wanted = wanted > 2 ? wanted : 2;
    lock_acquire_nested(&buddy->lock);
    for (uint32_t i = 0; i < wanted; i++) {
        struct list_frame *frame = take(buddy, order);
        if (frame == NULL) {
            break;
        }
        list_add_last(&cpu->lists[cache_of(order)], &frame->link);
        cpu->pages += 1u << order;
    }
    lock_release_nested(&buddy->lock);
}

static struct list_frame *take_cached(struct list_buddy *buddy, unsigned order) {
    struct list_buddy_cpu *cpu = &buddy->cpus[port_cpu()];
    struct list_link *list = &cpu->lists[cache_of(order)];
    struct list_frame *frame = NULL;
    unsigned long flags = lock_acquire(&cpu->lock);
    cpu->eagerness >>= 1;
    if (list_is_empty(list)) {
        refill(buddy, cpu, order);
    }
    if (!list_is_empty(list)) {
        frame = frame_of(list->next);
        list_remove(&frame->link);
        cpu->pages -= 1u << order;
    }
    lock_release(&cpu->lock, flags);
    return frame;
}

static struct list_frame *take_locked(struct list_buddy *buddy, unsigned order) {
    unsigned long flags = lock_acquire(&buddy->lock);
    struct list_frame *frame = take(buddy, order);
    lock_release(&buddy->lock, flags);
    return frame;
}

uint32_t list_buddy_alloc(struct list_buddy *buddy, unsigned order) {
    struct list_frame *frame =
        is_cached(order) ? take_cached(buddy, order) : take_locked(buddy, order);
    if (frame == NULL) {
        // The last resort: what the per-CPU lists hold may make up a block.
        list_buddy_drain(buddy);
        frame = take_locked(buddy, order);
        if (frame == NULL) {
            return PEER_NONE;
        }
    }
    frame->references = 1;
    return number_of(buddy, frame);
}

// How much to flush now: a batch, and twice as much each time that nothing was allocated meanwhile.
static uint32_t flush_size(const struct list_buddy *buddy, struct list_buddy_cpu *cpu) {
    uint32_t pages = buddy->batch << cpu->eagerness, most = buddy->high - buddy->batch;
    if (pages >= most) {
        return most;
    }
    cpu->eagerness++;
    return pages;
}

void list_buddy_free(struct list_buddy *buddy, uint32_t block, unsigned order) {
    struct list_frame *frame = &buddy->frames[block];
    if (__atomic_sub_fetch(&frame->references, 1, __ATOMIC_ACQ_REL) != 0 ||
        (frame->flags & LIST_FRAME_FREE) != 0) {
        port_panic("list buddy: frame %u is not allocated, or not by one", block);
    }
    if (!is_cached(order)) {
        unsigned long flags = lock_acquire(&buddy->lock);
        put(buddy, block, order);
        lock_release(&buddy->lock, flags);
        return;
    }
    struct list_buddy_cpu *cpu = &buddy->cpus[port_cpu()];
    unsigned long flags = lock_acquire(&cpu->lock);
    list_add_first(&cpu->lists[cache_of(order)], &frame->link);
    cpu->pages += 1u << order;
    if (cpu->pages >= buddy->high) {
        flush(buddy, cpu, flush_size(buddy, cpu));
    }
    lock_release(&cpu->lock, flags);
}

void list_buddy_drain(struct list_buddy *buddy) {
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        struct list_buddy_cpu *cpu = &buddy->cpus[i];
        unsigned long flags = lock_acquire(&cpu->lock);
        flush(buddy, cpu, cpu->pages);
        lock_release(&cpu->lock, flags);
    }
}

uint64_t list_buddy_bytes(uint32_t frames) {
    return frames * sizeof(struct list_frame);
}

static uint32_t square_root(uint64_t number) {
    uint32_t root = 0;
    for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
        uint64_t tried = root | bit;
        root = tried * tried <= number ? (uint32_t)tried : root;
    }
    return root;
}

// Batch: 3/2 of a 4096th of the zone, at most 63, one less than a power of two. High: a CPU's part
// of the low watermark, which comes from the square root of the zone's size.
static void set_limits(struct list_buddy *buddy) {
    uint32_t pages = buddy->frame_count;
    uint32_t part = (pages >> 10 < 256 ? pages >> 10 : 256) / 4;
    part += part / 2;
    buddy->batch = part < 4 ? 1 : (1u << (31 - __builtin_clz(part))) - 1;
    uint32_t minimum = square_root((uint64_t)pages * 4 * 16) / 4;
    uint32_t low = minimum + (minimum / 4 > pages / 1000 ? minimum / 4 : pages / 1000);
    buddy->high = low / CPU_COUNT > 4 * buddy->batch ? low / CPU_COUNT : 4 * buddy->batch;
}

void list_buddy_init(struct list_buddy *buddy, uint32_t frames, void *storage) {
    *buddy = (struct list_buddy){.frames = storage, .frame_count = frames};
    set_limits(buddy);
    for (unsigned order = 0; order < LIST_BUDDY_ORDERS; order++) {
        list_make_empty(&buddy->areas[order]);
    }
    for (unsigned i = 0; i < PORT_CPU_MAX; i++) {
        for (unsigned cache = 0; cache < LIST_BUDDY_CACHED; cache++) {
            list_make_empty(&buddy->cpus[i].lists[cache]);
        }
    }
    for (uint32_t i = 0; i < frames; i++) {
        buddy->frames[i] = (struct list_frame){.flags = 0};
    }
    for (uint32_t block = 0; block < frames;) {
        unsigned order = ORDER_MAX;
        while ((block & ((1u << order) - 1)) != 0 || frames - block < 1u << order) {
            order--;
        }
        mark_free(&buddy->frames[block], order);
        list_add_last(&buddy->areas[order], &buddy->frames[block].link);
        block += 1u << order;
    }
}
