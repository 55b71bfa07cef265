// SPDX-License-Identifier: MIT
// Adding the framebuffer to live page tables. See early.h. (Intel SDM vol. 3A, 4.5)
// Nothing here frees: the tables are forgotten with the loader's.
#include <mm/port.h>
#include <screen/early.h>
#include <x86/cpu.h>

#define ENTRIES       512
#define ENTRY_PRESENT 0x001u
#define ENTRY_WRITE   0x002u
#define ENTRY_PCD     0x010u // UC-: what the MTRRs make write-combining is
#define ENTRY_LARGE   0x080u
#define ENTRY_NX      (UINT64_C(1) << 63)
#define ENTRY_ADDRESS UINT64_C(0x000ffffffffff000)
#define EFER_NXE      (UINT64_C(1) << 11)
#define LARGE_PAGE    (2 * MIB)

// One for each level below the root of five, and one more for a framebuffer that spans a GiB's end.
enum { TABLE_FOUR, TABLE_THREE, TABLE_TWO, TABLE_TWO_MORE, TABLES };

static uint64_t tables[TABLES][ENTRIES] __attribute__((aligned(PAGE_SIZE)));

static uint64_t link_to(const struct kernel *kernel, const uint64_t *table) {
    uint64_t offset = (uint64_t)table - kernel->info->kernel_virtual.value;
    return (kernel->info->kernel_physical.value + offset) | ENTRY_PRESENT | ENTRY_WRITE;
}

// The GiB that `base` lies in and the next one, from the start of tables[TABLE_THREE] on.
static void fill(const struct kernel *kernel, uint64_t base, uint64_t end) {
    uint64_t nx = (cpu_read_msr(MSR_EFER) & EFER_NXE) != 0 ? ENTRY_NX : 0;
    uint64_t gib = align_down(base, GIB), last = gib + 2 * GIB;
    uint64_t *large = tables[TABLE_TWO]; // both, one behind the other
    for (uint64_t at = align_down(base, LARGE_PAGE); at < end && at < last; at += LARGE_PAGE) {
        large[(at - gib) / LARGE_PAGE] =
            at | nx | ENTRY_LARGE | ENTRY_PCD | ENTRY_WRITE | ENTRY_PRESENT;
    }
    tables[TABLE_THREE][0] = link_to(kernel, tables[TABLE_TWO]);
    tables[TABLE_THREE][1] = link_to(kernel, tables[TABLE_TWO_MORE]);
    tables[TABLE_FOUR][0] = link_to(kernel, tables[TABLE_THREE]);
}

void *screen_map_early(const struct kernel *kernel) {
    const struct boot_info *info = kernel->info;
    if (info == NULL || kernel->own_tables || info->framebuffer.base.value == 0) {
        return NULL;
    }
    bool five = info->paging_levels == 5;
    uint64_t base = info->framebuffer.base.value;
    uint64_t *root = (uint64_t *)(info->direct_map.value + (cpu_read_cr3() & ENTRY_ADDRESS));
    for (uint64_t slot = ENTRIES / 2; slot < ENTRIES; slot++) {
        if (root[slot] == 0) {
            fill(kernel, base, base + info->framebuffer.bytes);
            root[slot] = link_to(kernel, tables[five ? TABLE_FOUR : TABLE_THREE]);
            uint64_t begin =
                five ? UINT64_C(0xfe) << 56 | slot << 48 : UINT64_C(0xffff) << 48 | slot << 39;
            return (void *)(begin + base % GIB);
        }
    }
    return NULL;
}

void screen_panic(struct kernel *kernel) {
    struct console *tty = &kernel->tty;
    if (tty->screen.lit || kernel->info == NULL) {
        return;
    }
    void *base = kernel->screen != NULL ? kernel->screen : screen_map_early(kernel);
    if (base == NULL) {
        return;
    }
    if (tty->screen.columns != 0) {
        console_light(tty, base);
    } else {
        console_add_plain(tty, &kernel->info->framebuffer, base);
    }
}
