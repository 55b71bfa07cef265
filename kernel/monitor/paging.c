// SPDX-License-Identifier: MIT
// Commands about the address space.
#include <monitor/monitor.h>
#include <paging/fault.h>

static void layout(struct text *out, size_t count, char **arguments) {
    (void)count, (void)arguments;
    layout_report(out, &strata.layout);
}

static void print_run(struct text *out, const struct walk_run *run) {
    char size[24];
    struct text_buffer buffer;
    text_buffer_init(&buffer, size, sizeof(size));
    text_size(&buffer.text, run->last.value - run->begin.value + 1);
    text_printf(out, "  [0x%016lx, 0x%016lx]  %s %c  %-15s  to 0x%010lx  %9s of ", run->begin.value,
                run->last.value, walk_permission_name(run->permissions), run->global ? 'g' : '-',
                walk_cache_name(&strata, run->cache), run->physical.value, size);
    text_size(out, run->page_bytes);
    text_printf(out, "  %s\n", layout_area_name(layout_find(&strata.layout, run->begin)));
}

static void pt(struct text *out, size_t count, char **arguments) {
    struct walker walker = paging_walker(&strata);
    uint64_t address;
    if (count == 1) {
        if (monitor_number(out, "pt", arguments[0], &address)) {
            fault_explain_address(out, &strata, vaddr(address));
        }
        return;
    }
    text_printf(out, "page tables: root 0x%lx, %u levels\n", walker.root.value, walker.levels);
    struct walk_run run;
    uint64_t at = 0;
    while (walk_next(&run, &walker, vaddr(at), vaddr(UINT64_MAX))) {
        print_run(out, &run);
        if (run.last.value == UINT64_MAX) {
            break;
        }
        at = run.last.value + 1;
    }
}

const struct monitor_command monitor_paging_commands[] = {
    {"layout", "", "where everything is in the kernel's address space", 0, 0, layout},
    {"pt", "[ADDRESS]", "what is mapped, or how one address is translated", 0, 1, pt},
    {0},
};
