// SPDX-License-Identifier: MIT
// What kmalloc and object caches cost in the running kernel.
//
// The bulk and the churn hold 10,000 objects; their list, and the sizes that are drawn at random
// before, lie in a block of pages.
#include <kmalloc.h>
#include <monitor/bench.h>
#include <x86/cpu.h>

#define PAIRS      4096
#define LIVE       10000
#define CHURN      40000 // pairs
#define LIST_ORDER 6     // 256 KiB: 10,000 addresses, 40,000 draws

struct list {
    void *objects[LIVE];
    struct draw {
        uint16_t index, size;
    } draws[CHURN];
};
_Static_assert(sizeof(struct list) <= PAGE_SIZE << LIST_ORDER, "the list fits into its block");

static __attribute__((noinline)) bool kmalloc_pairs(uint64_t count, size_t size) {
    for (uint64_t i = 0; i < count; i++) {
        void *memory = kmalloc(size, 0);
        if (memory == NULL) {
            return false;
        }
        kfree(memory);
    }
    return true;
}

static __attribute__((noinline)) bool cache_pairs(uint64_t count, struct object_cache *cache) {
    for (uint64_t i = 0; i < count; i++) {
        void *object = object_alloc(cache, 0);
        if (object == NULL) {
            return false;
        }
        object_free(cache, object);
    }
    return true;
}

static void measure_kmalloc(const struct bench *bench) {
    static const struct {
        const char *name, *title;
        size_t size;
    } rows[] = {
        {"kmalloc-8", "kmalloc + kfree, 8 bytes", 8},
        {"kmalloc-64", "kmalloc + kfree, 64 bytes", 64},
        {"kmalloc-1024", "kmalloc + kfree, 1 KiB", 1024},
        {"kmalloc-8192", "kmalloc + kfree, 8 KiB", 8192},
        {"kmalloc-65536", "kmalloc + kfree, 64 KiB", 65536},
        {"kmalloc-131072", "kmalloc + kfree, 128 KiB", 131072},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool done = kmalloc_pairs(PAIRS / 8, rows[i].size);
        uint64_t begin = cpu_tsc();
        done = done && kmalloc_pairs(PAIRS, rows[i].size);
        bench_row(bench, rows[i].name, rows[i].title, done ? PAIRS : 0, cpu_tsc() - begin);
    }
}

static void measure_cache(const struct bench *bench) {
    static struct object_cache cache;
    object_cache_init(&cache, &strata.kmalloc.heap, "bench", 64, 0, NULL);
    bool done = cache_pairs(PAIRS / 8, &cache);
    uint64_t begin = cpu_tsc();
    done = done && cache_pairs(PAIRS, &cache);
    bench_row(bench, "object-pair", "object cache pair, 64 bytes", done ? PAIRS : 0,
              cpu_tsc() - begin);
    object_cache_destroy(&cache, NULL);
}

static __attribute__((noinline)) uint64_t take_all(struct list *list, bool random_sizes) {
    uint64_t count = 0;
    while (count < LIVE) {
        list->objects[count] = kmalloc(random_sizes ? list->draws[count].size : 64, 0);
        if (list->objects[count] == NULL) {
            break;
        }
        count++;
    }
    return count;
}

static __attribute__((noinline)) void free_all(const struct list *list, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        kfree(list->objects[i]);
    }
}

static __attribute__((noinline)) bool churn(struct list *list) {
    for (uint64_t i = 0; i < CHURN; i++) {
        void **object = &list->objects[list->draws[i].index];
        kfree(*object);
        *object = kmalloc(list->draws[i].size, 0);
        if (*object == NULL) {
            return false;
        }
    }
    return true;
}

static void measure_list(const struct bench *bench, struct list *list) {
    uint64_t begin = cpu_tsc();
    uint64_t taken = take_all(list, false);
    uint64_t between = cpu_tsc();
    free_all(list, taken);
    uint64_t end = cpu_tsc(), count = taken == LIVE ? LIVE : 0;
    bench_row(bench, "kmalloc-bulk-alloc", "bulk of 10,000 x 64 bytes, alloc", count,
              between - begin);
    bench_row(bench, "kmalloc-bulk-free", "bulk of 10,000 x 64 bytes, free", count, end - between);
    uint64_t random = 88172645463325252u;
    for (uint64_t i = 0; i < CHURN; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        list->draws[i].index = (uint16_t)((random >> 32) % LIVE);
        list->draws[i].size = (uint16_t)(8 + (random & 0xffffffff) % 2041);
    }
    taken = take_all(list, true);
    begin = cpu_tsc();
    bool done = taken == LIVE && churn(list);
    bench_row(bench, "kmalloc-churn", "churn of 10,000, 8-2,048 bytes, pair", done ? CHURN : 0,
              cpu_tsc() - begin);
    free_all(list, taken);
    object_heap_shrink(&strata.kmalloc.heap);
}

void bench_objects(const struct bench *bench) {
    pfn_t block;
    measure_kmalloc(bench);
    measure_cache(bench);
    if (page_alloc(&strata.pages, LIST_ORDER, PAGE_ANYWHERE, PAGE_OWNER_TEST, &block) != PAGE_OK) {
        bench_row(bench, "kmalloc-bulk", "bulk and churn", 0, 0);
        return;
    }
    measure_list(bench, port_direct_map(paddr_of(block)));
    page_free(&strata.pages, block, LIST_ORDER);
}
