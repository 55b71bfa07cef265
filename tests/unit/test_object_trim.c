// SPDX-License-Identifier: MIT
// Slabs that give back pages which none of their objects needs (mm/object/trim.c).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <mm/watch.h>
#include <object/internal.h>
#include <string.h>

#define COUNT 4096

static struct world world;
static struct kmalloc kmalloc;
static uint8_t *memory[COUNT];

static void expect_sound(void) {
    const char *broken = object_check(&kmalloc.heap);
    if (broken == NULL) {
        broken = page_check(&world.pages);
    }
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
}

static void open_with(const struct object_options *options) {
    const struct world_range range = {MIB, GIB, EFI_CONVENTIONAL};
    host_cpu_set(0);
    world_create(&world, &range, 1);
    assert_true(kmalloc_init(&kmalloc, &world.pages, options));
    memset(memory, 0, sizeof(memory));
}

static int setup(void **state) {
    (void)state;
    open_with(NULL);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    expect_sound();
    world_destroy(&world);
    return 0;
}

static struct object_cache *cache_of(size_t size) {
    unsigned class = 0;
    while (kmalloc.classes[class].size < size) {
        class ++;
    }
    return &kmalloc.classes[class];
}

static unsigned count_for(size_t size) {
    uint64_t fits = 32 * MIB / size;
    return fits < COUNT ? (unsigned)fits : COUNT;
}

static void take(size_t size, unsigned i) {
    memory[i] = kmalloc_alloc(&kmalloc, size, 0);
    assert_non_null(memory[i]);
    memset(memory[i], (uint8_t)i, size);
}

static void give(unsigned i) {
    kmalloc_free(&kmalloc, memory[i]);
    memory[i] = NULL;
}

static void expect_filled(size_t size, unsigned i) {
    for (size_t at = 0; at < size; at++) {
        assert_int_equal(memory[i][at], (uint8_t)i);
    }
}

// Takes many objects and gives all but about one in `keep` back.
static void take_and_thin(size_t size, unsigned keep) {
    uint64_t seed = 88172645463325252u + size;
    for (unsigned i = 0; i < count_for(size); i++) {
        take(size, i);
    }
    for (unsigned i = 0; i < count_for(size); i++) {
        if (world_random(&seed) % keep != 0) {
            give(i);
        }
    }
}

// Pages of units in which an object is live: as many pages as a whole number of objects fills.
static uint64_t pages_needed(size_t size) {
    static bool needed[GIB / PAGE_SIZE];
    uint64_t unit = PAGE_SIZE, pages = 0;
    while (unit % cache_of(size)->size != 0) {
        unit += PAGE_SIZE;
    }
    memset(needed, 0, sizeof(needed));
    for (unsigned i = 0; i < count_for(size); i++) {
        if (memory[i] == NULL) {
            continue;
        }
        const struct slab *slab = object_find(&kmalloc.heap, memory[i]);
        uint64_t begin = (uint64_t)(memory[i] - slab->base) / unit * unit;
        uint64_t end = begin + unit, last = PAGE_SIZE << slab->order;
        uint64_t frame = object_frame(slab->base).value;
        for (uint64_t at = begin; at < end && at < last; at += PAGE_SIZE) {
            pages += !needed[frame + at / PAGE_SIZE];
            needed[frame + at / PAGE_SIZE] = true;
        }
    }
    return pages;
}

// Of each class: what is taken is units with live objects. Then it fills again, and goes.
static void thin_and_fill(size_t size) {
    struct object_cache *cache = cache_of(size);
    take_and_thin(size, 4);
    uint64_t before = cache->bytes, free = page_free_count(&world.pages);
    uint64_t pages = object_heap_shrink(&kmalloc.heap);
    assert_int_equal(cache->bytes, pages_needed(size) * PAGE_SIZE);
    assert_true(pages >= (before - cache->bytes) / PAGE_SIZE);
    assert_true(page_free_count(&world.pages) >= free + pages);
    assert_int_equal(object_heap_shrink(&kmalloc.heap), 0);
    expect_sound();
    for (unsigned i = 0; i < count_for(size); i++) {
        if (memory[i] == NULL) {
            take(size, i);
        }
    }
    expect_sound();
    for (unsigned i = 0; i < count_for(size); i++) {
        expect_filled(size, i);
        give(i);
    }
    object_heap_shrink(&kmalloc.heap);
    assert_int_equal(cache->bytes, 0);
}

static void what_stays_is_units_with_objects(void **state) {
    (void)state;
    for (unsigned class = 0; class < KMALLOC_CLASSES; class ++) {
        thin_and_fill(kmalloc.classes[class].size);
    }
}

static bool free_panics(void *address) {
    if (HOST_EXPECT_PANIC()) {
        kmalloc_free(&kmalloc, address);
        host_panic_end();
        return false;
    }
    return true;
}

// An object that went with its pages is nobody's: giving it back is refused.
static void objects_that_are_gone(void **state) {
    (void)state;
    enum { SIZE = 1536 };
    unsigned foreign = 0;
    static uint8_t *freed[COUNT];
    take_and_thin(SIZE, 8);
    uint64_t seed = 88172645463325252u + SIZE;
    for (unsigned i = 0; i < COUNT; i++) {
        take(SIZE, i);
        freed[i] = memory[i];
    }
    for (unsigned i = 0; i < COUNT; i++) {
        if (world_random(&seed) % 8 != 0) {
            give(i);
        }
    }
    object_heap_shrink(&kmalloc.heap);
    page_drain(&world.pages);
    for (unsigned i = 0; i < COUNT; i++) {
        if (memory[i] == NULL) {
            assert_true(free_panics(freed[i]));
            foreign += strstr(host_panic_message, "foreign: its page is free") != NULL;
        }
    }
    assert_true(foreign != 0);
    for (unsigned i = 0; i < COUNT; i++) {
        if (memory[i] != NULL) {
            expect_filled(SIZE, i);
            give(i);
        }
    }
}

// What is said of an address in a piece: as if it were a slab.
static void pieces_are_told_like_slabs(void **state) {
    (void)state;
    enum { SIZE = 1536 };
    take_and_thin(SIZE, 8);
    object_heap_shrink(&kmalloc.heap);
    struct object_block block;
    uint64_t bytes = 0, in_use = 0, live = 0, behind = 0;
    for (paddr_t at = paddr(0); object_block_next(&kmalloc.heap, &at, &block);) {
        assert_string_equal(block.info.cache, "kmalloc-1536");
        assert_true(block.objects != 0);
        bytes += block.info.slab_bytes;
        uint8_t *begin = block.info.slab, *end = begin + block.info.slab_bytes;
        for (unsigned i = 0; i < block.objects; i++) {
            uint8_t *object = (uint8_t *)block.info.object + (size_t)i * SIZE;
            struct object_info info = object_inspect(&kmalloc.heap, object + SIZE - 1);
            assert_true(object >= begin && object + SIZE <= end);
            assert_ptr_equal(info.object, object);
            assert_ptr_equal(info.slab, begin);
            assert_int_equal(info.slab_bytes, block.info.slab_bytes);
            assert_int_equal(info.index, i);
            assert_int_equal(info.kind == OBJECT_IN_USE, block.in_use[i / 64] >> i % 64 & 1);
            in_use += info.kind == OBJECT_IN_USE;
        }
        assert_ptr_equal(block.info.object, begin);
        if ((uint8_t *)block.info.object + (size_t)block.objects * SIZE < end) {
            struct object_info info = object_inspect(&kmalloc.heap, end - 1);
            assert_int_equal(info.kind, OBJECT_NO_OBJECT);
            assert_int_equal(info.index, block.objects);
            behind++;
        }
    }
    assert_int_equal(bytes, cache_of(SIZE)->bytes);
    assert_true(behind != 0);
    for (unsigned i = 0; i < COUNT; i++) {
        live += memory[i] != NULL;
    }
    assert_int_equal(in_use, live);
    struct object_statistics statistics;
    object_cache_statistics(cache_of(SIZE), &statistics);
    assert_int_equal(statistics.in_use, live);
    assert_int_equal(statistics.bytes, bytes);
    assert_true(statistics.objects >= live && statistics.objects * SIZE <= bytes);
}

static void expect_blocks_in_order(void) {
    struct object_block block;
    for (paddr_t at = paddr(0); object_block_next(&kmalloc.heap, &at, &block);) {
        uint8_t *slab = block.info.slab, *first = block.info.object;
        assert_true(block.objects != 0 && first >= slab);
        assert_true(first + block.objects * block.info.size <= slab + block.info.slab_bytes);
    }
}

// Another CPU is in the middle of a unit: some of its pages are gone.
static void half_of_a_unit_is_no_piece(void **state) {
    (void)state;
    struct object_heap *heap = &kmalloc.heap;
    take(1792, 0);
    const struct slab *slab = object_find(heap, memory[0]);
    uint64_t pages = UINT64_C(1) << slab->order;
    for (uint64_t from = 0; from < pages; from++) {
        for (uint64_t end = from + 1; end <= pages; end++) {
            uint8_t *begin = slab->base + from * PAGE_SIZE;
            directory_set(heap, begin, (end - from) * PAGE_SIZE, &slab_none);
            expect_blocks_in_order();
            for (uint64_t page = 0; page < pages; page++) {
                struct object_info info = object_inspect(heap, slab->base + page * PAGE_SIZE);
                bool gone = page >= from && page < end;
                assert_int_equal(info.kind == OBJECT_FOREIGN, gone);
                assert_true(info.object == NULL || info.object >= info.slab);
                assert_true(info.index <= slab->count);
            }
            directory_set(heap, begin, (end - from) * PAGE_SIZE, slab);
        }
    }
    give(0);
}

// While the page allocator is watched slabs stay whole.
static void not_while_a_watch_looks_on(void **state) {
    (void)state;
    static struct page_watch watch;
    take_and_thin(2 * KIB, 2);
    object_heap_shrink(&kmalloc.heap);
    take_and_thin(2 * KIB, 2);
    assert_true(page_watch_start(&world.pages, &watch));
    object_heap_shrink(&kmalloc.heap);
    uint64_t bytes = cache_of(2 * KIB)->bytes;
    page_watch_stop(&world.pages);
    object_heap_shrink(&kmalloc.heap);
    assert_true(cache_of(2 * KIB)->bytes < bytes);
}

static void not_with_the_option_debug(void **state) {
    (void)state;
    world_destroy(&world);
    open_with(&(struct object_options){.debug = true});
    take_and_thin(2 * KIB, 2);
    object_heap_shrink(&kmalloc.heap);
    for (const struct slab *slab = cache_of(2 * KIB)->slabs; slab != NULL; slab = slab->list_next) {
        assert_int_equal(slab->trimmed, 0);
    }
}

// What its home has returned, another CPU claims and gives back with its page; the home's count
// still agrees.
static void another_cpu_trims_what_was_returned(void **state) {
    (void)state;
    enum { SIZE = 2 * KIB };
    take_and_thin(SIZE, 4);
    struct object_cache *cache = cache_of(SIZE);
    assert_non_null(cache->cpus[0]->returned);
    uint64_t before = cache->bytes;
    host_cpu_set(1);
    object_heap_shrink(&kmalloc.heap);
    assert_true(cache->bytes < before);
    expect_sound();
    host_cpu_set(0);
    object_heap_shrink(&kmalloc.heap);
    expect_sound();
    assert_int_equal(cache->bytes, pages_needed(SIZE) * PAGE_SIZE);
    for (unsigned i = 0; i < COUNT; i++) {
        if (memory[i] != NULL) {
            expect_filled(SIZE, i);
            give(i);
        }
    }
    object_heap_shrink(&kmalloc.heap);
    assert_int_equal(cache->bytes, 0);
}

// An object of one slab lies in the page that another slab of the same cache has lost: when both
// come back at once, each goes into its own.
static void slabs_in_the_pages_of_others(void **state) {
    (void)state;
    enum { SIZE = 2 * KIB };
    for (unsigned round = 0; round < 8; round++) {
        uint64_t seed = round + 1;
        for (unsigned i = 0; i < COUNT; i++) {
            if (memory[i] == NULL) {
                host_cpu_set((unsigned)(world_random(&seed) % 2));
                take(SIZE, i);
            }
        }
        host_cpu_set(0);
        for (unsigned i = 0; i < COUNT; i++) {
            if (world_random(&seed) % 8 != 0) {
                host_cpu_set((unsigned)(world_random(&seed) % 2));
                expect_filled(SIZE, i);
                give(i);
            }
        }
        for (unsigned cpu = 0; cpu < 2; cpu++) {
            host_cpu_set(cpu);
            object_heap_shrink(&kmalloc.heap);
        }
        host_cpu_set(0);
        expect_sound();
    }
}

static void trim_now(struct object_cache *cache) {
    unsigned long irq = lock_acquire(&cache->lock);
    object_trim(cache);
    lock_release(&cache->lock, irq);
}

// A slab becomes empty when the empty ones were released and the others are not trimmed yet: an
// interrupt or another CPU gave its last object back. It stays whole, for whoever releases it.
static void whole_slabs_are_released_not_trimmed(void **state) {
    (void)state;
    struct object_cache *cache = cache_of(2 * KIB);
    take(2 * KIB, 0);
    object_heap_shrink(&kmalloc.heap);
    give(0);
    struct object_cpu *part = cache->cpus[0];
    object_part_empty(part);
    assert_int_equal(cache->empty_slabs, 1);
    uint64_t bytes = cache->bytes;
    trim_now(cache);
    assert_int_equal(cache->bytes, bytes);
    expect_sound();
    assert_int_equal(object_heap_shrink(&kmalloc.heap), bytes / PAGE_SIZE);
    assert_int_equal(cache->slab_count, 0);
}

// The same of a slab whose home has not harvested yet what another CPU has claimed.
static void claimed_slabs_are_released_not_trimmed(void **state) {
    (void)state;
    enum { SIZE = 2 * KIB };
    struct object_cache *cache = cache_of(SIZE);
    unsigned count = 0, mine = 0;
    // All objects of one slab, and as many others as fill the magazine.
    for (; count < 256; count++) {
        take(SIZE, count);
    }
    struct slab *slab = object_find(&kmalloc.heap, memory[128]);
    for (unsigned i = 0; i < count; i++) {
        mine += object_find(&kmalloc.heap, memory[i]) == slab;
        if (i < 64 && object_find(&kmalloc.heap, memory[i]) != slab) {
            give(i);
        }
    }
    assert_int_equal(mine, slab->count);
    assert_int_equal(cache->cpus[0]->magazine.count, cache->cpus[0]->capacity);
    // All but two come back to it, and another CPU claims them; then that frees the two.
    unsigned left = 0, last[2] = {0, 0};
    for (unsigned i = 0; i < count; i++) {
        if (memory[i] != NULL && object_find(&kmalloc.heap, memory[i]) == slab) {
            if (left < 2) {
                last[left++] = i;
            } else {
                give(i);
            }
        }
    }
    unsigned long irq = lock_acquire(&cache->lock);
    object_claim_returned(cache);
    lock_release(&cache->lock, irq);
    assert_true(slab->claimed != 0);
    host_cpu_set(1);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t index;
        assert_true(slab_index(slab, memory[last[i]], &index));
        object_put_around(cache, memory[last[i]], &slab->handed[index]);
        memory[last[i]] = NULL;
    }
    assert_int_equal(slab->stock, slab->count);
    trim_now(cache);
    assert_int_equal(slab->gone, 0);
    host_cpu_set(0);
    object_heap_shrink(&kmalloc.heap);
    expect_sound();
    for (unsigned i = 0; i < count; i++) {
        if (memory[i] != NULL) {
            give(i);
        }
    }
    object_heap_shrink(&kmalloc.heap);
    assert_int_equal(cache->bytes, 0);
}

static void damage_is_found(void **state) {
    (void)state;
    take_and_thin(2 * KIB, 4);
    object_heap_shrink(&kmalloc.heap);
    struct slab *slab = cache_of(2 * KIB)->slabs;
    while (slab->trimmed == 0 || slab->gone == 0) {
        slab = slab->list_next;
    }
    slab->gone++;
    assert_non_null(strstr(object_check(&kmalloc.heap), "objects that are gone"));
    slab->gone--;
    slab->trimmed++;
    assert_non_null(strstr(object_check(&kmalloc.heap), "does not know a frame"));
    slab->trimmed--;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_stays_is_units_with_objects),
        TEST(objects_that_are_gone),
        TEST(pieces_are_told_like_slabs),
        TEST(not_while_a_watch_looks_on),
        TEST(not_with_the_option_debug),
        TEST(another_cpu_trims_what_was_returned),
        TEST(slabs_in_the_pages_of_others),
        TEST(whole_slabs_are_released_not_trimmed),
        TEST(claimed_slabs_are_released_not_trimmed),
        TEST(damage_is_found),
        TEST(half_of_a_unit_is_no_piece),
    };
    return cmocka_run_group_tests_name("object_trim", tests, NULL, NULL);
}
