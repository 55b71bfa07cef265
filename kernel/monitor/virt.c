// SPDX-License-Identifier: MIT
// Commands that take and give kernel addresses by hand.
//
// vfree and iounmap panic when they are given what nobody handed out; a typing mistake must not. So
// only what was handed out by hand is given back by hand.
#include <mm/port.h>
#include <mm/report.h>
#include <monitor/monitor.h>
#include <stacks.h>
#include <state.h>
#include <string.h>

#define BY_HAND 64

struct held {
    void *address; // NULL: nothing
    enum vm_kind kind;
};

static struct held by_hand[BY_HAND];

static struct held *find_held(const void *address, enum vm_kind kind) {
    for (unsigned i = 0; i < BY_HAND; i++) {
        if (by_hand[i].address == address && (address == NULL || by_hand[i].kind == kind)) {
            return &by_hand[i];
        }
    }
    return NULL;
}

// Where the next one is noted; says what is wrong when there is no such place.
static struct held *room(struct text *out) {
    if (!strata.own_tables) {
        text_puts(out, "the kernel stands on the loader's page tables: it has no windows\n");
        return NULL;
    }
    struct held *held = find_held(NULL, VM_ALLOCATED);
    if (held == NULL) {
        text_printf(out, "%d blocks by hand are held: give one back first\n", BY_HAND);
    }
    return held;
}

// What is there, in the words of fault reports.
static void say_where(struct text *out, struct page_tables *tables, uint64_t address) {
    struct paging_range page;
    text_printf(out, "0x%lx", address);
    if (tables_query(tables, vaddr(address), &page)) {
        uint64_t into = address - page.begin.value;
        text_printf(out, ", physical 0x%lx, %s", page.to.value + into,
                    paging_cache_name(page.attributes));
    }
    text_puts(out, "\n");
}

// Writes to each page and looks for that through the direct map; how many show it.
static uint64_t pages_that_answer(uint64_t begin, uint64_t pages) {
    uint64_t seen = 0;
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t address = begin + i * PAGE_SIZE;
        struct paging_range page;
        *(volatile uint64_t *)address = address;
        if (tables_query(&strata.tables, vaddr(address), &page)) {
            uint64_t physical = page.to.value + (address - page.begin.value);
            seen += *(volatile uint64_t *)port_direct_map(paddr(physical)) == address;
        }
    }
    return seen;
}

static void vmalloc_by_hand(struct text *out, size_t count, char **arguments) {
    (void)count;
    uint64_t bytes;
    struct held *held = room(out);
    if (held == NULL || !monitor_number(out, "size", arguments[0], &bytes)) {
        return;
    }
    void *memory = vmalloc(&strata.vmalloc, bytes);
    if (memory == NULL) {
        text_puts(out, bytes == 0 ? "not allocated: no bytes\n"
                                  : "not allocated: no memory, or no room in the window\n");
        return;
    }
    *held = (struct held){memory, VM_ALLOCATED};
    text_puts(out, "allocated ");
    say_where(out, &strata.tables, (uint64_t)memory);
    uint64_t pages = (bytes - 1) / PAGE_SIZE + 1;
    uint64_t seen = pages_that_answer((uint64_t)memory, pages);
    text_printf(out, "what was written to %lu of its %lu pages is in their frames\n", seen, pages);
}

static bool read_cache(struct text *out, const char *word, uint32_t *cache) {
    static const struct {
        const char *name;
        uint32_t cache;
    } types[] = {{"uc", PAGING_UC}, {"wc", PAGING_WC}, {"wt", PAGING_WT}, {"wb", PAGING_WB}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(word, types[i].name) == 0) {
            *cache = types[i].cache;
            return true;
        }
    }
    text_puts(out, "a cache type is uc (uncached), wc (write-combining), wt (write-through) or wb "
                   "(write-back)\n");
    return false;
}

static void ioremap_by_hand(struct text *out, size_t count, char **arguments) {
    uint64_t physical, bytes = PAGE_SIZE;
    uint32_t cache = PAGING_UC;
    struct held *held = room(out);
    if (held == NULL || !monitor_number(out, "address", arguments[0], &physical) ||
        (count > 1 && !monitor_number(out, "size", arguments[1], &bytes)) ||
        (count > 2 && !read_cache(out, arguments[2], &cache))) {
        return;
    }
    struct ioremap_refusal refusal;
    void *device = ioremap(&strata.ioremap, paddr(physical), bytes, cache, &refusal);
    if (device == NULL) {
        text_puts(out, "not mapped: ");
        ioremap_explain(out, &refusal);
        text_puts(out, "\n");
        return;
    }
    *held = (struct held){device, VM_DEVICE};
    text_puts(out, "mapped ");
    say_where(out, &strata.tables, (uint64_t)device);
}

// Takes the address from the list; NULL, and says so, when it is not in it.
static void *take_held(struct text *out, const char *word, enum vm_kind kind) {
    uint64_t address;
    if (!monitor_number(out, "address", word, &address)) {
        return NULL;
    }
    struct held *held = address == 0 ? NULL : find_held((void *)address, kind);
    if (held == NULL) {
        text_printf(out, "0x%lx is not an address that %s has handed out by hand\n", address,
                    vm_kind_name(kind));
        return NULL;
    }
    held->address = NULL;
    return (void *)address;
}

static void vfree_by_hand(struct text *out, size_t count, char **arguments) {
    (void)count;
    void *memory = take_held(out, arguments[0], VM_ALLOCATED);
    if (memory != NULL) {
        vfree(&strata.vmalloc, memory);
        text_printf(out, "freed 0x%lx\n", (uint64_t)memory);
    }
}

static void iounmap_by_hand(struct text *out, size_t count, char **arguments) {
    (void)count;
    void *device = take_held(out, arguments[0], VM_DEVICE);
    if (device != NULL) {
        iounmap(&strata.ioremap, device);
        text_printf(out, "unmapped 0x%lx\n", (uint64_t)device);
    }
}

static void vm(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    if (!strata.own_tables) {
        text_puts(out, "the kernel stands on the loader's page tables: it has no windows\n");
        return;
    }
    report_window(out, "vmalloc", &strata.vmalloc);
    report_window(out, "mmio", &strata.mmio);
    report_window(out, "stacks", &strata.stacks);
    text_printf(out, "address spaces: %lu, with %lu shared frames\n", strata.spaces.count,
                strata.spaces.shares.shared);
    stacks_report(out, &strata);
}

static void vm_trim(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    if (strata.own_tables) {
        vm_window_trim(&strata.vmalloc);
        vm_window_trim(&strata.mmio);
        vm_window_trim(&strata.stacks);
        spaces_trim(&strata.spaces);
        tables_trim(&strata.tables);
    }
    vm(out, 0, NULL);
}

const struct monitor_command monitor_virt_commands[] = {
    {"vm", "", "what lies in the windows of kernel addresses, and who asked for it", 0, 0, vm},
    {"vmalloc", "SIZE", "takes memory behind kernel addresses by hand", 1, 1, vmalloc_by_hand},
    {"vfree", "ADDRESS", "gives it back", 1, 1, vfree_by_hand},
    {"ioremap", "PHYSICAL [SIZE] [uc|wc|wt|wb]", "maps a device by hand: a page, uncached", 1, 3,
     ioremap_by_hand},
    {"iounmap", "ADDRESS", "undoes it", 1, 1, iounmap_by_hand},
    {"vmtrim", "", "flushes what waits, and gives back what is kept for later", 0, 0, vm_trim},
    {0},
};
