// SPDX-License-Identifier: MIT
// What AddressSanitizer is told of objects: every byte that is nobody's is one that it reports, and
// it really does, with the address, in a process of its own. Skipped in builds without it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"
#include <host/host.h>
#include <mm/kmalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if HOST_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>

static struct world world;
static struct kmalloc kmalloc;

static int setup(void **state) {
    (void)state;
    const struct world_range range = {MIB, 256 * MIB, EFI_CONVENTIONAL};
    const struct object_options options = {.seed = 3};
    world_create(&world, &range, 1);
    assert_true(kmalloc_init(&kmalloc, &world.pages, &options));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_null(object_check(&kmalloc.heap));
    world_destroy(&world);
    return 0;
}

// Whether all of these bytes are reported, or none.
static bool all_hidden(const uint8_t *begin, size_t bytes, bool hidden) {
    for (size_t i = 0; i < bytes; i++) {
        if ((__asan_address_is_poisoned(begin + i) != 0) != hidden) {
            print_error("byte %lu of %lu\n", i, bytes);
            return false;
        }
    }
    return true;
}

// The size as asked for is the caller's, the rest of the slot is not; nothing of a freed one is.
static void every_byte_of_every_class(void **state) {
    (void)state;
    for (unsigned i = 0; i < KMALLOC_CLASSES; i++) {
        size_t slot = kmalloc.classes[i].wanted;
        size_t least = i == 0 ? 1 : kmalloc.classes[i - 1].wanted + 1u;
        const size_t sizes[] = {least, (least + slot) / 2, slot - 1, slot};
        for (unsigned s = 0; s < 4; s++) {
            for (unsigned round = 0; round < 3; round++) { // fresh, out of the magazine, with flags
                uint8_t *object = round < 2 ? kmalloc_alloc(&kmalloc, sizes[s], 0)
                                            : kmalloc_alloc_flags(&kmalloc, sizes[s], OBJECT_ZERO);
                assert_true(all_hidden(object, sizes[s], false));
                assert_true(all_hidden(object + sizes[s], slot - sizes[s], true));
                memset(object, 1, sizes[s]);
                kmalloc_free(&kmalloc, object);
                assert_true(all_hidden(object, slot, true));
            }
        }
    }
}

// Slots nobody has had are hidden too, and so is what is left over behind the last; memory that
// goes back to the page allocator is not.
static void fresh_slabs_are_hidden(void **state) {
    (void)state;
    uint8_t *object = kmalloc_alloc(&kmalloc, 96, 0);
    struct object_info info = object_inspect(&kmalloc.heap, object);
    const uint8_t *slab = info.slab;
    assert_true(all_hidden(slab, (size_t)(object - slab), true));
    assert_true(all_hidden(object + 96, (size_t)(slab + info.slab_bytes - (object + 96)), true));
    kmalloc_free(&kmalloc, object);
    assert_true(object_heap_shrink(&kmalloc.heap) != 0);
    assert_true(all_hidden(slab, info.slab_bytes, false));
}

static void large_objects_end_where_they_end(void **state) {
    (void)state;
    uint8_t *object = kmalloc_alloc(&kmalloc, 100001, OBJECT_ZERO);
    size_t pages = align_up(100001, PAGE_SIZE);
    assert_true(all_hidden(object, 100001, false));
    assert_true(all_hidden(object + 100001, pages - 100001, true));
    assert_int_equal(kmalloc_size(&kmalloc, object), pages);
    assert_true(all_hidden(object, pages, false)); // who asks may use it
    const size_t sizes[] = {150001, 150002, 90003};
    for (unsigned i = 0; i < 3; i++) { // where it is or elsewhere
        object = kmalloc_realloc(&kmalloc, object, sizes[i], 0);
        pages = align_up(sizes[i], PAGE_SIZE);
        assert_true(all_hidden(object, sizes[i], false));
        assert_true(all_hidden(object + sizes[i], pages - sizes[i], true));
    }
    kmalloc_free(&kmalloc, object);
    assert_true(all_hidden(object, pages, false)); // the page allocator's
}

static void realloc_moves_the_end(void **state) {
    (void)state;
    uint8_t *object = kmalloc_alloc(&kmalloc, 65, 0);
    assert_ptr_equal(kmalloc_realloc(&kmalloc, object, 78, 0), object);
    assert_true(all_hidden(object, 78, false) && all_hidden(object + 78, 2, true));
    assert_ptr_equal(kmalloc_realloc(&kmalloc, object, 70, 0), object);
    assert_true(all_hidden(object, 70, false) && all_hidden(object + 70, 10, true));
    uint8_t *moved = kmalloc_realloc(&kmalloc, object, 200, 0);
    assert_true(all_hidden(object, 80, true) && all_hidden(moved, 200, false));
    kmalloc_free(&kmalloc, moved);
}

static void construct(void *object) {
    memset(object, 0xc0, 40);
}

static void caches_too(void **state) {
    (void)state;
    static struct object_cache cache;
    assert_true(object_cache_init(&cache, &kmalloc.heap, "made", 40, 64, construct));
    for (unsigned round = 0; round < 3; round++) {
        uint8_t *object = object_alloc(&cache, 0);
        assert_true(object[0] == 0xc0 && object[39] == 0xc0);
        assert_true(all_hidden(object, 40, false) && all_hidden(object + 40, 24, true));
        object_free(&cache, object);
        assert_true(all_hidden(object, 64, true));
    }
    assert_true(object_cache_destroy(&cache, NULL));
}

// More than a magazine holds: some go straight back to their slab.
static void freed_in_bulk(void **state) {
    (void)state;
    static uint8_t *objects[1000];
    for (unsigned i = 0; i < 1000; i++) {
        objects[i] = kmalloc_alloc(&kmalloc, 60, 0);
        assert_true(all_hidden(objects[i], 60, false));
    }
    for (unsigned i = 0; i < 1000; i++) {
        kmalloc_free(&kmalloc, objects[i]);
        struct object_info info = object_inspect(&kmalloc.heap, objects[i]);
        assert_true(all_hidden(objects[i], 64, info.kind == OBJECT_FREE));
    }
}

// Another CPU frees it, an allocation goes around a held gate: the slow ways.
static void slow_ways_too(void **state) {
    (void)state;
    uint8_t *object = kmalloc_alloc(&kmalloc, 50, 0);
    host_cpu_set(1);
    kmalloc_free(&kmalloc, object);
    assert_true(all_hidden(object, 56, true));
    object = kmalloc_alloc(&kmalloc, 50, OBJECT_ATOMIC);
    assert_true(all_hidden(object, 50, false) && all_hidden(object + 50, 6, true));
    kmalloc_free(&kmalloc, object);
    host_cpu_set(0);
}

// Runs `act` in a process of its own, which has to end with a report about this address.
static void dies(void (*act)(volatile uint8_t *object), uint8_t *object, const uint8_t *at,
                 const char *access) {
    int pipes[2];
    char text[8192], address[32];
    size_t length = 0;
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        act(object);
        _exit(0);
    }
    close(pipes[1]);
    for (ssize_t got; length < sizeof(text) - 1 &&
                      (got = read(pipes[0], text + length, sizeof(text) - 1 - length)) > 0;) {
        length += (size_t)got;
    }
    text[length] = '\0';
    close(pipes[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    snprintf(address, sizeof(address), "address 0x%lx ", (uint64_t)at);
    // Where the object ends with its slab, what lies behind is not poisoned, and the report's name
    // is another.
    bool reported = (strstr(text, "AddressSanitizer: use-after-poison") != NULL ||
                     strstr(text, "AddressSanitizer: unknown-crash") != NULL) &&
                    strstr(text, address) != NULL && strstr(text, access) != NULL;
    if (!reported) {
        print_error("%s\n", text);
    }
    assert_true(reported);
    assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

static void free_and_read(volatile uint8_t *object) {
    kmalloc_free(&kmalloc, (void *)(uintptr_t)object);
    (void)object[10];
}

static void free_and_write(volatile uint8_t *object) {
    kmalloc_free(&kmalloc, (void *)(uintptr_t)object);
    object[10] = 1;
}

// One of several of this type: NOLINTNEXTLINE(readability-non-const-parameter)
static void read_behind(volatile uint8_t *object) {
    (void)object[60];
}

static void write_behind(volatile uint8_t *object) {
    object[63] = 1;
}

static void write_to_the_next(volatile uint8_t *object) {
    memset((void *)(uintptr_t)object, 0, 61);
}

static void nothing_wrong(volatile uint8_t *object) {
    object[59] = 1;
    kmalloc_free(&kmalloc, (void *)(uintptr_t)object);
    uint8_t *other = kmalloc_alloc(&kmalloc, 64, 0);
    memset(other, 1, 64);
    fputs("AddressSanitizer: use-after-poison address 0x0 nothing", stderr);
    _exit(1);
}

static void it_is_reported(void **state) {
    (void)state;
    uint8_t *object = kmalloc_alloc(&kmalloc, 60, 0);
    dies(free_and_read, object, object + 10, "READ of size 1");
    dies(free_and_write, object, object + 10, "WRITE of size 1");
    dies(read_behind, object, object + 60, "READ of size 1");
    dies(write_behind, object, object + 63, "WRITE of size 1");
    dies(write_to_the_next, object, object + 60, "WRITE of size 61");
    dies(nothing_wrong, object, NULL, "nothing"); // it comes to its own end
    kmalloc_free(&kmalloc, object);
}
#else
static void without_address_sanitizer(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
#if HOST_ADDRESS_SANITIZER
        TEST(every_byte_of_every_class),
        TEST(fresh_slabs_are_hidden),
        TEST(large_objects_end_where_they_end),
        TEST(realloc_moves_the_end),
        TEST(caches_too),
        TEST(freed_in_bulk),
        TEST(slow_ways_too),
        TEST(it_is_reported),
#else
        cmocka_unit_test(without_address_sanitizer),
#endif
    };
    return cmocka_run_group_tests_name("object_asan", tests, NULL, NULL);
}
