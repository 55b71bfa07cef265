// SPDX-License-Identifier: MIT
// The whole loader against a firmware that is as unhelpful as the script says: it either jumps with
// a contract that holds, or returns the status with everything given back, or, once boot services
// are ending, says so on COM1 and stops. The fake firmware ends the test when the loader does what
// it may not.
#include "../support/firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/elf_file.h"

#define ADDRESS UINT64_C(0x000ffffffffff000)

static int reset(void **state) {
    (void)state;
    firmware_reset();
    struct elf_file file = elf_file_good();
    memcpy(kernel_blob, file.bytes, sizeof(file.bytes));
    kernel_blob_bytes = sizeof(file.bytes);
    return 0;
}

static bool said(const char *text) {
    return strstr(firmware.console, text) != NULL;
}

static void expect_said(const char *text) {
    if (!said(text)) {
        fail_msg("not said: \"%s\"; but:\n%s", text, firmware.console);
    }
}

// What a virtual address translates to in the tables that the loader jumped with; 0 for nothing.
static uint64_t translate(uint64_t virtual, uint64_t *bits) {
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
            assert_int_equal(translate(map + p * PAGE_SIZE, &bits), p * PAGE_SIZE);
            assert_int_equal(bits, no_execute | 3);
        }
    }
    assert_int_equal(translate(map + 0x200000, &bits), 0);      // nobody named it
    assert_int_equal(translate(0x30000000, &bits), 0x30000000); // the jump's code
    assert_int_equal(bits, 1);
    assert_int_equal(translate(0x30001000, &bits), 0);
    assert_int_equal(translate(0x1000000, &bits), 0); // nothing else is where it is
    static const uint64_t expected[] = {1, 1 | UINT64_C(1) << 63, 3 | UINT64_C(1) << 63};
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t offset = i * PAGE_SIZE;
        assert_int_equal(translate(info->kernel_virtual.value + offset, &bits),
                         info->kernel_physical.value + offset);
        assert_int_equal(bits, expected[i] & (3 | no_execute));
    }
    assert_int_equal(translate(info->kernel_virtual.value + 4 * PAGE_SIZE, &bits), 0);
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

// The loader has jumped: is everything as include/strata/boot.h says?
static const struct boot_info *check_contract(void) {
    uint64_t bits;
    assert_true(firmware.exited && firmware.handles == 0 && firmware.pools == 0);
    const struct boot_info *info =
        (const struct boot_info *)translate(firmware.jump.boot_info, &bits);
    assert_non_null(info);
    assert_null(boot_info_defect(info));
    check_ranges(info);
    check_tables(info);
    check_map(info);
    const struct boot_range *stack = range_of(info, BOOT_RANGE_STACK);
    assert_int_equal(stack->pages, 16);
    assert_int_equal(translate(firmware.jump.stack, &bits),
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
static void check_returned(EFI_STATUS status) {
    assert_int_equal(firmware.status, status);
    assert_int_equal(firmware_pages_out(), 0);
    assert_int_equal(firmware.handles, 0);
    assert_int_equal(firmware.pools, 0);
    assert_false(firmware.exit_tried);
}

static void expect_refusal(EFI_STATUS status, const char *sentence) {
    assert_int_equal(firmware_run(), OUTCOME_RETURNED);
    check_returned(status);
    expect_said(sentence);
}

static void helpful_firmware(void **state) {
    (void)state;
    firmware_add_file("\\strata.conf", "log=debug kaslr=off", 19);
    firmware_load_options("\\EFI\\BOOT\\BOOTX64.EFI acpi=keep");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = check_contract();
    assert_int_equal(info->kernel_virtual.value, UINT64_C(0xffffffff80000000));
    assert_int_equal(info->direct_map.value, UINT64_C(0xffff800000000000));
    assert_int_equal(info->direct_map_bytes, 64 * MIB);
    assert_int_equal(info->kernel_bytes, 0x4000);
    assert_int_equal(info->options.acpi_keep, 1);
    assert_string_equal(info->options.text, "log=debug kaslr=off acpi=keep");
    assert_string_equal(info->firmware_vendor, "Fake firmware \xc3\xa4");
    assert_int_equal(info->firmware_revision, 0x10203);
    assert_int_equal(info->uefi_revision, 2 << 16 | 70);
    assert_int_equal(info->rsdp.value, 0x3fc0000);
    assert_int_equal(info->smbios.value, 0x3fc1000);
    assert_int_equal(info->table_count, 2);
    assert_int_equal(info->system_table.value, (uintptr_t)&firmware.system);
    assert_int_equal(info->exit_attempts, 1);
    assert_int_equal(info->random_sources, 0);
    assert_int_equal(info->framebuffer.base.value, 0);
    assert_true(info->log_bytes > 100);
    assert_non_null(strstr((const char *)info->log.value, "strata: options: log=debug"));
    expect_said("strata: firmware: Fake firmware \xc3\xa4, revision 0x10203, UEFI 2.7.0, Secure "
                "Boot off\r\n");
    assert_int_equal(firmware.serial_length, 0);
}

static void every_kind_of_cpu(void **state) {
    for (unsigned i = 0; i < 16; i++) {
        reset(state);
        firmware.features = (struct machine_features){i & 1 ? 5 : 4, i & 2 ? 36 : 52, (i & 4) != 0,
                                                      (i & 8) != 0, (i & 1) != 0};
        firmware.script.rng = (i & 2) != 0;
        firmware.script.seed = i;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        const struct boot_info *info = check_contract();
        assert_int_equal(info->random_sources, 4 | (i & 2) >> 1 | (i & 1) << 1);
        assert_int_equal(info->paging_levels, i & 1 ? 5 : 4);
        assert_int_equal(said("easy to guess"), (i & 3) == 0);
    }
}

static void kaslr_moves(void **state) {
    uint64_t kernels[8], maps[8];
    for (unsigned i = 0; i < 8; i++) {
        reset(state);
        firmware.script.seed = i;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        const struct boot_info *info = check_contract();
        kernels[i] = info->kernel_virtual.value;
        maps[i] = info->direct_map.value;
        for (unsigned j = 0; j < i; j++) {
            assert_true(kernels[i] != kernels[j] && maps[i] != maps[j]);
        }
    }
}

static void options_from_everywhere(void **state) {
    (void)state;
    firmware_add_file("\\strata.conf", "\xff\xfek\0a\0s\0l\0r\0=\0?\0", 16);
    firmware_load_options("bootx64.efi kalsr=off");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    check_contract();
    expect_said("strata: warning: \\strata.conf:1:7: kaslr='?': expected on|off\r\n");
    expect_said("strata: warning: load options:1:2: unknown option 'kalsr'; known are kaslr acpi");
    expect_said("strata:   log=error|warning|info|debug: how much is said (info)\r\n");
}

static void unusable_option_files(void **state) {
    struct firmware_file *file = firmware_add_file("\\strata.conf", "", 0);
    file->folder = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    expect_said("\\strata.conf is a folder (Unsupported): ignored");
    reset(state);
    firmware_add_file("\\strata.conf", "", 0)->claimed_size = GIB;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    expect_said("\\strata.conf has 1073741824 bytes: at most 65536 are taken (Bad Buffer Size): "
                "ignored");
    reset(state);
    firmware_add_file("\\strata.conf", "kaslr=off", 9)->claimed_size = 100;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    expect_said("\\strata.conf ends at byte 9 of 100 (Load Error): ignored");
    reset(state);
    firmware_add_file("\\strata.conf", "", 0)->status = EFI_VOLUME_CORRUPTED;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    expect_said("\\strata.conf cannot be opened (Volume Corrupted): ignored");
    check_contract();
}

static void quiet_log(void **state) {
    (void)state;
    firmware_load_options("log=error");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_string_equal(firmware.console, "");
    assert_true(check_contract()->log_bytes > 100); // the kernel still gets it
}

static void kernel_from_a_file(void **state) {
    struct elf_file file = elf_file_good();
    file.bytes[0x300] ^= 0xff; // not the embedded one
    firmware_add_file("\\boot\\k.elf", file.bytes, sizeof(file.bytes));
    firmware_load_options("kernel=boot/k.elf");
    firmware.script.short_reads = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = check_contract();
    assert_int_equal(*(uint8_t *)info->kernel_physical.value, file.bytes[0x300]);

    reset(state);
    firmware_load_options("kernel=\\none.elf");
    expect_refusal(EFI_NOT_FOUND, "strata: error: kernel \\none.elf: there is no such file (Not "
                                  "Found, 14)\r\n");
    reset(state);
    firmware_load_options("kernel=\\none.elf");
    firmware.script.no_volume = true;
    expect_refusal(EFI_NOT_FOUND, "kernel \\none.elf: there is no such file: the loader was not "
                                  "started from a volume (Not Found, 14)\r\n");
    reset(state);
    firmware_add_file("\\k.elf", file.bytes, 700);
    firmware_load_options("kernel=k.elf");
    expect_refusal(EFI_LOAD_ERROR,
                   "strata: error: kernel \\k.elf: segment 0 is out of bounds: 0x80 "
                   "bytes at 0x300 of a file of 700 bytes (is it truncated?) "
                   "(Load Error, 1)\r\n");
    reset(state);
    firmware_add_file("\\k.elf", file.bytes, 700)->folder = true;
    firmware_load_options("kernel=k.elf");
    expect_refusal(EFI_UNSUPPORTED, "kernel \\k.elf is a folder (Unsupported, 3)\r\n");
    reset(state);
    firmware_add_file("\\k.elf", file.bytes, 1024);
    firmware_load_options("kernel=k.elf");
    firmware.script.secure_boot = true;
    expect_refusal(EFI_SECURITY_VIOLATION,
                   "kernel \\k.elf: Secure Boot is on, and nobody signed this file; without "
                   "kernel= the signed one starts (Security Violation, 26)\r\n");
}

static void secure_boot(void **state) {
    (void)state;
    firmware.script.secure_boot = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(check_contract()->secure_boot, 1);
}

static void bad_embedded_kernel(void **state) {
    kernel_blob[18] = 183;
    expect_refusal(EFI_LOAD_ERROR, "strata: error: kernel (embedded): wrong machine: it is for "
                                   "machine 183, this is 62 (x86-64) (Load Error, 1)\r\n");
    reset(state);
    kernel_blob_bytes = 0;
    expect_refusal(EFI_LOAD_ERROR,
                   "kernel (embedded): it is truncated: 0 bytes, an ELF header has 64");
}

static void record_is_written(void **state) {
    (void)state;
    firmware_add_file("\\strata\\map.txt", "older and longer", 16);
    firmware.script.short_reads = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    check_contract();
    assert_true(firmware_find_file("\\strata")->folder);
    const char *text = (const char *)firmware_find_file("\\strata\\map.txt")->bytes;
    assert_memory_equal(text, "# memory map of this machine", 28);
    assert_null(strstr(text, "older"));
    assert_non_null(
        strstr(text, "\n# firmware: Fake firmware \xc3\xa4, revision 0x10203, UEFI 2.7.0\n"));
    assert_non_null(strstr(text, "\n# strata: direct map at 0x"));
    assert_non_null(strstr(text, "\n# format: type phys_start pages attribute\n4 0x0 1 0xf\n"));
    assert_non_null(strstr(text, "\n6 0x3ffe000 2 0xf\n"));
}

static void record_cannot_be_written(void **state) {
    firmware.script.read_only = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    check_contract();
    expect_said("strata: warning: \\strata\\map.txt is not written (Write Protected, 8)\r\n");
    reset(state);
    firmware_load_options("record=off");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(firmware.file_count, 0);
    reset(state);
    firmware.script.no_volume = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(firmware.file_count, 0);
    check_contract();
}

static void screens(void **state) {
    firmware.script.screen = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_framebuffer *screen = &check_contract()->framebuffer;
    assert_int_equal(screen->base.value, 0x80000000);
    assert_int_equal(screen->bytes, 1344 * 800 * 4);
    assert_int_equal(screen->width, 1280);
    assert_int_equal(screen->height, 800);
    assert_int_equal(screen->pitch_pixels, 1344);
    assert_int_equal(screen->format, BOOT_PIXEL_BGRX);
    reset(state);
    firmware.script.blt_only = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    screen = &check_contract()->framebuffer;
    assert_int_equal(screen->base.value, 0);
    assert_int_equal(screen->format, BOOT_PIXEL_BLT_ONLY);
}

static void missing_tables(void **state) {
    static const EFI_GUID acpi_1 = ACPI_TABLE_GUID, smbios_3 = SMBIOS3_TABLE_GUID;
    static const EFI_GUID attributes = {
        0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
    firmware.system.NumberOfTableEntries = 0;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    expect_said("strata: warning: the firmware has no ACPI root pointer (RSDP)\r\n");
    assert_int_equal(check_contract()->rsdp.value, 0);
    reset(state);
    firmware.tables[0].VendorGuid = acpi_1;
    firmware.tables[2] = (EFI_CONFIGURATION_TABLE){smbios_3, (void *)0x3fc2000};
    firmware.tables[3] = (EFI_CONFIGURATION_TABLE){attributes, (void *)0x3fc3000};
    firmware.system.NumberOfTableEntries = 4;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(check_contract()->rsdp.value, 0x3fc0000);
    assert_int_equal(check_contract()->smbios.value, 0x3fc2000);
    assert_int_equal(check_contract()->memory_attributes.value, 0x3fc3000);
    reset(state);
    firmware.system.NumberOfTableEntries = 1u << 31;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    expect_said("strata: warning: 2147483648 configuration tables: none is used\r\n");
    assert_int_equal(check_contract()->table_count, 0);
}

static void bad_memory_is_taken_first(void **state) {
    (void)state;
    firmware_load_options("badram=0x3e00000-0x3f00000,4K$0x30000,4K$0x5000");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = check_contract();
    for (uint64_t p = 0x3e00; p < 0x3f00; p++) {
        assert_int_equal(firmware.types[p], EfiUnusableMemory);
    }
    assert_int_equal(firmware.types[0x30], EfiUnusableMemory);
    uint64_t bits;
    assert_int_equal(translate(info->direct_map.value + 0x3e00000, &bits), 0);
    assert_int_equal(info->options.badram_count, 3);
    expect_said("badram: 258 pages named, 257 of them taken while free");
    reset(state);
    firmware_load_options("badram=0x3e00000-0x3f00000 kernel=none"); // given back on failure
    expect_refusal(EFI_NOT_FOUND, "there is no such file");
}

static void page_0_is_not_used(void **state) {
    (void)state;
    firmware.script.page_0 = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    check_contract();
    assert_int_equal(firmware.types[0], EfiConventionalMemory); // given back
}

static void no_low_memory(void **state) {
    (void)state;
    for (uint64_t p = 0; p < FIRMWARE_LOW_END; p++) {
        firmware.types[p] = EfiBootServicesData;
    }
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    expect_said("strata: warning: no free page below 640 KiB (Out of Resources): other CPUs "
                "cannot be started\r\n");
    assert_int_equal(check_contract()->trampoline.value, 0);
}

static void too_little_memory(void **state) {
    (void)state;
    for (uint64_t p = FIRMWARE_RAM_FIRST + 256; p < FIRMWARE_PAGES; p++) {
        firmware.types[p] = EfiBootServicesData;
    }
    expect_refusal(EFI_OUT_OF_RESOURCES,
                   "strata: error: not enough memory for the kernel's image: 2060 KiB wanted in "
                   "one piece, the firmware has ");
    // However little there is, it ends well.
    for (uint64_t pages = 0; pages < 800; pages += pages < 64 ? 1 : 13) {
        reset(state);
        for (uint64_t p = FIRMWARE_RAM_FIRST + pages; p < FIRMWARE_PAGES; p++) {
            firmware.types[p] = EfiBootServicesData;
        }
        if (firmware_run() == OUTCOME_RETURNED) {
            check_returned(EFI_OUT_OF_RESOURCES);
            expect_said("strata: error: not enough memory for ");
        } else {
            check_contract();
        }
    }
}

static void unhelpful_maps(void **state) {
    for (unsigned i = 0; i < 7; i++) {
        reset(state);
        firmware.script.too_small = i;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        check_contract();
    }
    reset(state);
    firmware.script.too_small = 1000000;
    expect_refusal(EFI_BUFFER_TOO_SMALL, "the firmware's memory map outgrew its buffer 8 times");
    reset(state);
    firmware.script.empty_map = true;
    expect_refusal(EFI_UNSUPPORTED, "the firmware's memory map is empty or damaged: 0 bytes");
    reset(state);
    firmware.script.stride = 24;
    expect_refusal(EFI_UNSUPPORTED, "the firmware's memory map is empty or damaged: ");
    for (uint64_t stride = 40; stride <= 64; stride += 8) {
        reset(state);
        firmware.script.stride = stride;
        firmware.script.map_changes = true;
        firmware.script.seed = stride;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        check_contract();
    }
}

static void stale_keys(void **state) {
    for (unsigned i = 0; i < 8; i++) {
        reset(state);
        firmware.script.stale = i;
        firmware.script.map_changes = i % 2;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        assert_int_equal(check_contract()->exit_attempts, i + 1);
    }
}

static void exit_is_refused(void **state) {
    firmware.script.stale = 8;
    assert_int_equal(firmware_run(), OUTCOME_STOPPED);
    assert_string_equal(firmware.serial,
                        "strata: error: exit refused: the firmware would not end boot services in "
                        "8 attempts; ExitBootServices said Invalid Parameter, 2\r\n");
    assert_int_equal(firmware.qemu_exit, -1);
    reset(state);
    firmware.script.stale = 8;
    firmware.serial_absent = true;
    firmware_load_options("exit=qemu");
    assert_int_equal(firmware_run(), OUTCOME_STOPPED);
    assert_int_equal(firmware.serial_length, 0);
    assert_int_equal(firmware.qemu_exit, 0x7f);
    reset(state);
    firmware.script.stale = 1;
    firmware.script.grows_at_exit = true;
    firmware.serial_stuck = true; // every wait is bounded
    assert_int_equal(firmware_run(), OUTCOME_STOPPED);
    assert_non_null(
        strstr(firmware.serial, "in 1 attempts; GetMemoryMap said Buffer Too Small, 5"));
}

static void barren_firmware(void **state) {
    (void)state;
    firmware.script.no_console = true;
    firmware.script.no_volume = true;
    firmware.script.no_load_path = true;
    firmware.loaded.DeviceHandle = NULL;
    firmware.system.FirmwareVendor = NULL;
    firmware_load_options("BOOTX64.EFI");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_string_equal(check_contract()->firmware_vendor, "");
}

// A service fails, for every call that there is: the loader goes on, or returns as if it had not
// run and says why.
static void every_service_fails(void **state) {
    unsigned jumped = 0, returned = 0, stopped = 0;
    for (unsigned n = 1;; n++) {
        reset(state);
        firmware_add_file("\\strata.conf", "badram=4K$0x2000000 log=debug", 29);
        struct elf_file file = elf_file_good();
        firmware_add_file("\\k.elf", file.bytes, sizeof(file.bytes));
        firmware_load_options("kernel=k.elf");
        firmware.script.fail_nth = n;
        firmware.script.rng = firmware.script.screen = true;
        enum firmware_outcome outcome = firmware_run();
        if (firmware.failed_call == NULL) {
            assert_int_equal(outcome, OUTCOME_JUMPED);
            break;
        }
        if (outcome == OUTCOME_RETURNED) {
            returned++;
            check_returned(firmware.status);
            assert_true(EFI_ERROR(firmware.status));
            expect_said("strata: error: ");
        } else if (outcome == OUTCOME_JUMPED) {
            jumped++;
            check_contract();
        } else {
            stopped++;
            assert_non_null(strstr(firmware.serial, "exit refused"));
        }
    }
    assert_true(jumped > 20 && returned >= 5 && stopped == 0);
}

// Everything at once, by chance.
static void random_firmwares(void **state) {
    const char *rounds = getenv("STRATA_FIRMWARES");
    unsigned long count = rounds == NULL ? 300 : strtoul(rounds, NULL, 10);
    unsigned jumped = 0;
    for (unsigned long i = 0; i < count; i++) {
        reset(state);
        uint64_t seed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t bits = seed ^ seed >> 29;
        struct firmware_script *script = &firmware.script;
        *script = (struct firmware_script){.fail_nth = bits & 1 ? (unsigned)(bits >> 40) % 300 : 0,
                                           .fail_status =
                                               bits & 2 ? EFI_OUT_OF_RESOURCES : EFI_DEVICE_ERROR,
                                           .too_small = (unsigned)(bits >> 2) % 4,
                                           .stale = (unsigned)(bits >> 4) % 4,
                                           .map_changes = bits >> 6 & 1,
                                           .page_0 = bits >> 7 & 1,
                                           .no_volume = bits >> 8 & 1,
                                           .no_console = bits >> 9 & 1,
                                           .read_only = bits >> 10 & 1,
                                           .short_reads = bits >> 11 & 1,
                                           .secure_boot = bits >> 12 & 1,
                                           .rng = bits >> 13 & 1,
                                           .screen = bits >> 14 & 1,
                                           .blt_only = bits >> 15 & 1,
                                           .stride = 40 + 8 * (bits >> 16 & 3),
                                           .placement = (bits >> 18 & 3) % 3,
                                           .grows_at_exit = (bits >> 20 & 7) == 0,
                                           .seed = seed};
        firmware.features = (struct machine_features){bits >> 23 & 1 ? 5 : 4, 40, bits >> 24 & 1,
                                                      bits >> 25 & 1, bits >> 26 & 1};
        firmware_add_file("\\strata.conf", &seed, sizeof(seed));
        firmware_load_options(bits >> 27 & 1 ? "badram=0x1800000-0x1900000 junk" : "kaslr=off");
        if (bits >> 28 & 1) {
            kernel_blob[(bits >> 50) % 0x280] ^= (uint8_t)(1u << (bits >> 61));
        }
        enum firmware_outcome outcome = firmware_run();
        if (outcome == OUTCOME_RETURNED) {
            check_returned(firmware.status);
        } else if (outcome == OUTCOME_JUMPED && (bits >> 28 & 1) == 0) {
            check_contract();
            jumped++;
        }
    }
    assert_true(jumped > count / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(helpful_firmware, reset),
        cmocka_unit_test_setup(every_kind_of_cpu, reset),
        cmocka_unit_test_setup(kaslr_moves, reset),
        cmocka_unit_test_setup(options_from_everywhere, reset),
        cmocka_unit_test_setup(unusable_option_files, reset),
        cmocka_unit_test_setup(quiet_log, reset),
        cmocka_unit_test_setup(kernel_from_a_file, reset),
        cmocka_unit_test_setup(secure_boot, reset),
        cmocka_unit_test_setup(bad_embedded_kernel, reset),
        cmocka_unit_test_setup(record_is_written, reset),
        cmocka_unit_test_setup(record_cannot_be_written, reset),
        cmocka_unit_test_setup(screens, reset),
        cmocka_unit_test_setup(missing_tables, reset),
        cmocka_unit_test_setup(bad_memory_is_taken_first, reset),
        cmocka_unit_test_setup(page_0_is_not_used, reset),
        cmocka_unit_test_setup(no_low_memory, reset),
        cmocka_unit_test_setup(too_little_memory, reset),
        cmocka_unit_test_setup(unhelpful_maps, reset),
        cmocka_unit_test_setup(stale_keys, reset),
        cmocka_unit_test_setup(exit_is_refused, reset),
        cmocka_unit_test_setup(barren_firmware, reset),
        cmocka_unit_test_setup(every_service_fails, reset),
        cmocka_unit_test_setup(random_firmwares, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
