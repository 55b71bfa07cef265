// SPDX-License-Identifier: MIT
// What object_world.h describes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "object_world.h"
#include <host/host.h>
#include <stdio.h>
#include <string.h>

struct world world;
struct kmalloc kmalloc;
uint64_t object_world_free;

void object_world_open(uint64_t end, const struct object_options *options) {
    const struct world_range range = {MIB, end, EFI_CONVENTIONAL};
    world_create(&world, &range, 1);
    object_world_free = page_free_count(&world.pages);
    assert_true(kmalloc_init(&kmalloc, &world.pages, options));
    host_code_name = "culprit";
}

void object_world_close(void) {
    assert_null(broken());
    assert_null(page_check(&world.pages));
    world_destroy(&world);
}

void object_world_leave(void) {
    memset(lock_innermost, 0, sizeof(lock_innermost));
    host_cpu_set(0);
    world_destroy(&world);
}

int object_world_setup(void **state) {
    (void)state;
    object_world_open(GIB, NULL);
    return 0;
}

int object_world_teardown(void **state) {
    (void)state;
    object_world_close();
    return 0;
}

const char *broken(void) {
    const char *what = object_check(&kmalloc.heap);
    if (what != NULL) {
        print_error("%s\n", what);
    }
    return what;
}

bool panic_says(const char *word, const void *address, const char *cache) {
    char hexadecimal[32];
    snprintf(hexadecimal, sizeof(hexadecimal), "0x%lx", (uint64_t)address);
    bool all = strstr(host_panic_message, word) != NULL &&
               strstr(host_panic_message, hexadecimal) != NULL &&
               strstr(host_panic_message, cache) != NULL;
    if (!all) {
        print_error("%s, %s, %s: %s\n", word, hexadecimal, cache, host_panic_message);
    }
    return all;
}
