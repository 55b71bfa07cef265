// SPDX-License-Identifier: MIT
// Breaking each rule of the audit on purpose, to show that it notices. What is broken stays so.
#include <mm/port.h>
#include <monitor/plant.h>
#include <paging/audit.h>
#include <paging/fault.h>
#include <string.h>

// The entry that maps the page of `address`, to be written to.
static uint64_t *entry_of(uint64_t address, unsigned step_from_last) {
    struct walker walker = paging_walker(&strata);
    struct walk walk;
    walk_address(&walk, &walker, vaddr(address));
    if (walk.end != WALK_MAPPED || walk.count <= step_from_last) {
        return NULL;
    }
    const struct walk_step *step = &walk.steps[walk.count - 1 - step_from_last];
    return (uint64_t *)port_direct_map(step->table) + step->index;
}

static void change(uint64_t address, uint64_t set, uint64_t clear) {
    uint64_t *entry = entry_of(address, 0);
    if (entry != NULL) {
        *entry = (*entry & ~clear) | set;
        cpu_invalidate_page(address);
    }
}

// The lowest page of the kernel's stack, which nobody has come to.
static uint64_t victim(void) {
    return strata.stack.begin;
}

static void plant_writable_executable(void) {
    change(victim(), 0, WALK_NO_EXECUTE);
}

static void plant_code_alias(void) {
    paddr_t code = strata.info->kernel_physical;
    tables_map(&strata.tables, vaddr(strata.info->direct_map.value + code.value), 1, code,
               PAGING_WRITE | PAGING_GLOBAL);
}

// User mode can reach a page when the entries of all levels say so.
static void plant_user_bit(void) {
    for (unsigned step = 0; step < strata.info->paging_levels; step++) {
        *entry_of(victim(), step) |= WALK_USER;
    }
}

static void *map_frame(pfn_t frame, uint32_t attributes) {
    return vmap(&strata.vmalloc, &frame, 1, attributes);
}

static void plant_cache_alias(void) {
    pfn_t frame = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
    if (frame.value != PAGE_NO_FRAME.value) {
        map_frame(frame, PAGING_WRITE | PAGING_UC);
    }
}

static void plant_mapped_free(void) {
    pfn_t frame = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
    if (frame.value != PAGE_NO_FRAME.value) {
        map_frame(frame, PAGING_WRITE);
        page_free_frame(&strata.pages, frame);
    }
}

static void plant_mapped_bad(void) {
    pfn_t frame = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
    if (frame.value == PAGE_NO_FRAME.value) {
        return;
    }
    page_free_frame(&strata.pages, frame);
    page_drain(&strata.pages);
    page_retire(&strata.pages, frame, pfn(frame.value + 1), NULL);
}

// A copy of the lowest table above the victim, in a frame of somebody else's.
static void plant_table_not_owned(void) {
    uint64_t *entry = entry_of(victim(), 1);
    pfn_t frame = page_alloc_frame(&strata.pages, PAGE_OWNER_TEST);
    if (entry != NULL && frame.value != PAGE_NO_FRAME.value) {
        memcpy(port_direct_map(paddr_of(frame)), port_direct_map(paddr(*entry & WALK_ADDRESS)),
               PAGE_SIZE);
        *entry = (*entry & ~WALK_ADDRESS) | paddr_of(frame).value;
        cpu_write_cr3(cpu_read_cr3());
    }
}

static void (*const plants[AUDIT_RULE_COUNT_])(void) = {
    [AUDIT_WRITABLE_EXECUTABLE] = plant_writable_executable,
    [AUDIT_CODE_ALIAS] = plant_code_alias,
    [AUDIT_USER_BIT] = plant_user_bit,
    [AUDIT_CACHE_ALIAS] = plant_cache_alias,
    [AUDIT_MAPPED_FREE] = plant_mapped_free,
    [AUDIT_MAPPED_BAD] = plant_mapped_bad,
    [AUDIT_TABLE_NOT_OWNED] = plant_table_not_owned,
};

void plant_command(struct text *out, size_t count, char **arguments) {
    (void)count;
    if (!strata.own_tables) {
        text_puts(out, "the loader's page tables are in use\n");
        return;
    }
    for (unsigned i = 0; i < AUDIT_RULE_COUNT_; i++) {
        if (strcmp(arguments[0], audit_rule_name((enum audit_rule)i)) == 0) {
            plants[i]();
            text_printf(out, "broken on purpose: %s; see audit\n", arguments[0]);
            return;
        }
    }
    text_puts(out, "plant breaks a rule of the audit on purpose; the rules are");
    for (unsigned i = 0; i < AUDIT_RULE_COUNT_; i++) {
        text_printf(out, " %s", audit_rule_name((enum audit_rule)i));
    }
    text_puts(out, "\n");
}
