// SPDX-License-Identifier: MIT
// How a run of the loader ended. See loader.h.
#include "loader.h"

#include <string.h>

#include "elf_file.h"

#define ADDRESS UINT64_C(0x000ffffffffff000)

int loader_reset(void **state) {
    (void)state;
    firmware_reset();
    struct elf_file file = elf_file_good();
    memcpy(kernel_blob, file.bytes, sizeof(file.bytes));
    kernel_blob_bytes = sizeof(file.bytes);
    options_embedded_bytes = 0;
    return 0;
}

bool loader_said(const char *text) {
    return strstr(firmware.console, text) != NULL;
}

void loader_expect_said(const char *text) {
    if (!loader_said(text)) {
        fail_msg("not said: \"%s\"; but:\n%s", text, firmware.console);
    }
}

uint64_t loader_translate(uint64_t virtual, uint64_t *bits) {
    const uint64_t *table = (const uint64_t *)firmware.jump.page_tables;
    *bits = 0;
    for (unsigned level = firmware.features.paging_levels - 1;; level--) {
        unsigned shift = 12 + 9 * level;
        uint64_t entry = table[(virtual >> shift) & 511];
        if ((entry & 1) == 0) {
            return 0;
        }
        if (level == 0 || (entry & 0x80) != 0) {
            *bits = entry & (UINT64_C(1) << 63 | 7);
            uint64_t mask = (UINT64_C(1) << shift) - 1;
            return (entry & ADDRESS & ~mask) | (virtual & mask);
        }
        table = (const uint64_t *)(entry & ADDRESS);
    }
}

static const struct boot_range *range_of(const struct boot_info *info, uint32_t kind) {
    for (uint32_t i = 0; i < info->range_count; i++) {
        if (info->ranges[i].kind == kind) {
            return &info->ranges[i];
        }
    }
    return NULL;
}

// Every page that the loader holds is in exactly one range, or is bad memory that it took.
static void check_ranges(const struct boot_info *info) {
    static uint8_t owners[FIRMWARE_PAGES];
    memset(owners, 0, sizeof(owners));
    for (uint32_t i = 0; i < info->range_count; i++) {
        const struct boot_range *range = &info->ranges[i];
        assert_true(range->kind > 0 && range->kind < BOOT_RANGE_KIND_COUNT_ && range->pages > 0);
        for (uint64_t p = 0; p < range->pages; p++) {
            owners[range->begin.value / PAGE_SIZE + p]++;
        }
    }
    for (uint64_t p = 0; p < FIRMWARE_PAGES; p++) {
        bool held = firmware.ours[p] && firmware.types[p] != EfiUnusableMemory;
        if (owners[p] != held) {
            fail_msg("page %lx: %u ranges, held: %u", p, owners[p], held);
        }
    }
}

static void check_tables(const struct boot_info *info) {
    const uint64_t no_execute = firmware.features.no_execute ? UINT64_C(1) << 63 : 0;
    uint64_t bits, map = info->direct_map.value;
    for (uint64_t p = FIRMWARE_RAM_FIRST; p < FIRMWARE_PAGES; p++) {
        if (firmware.types[p] != EfiUnusableMemory) {
            assert_int_equal(loader_translate(map + p * PAGE_SIZE, &bits), p * PAGE_SIZE);
            assert_int_equal(bits, no_execute | 3);
        }
    }
    assert_int_equal(loader_translate(map + 0x200000, &bits), 0);      // nobody named it
    assert_int_equal(loader_translate(0x30000000, &bits), 0x30000000); // the jump's code
    assert_int_equal(bits, 1);
    assert_int_equal(loader_translate(0x30001000, &bits), 0);
    assert_int_equal(loader_translate(0x1000000, &bits), 0); // nothing else is where it is
    static const uint64_t expected[] = {1, 1 | UINT64_C(1) << 63, 3 | UINT64_C(1) << 63};
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t offset = i * PAGE_SIZE;
        assert_int_equal(loader_translate(info->kernel_virtual.value + offset, &bits),
                         info->kernel_physical.value + offset);
        assert_int_equal(bits, expected[i] & (3 | no_execute));
    }
    assert_int_equal(loader_translate(info->kernel_virtual.value + 4 * PAGE_SIZE, &bits), 0);
}

static void check_map(const struct boot_info *info) {
    const struct efi_map map = {(const void *)info->map.value, info->map_bytes, info->map_stride,
                                info->map_version};
    assert_int_equal(map.bytes % map.stride, 0);
    assert_true(info->workspace_bytes >= BOOT_WORKSPACE_BYTES(efi_map_count(&map)));
    for (uint64_t i = 0; i < info->workspace_bytes; i += 8) {
        assert_int_equal(*(const uint64_t *)(info->workspace.value + i), 0);
    }
    uint64_t pages = 0, expected = 0;
    for (uint64_t i = 0; i < efi_map_count(&map); i++) {
        struct efi_descriptor descriptor = efi_map_entry(&map, i);
        for (uint64_t p = 0; p < descriptor.pages; p++) {
            assert_int_equal(firmware.types[descriptor.physical_start / PAGE_SIZE + p],
                             descriptor.type);
        }
        pages += descriptor.pages;
    }
    for (uint64_t p = 0; p < FIRMWARE_PAGES; p++) {
        expected += firmware.types[p] != FIRMWARE_NOTHING;
    }
    assert_int_equal(pages, expected);
}

const struct boot_info *loader_jumped_with(void) {
    uint64_t bits;
    assert_true(firmware.exited && firmware.handles == 0 && firmware.pools == 0);
    const struct boot_info *info =
        (const struct boot_info *)loader_translate(firmware.jump.boot_info, &bits);
    if (info == NULL) {
        fail_msg("RDI is not mapped");
        return NULL;
    }
    assert_null(boot_info_defect(info));
    return info;
}

const struct boot_info *loader_check_jumped(void) {
    uint64_t bits;
    const struct boot_info *info = loader_jumped_with();
    check_ranges(info);
    check_tables(info);
    check_map(info);
    const struct boot_range *stack = range_of(info, BOOT_RANGE_STACK);
    assert_int_equal(stack->pages, 16);
    assert_int_equal(loader_translate(firmware.jump.stack, &bits),
                     stack->begin.value + stack->pages * PAGE_SIZE - 8);
    assert_int_equal(firmware.jump.page_tables, info->page_tables.value);
    assert_int_equal(firmware.jump.entry, info->kernel_virtual.value + 0x10);
    assert_int_equal(firmware.jump.no_execute, firmware.features.no_execute);
    assert_true(info->kernel_physical.value % (2 * MIB) == 0);
    assert_true(info->kernel_virtual.value % (2 * MIB) == 0);
    assert_int_equal(info->exit_attempts, firmware.exits);
    assert_true(info->tsc_loader < info->tsc_exit && info->tsc_exit < info->tsc_jump);
    assert_true(info->trampoline.value < 0x9f000);
    return info;
}

// The loader has returned: is everything as if it had not run?
void loader_check_returned(EFI_STATUS status) {
    assert_int_equal(firmware.status, status);
    assert_int_equal(firmware_pages_out(), 0);
    assert_int_equal(firmware.handles, 0);
    assert_int_equal(firmware.pools, 0);
    assert_false(firmware.exit_tried);
}

void loader_expect_refusal(EFI_STATUS status, const char *sentence) {
    assert_int_equal(firmware_run(), OUTCOME_RETURNED);
    loader_check_returned(status);
    loader_expect_said(sentence);
}
