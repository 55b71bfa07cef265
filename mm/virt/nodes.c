// SPDX-License-Identifier: MIT
// Records of one size cut from frames. Invariants (tests/unit/test_nodes.c):
//   N1  a frame is in the list of partial frames exactly when it has a free record   frames_go_back
//   N2  a frame without a record in use is kept only when it is the first of the list, or after
//       nodes_prepare                                                                frames_go_back
//   N3  `used` and `frames` are what the frames hold                                 frames_go_back
#include <mm/nodes.h>

#include <mm/assert.h>
#include <string.h>

struct node_free {
    struct node_free *next;
};

struct node_frame {
    struct node_pool *pool;
    struct node_frame *next, *previous; // in the list of partial frames
    struct node_free *free;             // records that were given back
    pfn_t frame;                        // where this is
    uint32_t used;                      // records in use
    uint32_t fresh;                     // records from here on were never handed out
};

static uint32_t capacity(const struct node_pool *pool) {
    return (uint32_t)((PAGE_SIZE - sizeof(struct node_frame)) / pool->bytes);
}

static void *record(const struct node_pool *pool, struct node_frame *frame, uint32_t index) {
    return (uint8_t *)(frame + 1) + (size_t)index * pool->bytes;
}

static void link_frame(struct node_pool *pool, struct node_frame *frame) {
    frame->previous = NULL;
    frame->next = pool->partial;
    if (frame->next != NULL) {
        frame->next->previous = frame;
    }
    pool->partial = frame;
}

static void unlink_frame(struct node_pool *pool, struct node_frame *frame) {
    if (frame->previous != NULL) {
        frame->previous->next = frame->next;
    } else {
        pool->partial = frame->next;
    }
    if (frame->next != NULL) {
        frame->next->previous = frame->previous;
    }
}

void nodes_init(struct node_pool *pool, struct page_allocator *pages, uint32_t bytes,
                enum page_owner owner) {
    ASSERT(bytes >= sizeof(struct node_free) && bytes % 8 == 0 && bytes <= 1024);
    *pool = (struct node_pool){.pages = pages, .bytes = bytes, .owner = owner};
}

static bool add_frame(struct node_pool *pool) {
    pfn_t taken = page_alloc_frame(pool->pages, pool->owner);
    if (taken.value == PAGE_NO_FRAME.value) {
        return false;
    }
    struct node_frame *frame = port_direct_map(paddr_of(taken));
    *frame = (struct node_frame){.pool = pool, .frame = taken};
    link_frame(pool, frame);
    pool->frames++;
    return true;
}

void *nodes_alloc(struct node_pool *pool) {
    if (pool->partial == NULL && !add_frame(pool)) {
        return NULL;
    }
    struct node_frame *frame = pool->partial;
    void *node = frame->free;
    if (node != NULL) {
        frame->free = frame->free->next;
    } else {
        node = record(pool, frame, frame->fresh++);
    }
    frame->used++;
    pool->used++;
    if (frame->free == NULL && frame->fresh == capacity(pool)) {
        unlink_frame(pool, frame);
    }
    return memset(node, 0, pool->bytes);
}

static void release(struct node_pool *pool, struct node_frame *frame) {
    unlink_frame(pool, frame);
    pool->frames--;
    page_free_frame(pool->pages, frame->frame);
}

void nodes_free(struct node_pool *pool, void *node) {
    struct node_frame *frame =
        (struct node_frame *)align_down((uint64_t)(uintptr_t)node, PAGE_SIZE);
    if (frame->pool != pool || frame->used == 0) {
        port_panic("nodes_free: %p is no record of this pool", node);
    }
    if (frame->free == NULL && frame->fresh == capacity(pool)) {
        link_frame(pool, frame);
    }
    struct node_free *freed = node;
    freed->next = frame->free;
    frame->free = freed;
    frame->used--;
    pool->used--;
    if (frame->used == 0 && frame != pool->partial) {
        release(pool, frame);
    }
}

bool nodes_prepare(struct node_pool *pool, uint64_t count) {
    uint64_t room = pool->frames * capacity(pool) - pool->used;
    for (; room < count; room += capacity(pool)) {
        if (!add_frame(pool)) {
            return false;
        }
    }
    return true;
}

void nodes_trim(struct node_pool *pool) {
    struct node_frame *next;
    for (struct node_frame *frame = pool->partial; frame != NULL; frame = next) {
        next = frame->next;
        if (frame->used == 0) {
            release(pool, frame);
        }
    }
}
