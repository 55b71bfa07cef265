// SPDX-License-Identifier: MIT
// Windows, devices and address spaces before two CPUs that remember all that they may
// (tests/support/tlb_model.h), first with flushes as they should be, then with each way to do them
// wrongly, which must be noticed. After every operation both CPUs access pages; what any of them
// might still know must be what the tables say.
//   STRATA_SEED=n STRATA_STEPS=n run another, or a longer, sequence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/tlb_model.h"
#include "virt_world.h"
#include <host/host.h>
#include <mm/ioremap.h>
#include <mm/space.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE    40
#define SPACES  4
#define HERE    (512 * GIB - 40 * PAGE_SIZE) // across tables of all levels
#define PAGES   80                           // of an address space
#define WINDOW  2048                         // pages
#define DEVICES UINT64_C(0xfd000000)

static struct virt_world virt;
static struct vm_window window;
static struct ioremap io;
static struct spaces spaces;
static struct tlb_model model;
static uint64_t seed;

static struct block {
    void *address; // NULL: none
    uint64_t pages;
    enum vm_kind kind;
} live[LIVE];
static struct space programs[SPACES];
static bool used[SPACES];
static pfn_t mine[40];

static uint64_t pick(uint64_t below) {
    return world_random(&seed) % below;
}

static uint64_t environment(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value != NULL ? strtoull(value, NULL, 0) : otherwise;
}

static struct page_tables *loaded_by(unsigned cpu) {
    return model.cpus[cpu].loaded;
}

static void load(pfn_t root) {
    struct page_tables *tables = &virt.kernel;
    for (size_t i = 0; i < SPACES; i++) {
        if (used[i] && programs[i].tables.root.value == root.value) {
            tables = &programs[i].tables;
        }
    }
    tlb_model_load(&model, host_cpu, tables);
}

// One CPU touches a page, which must look to it as the tables have it.
static bool access_page(unsigned cpu, uint64_t address, bool write) {
    struct page_tables *tables = address >= VIRT_BEGIN ? &virt.kernel : loaded_by(cpu);
    struct paging_range range;
    struct tlb_expected expected = {.mapped = false};
    if (tables_query(tables, vaddr(address), &range)) {
        expected.mapped = true;
        expected.frame = pfn_of(range.to).value + ((address - range.begin.value) >> PAGE_SHIFT);
        expected.attributes = range.attributes;
    }
    return tlb_model_access(&model, cpu, address >> PAGE_SHIFT, write, &expected);
}

static bool access_some(void) {
    bool good = true;
    for (unsigned i = 0; i < 4 && good; i++) {
        unsigned cpu = (unsigned)pick(TLB_CPUS);
        const struct block *block = &live[pick(LIVE)];
        if (block->address != NULL) {
            uint64_t page = pick(block->pages);
            good = access_page(cpu, (uintptr_t)block->address + page * PAGE_SIZE, pick(2) == 0);
        }
        if (good && loaded_by(cpu) != &virt.kernel) {
            good = access_page(cpu, HERE + pick(PAGES) * PAGE_SIZE, pick(2) == 0);
        }
    }
    return good;
}

// With nothing left to be flushed: all of the window.
static bool access_all(void) {
    bool good = true;
    vm_window_trim(&window);
    for (uint64_t page = 0; page < WINDOW && good; page++) {
        good = access_page(0, VIRT_BEGIN + page * PAGE_SIZE, false) &&
               access_page(1, VIRT_BEGIN + page * PAGE_SIZE, false);
    }
    return good;
}

static void take_block(struct block *block) {
    block->kind = (enum vm_kind)pick(3);
    block->pages = 1 + (pick(6) == 0 ? pick(600) : pick(20));
    if (block->kind == VM_ALLOCATED) {
        block->address = vmalloc(&window, block->pages * PAGE_SIZE);
    } else if (block->kind == VM_MAPPED) {
        block->pages = block->pages % 40 + 1;
        block->address = vmap(&window, mine, block->pages, pick(2) == 0 ? 0 : PAGING_WRITE);
    } else {
        paddr_t device = paddr(DEVICES + pick(8) * PAGE_SIZE);
        block->address = ioremap(&io, device, block->pages * PAGE_SIZE, PAGING_UC, NULL);
    }
}

// What is not flushed when these return is owed by vfree alone.
static bool give_block(struct block *block) {
    uint64_t address = (uintptr_t)block->address + pick(block->pages) * PAGE_SIZE;
    if (block->kind == VM_ALLOCATED) {
        vfree(&window, block->address);
    } else if (block->kind == VM_MAPPED) {
        vunmap(&window, block->address);
    } else {
        iounmap(&io, block->address);
    }
    block->address = NULL;
    return block->kind == VM_ALLOCATED ||
           (access_page(0, address, false) && access_page(1, address, true));
}

static void end_program(size_t i) {
    for (unsigned cpu = 0; cpu < TLB_CPUS; cpu++) {
        host_cpu_set(cpu);
        if (spaces.current[cpu] == &programs[i]) {
            space_switch(&spaces, NULL);
        }
    }
    space_destroy(&programs[i]);
    used[i] = false;
}

static void begin_program(size_t i, size_t parent) {
    if (!used[parent]) {
        used[i] = space_create(&spaces, &programs[i]) == SPACE_OK;
    } else {
        used[i] = space_clone(&programs[parent], &programs[i]) == SPACE_OK;
    }
}

static void change_program(struct space *space) {
    uint64_t page = pick(PAGES), pages = 1 + pick(PAGES - page), word = page;
    vaddr_t at = vaddr(HERE + page * PAGE_SIZE);
    uint32_t attributes = pick(3) == 0 ? 0 : PAGING_WRITE;
    switch (pick(10)) {
    case 0:
        (void)space_map_at(space, at, pages, attributes);
        break;
    case 1:
        (void)space_unmap(space, at, 1 + pick(pages));
        break;
    case 2:
        (void)space_protect(space, at, 1 + pick(pages), attributes);
        break;
    case 3:
        (void)space_write(space, at, &word, sizeof(word));
        break;
    default:
        (void)space_fault(space, at, pick(2) == 0 ? SPACE_WRITES : 0);
        break;
    }
}

static bool step(void) {
    struct block *block = &live[pick(LIVE)];
    size_t i = pick(SPACES);
    uint64_t what = pick(100);
    host_cpu_set((unsigned)pick(TLB_CPUS));
    if (what < 40) {
        if (block->address != NULL) {
            return give_block(block);
        }
        take_block(block);
    } else if (!used[i]) {
        begin_program(i, pick(SPACES));
    } else if (what < 85) {
        change_program(&programs[i]);
    } else if (what < 95) {
        space_switch(&spaces, pick(4) == 0 ? NULL : &programs[i]);
    } else {
        end_program(i);
    }
    return true;
}

static void start(enum tlb_defect defect) {
    virt_create(&virt, 32 * MIB, GIB);
    tlb_model_start(&model, &virt.world.pages, &virt.kernel);
    model.defect = defect;
    host_tables_load = load;
    vm_window_init(&window, &virt.kernel, &virt.world.pages, vaddr(VIRT_BEGIN),
                   vaddr(VIRT_BEGIN + WINDOW * PAGE_SIZE));
    ioremap_init(&io, &window);
    spaces_init(&spaces, &virt.kernel, &virt.world.pages, vaddr(HERE),
                vaddr(HERE + PAGES * PAGE_SIZE), paddr(33 * MIB));
    for (size_t i = 0; i < sizeof(mine) / sizeof(mine[0]); i++) {
        mine[i] = page_alloc_frame(&virt.world.pages, PAGE_OWNER_TEST);
    }
}

static void finish(void) {
    for (size_t i = 0; i < SPACES; i++) {
        if (used[i]) {
            end_program(i);
        }
    }
    for (size_t i = 0; i < LIVE; i++) {
        if (live[i].address != NULL) {
            give_block(&live[i]);
        }
    }
    host_cpu_set(0);
    vm_window_trim(&window);
    host_tables_load = NULL;
    tlb_model_stop(&model);
    virt_destroy(&virt);
}

static bool run(uint64_t steps) {
    bool good = true;
    for (uint64_t i = 0; i < steps && good; i++) {
        good = step() && access_some();
        if (good && i % 200 == 199) {
            good = access_all();
        }
    }
    return good;
}

static void no_cpu_sees_the_past(void **state) {
    (void)state;
    seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
    uint64_t steps = environment("STRATA_STEPS", 4000);
    printf("seed 0x%lx, %lu steps\n", seed, steps);
    start(TLB_SOUND);
    if (!run(steps)) {
        fail_msg("CPU %u at 0x%lx: %s", model.failed_cpu, model.failed_at, model.failure);
    }
    printf("%lu flushes, %lu accesses\n", model.flushes, model.accesses);
    finish();
}

// The same with flushes done wrongly: the model has to notice.
static void wrong_flushes_are_noticed(void **state) {
    (void)state;
    static const enum tlb_defect defects[] = {TLB_DROPPED, TLB_LATE, TLB_ONE_CPU, TLB_GLOBAL_KEPT,
                                              TLB_SHORT};
    for (size_t i = 0; i < sizeof(defects) / sizeof(defects[0]); i++) {
        seed = environment("STRATA_SEED", 0x9e3779b97f4a7c15);
        start(defects[i]);
        assert_false(run(20000));
        assert_non_null(model.failure);
        model.defect = TLB_SOUND;
        finish();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_cpu_sees_the_past),
        cmocka_unit_test(wrong_flushes_are_noticed),
    };
    return cmocka_run_group_tests_name("virt_tlb", tests, NULL, NULL);
}
