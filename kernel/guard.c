// SPDX-License-Identifier: MIT
// Guarded objects of the running kernel.
#include <guard.h>
#include <mm/port.h>
#include <string.h>

// The window is so large that what a freed object needs to keep its addresses (a record, a block of
// vmalloc, two entries of a page table) takes this part of the free memory, at most.
#define WINDOW_SHARE 32
#define FREED_BYTES  UINT64_C(256)

static void *take(void *window, uint64_t pages, uint64_t align) {
    return vmalloc_aligned(window, pages * PAGE_SIZE, align);
}

static void hide(void *window, void *begin, uint64_t pages) {
    (void)pages;
    vm_hold(window, begin);
}

static void give(void *window, void *begin, uint64_t pages) {
    (void)pages;
    vm_let_go(window, begin);
}

struct object_guard_pages guard_pages(struct kernel *kernel) {
    uint64_t bytes = page_free_count(&kernel->pages) * PAGE_SIZE / WINDOW_SHARE;
    return (struct object_guard_pages){take, hide, give, &kernel->vmalloc, bytes / FREED_BYTES};
}

// Bytes, with a K behind them or not, or more than a class has; 0 for what is no number.
static uint64_t size_of(const char *text) {
    uint64_t size = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        size = size <= KMALLOC_CLASS_MAX ? size * 10 + (uint64_t)(*text - '0') : size;
    }
    size *= *text == 'K' || *text == 'k' ? KIB : 1;
    text += *text == 'K' || *text == 'k';
    return *text == '\0' ? size : 0;
}

// The name of a cache that there is, or of what serves a size; NULL: none.
static const char *find_name(struct kernel *kernel, const char *what) {
    uint64_t size = size_of(what);
    if (size > KMALLOC_CLASS_MAX || strcmp(what, OBJECT_GUARD_LARGE) == 0) {
        return OBJECT_GUARD_LARGE;
    }
    if (size != 0) {
        unsigned class = 0;
        while (kernel->kmalloc.classes[class].wanted < size) {
            class ++;
        }
        return kernel->kmalloc.classes[class].name;
    }
    const struct object_cache *cache = kernel->kmalloc.heap.caches;
    while (cache != NULL && strcmp(cache->name, what) != 0) {
        cache = cache->next;
    }
    return cache != NULL ? cache->name : NULL;
}

bool guard_choose(struct kernel *kernel, const char *what, bool at_begin) {
    if (what == NULL) {
        object_guard_choose(&kernel->guard, NULL, false);
        return true;
    }
    const char *name = find_name(kernel, what);
    return name != NULL && object_guard_choose(&kernel->guard, name, at_begin);
}

void guard_start(struct kernel *kernel) {
    const struct boot_options *options = &kernel->info->options;
    const struct object_guard_pages pages = guard_pages(kernel);
    if (!object_guard_start(&kernel->guard, &kernel->kmalloc.heap, &pages) ||
        options->guard[0] == '\0' ||
        guard_choose(kernel, options->guard, options->guard_begin != 0)) {
        return;
    }
    // A cache of this name may still be made.
    object_guard_choose(&kernel->guard, options->guard, options->guard_begin != 0);
    port_log(PORT_WARNING, "guard=%s: there is no object cache of this name yet", options->guard);
}
