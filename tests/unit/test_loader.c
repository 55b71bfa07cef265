// SPDX-License-Identifier: MIT
// The whole loader on a fake firmware that helps: options, kernels, tables, screens, the record.
// What a firmware that does not help gets is in test_loader_hostile.c.
#include <stdio.h>
#include <string.h>

#include "../support/elf_file.h"
#include "../support/loader.h"

static void helpful_firmware(void **state) {
    (void)state;
    firmware_add_file("\\strata.conf", "log=debug kaslr=off", 19);
    firmware_load_options("\\EFI\\BOOT\\BOOTX64.EFI acpi=keep");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_check_jumped();
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
    loader_expect_said(
        "strata: firmware: Fake firmware \xc3\xa4, revision 0x10203, UEFI 2.7.0, Secure "
        "Boot off\r\n");
    assert_int_equal(firmware.serial_length, 0);
}

static void every_kind_of_cpu(void **state) {
    for (unsigned i = 0; i < 16; i++) {
        loader_reset(state);
        firmware.features = (struct machine_features){i & 1 ? 5 : 4, i & 2 ? 36 : 52, (i & 4) != 0,
                                                      (i & 8) != 0, (i & 1) != 0};
        firmware.script.rng = (i & 2) != 0;
        firmware.script.seed = i;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        const struct boot_info *info = loader_check_jumped();
        assert_int_equal(info->random_sources, 4 | (i & 2) >> 1 | (i & 1) << 1);
        assert_int_equal(info->paging_levels, i & 1 ? 5 : 4);
        assert_int_equal(loader_said("easy to guess"), (i & 3) == 0);
    }
}

static void kaslr_moves(void **state) {
    uint64_t kernels[8], maps[8];
    for (unsigned i = 0; i < 8; i++) {
        loader_reset(state);
        firmware.script.seed = i;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        const struct boot_info *info = loader_check_jumped();
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
    loader_check_jumped();
    loader_expect_said("strata: warning: \\strata.conf:1:7: kaslr='?': expected on|off\r\n");
    loader_expect_said(
        "strata: warning: load options:1:2: unknown option 'kalsr'; known are kaslr acpi");
    loader_expect_said("strata:   log=error|warning|info|debug: how much is said (info)\r\n");
}

static void unusable_load_options(void **state) {
    firmware_load_options("log=debug");
    firmware.loaded.LoadOptionsSize--;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said(
        "strata: warning: load options: their size is odd: the last byte is ignored");
    assert_int_equal(loader_check_jumped()->options.log_level, BOOT_LOG_DEBUG);
    loader_reset(state);
    firmware_load_options("log=debug");
    firmware.loaded.LoadOptionsSize = 70000;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("strata: warning: load options: 70000 bytes: ignored");
    assert_int_equal(loader_check_jumped()->options.log_level, BOOT_LOG_INFO);
}

static void unusable_option_files(void **state) {
    struct firmware_file *file = firmware_add_file("\\strata.conf", "", 0);
    file->folder = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("\\strata.conf is a folder (Unsupported): ignored");
    loader_reset(state);
    firmware_add_file("\\strata.conf", "", 0)->claimed_size = GIB;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said(
        "\\strata.conf has 1073741824 bytes: at most 65536 are taken (Bad Buffer Size): "
        "ignored");
    loader_reset(state);
    firmware_add_file("\\strata.conf", "kaslr=off", 9)->claimed_size = 100;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("\\strata.conf ends at byte 9 of 100 (Load Error): ignored");
    loader_reset(state);
    firmware_add_file("\\strata.conf", "", 0)->status = EFI_VOLUME_CORRUPTED;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("\\strata.conf cannot be opened (Volume Corrupted): ignored");
    loader_check_jumped();
}

static void quiet_log(void **state) {
    (void)state;
    firmware_load_options("log=error");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_string_equal(firmware.console, "");
    assert_true(loader_check_jumped()->log_bytes > 100); // the kernel still gets it
}

// More remarks than the log has room for: it says that it is full, and the rest is on the console.
static void full_log(void **state) {
    (void)state;
    char options[16384] = "badram=";
    size_t length = strlen(options);
    for (unsigned i = 0; i < 64; i++) { // patterns that name thousands of places
        length += (size_t)snprintf(options + length, sizeof(options) - length,
                                   "%s0x1000000,0xffffffffff00f000", i == 0 ? "" : ",");
    }
    for (unsigned i = 0; i < 24; i++) {
        length += (size_t)snprintf(options + length, sizeof(options) - length, " %040u=1", i);
    }
    firmware_add_file("\\strata.conf", options, length);
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_check_jumped();
    const char *log = (const char *)info->log.value;
    assert_true(info->log_bytes <= 16384);
    assert_memory_equal(log + info->log_bytes - 24, "strata: the log is full\n", 24);
    loader_expect_said("strata: direct map at ");
}

static void sign_options(const char *options) {
    options_embedded_bytes = strlen(options);
    memcpy(options_embedded, options, options_embedded_bytes);
    firmware.script.secure_boot = true;
}

static void kernel_from_a_file(void **state) {
    struct elf_file file = elf_file_good();
    file.bytes[0x300] ^= 0xff; // not the embedded one
    firmware_add_file("\\boot\\k.elf", file.bytes, sizeof(file.bytes));
    firmware_load_options("kernel=boot/k.elf");
    firmware.script.short_reads = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_check_jumped();
    assert_int_equal(*(uint8_t *)info->kernel_physical.value, file.bytes[0x300]);

    loader_reset(state);
    firmware_load_options("kernel=\\none.elf");
    loader_expect_refusal(EFI_NOT_FOUND,
                          "strata: error: kernel \\none.elf: there is no such file (Not "
                          "Found, 14)\r\n");
    loader_reset(state);
    firmware_load_options("kernel=\\none.elf");
    firmware.script.no_volume = true;
    loader_expect_refusal(EFI_NOT_FOUND,
                          "kernel \\none.elf: there is no such file: the loader was not "
                          "started from a volume (Not Found, 14)\r\n");
    loader_reset(state);
    firmware_add_file("\\k.elf", file.bytes, 700);
    firmware_load_options("kernel=k.elf");
    loader_expect_refusal(EFI_LOAD_ERROR,
                          "strata: error: kernel \\k.elf: segment 0 is out of bounds: 0x80 "
                          "bytes at 0x300 of a file of 700 bytes (is it truncated?) "
                          "(Load Error, 1)\r\n");
    loader_reset(state);
    firmware_add_file("\\k.elf", file.bytes, 700)->folder = true;
    firmware_load_options("kernel=k.elf");
    loader_expect_refusal(EFI_UNSUPPORTED, "kernel \\k.elf is a folder (Unsupported, 3)\r\n");
    loader_reset(state);
    firmware_add_file("\\k.elf", file.bytes, 1024);
    sign_options("kernel=k.elf");
    loader_expect_refusal(EFI_SECURITY_VIOLATION,
                          "kernel \\k.elf: Secure Boot is on, and nobody signed this file; without "
                          "kernel= the signed one starts (Security Violation, 26)\r\n");
}

static void secure_boot(void **state) {
    (void)state;
    firmware.script.secure_boot = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(loader_check_jumped()->secure_boot, 1);
    loader_reset(state); // of load options, nobody has signed any
    firmware.script.secure_boot = true;
    firmware_load_options("run=help kaslr=off");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_string_equal(loader_check_jumped()->options.text, "");
    loader_expect_said("strata: warning: load options: Secure Boot is on, and nobody signed");
    loader_reset(state);
    firmware_load_options("run=help");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_string_equal(loader_check_jumped()->options.run, "help");
}

static void replay_descriptors_that_wrap(void) {
    static const char map[] = "7 0x0 512 0xf\n7 0xfffffffffffff000 2 0xf\n"
                              "6 0x1000 18446744073709551615 0xf\n7 0x2600000 99 0xf\n";
    firmware_add_file("\\maps\\odd.txt", map, strlen(map));
    firmware_load_options("replay=maps/odd.txt");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(loader_jumped_with()->replayed, 4);
    assert_int_equal(loader_jumped_with()->replay_left_out, 2);
    loader_expect_said(
        "strata: warning: replay \\maps\\odd.txt: 2 of its descriptors reach 2^64 or "
        "wrap, and are left out: the first is number 1, of type 7 at "
        "0xfffffffffffff000 with 2 pages");
}

static void replay(void **state) {
    static const char map[] =
        "# another machine\n7 0x0 512 0xf\n10 0x2200000 1024 0xf\n7 0x2600000 99 0xf\n";
    firmware_add_file("\\maps\\pc.txt", map, strlen(map));
    firmware_load_options("replay=maps/pc.txt");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_jumped_with();
    assert_int_equal(info->replayed, 3);
    assert_int_equal(info->replay_left_out, 0);
    struct efi_map handed = {(const void *)info->map.value, info->map_bytes, info->map_stride, 1};
    assert_true(info->workspace_bytes >= BOOT_WORKSPACE_BYTES(efi_map_count(&handed)));
    uint64_t free_pages = 0, nvs_pages = 0;
    for (uint64_t i = 0; i < efi_map_count(&handed); i++) {
        struct efi_descriptor entry = efi_map_entry(&handed, i);
        bool ours = entry.physical_start < 0x2663000;
        assert_true(entry.type != EFI_CONVENTIONAL || ours);
        free_pages += entry.type == EFI_CONVENTIONAL ? entry.pages : 0;
        nvs_pages += entry.type == EFI_ACPI_NVS && ours ? entry.pages : 0;
    }
    assert_in_range(free_pages, 1, 611);
    assert_in_range(nvs_pages, 1, 1024);
    loader_expect_said("strata: warning: replay \\maps\\pc.txt: 3 descriptors of another machine");
    assert_in_range(info->workspace_bytes, 1, 256 * KIB); // by what the file has
    loader_reset(state);
    replay_descriptors_that_wrap();
    loader_reset(state);
    firmware_load_options("replay=none");
    loader_expect_refusal(EFI_NOT_FOUND, "replay \\none: there is no such file");
    loader_reset(state);
    firmware_add_file("\\a", "7 0x0 1 0xf\n7 0x0 x\n", 20);
    firmware_load_options("replay=a");
    loader_expect_refusal(EFI_LOAD_ERROR, "replay \\a:2: expected a number of pages");
    loader_reset(state);
    firmware_add_file("\\a", map, strlen(map))->folder = true;
    firmware_load_options("replay=a");
    loader_expect_refusal(EFI_UNSUPPORTED, "replay \\a is a folder");
    loader_reset(state);
    sign_options("replay=a");
    loader_expect_refusal(EFI_SECURITY_VIOLATION, "replay \\a: Secure Boot is on");
}

static void signed_options(void **state) {
    static const char options[] = "# ours\nrun=help\nkaslr=off\n";
    for (unsigned file = 0; file < 2; file++) { // beside the loader, or in it alone
        loader_reset(state);
        sign_options(options);
        if (file != 0) {
            firmware_add_file("\\strata.conf", options, strlen(options));
        }
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        assert_string_equal(loader_check_jumped()->options.text, "run=help kaslr=off");
    }
    for (size_t i = 0; i <= strlen(options); i++) { // each byte flipped; cut; a byte more
        char changed[sizeof(options) + 1];
        loader_reset(state);
        sign_options(options);
        memcpy(changed, options, sizeof(options));
        changed[i] ^= 1;
        firmware_add_file("\\strata.conf", changed, i < strlen(options) ? strlen(options) : i + 1);
        char expected[200];
        unsigned line = i < 7 ? 1 : i < 16 ? 2 : i < 26 ? 3 : 4;
        snprintf(expected, sizeof(expected),
                 "\\strata.conf:%u: Secure Boot is on, and from this line on the options are not "
                 "those that were signed",
                 line);
        loader_expect_refusal(EFI_SECURITY_VIOLATION, expected);
    }
    loader_reset(state);
    sign_options(options);
    firmware_add_file("\\strata.conf", options, 7);
    loader_expect_refusal(EFI_SECURITY_VIOLATION, "\\strata.conf:2: Secure Boot is on");
    loader_reset(state);
    sign_options(options);
    firmware_add_file("\\strata.conf", options, 7)->folder = true;
    loader_expect_refusal(EFI_SECURITY_VIOLATION, "\\strata.conf is a folder: Secure Boot is on");
}

static void options_without_a_file(void **state) {
    (void)state;
    sign_options("kaslr=off log=debug");
    firmware.script.secure_boot = false;
    firmware_load_options("acpi=keep");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_string_equal(loader_check_jumped()->options.text, "kaslr=off log=debug acpi=keep");
}

// The kernel shows the loader's log where the firmware's console did not.
static void the_log_is_shown_once(void **state) {
    (void)state;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(loader_check_jumped()->log_shown, 1);
    loader_reset(state);
    firmware.script.console_not_serial = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(loader_check_jumped()->log_shown, 0);
    for (unsigned screen = 0; screen < 2; screen++) { // nothing is said about the console
        loader_reset(state);
        firmware.script.no_console_variable = true;
        firmware.script.screen = screen != 0;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        assert_int_equal(loader_check_jumped()->log_shown, screen == 0);
    }
}

static void options_for_linux(void **state) {
    firmware_load_options("root=/dev/sdb3 init=/sbin/init rootwait ro"); // U-Boot's own
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("load options: for Linux, not for us: ignored");
    assert_false(loader_said("warning: load options"));
    loader_reset(state);
    firmware_load_options("root=/dev/sdb3 kaslr=off"); // somebody means us
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("load options:1:1: unknown option 'root'");
    assert_int_equal(loader_check_jumped()->options.kaslr, 0);
}

static void bad_embedded_kernel(void **state) {
    kernel_blob[18] = 183;
    loader_expect_refusal(EFI_LOAD_ERROR,
                          "strata: error: kernel (embedded): wrong machine: it is for "
                          "machine 183, this is 62 (x86-64) (Load Error, 1)\r\n");
    loader_reset(state);
    kernel_blob_bytes = 0;
    loader_expect_refusal(EFI_LOAD_ERROR,
                          "kernel (embedded): it is truncated: 0 bytes, an ELF header has 64");
}

static void record_is_written(void **state) {
    (void)state;
    firmware_add_file("\\strata\\map.txt", "older and longer", 16);
    firmware.script.short_reads = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_check_jumped();
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
    loader_check_jumped();
    loader_expect_said(
        "strata: warning: \\strata\\map.txt is not written (Write Protected, 8)\r\n");
    loader_reset(state);
    firmware_load_options("record=off");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(firmware.file_count, 0);
    loader_reset(state);
    firmware.script.no_volume = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(firmware.file_count, 0);
    loader_check_jumped();
}

static void screens(void **state) {
    firmware.script.screen = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_framebuffer *screen = &loader_check_jumped()->framebuffer;
    assert_int_equal(screen->base.value, 0x80000000);
    assert_int_equal(screen->bytes, 1344 * 800 * 4);
    assert_int_equal(screen->width, 1280);
    assert_int_equal(screen->height, 800);
    assert_int_equal(screen->pitch_pixels, 1344);
    assert_int_equal(screen->format, BOOT_PIXEL_BGRX);
    loader_reset(state);
    firmware.script.blt_only = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    screen = &loader_check_jumped()->framebuffer;
    assert_int_equal(screen->base.value, 0);
    assert_int_equal(screen->format, BOOT_PIXEL_BLT_ONLY);
    assert_true(firmware.stalled >= 1000000); // there is time to read that it is so
}

static void missing_tables(void **state) {
    static const EFI_GUID acpi_1 = ACPI_TABLE_GUID, smbios_3 = SMBIOS3_TABLE_GUID;
    static const EFI_GUID attributes = {
        0xdcfa911d, 0x26eb, 0x469f, {0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20}};
    firmware.system.NumberOfTableEntries = 0;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("strata: warning: the firmware has no ACPI root pointer (RSDP)\r\n");
    assert_int_equal(loader_check_jumped()->rsdp.value, 0);
    loader_reset(state);
    firmware.tables[0].VendorGuid = acpi_1;
    firmware.tables[2] = (EFI_CONFIGURATION_TABLE){smbios_3, (void *)0x3fc2000};
    firmware.tables[3] = (EFI_CONFIGURATION_TABLE){attributes, (void *)0x3fc3000};
    firmware.system.NumberOfTableEntries = 4;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(loader_check_jumped()->rsdp.value, 0x3fc0000);
    assert_int_equal(loader_check_jumped()->smbios.value, 0x3fc2000);
    assert_int_equal(loader_check_jumped()->memory_attributes.value, 0x3fc3000);
    loader_reset(state);
    firmware.system.NumberOfTableEntries = 1u << 31;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("strata: warning: 2147483648 configuration tables: none is used\r\n");
    assert_int_equal(loader_check_jumped()->table_count, 0);
}

static void bad_memory_is_taken_first(void **state) {
    (void)state;
    firmware_load_options("badram=0x3e00000-0x3f00000,4K$0x30000,4K$0x5000");
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_check_jumped();
    for (uint64_t p = 0x3e00; p < 0x3f00; p++) {
        assert_int_equal(firmware.types[p], EfiUnusableMemory);
    }
    assert_int_equal(firmware.types[0x30], EfiUnusableMemory);
    uint64_t bits;
    assert_int_equal(loader_translate(info->direct_map.value + 0x3e00000, &bits), 0);
    assert_int_equal(info->options.badram_count, 3);
    loader_expect_said("badram: 258 pages named, 257 of them taken while free");
    loader_reset(state);
    firmware_load_options("badram=0x3e00000-0x3f00000 kernel=none"); // given back on failure
    loader_expect_refusal(EFI_NOT_FOUND, "there is no such file");
    loader_reset(state);
    firmware_load_options("badram=17M-40M,30M-50M"); // the second begins within the first
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("badram: 11008 pages named, 8448 of them taken while free");
    loader_reset(state);
    firmware_load_options("badram=0-4G");
    loader_expect_refusal(EFI_OUT_OF_RESOURCES,
                          " KiB; badram= names 4194304 KiB (Out of Resources");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(helpful_firmware, loader_reset),
        cmocka_unit_test_setup(every_kind_of_cpu, loader_reset),
        cmocka_unit_test_setup(kaslr_moves, loader_reset),
        cmocka_unit_test_setup(options_from_everywhere, loader_reset),
        cmocka_unit_test_setup(unusable_load_options, loader_reset),
        cmocka_unit_test_setup(unusable_option_files, loader_reset),
        cmocka_unit_test_setup(quiet_log, loader_reset),
        cmocka_unit_test_setup(full_log, loader_reset),
        cmocka_unit_test_setup(kernel_from_a_file, loader_reset),
        cmocka_unit_test_setup(secure_boot, loader_reset),
        cmocka_unit_test_setup(signed_options, loader_reset),
        cmocka_unit_test_setup(replay, loader_reset),
        cmocka_unit_test_setup(options_without_a_file, loader_reset),
        cmocka_unit_test_setup(the_log_is_shown_once, loader_reset),
        cmocka_unit_test_setup(options_for_linux, loader_reset),
        cmocka_unit_test_setup(bad_embedded_kernel, loader_reset),
        cmocka_unit_test_setup(record_is_written, loader_reset),
        cmocka_unit_test_setup(record_cannot_be_written, loader_reset),
        cmocka_unit_test_setup(screens, loader_reset),
        cmocka_unit_test_setup(missing_tables, loader_reset),
        cmocka_unit_test_setup(bad_memory_is_taken_first, loader_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
