// SPDX-License-Identifier: MIT
// The machine that virt_world.h describes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "virt_world.h"

static const struct paging_format format = {
    .levels = 4,
    .physical_bits = 46,
    .no_execute = true,
    .gib_pages = true,
    .global_pages = true,
    .pat = true,
};

void virt_create(struct virt_world *virt, uint64_t bytes, uint64_t window) {
    const struct world_range ranges[] = {{MIB, MIB + bytes, EFI_CONVENTIONAL}};
    world_create(&virt->world, ranges, 1);
    virt->watched = false;
    assert_int_equal(tables_init(&virt->kernel, &format, &virt->world.pages, NULL), TABLES_OK);
    assert_int_equal(tables_prepare(&virt->kernel, vaddr(VIRT_BEGIN), window / PAGE_SIZE),
                     TABLES_OK);
}

void virt_destroy(struct virt_world *virt) {
    virt_fail_never(virt);
    tables_destroy(&virt->kernel);
    assert_null(page_check(&virt->world.pages));
    world_destroy(&virt->world);
}

void virt_fail_nth(struct virt_world *virt, uint64_t n) {
    if (!virt->watched) {
        assert_true(page_watch_start(&virt->world.pages, &virt->watch));
        virt->watched = true;
    }
    page_fail(&virt->watch, PAGE_FAIL_NTH, n, 0);
}

void virt_fail_never(struct virt_world *virt) {
    if (virt->watched) {
        page_watch_stop(&virt->world.pages);
        virt->watched = false;
    }
}

uint64_t virt_free_count(struct virt_world *virt) {
    tables_trim(&virt->kernel);
    return page_free_count(&virt->world.pages);
}
