// SPDX-License-Identifier: MIT
// Windows of kernel addresses, for people and as records. They may change between two lines.
#include <mm/ioremap.h>
#include <mm/report.h>

static uint64_t pages_of(const struct vm_block_info *block) {
    return (block->end.value - block->begin.value) >> PAGE_SHIFT;
}

static void report_block(struct text *out, struct vm_window *window,
                         const struct vm_block_info *block) {
    struct paging_range page;
    text_printf(out, "  [0x%016lx, 0x%016lx) %7lu %s  %-8s", block->begin.value, block->end.value,
                pages_of(block), pages_of(block) == 1 ? "page " : "pages",
                vm_kind_name(block->kind));
    if (block->kind == VM_DEVICE && tables_query(window->tables, block->begin, &page)) {
        text_printf(out, "physical 0x%lx, %s, ", page.to.value, paging_cache_name(page.attributes));
    }
    text_puts(out, "by ");
    report_caller(out, block->caller);
    text_puts(out, "\n");
}

void report_window(struct text *out, const char *name, struct vm_window *window) {
    struct vm_usage usage;
    struct vm_block_info block;
    uint64_t blocks = 0, pages = 0;
    vm_window_usage(window, &usage);
    for (unsigned kind = 0; kind < VM_KIND_COUNT_; kind++) {
        blocks += usage.blocks[kind];
        pages += usage.pages[kind];
    }
    text_printf(out, "%s: %lu blocks in use, ", name, blocks);
    text_size(out, pages << PAGE_SHIFT);
    text_printf(out, "; %lu places kept, %lu pages to be flushed", usage.ready_blocks,
                usage.waiting_pages);
    if (usage.held_blocks != 0) {
        text_printf(out, ", %lu places where nothing may be", usage.held_blocks);
    }
    text_puts(out, "\n");
    vaddr_t at = vaddr(window->ranges.begin);
    while (vm_window_next(window, &at, &block)) {
        report_block(out, window, &block);
    }
}

void record_window(struct text *out, const char *name, struct vm_window *window) {
    struct vm_block_info block;
    vaddr_t at = vaddr(window->ranges.begin);
    while (vm_window_next(window, &at, &block)) {
        struct paging_range page = {.to = paddr(0)};
        (void)tables_query(window->tables, block.begin, &page);
        text_puts(out, "{\"record\":\"vm\",\"window\":");
        text_json_string(out, name);
        text_printf(out,
                    ",\"start\":\"0x%lx\",\"pages\":%lu,\"kind\":\"%s\",\"physical\":\"0x%lx\","
                    "\"cache\":\"%s\",\"caller\":\"",
                    block.begin.value, pages_of(&block), vm_kind_name(block.kind), page.to.value,
                    paging_cache_name(page.attributes));
        report_caller(out, block.caller);
        text_puts(out, "\"}\n");
    }
}
