// SPDX-License-Identifier: MIT
// The machine that tables_machine.h describes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tables_machine.h"
#include <paging/internal.h>

static const struct world_range machine[] = {{MIB, 64 * MIB, EFI_CONVENTIONAL}};
const struct paging_format tables_all = {.levels = 4,
                                         .physical_bits = 46,
                                         .no_execute = true,
                                         .gib_pages = true,
                                         .global_pages = true,
                                         .pat = true};

int tables_set_up(void **state) {
    static struct tables_machine m;
    world_create(&m.world, machine, 1);
    assert_int_equal(tables_init(&m.kernel, &tables_all, &m.world.pages, NULL), TABLES_OK);
    *state = &m;
    return 0;
}

int tables_tear_down(void **state) {
    struct tables_machine *m = *state;
    const char *broken = tables_check(&m->kernel);
    tables_destroy(&m->kernel);
    struct page_census census;
    page_census(&m->world.pages, &census);
    const char *pages = page_check(&m->world.pages);
    world_destroy(&m->world);
    if (broken != NULL || pages != NULL || census.owned_pages[PAGE_OWNER_PAGE_TABLE] != 0) {
        print_error("%s, %s, %lu table pages left\n", broken != NULL ? broken : "tables ok",
                    pages != NULL ? pages : "pages ok", census.owned_pages[PAGE_OWNER_PAGE_TABLE]);
        return -1;
    }
    return 0;
}

uint64_t *tables_leaf(const struct page_tables *tables, uint64_t address) {
    uint64_t *table = root_table(tables);
    for (unsigned level = root_level(tables); level > 0; level--) {
        uint64_t *entry = &table[level_index(address >> PAGE_SHIFT, level)];
        if (entry_is_leaf(*entry, level)) {
            return entry;
        }
        assert_true(entry_is_table(*entry));
        table = entry_table(*entry);
    }
    uint64_t *last = &table[level_index(address >> PAGE_SHIFT, 0)];
    assert_true(entry_is_present(*last));
    return last;
}
