// SPDX-License-Identifier: MIT
// Showing page tables.
#include <paging/fault.h>
#include <paging/mappings.h>

bool mappings_next(struct walk_run *run, const struct kernel *kernel, const struct walker *walker,
                   uint64_t at) {
    if (!walk_next(run, walker, vaddr(at), vaddr(UINT64_MAX))) {
        return false;
    }
    enum layout_area area = layout_find(&kernel->layout, run->begin);
    if (area != LAYOUT_AREA_COUNT_ && run->last.value >= kernel->layout.areas[area].end.value) {
        run->last = vaddr(kernel->layout.areas[area].end.value - 1);
    }
    return true;
}

// Whether `next` lies right behind `run`, in the same area, and differs in its frames only.
static bool is_alike(const struct walk_run *run, const struct walk_run *next, bool one_area) {
    return one_area && next->begin.value == run->last.value + 1 &&
           next->page_bytes == run->page_bytes && next->permissions == run->permissions &&
           next->cache == run->cache && next->global == run->global;
}

static void print_run(struct text *out, const struct kernel *kernel, const struct walk_run *run,
                      bool scattered) {
    char size[24];
    struct text_buffer buffer;
    text_buffer_init(&buffer, size, sizeof(size));
    text_size(&buffer.text, run->last.value - run->begin.value + 1);
    text_printf(out, "  [0x%016lx, 0x%016lx]  %s %c  %-15s  ", run->begin.value, run->last.value,
                walk_permission_name(run->permissions), run->global ? 'g' : '-',
                walk_cache_name(kernel, run->cache));
    if (scattered) {
        text_puts(out, "to several frames");
    } else {
        text_printf(out, "to 0x%-12lx ", run->physical.value);
    }
    text_printf(out, "  %9s of ", size);
    text_size(out, run->page_bytes);
    text_printf(out, "  %s\n", layout_area_name(layout_find(&kernel->layout, run->begin)));
}

void mappings_report(struct text *out, const struct kernel *kernel) {
    struct walker walker = paging_walker(kernel);
    struct walk_run run, next;
    text_printf(out, "page tables: root 0x%lx, %u levels\n", walker.root.value, walker.levels);
    bool more = mappings_next(&run, kernel, &walker, 0), scattered = false;
    while (more) {
        more = run.last.value != UINT64_MAX &&
               mappings_next(&next, kernel, &walker, run.last.value + 1);
        bool one_area = more && layout_find(&kernel->layout, run.begin) ==
                                    layout_find(&kernel->layout, next.begin);
        if (more && is_alike(&run, &next, one_area)) {
            run.last = next.last;
            scattered = true;
            continue;
        }
        print_run(out, kernel, &run, scattered);
        run = next;
        scattered = false;
    }
}

void mappings_records(struct text *out, const struct kernel *kernel) {
    struct walker walker = paging_walker(kernel);
    struct walk_run run;
    for (uint64_t at = 0; mappings_next(&run, kernel, &walker, at);) {
        at = run.last.value + 1;
        text_printf(out, "{\"record\":\"mapping\",\"start\":\"0x%lx\",\"end\":\"0x%s%lx\",",
                    run.begin.value, at == 0 ? "1000000000000000" : "", at);
        text_printf(out,
                    "\"physical\":\"0x%lx\",\"page\":%lu,\"permissions\":\"%s\","
                    "\"cache\":\"%s\",\"global\":%s,\"area\":\"%s\"}\n",
                    run.physical.value, run.page_bytes, walk_permission_name(run.permissions),
                    walk_cache_name(kernel, run.cache), run.global ? "true" : "false",
                    layout_area_name(layout_find(&kernel->layout, run.begin)));
        if (at == 0) {
            return;
        }
    }
}
