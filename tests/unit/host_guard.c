// SPDX-License-Identifier: MIT
// What host_guard.h describes.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host_guard.h"
#include "object_world.h"
#include <stdlib.h>
#include <sys/mman.h>

// A page that nothing is mapped on lies before and behind.
static void *take(void *context, uint64_t pages, uint64_t align) {
    struct host_guard *guard = context;
    uint64_t bytes = pages * PAGE_SIZE, room = bytes + align + PAGE_SIZE;
    bool full = guard->open_pages + guard->hidden_pages + pages > guard->most_pages;
    if (guard->refuse || (full && guard->most_pages != 0)) {
        return NULL;
    }
    uint8_t *memory = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    uint8_t *begin = (uint8_t *)align_up((uint64_t)memory + PAGE_SIZE, align);
    uint8_t *first = begin - PAGE_SIZE, *end = begin + bytes + PAGE_SIZE;
    if (first != memory) {
        munmap(memory, (size_t)(first - memory));
    }
    if (end < memory + room) {
        munmap(end, (size_t)(memory + room - end));
    }
    if (mprotect(begin, bytes, PROT_READ | PROT_WRITE) != 0) {
        abort();
    }
    guard->open_pages += pages;
    return begin;
}

static void hide(void *context, void *begin, uint64_t pages) {
    struct host_guard *guard = context;
    if (mprotect(begin, pages * PAGE_SIZE, PROT_NONE) != 0) {
        abort();
    }
    guard->open_pages -= pages;
    guard->hidden_pages += pages;
}

static void give(void *context, void *begin, uint64_t pages) {
    struct host_guard *guard = context;
    munmap((uint8_t *)begin - PAGE_SIZE, (pages + 2) * PAGE_SIZE);
    guard->hidden_pages -= pages;
}

struct object_guard_pages host_guard_pages(struct host_guard *guard) {
    *guard = (struct host_guard){0};
    return (struct object_guard_pages){take, hide, give, guard, HOST_GUARD_WINDOW};
}

void host_guard_open(struct host_guard *host, struct object_guard *guard) {
    const struct object_options options = {.debug = true, .seed = 7};
    const struct object_guard_pages pages = host_guard_pages(host);
    object_world_open(256 * MIB, &options);
    assert_true(object_guard_start(guard, &kmalloc.heap, &pages));
}

void host_guard_close(struct host_guard *host, struct object_guard *guard) {
    assert_null(broken());
    assert_true(object_guard_end(guard));
    assert_int_equal(host->open_pages + host->hidden_pages, 0);
    object_heap_shrink(&kmalloc.heap);
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        assert_true(object_cache_destroy(&kmalloc.classes[i], NULL));
    }
    assert_true(object_heap_destroy(&kmalloc.heap));
    page_drain(&world.pages);
    assert_int_equal(page_free_count(&world.pages), object_world_free);
    world_destroy(&world);
}

static sigjmp_buf back;
static const volatile uint8_t *expected;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    if (info->si_addr != (const void *)(uintptr_t)expected) {
        abort(); // another fault than the one that is provoked
    }
    siglongjmp(back, 1);
}

static struct sigaction catch (const volatile uint8_t *address) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, before;
    expected = address;
    sigaction(SIGSEGV, &action, &before);
    return before;
}

bool host_read_faults(const volatile uint8_t *address, uint8_t *value) {
    struct sigaction before = catch (address);
    bool faulted = sigsetjmp(back, 1) != 0;
    if (!faulted) {
        *value = *address;
    }
    sigaction(SIGSEGV, &before, NULL);
    return faulted;
}

bool host_write_faults(volatile uint8_t *address, uint8_t value) {
    struct sigaction before = catch (address);
    bool faulted = sigsetjmp(back, 1) != 0;
    if (!faulted) {
        *address = value;
    }
    sigaction(SIGSEGV, &before, NULL);
    return faulted;
}
