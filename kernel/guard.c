// SPDX-License-Identifier: MIT
// Guarded objects of the running kernel.
#include <guard.h>
#include <mm/port.h>
#include <string.h>

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
    return (struct object_guard_pages){take, hide, give, &kernel->vmalloc};
}

// Bytes, with a K behind them or not; 0 for what is no number, or too large for a class.
static uint64_t size_of(const char *text) {
    uint64_t size = 0;
    while (*text >= '0' && *text <= '9' && size <= KMALLOC_CLASS_MAX) {
        size = size * 10 + (uint64_t)(*text++ - '0');
    }
    size *= *text == 'K' || *text == 'k' ? KIB : 1;
    text += *text == 'K' || *text == 'k';
    return *text == '\0' && size <= KMALLOC_CLASS_MAX ? size : 0;
}

static const struct object_cache *find_cache(struct kernel *kernel, const char *what) {
    uint64_t size = size_of(what);
    if (size != 0) {
        unsigned class = 0;
        while (kernel->kmalloc.classes[class].wanted < size) {
            class ++;
        }
        return &kernel->kmalloc.classes[class];
    }
    const struct object_cache *cache = kernel->kmalloc.heap.caches;
    while (cache != NULL && strcmp(cache->name, what) != 0) {
        cache = cache->next;
    }
    return cache;
}

bool guard_choose(struct kernel *kernel, const char *what, bool at_begin) {
    if (what == NULL) {
        object_guard_choose(&kernel->guard, NULL, false);
        return true;
    }
    const struct object_cache *cache = find_cache(kernel, what);
    return cache != NULL && object_guard_choose(&kernel->guard, cache->name, at_begin);
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
