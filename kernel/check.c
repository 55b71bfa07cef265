// SPDX-License-Identifier: MIT
// One verdict over all structures.
#include <check.h>
#include <mm/ledger.h>

static const char *address_space_broken(struct kernel *kernel) {
    const char *broken = tables_check(&kernel->tables);
    if (broken == NULL && kernel->runtime.state == RUNTIME_READY) {
        broken = tables_check(&kernel->runtime.tables);
    }
    struct vm_window *const windows[] = {&kernel->vmalloc, &kernel->mmio, &kernel->stacks};
    for (size_t i = 0; broken == NULL && i < sizeof(windows) / sizeof(windows[0]); i++) {
        broken = vm_window_check(windows[i]);
    }
    return broken != NULL ? broken : shares_check(&kernel->spaces.shares);
}

const char *kernel_broken(struct kernel *kernel) {
    const char *broken = memmap_check(&kernel->map);
    if (broken == NULL) {
        broken = page_check(&kernel->pages);
    }
    if (broken == NULL && kernel->own_tables) {
        broken = address_space_broken(kernel);
    }
    if (broken == NULL) {
        broken = object_check(&kernel->kmalloc.heap);
    }
    if (broken != NULL) {
        return broken;
    }
    struct ledger ledger;
    ledger_compute(&ledger, &kernel->map, &kernel->pages);
    if (ledger.unaccounted != 0) {
        return "the ledger has bytes that belong to no account, or to two";
    }
    return ledger.mismatch;
}

void kernel_check(struct text *out, struct kernel *kernel) {
    const char *broken = kernel_broken(kernel);
    if (broken == NULL) {
        text_puts(out, "check: ok\n");
    } else {
        text_printf(out, "check: FAILED: %s\n", broken);
    }
}
