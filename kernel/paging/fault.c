// SPDX-License-Identifier: MIT
// Explaining addresses that went wrong. Nothing here may fault: it reads what the converted map
// calls RAM, and nothing else.
#include <mm/report.h>
#include <monitor/whatis.h>
#include <paging/fault.h>
#include <x86/cpu.h>
#include <x86/trap.h>

struct walker paging_walker(const struct kernel *kernel) {
    return (struct walker){
        .root = paddr(cpu_read_cr3() & WALK_ADDRESS),
        .levels = kernel->info != NULL ? kernel->info->paging_levels : 4,
        .no_execute = cpu_has(&kernel->cpu, CPU_FEATURE_NX),
        .map = &kernel->map,
    };
}

const char *walk_permission_name(unsigned permissions) {
    static const char *const names[8] = {"r--",      "rw-",      "r-x",      "rwx",
                                         "r-- user", "rw- user", "r-x user", "rwx user"};
    return names[permissions & 7];
}

const char *walk_cache_name(const struct kernel *kernel, unsigned index) {
    static const char *const names[8] = {"uncached",   "write-combining", "?",
                                         "?",          "write-through",   "write-protected",
                                         "write-back", "uncached-"};
    uint64_t pat = PAT_RESET;
    if (cpu_has(&kernel->cpu, CPU_FEATURE_PAT)) {
        pat = cpu_read_msr(MSR_PAT);
    }
    return names[pat >> (8 * (index & 7)) & 7];
}

// What an entry says, flags only.
static void describe_entry(struct text *out, const struct walk_step *step, bool last) {
    uint64_t entry = step->entry;
    if ((entry & WALK_PRESENT) == 0) {
        text_puts(out, entry == 0 ? "empty" : "not present");
        return;
    }
    text_puts(out, !last              ? "table"
                   : step->level == 3 ? "1 GiB page"
                   : step->level == 2 ? "2 MiB page"
                                      : "4 KiB page");
    text_printf(out, " at 0x%lx,%s%s%s%s", entry & WALK_ADDRESS,
                (entry & WALK_WRITE) != 0 ? " writable" : " read-only",
                (entry & WALK_NO_EXECUTE) != 0 ? ", no-execute" : "",
                (entry & WALK_USER) != 0 ? ", user" : "",
                last && (entry & WALK_GLOBAL) != 0 ? ", global" : "");
}

void walk_report(struct text *out, const struct walker *walker, const struct walk *walk) {
    text_printf(out, "tables: root 0x%lx, %u levels\n", walker->root.value, walker->levels);
    for (unsigned i = 0; i < walk->count; i++) {
        const struct walk_step *step = &walk->steps[i];
        bool last = i + 1 == walk->count && walk->end == WALK_MAPPED;
        text_printf(out, "  level %u, entry %3u of 0x%lx: %016lx ", step->level, step->index,
                    step->table.value, step->entry);
        describe_entry(out, step, last);
        text_puts(out, "\n");
    }
    if (walk->end == WALK_UNREADABLE) {
        text_puts(out, "  which is not where tables can be\n");
    } else if (walk->end == WALK_NOT_CANONICAL) {
        text_puts(out, "  not a canonical address: no table translates it\n");
    }
}

static void describe_frame(struct text *out, struct kernel *kernel, paddr_t physical) {
    const struct memory_region *region = memmap_find(&kernel->map, physical);
    text_printf(out, "physical 0x%lx: %s", physical.value,
                region != NULL ? memory_class_name(region->class) : "nothing the firmware named");
    if (region != NULL && region->class == MEMORY_USABLE && kernel->pages.sections != NULL) {
        text_puts(out, ", ");
        whatis_frame(out, kernel, pfn_of(physical));
    }
    text_puts(out, "\n");
}

// A mapping beside the address, and how far away.
static void describe_neighbour(struct text *out, struct kernel *kernel, const struct walker *walker,
                               uint64_t at, const char *side, uint64_t distance) {
    struct walk walk;
    walk_address(&walk, walker, vaddr(at));
    text_printf(out, "%s: 0x%016lx, 0x%lx bytes away, %s, ", side, align_down(at, PAGE_SIZE),
                distance, walk_permission_name(walk.permissions));
    describe_frame(out, kernel, paddr(align_down(walk.physical.value, PAGE_SIZE)));
}

// What is mapped nearest below and above, in the same area of the layout.
static void describe_neighbours(struct text *out, struct kernel *kernel,
                                const struct walker *walker, uint64_t address) {
    enum layout_area area = layout_find(&kernel->layout, vaddr(address));
    if (area == LAYOUT_AREA_COUNT_) {
        return;
    }
    vaddr_t begin = kernel->layout.areas[area].begin, end = kernel->layout.areas[area].end, below;
    struct walk_run above;
    bool any_below = walk_previous(&below, walker, vaddr(address), begin);
    bool any_above = walk_next(&above, walker, vaddr(address), vaddr(end.value - 1));
    if (any_below) {
        uint64_t end_below = align_up(below.value + 1, PAGE_SIZE);
        describe_neighbour(out, kernel, walker, below.value, "mapped below", address - end_below);
    }
    if (any_above) {
        describe_neighbour(out, kernel, walker, above.begin.value, "mapped above",
                           above.begin.value - address);
    }
    if (!any_below && !any_above) {
        text_printf(out, "nothing is mapped in %s\n", layout_area_name(area));
    }
}

static struct vm_window *window_of(struct kernel *kernel, enum layout_area area) {
    switch (area) {
    case LAYOUT_AREA_VMALLOC:
        return &kernel->vmalloc;
    case LAYOUT_AREA_MMIO:
        return &kernel->mmio;
    case LAYOUT_AREA_STACKS:
        return &kernel->stacks;
    default:
        return NULL;
    }
}

static void describe_block(struct text *out, const struct vm_block_info *block) {
    text_printf(out, "%s%s [0x%lx, 0x%lx), asked for by ", block->freed ? "freed " : "",
                vm_kind_name(block->kind), block->begin.value, block->end.value);
    report_caller(out, block->caller);
    text_puts(out, "\n");
}

static void explain_block(struct text *out, struct kernel *kernel, vaddr_t address) {
    struct vm_window *window = window_of(kernel, layout_find(&kernel->layout, address));
    struct vm_view view;
    if (!kernel->own_tables || window == NULL || !vm_window_look(window, address, &view)) {
        return;
    }
    if (view.is_block) {
        text_puts(out, "block: ");
        describe_block(out, &view.block);
        return;
    }
    if (view.has_below) {
        uint64_t distance = address.value - view.below.end.value;
        text_printf(out, "block: 0x%lx bytes behind%s ", distance,
                    distance < PAGE_SIZE ? ", in the guard of" : "");
        describe_block(out, &view.below);
    }
    if (view.has_above) {
        uint64_t distance = view.above.begin.value - address.value;
        text_printf(out, "block: 0x%lx bytes before%s ", distance,
                    distance <= PAGE_SIZE ? ", in the guard of" : "");
        describe_block(out, &view.above);
    }
}

void fault_explain_block(struct text *out, struct kernel *kernel, vaddr_t address) {
    struct object_guarded guarded;
    explain_block(out, kernel, address);
    if (object_guard_look(&kernel->kmalloc.heap, (const void *)address.value, &guarded)) {
        text_puts(out, "object: ");
        report_guarded(out, &guarded, (const void *)address.value);
        text_puts(out, "\n");
    }
}

void fault_explain_access(struct text *out, struct kernel *kernel, uint64_t error,
                          vaddr_t address) {
    struct walker walker = paging_walker(kernel);
    struct walk walk;
    fault_explain_address(out, kernel, address);
    walk_address(&walk, &walker, address);
    if (walk.end == WALK_MAPPED && (walk.permissions & WALK_BY_USER) != 0 &&
        (error & (TRAP_ERROR_PRESENT | TRAP_ERROR_USER)) == TRAP_ERROR_PRESENT) {
        text_puts(out, (error & TRAP_ERROR_FETCH) != 0
                           ? "it is user memory, which the kernel must not execute (SMEP)\n"
                           : "it is user memory, which the kernel must not touch (SMAP)\n");
    }
}

void fault_explain_address(struct text *out, struct kernel *kernel, vaddr_t address) {
    struct walker walker = paging_walker(kernel);
    struct walk walk;
    text_puts(out, "address: ");
    layout_describe(out, &kernel->layout, address);
    text_puts(out, "\n");
    walk_address(&walk, &walker, address);
    walk_report(out, &walker, &walk);
    if (walk.end == WALK_MAPPED) {
        text_printf(out, "together: %s, %s; ", walk_permission_name(walk.permissions),
                    walk_cache_name(kernel, walk.cache));
        describe_frame(out, kernel, walk.physical);
    } else if (walk.end == WALK_ABSENT) {
        if (layout_find(&kernel->layout, address) == LAYOUT_AREA_DIRECT) {
            describe_frame(out, kernel, paddr(address.value - kernel->info->direct_map.value));
        }
        describe_neighbours(out, kernel, &walker, address.value);
    }
    fault_explain_block(out, kernel, address);
}
