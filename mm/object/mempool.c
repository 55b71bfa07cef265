// SPDX-License-Identifier: MIT
// Pools with a guaranteed minimum. The lock is held for the counters and the stock only, never
// while the cache is called.
//
// Invariant (tests/unit/test_mempool.c):
//   M1  stock + objects out is at least `guaranteed`      a_pool_keeps_its_word
#include "internal.h"

#include <mm/mempool.h>

const char *mempool_verdict_name(enum mempool_verdict verdict) {
    static const char *const names[] = {
        "guaranteed",
        "not guaranteed",
        "declared worst case exceeded",
    };
    return verdict < sizeof(names) / sizeof(names[0]) ? names[verdict] : "?";
}

static void give_stock(struct mempool *pool) {
    while (pool->stocked != 0) {
        object_free(pool->cache, pool->stock[--pool->stocked]);
    }
}

static void enlist(struct mempool *pool) {
    struct object_heap *heap = pool->cache->heap;
    unsigned long irq = lock_acquire(&heap->lock);
    pool->next = heap->pools;
    pool->link = &heap->pools;
    if (pool->next != NULL) {
        pool->next->link = &pool->next;
    }
    heap->pools = pool;
    lock_release(&heap->lock, irq);
}

static void delist(struct mempool *pool) {
    struct object_heap *heap = pool->cache->heap;
    unsigned long irq = lock_acquire(&heap->lock);
    *pool->link = pool->next;
    if (pool->next != NULL) {
        pool->next->link = pool->link;
    }
    lock_release(&heap->lock, irq);
}

bool mempool_init(struct mempool *pool, struct object_cache *cache, void **stock,
                  uint32_t guaranteed, uint32_t worst_case) {
    *pool = (struct mempool){
        .cache = cache,
        .stock = stock,
        .lock = {.rank = LOCK_OBJECT_HEAP},
        .guaranteed = guaranteed,
        .worst_case = worst_case,
    };
    while (pool->stocked < guaranteed) {
        void *object = object_alloc(cache, 0);
        if (object == NULL) {
            give_stock(pool);
            return false;
        }
        stock[pool->stocked++] = object;
    }
    enlist(pool);
    return true;
}

bool mempool_destroy(struct mempool *pool) {
    if (pool->out != 0) {
        return false;
    }
    delist(pool);
    give_stock(pool);
    return true;
}

// The cache sees nothing of what goes into the stock and out of it, nor clears it.
static void clear(const struct mempool *pool, void *object, bool wanted) {
    if (wanted && pool->cache->construct == NULL) {
        __builtin_memset(object, 0, pool->cache->wanted);
    }
}

void *mempool_alloc(struct mempool *pool) {
    void *object = object_alloc(pool->cache, OBJECT_ATOMIC);
    unsigned long irq = lock_acquire(&pool->lock);
    if (object == NULL && pool->stocked != 0) {
        object = pool->stock[--pool->stocked];
        pool->served_from_stock++;
        clear(pool, object, pool->cache->heap->options.zero_on_alloc);
    }
    if (object == NULL) {
        pool->refused++;
    } else {
        pool->out++;
        pool->most_out = pool->out > pool->most_out ? pool->out : pool->most_out;
    }
    lock_release(&pool->lock, irq);
    return object;
}

void mempool_free(struct mempool *pool, void *object) {
    if (object == NULL) {
        return;
    }
    // What goes into the stock is not seen by the cache: it is looked at here.
    const char *refusal = object_refusal(pool->cache->heap, pool->cache, object);
    unsigned long irq = lock_acquire(&pool->lock);
    for (uint32_t i = 0; refusal == NULL && i < pool->stocked; i++) {
        refusal = pool->stock[i] == object ? "double free" : NULL;
    }
    if (refusal == NULL && pool->out == 0) {
        refusal = "none of this pool is out";
    }
    bool kept = refusal == NULL && pool->stocked < pool->guaranteed;
    if (kept) {
        clear(pool, object, pool->cache->heap->options.zero_on_free);
        pool->stock[pool->stocked++] = object;
    }
    pool->out -= refusal == NULL;
    lock_release(&pool->lock, irq);
    if (refusal != NULL) {
        object_misuse_by(pool->cache->heap, pool->cache, object, "mempool_free", refusal);
    }
    if (!kept) {
        object_free(pool->cache, object);
    }
}

enum mempool_verdict mempool_verdict(const struct mempool *pool) {
    return pool->most_out > pool->worst_case     ? MEMPOOL_EXCEEDED
           : pool->worst_case > pool->guaranteed ? MEMPOOL_NOT_GUARANTEED
                                                 : MEMPOOL_GUARANTEED;
}

void mempool_statistics(struct mempool *pool, struct mempool_statistics *statistics) {
    unsigned long irq = lock_acquire(&pool->lock);
    *statistics = (struct mempool_statistics){
        .name = pool->cache->name,
        .size = pool->cache->wanted,
        .guaranteed = pool->guaranteed,
        .worst_case = pool->worst_case,
        .available = pool->stocked,
        .out = pool->out,
        .most_out = pool->most_out,
        .served_from_stock = pool->served_from_stock,
        .refused = pool->refused,
        .verdict = mempool_verdict(pool),
    };
    lock_release(&pool->lock, irq);
}
