// SPDX-License-Identifier: MIT
// Threads as CPUs on one window of kernel addresses, one device tree and one address space, which
// they also clone: built with ThreadSanitizer too. Another one checks every invariant while they
// run; all memory has gone back when they have stopped.
//   STRATA_STEPS=n: how many operations each thread does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"
#include <host/host.h>
#include <mm/ioremap.h>
#include <mm/space.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS 3
#define LIVE    24
#define HERE    UINT64_C(0x40000000)
#define PAGES   96 // of the address space
#define DEVICES UINT64_C(0xfd000000)

static struct virt_world virt;
static struct vm_window window;
static struct ioremap io;
static struct spaces spaces;
static struct space shared;
static uint64_t steps = 20000;
static unsigned running;
static const char *broken;

struct worker {
    uint64_t seed;
    void *live[LIVE];
    pfn_t frames[8];
    struct space space; // a clone
    bool cloned;
};

static uint64_t pick(struct worker *worker, uint64_t below) {
    return world_random(&worker->seed) % below;
}

static void use_window(struct worker *worker) {
    void **live = &worker->live[pick(worker, LIVE)];
    if (*live != NULL) {
        vfree(&window, *live);
        *live = NULL;
        return;
    }
    uint64_t what = pick(worker, 20);
    if (what == 0) {
        void *mapped = vmap(&window, worker->frames, 8, PAGING_WRITE);
        vunmap(&window, mapped);
    } else if (what == 1) {
        struct vm_stack stack;
        if (stack_alloc(&window, 4, &stack)) {
            stack_free(&window, &stack);
        }
    } else if (what == 2) {
        vm_window_trim(&window);
    } else if (what == 3) {
        paddr_t device = paddr(DEVICES + pick(worker, 4) * PAGE_SIZE);
        iounmap(&io, ioremap(&io, device, PAGE_SIZE, pick(worker, 2) == 0 ? PAGING_WB : PAGING_UC,
                             NULL));
    } else {
        *live = vmalloc(&window, PAGE_SIZE * (1 + pick(worker, what < 8 ? 100 : 8)));
    }
}

static void use_space(struct worker *worker, struct space *space) {
    uint64_t page = pick(worker, PAGES), pages = 1 + pick(worker, 12), word = page;
    vaddr_t at = vaddr(HERE + page * PAGE_SIZE);
    switch (pick(worker, 8)) {
    case 0:
        (void)space_map_at(space, at, pages, PAGING_WRITE);
        break;
    case 1:
        (void)space_unmap(space, at, pages);
        break;
    case 2:
        (void)space_protect(space, at, pages, pick(worker, 2) == 0 ? 0 : PAGING_WRITE);
        break;
    case 3:
        (void)space_populate(space, at, pages);
        break;
    case 4:
        (void)space_read(space, &word, at, sizeof(word));
        break;
    default:
        (void)space_write(space, at, &word, sizeof(word));
        (void)space_fault(space, at, SPACE_WRITES);
        break;
    }
}

static void use_clone(struct worker *worker) {
    if (!worker->cloned) {
        worker->cloned = space_clone(&shared, &worker->space) == SPACE_OK;
    } else if (pick(worker, 20) == 0) {
        space_switch(&spaces, NULL);
        space_destroy(&worker->space);
        worker->cloned = false;
    } else {
        space_switch(&spaces, &worker->space);
        use_space(worker, &worker->space);
    }
}

static void *work(void *argument) {
    static struct worker workers[WORKERS];
    unsigned cpu = (unsigned)(uintptr_t)argument;
    struct worker *worker = &workers[cpu];
    host_cpu_set(cpu);
    worker->seed = 88172645463325252u + cpu;
    for (size_t i = 0; i < 8; i++) {
        worker->frames[i] = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST);
    }
    for (uint64_t step = 0; step < steps; step++) {
        uint64_t what = pick(worker, 3);
        if (what == 0) {
            use_window(worker);
        } else if (what == 1) {
            use_space(worker, &shared);
        } else {
            use_clone(worker);
        }
    }
    space_switch(&spaces, NULL);
    if (worker->cloned) {
        space_destroy(&worker->space);
    }
    for (size_t i = 0; i < LIVE; i++) {
        vfree(&window, worker->live[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        page_free_frame(&virt.world.pages, worker->frames[i]);
    }
    page_drain(&virt.world.pages);
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void *watch(void *argument) {
    (void)argument;
    host_cpu_set(WORKERS);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0 && broken == NULL) {
        struct vm_view view;
        (void)vm_window_look(&window, vaddr(VIRT_BEGIN + 20 * PAGE_SIZE), &view);
        broken = space_check(&shared);
        broken = broken == NULL ? shares_check(&spaces.shares) : broken;
        usleep(20000);
    }
    return NULL;
}

static void start(void) {
    virt_create(&virt, 32 * MIB, GIB);
    vm_window_init(&window, &virt.kernel, &virt.world.pages, vaddr(VIRT_BEGIN),
                   vaddr(VIRT_BEGIN + GIB));
    ioremap_init(&io, &window);
    spaces_init(&spaces, &virt.kernel, &virt.world.pages, vaddr(HERE),
                vaddr(HERE + PAGES * PAGE_SIZE), paddr(33 * MIB));
    assert_int_equal(space_create(&spaces, &shared), SPACE_OK);
}

static void threads_keep_every_invariant(void **state) {
    (void)state;
    start();
    pthread_t threads[WORKERS + 1];
    const char *more = getenv("STRATA_STEPS");
    steps = more != NULL ? strtoull(more, NULL, 0) : steps;
    running = WORKERS;
    for (uintptr_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    }
    assert_int_equal(pthread_create(&threads[WORKERS], NULL, watch, NULL), 0);
    for (unsigned i = 0; i < WORKERS + 1; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_null(broken);
    assert_null(vm_window_check(&window));
    assert_null(space_check(&shared));
    assert_null(shares_check(&spaces.shares));
    space_destroy(&shared);
    assert_int_equal(spaces.count, 0);
    assert_int_equal(spaces.shares.frames, 0);
    assert_int_equal(io.mappings.count, 0);
    spaces_trim(&spaces);
    vm_window_trim(&window);
    assert_int_equal(window.ranges.count, 0);
    nodes_trim(&io.nodes);
    tables_destroy(&virt.kernel);
    struct page_census census;
    page_census(&virt.world.pages, &census);
    for (unsigned i = 0; i < PAGE_OWNER_COUNT_; i++) {
        assert_int_equal(census.owned_pages[i], 0);
    }
    assert_null(page_check(&virt.world.pages));
    world_destroy(&virt.world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_keep_every_invariant),
    };
    return cmocka_run_group_tests_name("virt_threads", tests, NULL, NULL);
}
