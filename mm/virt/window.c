// SPDX-License-Identifier: MIT
// The blocks of a window. Invariants (tests/unit/test_vmalloc.c):
//   W1  a block in use has guards on both sides, on which nothing is mapped    random_operations
//   W2  nothing is mapped in a block that waits, is ready or held              random_operations
//   W3  no place and no frame is given to anybody while a flush of it is owed  stale_translations
//   W4  as many blocks are ready and waiting as are counted                    random_operations
#include "window.h"

#include <mm/assert.h>
#include <string.h>

#define LOOK_TRIES 10000

const char *vm_kind_name(enum vm_kind kind) {
    static const char *const names[VM_KIND_COUNT_] = {"vmalloc", "vmap", "ioremap", "stack"};
    return kind < VM_KIND_COUNT_ ? names[kind] : "?";
}

static struct vm_block *block_of(const struct range *range) {
    _Static_assert(offsetof(struct vm_block, range) == 0, "a block begins with its range");
    return (struct vm_block *)(uintptr_t)range;
}

void vm_window_init(struct vm_window *window, struct page_tables *tables,
                    struct page_allocator *pages, vaddr_t begin, vaddr_t end) {
    ASSERT(((begin.value | end.value) & (PAGE_SIZE - 1)) == 0);
    memset(window, 0, sizeof(*window));
    window->lock.rank = LOCK_VMALLOC;
    window->tables = tables;
    window->pages = pages;
    ranges_init(&window->ranges, begin, end, PAGE_SIZE);
    nodes_init(&window->nodes, pages, sizeof(struct vm_block), PAGE_OWNER_KERNEL);
    tlb_batch_init(&window->batch, tables);
    window->memory_bits = slots_bits(tables, begin, PAGING_WRITE | PAGING_GLOBAL);
    ASSERT(window->memory_bits != 0);
}

static __attribute__((noinline)) void drop(struct vm_window *window, struct vm_block *block) {
    if (block->entries != NULL) {
        slots_release(window->tables, vaddr(block->range.begin), vm_pages(block), block->entries);
    }
    ranges_remove(&window->ranges, &block->range);
    nodes_free(&window->nodes, block);
}

// Forgets the places that are kept for later.
static void drop_ready(struct vm_window *window) {
    for (uint64_t pages = 0; pages <= VM_READY_PAGES; pages++) {
        struct vm_block *next;
        for (struct vm_block *block = window->ready[pages]; block != NULL; block = next) {
            next = block->next;
            drop(window, block);
        }
        window->ready[pages] = NULL;
    }
    window->ready_count = 0;
}

static struct vm_block *take_ready(struct vm_window *window, uint64_t pages) {
    struct vm_block *block = window->ready[pages];
    if (block != NULL) {
        window->ready[pages] = block->next;
        window->ready_count--;
    }
    return block;
}

// Reserves the entries of a small block. One that lies in two tables does without.
static bool reserve(struct vm_window *window, struct vm_block *block, uint64_t pages) {
    enum tables_status status = TABLES_BAD_REQUEST;
    if (pages <= VM_READY_PAGES) {
        status = slots_reserve(window->tables, vaddr(block->range.begin), pages, &block->entries);
    }
    return status == TABLES_OK || status == TABLES_BAD_REQUEST;
}

// At the lowest place that has room.
static struct vm_block *place(struct vm_window *window, uint64_t pages, uint64_t align) {
    struct vm_block *block = nodes_alloc(&window->nodes);
    if (block == NULL) {
        return NULL;
    }
    if (!ranges_alloc(&window->ranges, &block->range, pages << PAGE_SHIFT, align,
                      vaddr(window->ranges.begin))) {
        nodes_free(&window->nodes, block);
        return NULL;
    }
    if (!reserve(window, block, pages)) {
        drop(window, block);
        return NULL;
    }
    return block;
}

// What waits and what is kept may be what is missing.
static __attribute__((noinline)) struct vm_block *place_or_trim(struct vm_window *window,
                                                                uint64_t pages, uint64_t align) {
    struct vm_block *block = place(window, pages, align);
    if (block == NULL && (window->waiting_count != 0 || window->ready_count != 0)) {
        vm_settle(window);
        drop_ready(window);
        block = place(window, pages, align);
    }
    return block;
}

struct vm_block *vm_take(struct vm_window *window, uint64_t pages, uint64_t align,
                         enum vm_kind kind, const void *caller) {
    if (pages - 1 > UINT64_MAX >> (PAGE_SHIFT + 1)) {
        return NULL;
    }
    struct vm_block *block = NULL;
    unsigned long flags = lock_acquire(&window->lock);
    if (pages <= VM_READY_PAGES && align <= PAGE_SIZE) {
        block = take_ready(window, pages);
    }
    if (block == NULL) {
        block = place_or_trim(window, pages, align);
    }
    if (block != NULL) {
        block->range.tag = VM_IN_USE;
        block->kind = kind;
        block->caller = (uint32_t)((uintptr_t)caller - (uintptr_t)port_text());
    }
    lock_release(&window->lock, flags);
    return block;
}

// Says what is wrong with a free, and stops; with the lock free again, for whoever reports it.
static _Noreturn void misuse(struct vm_window *window, uint64_t address, enum vm_kind kind,
                             const char *function, unsigned long flags) {
    const struct range *range = ranges_find(&window->ranges, vaddr(address));
    struct vm_block block = {.kind = kind};
    if (range != NULL) {
        block = *block_of(range);
    }
    lock_release(&window->lock, flags);
    const char *name = vm_kind_name((enum vm_kind)block.kind);
    if (range == NULL) {
        port_panic("%s: 0x%lx: nothing was allocated there", function, address);
    }
    if (block.range.tag != VM_IN_USE) {
        port_panic("%s: 0x%lx: double free: the %s block at 0x%lx was freed before", function,
                   address, name, block.range.begin);
    }
    if (block.kind != kind) {
        port_panic("%s: 0x%lx: it lies in the %s block at 0x%lx", function, address, name,
                   block.range.begin);
    }
    port_panic("%s: 0x%lx: it is inside the block at 0x%lx", function, address, block.range.begin);
}

struct vm_block *vm_retire(struct vm_window *window, uint64_t address, enum vm_kind kind,
                           const char *function, unsigned long *flags) {
    *flags = lock_acquire(&window->lock);
    struct range *range = ranges_find(&window->ranges, vaddr(address));
    struct vm_block *block = block_of(range);
    if (range == NULL || range->begin != address || range->tag != VM_IN_USE ||
        block->kind != kind) {
        misuse(window, address, kind, function, *flags);
    }
    range->tag = VM_GOING;
    return block;
}

struct vm_block *vm_retire_held(struct vm_window *window, uint64_t address, const char *function,
                                unsigned long *flags) {
    *flags = lock_acquire(&window->lock);
    struct range *range = ranges_find(&window->ranges, vaddr(address));
    if (range == NULL || range->begin != address || range->tag != VM_HELD) {
        lock_release(&window->lock, *flags);
        port_panic("%s: 0x%lx: no block is held there", function, address);
    }
    range->tag = VM_GOING;
    return block_of(range);
}

void vm_give(struct vm_window *window, struct vm_block *block) {
    uint64_t pages = vm_pages(block);
    if (pages > VM_READY_PAGES || window->ready_count == VM_READY_BLOCKS) {
        drop(window, block);
        return;
    }
    block->range.tag = VM_READY;
    block->next = window->ready[pages];
    window->ready[pages] = block;
    window->ready_count++;
}

void vm_free_frames(struct vm_window *window, const pfn_t *frames, uint64_t count) {
    for (uint64_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && frames[i + run].value == frames[i].value + run; run++) {
        }
        page_free_run(window->pages, frames[i], run);
    }
}

void vm_settle(struct vm_window *window) {
    tlb_batch_flush(&window->batch);
    vm_free_frames(window, window->waiting_frames, window->waiting_pages);
    for (uint32_t i = 0; i < window->waiting_count; i++) {
        vm_give(window, window->waiting[i]);
    }
    window->waiting_count = 0;
    window->waiting_pages = 0;
}

// One without reserved entries.
static __attribute__((noinline)) void unmap_slow(struct vm_window *window, struct vm_block *block,
                                                 unsigned long flags) {
    lock_release(&window->lock, flags);
    enum tables_status status =
        tables_unmap(window->tables, vaddr(block->range.begin), vm_pages(block), NULL, NULL);
    ASSERT(status == TABLES_OK);
    vm_cancel(window, block);
}

void vm_unmap(struct vm_window *window, struct vm_block *block, unsigned long flags) {
    if (__builtin_expect(block->entries == NULL, false)) {
        unmap_slow(window, block, flags);
        return;
    }
    slots_unmap_now(window->tables, block->entries, vaddr(block->range.begin), vm_pages(block));
    vm_give(window, block);
    lock_release(&window->lock, flags);
}

void vm_cancel(struct vm_window *window, struct vm_block *block) {
    unsigned long flags = lock_acquire(&window->lock);
    vm_give(window, block);
    lock_release(&window->lock, flags);
}

void vm_window_trim(struct vm_window *window) {
    unsigned long flags = lock_acquire(&window->lock);
    vm_settle(window);
    drop_ready(window);
    nodes_trim(&window->nodes);
    lock_release(&window->lock, flags);
}

static struct vm_block_info info_of(const struct range *range) {
    const struct vm_block *block = block_of(range);
    return (struct vm_block_info){
        .begin = vaddr(range->begin),
        .end = vaddr(range->end),
        .kind = (enum vm_kind)block->kind,
        .freed = range->tag != VM_IN_USE,
        .caller = block->caller,
    };
}

static void look(const struct vm_window *window, vaddr_t address, struct vm_view *view) {
    const struct range *below = ranges_before(&window->ranges, address);
    const struct range *above = ranges_from(&window->ranges, address);
    if (above != NULL && above->begin <= address.value) {
        view->is_block = true;
        view->block = info_of(above);
        above = ranges_from(&window->ranges, vaddr(above->end));
    }
    if (below != NULL) {
        view->has_below = true;
        view->below = info_of(below);
    }
    if (above != NULL) {
        view->has_above = true;
        view->above = info_of(above);
    }
}

bool vm_window_look(struct vm_window *window, vaddr_t address, struct vm_view *view) {
    memset(view, 0, sizeof(*view));
    unsigned long flags;
    if (!lock_try(&window->lock, LOOK_TRIES, &flags)) {
        return false;
    }
    look(window, address, view);
    lock_release(&window->lock, flags);
    return true;
}

bool vm_window_next(struct vm_window *window, vaddr_t *at, struct vm_block_info *block) {
    struct vm_view view;
    while (vm_window_look(window, *at, &view) && (view.is_block || view.has_above)) {
        *block = view.is_block ? view.block : view.above;
        *at = block->end;
        if (!block->freed) {
            return true;
        }
    }
    return false;
}

// How many pages of [begin, end) are mapped.
static uint64_t mapped_pages(struct vm_window *window, uint64_t begin, uint64_t end) {
    uint64_t mapped = 0;
    struct paging_range run;
    while (begin < end &&
           tables_next(window->tables, vaddr(begin), (end - begin) >> PAGE_SHIFT, true, &run)) {
        mapped += run.pages;
        begin = run.begin.value + (run.pages << PAGE_SHIFT);
    }
    return mapped;
}

static const char *check_block(struct vm_window *window, const struct range *range) {
    uint64_t pages = (range->end - range->begin) >> PAGE_SHIFT;
    uint64_t mapped = mapped_pages(window, range->begin, range->end);
    if (range->tag == VM_IN_USE && mapped != pages) {
        return "a page of a block in use is not mapped";
    }
    if ((range->tag == VM_WAITING || range->tag == VM_READY || range->tag == VM_HELD) &&
        mapped != 0) {
        return "a page of a block that was freed is still mapped";
    }
    if (mapped_pages(window, range->begin - PAGE_SIZE, range->begin) != 0 ||
        mapped_pages(window, range->end, range->end + PAGE_SIZE) != 0) {
        return "something is mapped on a guard page";
    }
    return NULL;
}

static void count_block(struct vm_usage *usage, const struct vm_block *block) {
    if (block->range.tag == VM_IN_USE) {
        usage->blocks[block->kind]++;
        usage->pages[block->kind] += vm_pages(block);
    } else if (block->range.tag == VM_WAITING) {
        usage->waiting_blocks++;
        usage->waiting_pages += vm_pages(block);
    } else if (block->range.tag == VM_READY) {
        usage->ready_blocks++;
    } else if (block->range.tag == VM_HELD) {
        usage->held_blocks++;
    }
}

static void count_all(const struct vm_window *window, struct vm_usage *usage) {
    memset(usage, 0, sizeof(*usage));
    vaddr_t begin = vaddr(window->ranges.begin);
    for (struct range *range = ranges_from(&window->ranges, begin); range != NULL;
         range = ranges_next(range, begin)) {
        count_block(usage, block_of(range));
    }
}

void vm_window_usage(struct vm_window *window, struct vm_usage *usage) {
    unsigned long flags = lock_acquire(&window->lock);
    count_all(window, usage);
    lock_release(&window->lock, flags);
}

static const char *check(struct vm_window *window) {
    struct vm_usage usage;
    const char *broken = ranges_check(&window->ranges);
    if (broken != NULL) {
        return broken;
    }
    vaddr_t begin = vaddr(window->ranges.begin);
    for (struct range *range = ranges_from(&window->ranges, begin); range != NULL && broken == NULL;
         range = ranges_next(range, begin)) {
        broken = check_block(window, range);
    }
    count_all(window, &usage);
    if (broken == NULL && (usage.waiting_blocks != window->waiting_count ||
                           usage.waiting_pages != window->waiting_pages ||
                           usage.ready_blocks != window->ready_count)) {
        broken = "there are not as many blocks waiting or ready as are counted";
    }
    return broken;
}

const char *vm_window_check(struct vm_window *window) {
    unsigned long flags = lock_acquire(&window->lock);
    const char *broken = check(window);
    lock_release(&window->lock, flags);
    return broken;
}
