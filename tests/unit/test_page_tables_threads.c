// SPDX-License-Identifier: MIT
// Several CPUs change one handle at once, each on pages of its own, which lie between those of the
// others: in the same tables, in large pages that one of them splits and another makes whole. And a
// CPU notes writes in entries that are just being changed. Built once more with ThreadSanitizer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/paging.h>
#include <paging/internal.h>
#include <pthread.h>
#include <sched.h>

#define THREADS 4
#define STEPS   20000
#define STRIPE  7 // pages in a row that belong to one thread
#define PAGES   (3 * 512)
#define BASE    UINT64_C(0xffff800000200000)
#define DATA    (PAGING_WRITE | PAGING_GLOBAL)

static const struct world_range machine[] = {{MIB, 64 * MIB, EFI_CONVENTIONAL}};
static const struct paging_format format = {.levels = 4,
                                            .physical_bits = 46,
                                            .no_execute = true,
                                            .gib_pages = true,
                                            .global_pages = true,
                                            .pat = true};

static struct world world;
static struct page_tables tables;

// What each page should be; only its owner's thread looks.
static enum { NOTHING, READ_ONLY, WRITABLE } pages[PAGES];

struct worker {
    unsigned number;
    uint64_t seed;
    const char *failure; // cmocka's asserts are for the main thread
};

static void change(struct worker *worker, uint64_t page, uint64_t count) {
    vaddr_t at = vaddr(BASE + page * PAGE_SIZE);
    uint64_t what = world_random(&worker->seed) % 4;
    enum tables_status status = TABLES_OK;
    if (pages[page] == NOTHING) {
        status = tables_map(&tables, at, count, paddr(GIB + page * PAGE_SIZE), DATA);
    } else if (what == 0) {
        status = tables_unmap(&tables, at, count, NULL, NULL);
    } else {
        uint32_t attributes = what == 1 ? 0 : PAGING_WRITE;
        status =
            tables_protect(&tables, at, count, attributes, PAGING_WRITE | PAGING_EXECUTE, NULL);
    }
    if (status != TABLES_OK) {
        worker->failure = "an operation was refused";
    }
    for (uint64_t i = page; i < page + count; i++) {
        pages[i] = pages[i] == NOTHING ? WRITABLE
                   : what == 0         ? NOTHING
                   : what == 1         ? READ_ONLY
                                       : WRITABLE;
    }
}

static void look(struct worker *worker, uint64_t page) {
    struct paging_range found;
    bool is_mapped = tables_query(&tables, vaddr(BASE + page * PAGE_SIZE), &found);
    if (is_mapped != (pages[page] != NOTHING)) {
        worker->failure = "a page is mapped or not as nobody has asked for";
    }
    uint32_t attributes = pages[page] == WRITABLE ? DATA : PAGING_GLOBAL;
    if (is_mapped &&
        (found.attributes != attributes || found.to.value - found.begin.value != GIB - BASE)) {
        worker->failure = "a page is mapped as nobody has asked for";
    }
}

static void *work(void *argument) {
    struct worker *worker = argument;
    host_cpu_set(worker->number);
    for (unsigned step = 0; step < STEPS && worker->failure == NULL; step++) {
        uint64_t stripe = world_random(&worker->seed) % (PAGES / STRIPE / THREADS);
        uint64_t page = (stripe * THREADS + worker->number) * STRIPE;
        change(worker, page, STRIPE);
        look(worker, page + world_random(&worker->seed) % STRIPE);
        if (step % 64 == 0) {
            tables_trim(&tables);
        }
    }
    return NULL;
}

static void cpus_do_not_disturb_each_other(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    world_create(&world, machine, 1);
    assert_int_equal(tables_init(&tables, &format, &world.pages, NULL), TABLES_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.number = i, .seed = 0x9e3779b97f4a7c15 + i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        if (workers[i].failure != NULL) {
            fail_msg("thread %u: %s", i, workers[i].failure);
        }
    }
    assert_null(tables_check(&tables));
    // All of it becomes whole at last.
    for (uint64_t page = 0; page < PAGES; page++) {
        vaddr_t at = vaddr(BASE + page * PAGE_SIZE);
        if (pages[page] != WRITABLE) {
            tables_unmap(&tables, at, 1, NULL, NULL);
            tables_map(&tables, at, 1, paddr(GIB + page * PAGE_SIZE), DATA);
        }
    }
    struct paging_range range;
    assert_true(tables_next(&tables, vaddr(BASE), PAGES, false, &range));
    assert_int_equal(range.pages, PAGES);
    assert_int_equal(range.level, 1);
    assert_null(tables_check(&tables));
    tables_destroy(&tables);
    page_drain(&world.pages);
    world_destroy(&world);
}

// A CPU that writes to one page, again and again when told to. A flush waits until it is not in the
// middle of a walk, as one does for a CPU's answer.
#define ROUNDS 600
#define PAGE   UINT64_C(0x123) // of the 2 MiB from address 0 on

static pthread_mutex_t walking = PTHREAD_MUTEX_INITIALIZER;
static uint64_t asked, noted; // rounds

static void wait_for_walk(const struct tlb_flush *flush) {
    (void)flush;
    pthread_mutex_lock(&walking);
    pthread_mutex_unlock(&walking);
}

// False when the entry changed in between.
static bool note_write(void) {
    uint64_t *table = root_table(&tables);
    for (unsigned level = root_level(&tables);; level--) {
        uint64_t *slot = &table[level_index(PAGE, level)];
        uint64_t entry = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
        if (entry_is_leaf(entry, level)) {
            return __atomic_compare_exchange_n(slot, &entry, entry | ENTRY_NOTED, false,
                                               __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        }
        table = entry_table(entry);
    }
}

static void *write_again(void *argument) {
    (void)argument;
    uint64_t seed = 1;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        while (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) < round) {
            sched_yield();
        }
        for (uint64_t i = world_random(&seed) % 4000; i > 0; i--) {
            port_relax();
        }
        for (bool is_noted = false; !is_noted;) {
            pthread_mutex_lock(&walking);
            is_noted = note_write();
            pthread_mutex_unlock(&walking);
        }
        __atomic_store_n(&noted, round, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void set_cache(uint32_t cache) {
    assert_int_equal(
        tables_protect(&tables, vaddr(PAGE << PAGE_SHIFT), 1, cache, PAGING_CACHE, NULL),
        TABLES_OK);
}

// Changes a page of 4 KiB until the CPU has written to it; cuts it out of a large one, once.
static void change_meanwhile(uint64_t round, bool is_large, uint64_t *seed) {
    for (uint64_t i = is_large ? world_random(seed) % 2000 : 0; i > 0; i--) {
        port_relax();
    }
    set_cache(PAGING_WC);
    while (__atomic_load_n(&noted, __ATOMIC_ACQUIRE) < round) {
        if (is_large) {
            sched_yield();
        } else {
            set_cache(PAGING_WB);
            set_cache(PAGING_WC);
        }
    }
}

static void noted_writes_are_never_lost(void **state) {
    (void)state;
    pthread_t cpu;
    struct paging_range page;
    world_create(&world, machine, 1);
    struct page_tables kernel;
    uint64_t seed = 2;
    assert_int_equal(tables_init(&kernel, &format, &world.pages, NULL), TABLES_OK);
    assert_int_equal(tables_init(&tables, &format, &world.pages, &kernel), TABLES_OK);
    host_tlb_flush = wait_for_walk;
    assert_int_equal(pthread_create(&cpu, NULL, write_again, NULL), 0);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        // By turns a page of 2 MiB and one of 4 KiB.
        uint64_t first = round % 2 == 0 ? 0 : PAGE, count = round % 2 == 0 ? 512 : 1;
        assert_int_equal(tables_map(&tables, vaddr(first << PAGE_SHIFT), count,
                                    paddr(first << PAGE_SHIFT), PAGING_USER | PAGING_WRITE),
                         TABLES_OK);
        __atomic_store_n(&asked, round, __ATOMIC_RELEASE);
        change_meanwhile(round, count != 1, &seed);
        assert_true(tables_query(&tables, vaddr(PAGE << PAGE_SHIFT), &page));
        assert_true(page.accessed && page.dirty);
        assert_int_equal(tables_unmap(&tables, vaddr(first << PAGE_SHIFT), count, NULL, NULL),
                         TABLES_OK);
    }
    pthread_join(cpu, NULL);
    host_tlb_flush = NULL;
    tables_destroy(&tables);
    tables_destroy(&kernel);
    world_destroy(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_do_not_disturb_each_other),
        cmocka_unit_test(noted_writes_are_never_lost),
    };
    return cmocka_run_group_tests_name("page_tables_threads", tests, NULL, NULL);
}
