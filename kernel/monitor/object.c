// SPDX-License-Identifier: MIT
// Commands about kmalloc and object caches.
//
// kmalloc panics when it is given back what it did not hand out; a typing mistake must not. So only
// what kalloc has handed out is freed by hand.
#include <guard.h>
#include <kmalloc.h>
#include <mm/report.h>
#include <monitor/monitor.h>
#include <monitor/selftest.h>
#include <string.h>

#define BY_HAND 64

static void *by_hand[BY_HAND]; // what kalloc has handed out

static void slabs(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    report_slabs(out, &strata.kmalloc.heap);
}

static void pools(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    report_pools(out, &strata.kmalloc.heap);
}

static void **place_of(const void *memory) {
    for (unsigned i = 0; i < BY_HAND; i++) {
        if (by_hand[i] == memory) {
            return &by_hand[i];
        }
    }
    return NULL;
}

static void kalloc(struct text *out, size_t count, char **arguments) {
    uint64_t size, align = 1;
    if (!monitor_number(out, "size", arguments[0], &size) ||
        (count == 3 && !monitor_number(out, "align", arguments[2], &align))) {
        return;
    }
    void **place = place_of(NULL);
    if (count == 2 || (count == 3 && strcmp(arguments[1], "align") != 0)) {
        text_puts(out, "like this: kalloc 100, or kalloc 100 align 64\n");
        return;
    }
    if (place == NULL) {
        text_printf(out, "%d allocations by hand are held: kfree one first\n", BY_HAND);
        return;
    }
    void *memory = count == 3 ? kmalloc_aligned(size, align, 0) : kmalloc(size, 0);
    if (memory == NULL) {
        bool power = align != 0 && (align & (align - 1)) == 0 && align <= GIB;
        text_printf(out, "not allocated: %s\n",
                    power ? "no memory" : "the alignment is no power of two up to 1 GiB");
        return;
    }
    if (memory == KMALLOC_NOTHING) {
        text_printf(out, "allocated nothing, at 0x%lx\n", (uint64_t)memory);
        return;
    }
    *place = memory;
    struct object_info info = object_inspect(&strata.kmalloc.heap, memory);
    text_printf(out, "allocated 0x%lx", (uint64_t)memory);
    if (!info.guarded) {
        text_printf(out, ", physical 0x%lx", (uint64_t)memory - (uint64_t)port_direct_map_base);
    }
    text_puts(out, ": ");
    report_object(out, &info);
    text_puts(out, "\n");
}

static void kfree_by_hand(struct text *out, size_t count, char **arguments) {
    (void)count;
    uint64_t address;
    if (!monitor_number(out, "address", arguments[0], &address)) {
        return;
    }
    void *memory = (void *)address;
    if (place_of(memory) == NULL || memory == NULL) {
        memory = port_direct_map_base + address;
    }
    void **place = place_of(memory);
    if (place == NULL) {
        text_printf(out, "not freed: 0x%lx is not an address that kalloc has handed out\n",
                    address);
        return;
    }
    *place = NULL;
    kfree(memory);
    text_printf(out, "freed 0x%lx\n", (uint64_t)memory);
}

static void object_leaks(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    static struct object_site sites[64];
    if (!strata.kmalloc.heap.options.debug) {
        text_puts(out, "who allocated an object is kept with the boot option debug=slab\n");
        return;
    }
    size_t found = object_sites(&strata.kmalloc.heap, sites, sizeof(sites) / sizeof(sites[0]));
    report_object_sites(out, sites, found);
    text_printf(out, "%lu places have allocated what is in use\n", found);
}

static void defects(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    struct object_defect defect;
    if (!strata.kmalloc.heap.options.debug) {
        text_puts(out, "objects are guarded with the boot option debug=slab\n");
    } else if (object_debug_find(&strata.kmalloc.heap, &defect)) {
        report_defect(out, &defect);
    } else {
        text_puts(out, "every red zone and every freed object is as it has to be\n");
    }
}

static void show_guard(struct text *out) {
    const struct object_guard *guard = &strata.guard;
    if (guard->cache[0] == '\0') {
        text_puts(out, "no class is guarded");
    } else {
        text_printf(out, "%s is guarded, at the %s of its pages", guard->cache,
                    guard->at_begin ? "begin" : "end");
    }
    text_printf(out,
                ": %lu objects in use, %lu freed and out of reach, of %lu that can be, %lu without "
                "pages\n",
                guard->in_use, guard->quarantined, guard->pages.window, guard->refused);
}

static void guard_command(struct text *out, size_t count, char **arguments) {
    bool at_begin = count == 2 && strcmp(arguments[1], "begin") == 0;
    if (strata.kmalloc.heap.guard == NULL) {
        text_puts(out, "objects get pages of their own with the boot options debug=slab or guard=, "
                       "on the kernel's page tables\n");
        return;
    }
    if (count == 2 && !at_begin && strcmp(arguments[1], "end") != 0) {
        text_puts(out, "like this: guard 64, guard kmalloc-64 begin, or guard off\n");
        return;
    }
    bool off = count != 0 && strcmp(arguments[0], "off") == 0;
    if (count != 0 && !guard_choose(&strata, off ? NULL : arguments[0], at_begin)) {
        text_printf(out, "there is no object cache '%s'; see slabs\n", arguments[0]);
        return;
    }
    show_guard(out);
}

static void shrink(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    uint64_t pages = object_heap_shrink(&strata.kmalloc.heap);
    text_printf(out, "%lu pages given back\n", pages);
}

const struct monitor_command monitor_object_commands[] = {
    {"slabs", "", "object caches: slabs, objects, memory", 0, 0, slabs},
    {"pools", "", "pools: what is kept back, was taken at most, is guaranteed", 0, 0, pools},
    {"kalloc", "SIZE [align A]", "takes bytes from kmalloc", 1, 3, kalloc},
    {"kfree", "ADDRESS", "gives them back", 1, 1, kfree_by_hand},
    {"kleaks", "", "objects in use, by who allocated them", 0, 0, object_leaks},
    {"defects", "", "red zones and freed objects that were written to", 0, 0, defects},
    {"guard", "[CLASS [begin]|off]", "objects of a class get pages of their own", 0, 2,
     guard_command},
    {"selftest", "", "what kmalloc has to catch, provoked", 0, 0, selftest_command},
    {"shrink", "", "gives back what caches keep for later", 0, 0, shrink},
    {0},
};
