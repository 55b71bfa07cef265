// SPDX-License-Identifier: MIT
// Several CPUs change one handle at once, each on pages of its own, which lie between those of the
// others: in the same tables, in large pages that one of them splits and another makes whole. Built
// once more with ThreadSanitizer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/paging.h>
#include <pthread.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests_name("page_tables_threads", tests, NULL, NULL);
}
