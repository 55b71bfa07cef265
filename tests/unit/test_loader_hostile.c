// SPDX-License-Identifier: MIT
// The whole loader on firmware that is as unhelpful as the script says: it either jumps with a
// contract that holds, or returns the status with everything given back, or, once boot services are
// ending, says so on COM1 and stops. The fake firmware ends the test when the loader does what it
// may not.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/elf_file.h"
#include "../support/loader.h"

static void page_0_is_not_used(void **state) {
    (void)state;
    firmware.script.page_0 = true;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_check_jumped();
    assert_int_equal(firmware.types[0], EfiConventionalMemory); // given back
}

static void no_low_memory(void **state) {
    (void)state;
    for (uint64_t p = 0; p < FIRMWARE_LOW_END; p++) {
        firmware.types[p] = EfiBootServicesData;
    }
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    loader_expect_said("strata: warning: no free page below 640 KiB (Out of Resources): other CPUs "
                       "cannot be started\r\n");
    assert_int_equal(loader_check_jumped()->trampoline.value, 0);
}

static void too_little_memory(void **state) {
    (void)state;
    for (uint64_t p = FIRMWARE_RAM_FIRST + 256; p < FIRMWARE_PAGES; p++) {
        firmware.types[p] = EfiBootServicesData;
    }
    loader_expect_refusal(
        EFI_OUT_OF_RESOURCES,
        "strata: error: not enough memory for the kernel's image: 2060 KiB wanted in "
        "one piece, the firmware has ");
    // However little there is, it ends well.
    for (uint64_t pages = 0; pages < 800; pages += pages < 64 ? 1 : 13) {
        loader_reset(state);
        for (uint64_t p = FIRMWARE_RAM_FIRST + pages; p < FIRMWARE_PAGES; p++) {
            firmware.types[p] = EfiBootServicesData;
        }
        if (firmware_run() == OUTCOME_RETURNED) {
            loader_check_returned(EFI_OUT_OF_RESOURCES);
            loader_expect_said("strata: error: not enough memory for ");
        } else {
            loader_check_jumped();
        }
    }
}

static void unhelpful_maps(void **state) {
    for (unsigned i = 0; i < 7; i++) {
        loader_reset(state);
        firmware.script.too_small = i;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        loader_check_jumped();
    }
    loader_reset(state);
    firmware.script.too_small = 1000000;
    loader_expect_refusal(EFI_BUFFER_TOO_SMALL,
                          "the firmware's memory map outgrew its buffer 8 times");
    loader_reset(state);
    firmware.script.empty_map = true;
    loader_expect_refusal(EFI_UNSUPPORTED,
                          "the firmware's memory map is empty or damaged: 0 bytes");
    loader_reset(state);
    firmware.script.stride = 24;
    loader_expect_refusal(EFI_UNSUPPORTED, "the firmware's memory map is empty or damaged: ");
    loader_reset(state);
    firmware.script.map_wants = UINT64_C(1) << 40;
    loader_expect_refusal(EFI_UNSUPPORTED, "the firmware's memory map wants 1099511627776 bytes");
    for (uint64_t stride = 40; stride <= 64; stride += 8) {
        loader_reset(state);
        firmware.script.stride = stride;
        firmware.script.map_changes = true;
        firmware.script.seed = stride;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        loader_check_jumped();
    }
}

static void stale_keys(void **state) {
    for (unsigned i = 0; i < 8; i++) {
        loader_reset(state);
        firmware.script.stale = i;
        firmware.script.map_changes = i % 2;
        assert_int_equal(firmware_run(), OUTCOME_JUMPED);
        assert_int_equal(loader_check_jumped()->exit_attempts, i + 1);
    }
}

static void exit_is_refused(void **state) {
    firmware.script.stale = 8;
    assert_int_equal(firmware_run(), OUTCOME_STOPPED);
    assert_string_equal(firmware.serial,
                        "strata: error: exit refused: the firmware would not end boot services in "
                        "8 attempts; ExitBootServices said Invalid Parameter, 2\r\n");
    assert_int_equal(firmware.qemu_exit, -1);
    loader_reset(state);
    firmware.script.stale = 8;
    firmware.serial_absent = true;
    firmware_load_options("exit=qemu");
    assert_int_equal(firmware_run(), OUTCOME_STOPPED);
    assert_int_equal(firmware.serial_length, 0);
    assert_int_equal(firmware.qemu_exit, 0x7f);
    loader_reset(state);
    firmware.script.stale = 1;
    firmware.script.grows_at_exit = true;
    firmware.serial_stuck = true; // every wait is bounded
    assert_int_equal(firmware_run(), OUTCOME_STOPPED);
    assert_non_null(
        strstr(firmware.serial, "in 1 attempts; GetMemoryMap said Buffer Too Small, 5"));
}

// An error is said on COM1 too where the firmware's console is not.
static void errors_on_serial(void **state) {
    firmware_load_options("kernel=x");
    firmware.script.console_not_serial = true;
    loader_expect_refusal(EFI_NOT_FOUND, "strata: error: kernel \\x: there is no such file");
    assert_string_equal(firmware.serial,
                        "strata: error: kernel \\x: there is no such file (Not Found, 14)\r\n");
    loader_reset(state);
    firmware_load_options("kernel=x");
    loader_expect_refusal(EFI_NOT_FOUND, "there is no such file");
    assert_int_equal(firmware.serial_length, 0);
    loader_reset(state);
    firmware_load_options("kernel=x");
    firmware.script.no_console = true;
    assert_int_equal(firmware_run(), OUTCOME_RETURNED);
    loader_check_returned(EFI_NOT_FOUND);
    assert_true(firmware.serial_length > 0);
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
    assert_string_equal(loader_check_jumped()->firmware_vendor, "");
}

// A service fails, for every call that there is: the loader goes on, or returns as if it had not
// run and says why.
static void every_service_fails(void **state) {
    unsigned jumped = 0, returned = 0, stopped = 0;
    for (unsigned n = 1;; n++) {
        loader_reset(state);
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
            loader_check_returned(firmware.status);
            assert_true(EFI_ERROR(firmware.status));
            loader_expect_said("strata: error: ");
        } else if (outcome == OUTCOME_JUMPED) {
            jumped++;
            loader_check_jumped();
        } else {
            stopped++;
            assert_non_null(strstr(firmware.serial, "exit refused"));
        }
    }
    assert_true(jumped > 20 && returned >= 5 && stopped == 0);
}

// Memory runs out at every allocation, for good.
static void no_more_pages(void **state) {
    unsigned returned = 0;
    for (unsigned n = 1;; n++) {
        loader_reset(state);
        struct elf_file file = elf_file_good();
        firmware_add_file("\\k.elf", file.bytes, sizeof(file.bytes));
        firmware_load_options(n % 2 ? "kernel=k.elf" : "");
        firmware.script.no_more_pages = n;
        enum firmware_outcome outcome = firmware_run();
        if (firmware.allocations < n) {
            break;
        }
        if (outcome == OUTCOME_RETURNED) {
            returned++;
            loader_check_returned(EFI_OUT_OF_RESOURCES);
            loader_expect_said(n == 1 ? "strata: error: not enough memory for the loader's log: 16 "
                                        "KiB wanted in one piece, the firmware has "
                                      : "strata: error: ");
        } else {
            assert_int_equal(outcome, OUTCOME_JUMPED);
            loader_check_jumped();
        }
    }
    assert_true(returned >= 9);
}

static void memory_beyond_the_direct_map(void **state) {
    firmware.features.physical_bits = 52;
    firmware.script.far_memory = 64 * TIB;
    loader_expect_refusal(EFI_UNSUPPORTED, "strata: error: memory up to 0x400040000000 does not "
                                           "fit the direct map of 4-level page tables");
    loader_reset(state);
    firmware.features = (struct machine_features){5, 52, true, true, true};
    firmware.script.far_memory = 64 * TIB;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_jumped_with();
    assert_int_equal(info->direct_map_bytes, 64 * TIB + GIB);
    uint64_t bits;
    assert_int_equal(loader_translate(info->direct_map.value + 64 * TIB, &bits), 64 * TIB);
    loader_reset(state);
    firmware.script.far_memory = 64 * TIB; // the CPU cannot address it: left out
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    assert_int_equal(loader_jumped_with()->direct_map_bytes, 64 * MIB);
}

static void thousands_of_descriptors(void **state) {
    (void)state;
    for (uint64_t p = FIRMWARE_RAM_FIRST + 4096; p < FIRMWARE_PAGES; p++) {
        firmware.types[p] = p % 2 ? EfiBootServicesCode : EfiConventionalMemory;
    }
    firmware.script.placement = PLACE_LOW;
    assert_int_equal(firmware_run(), OUTCOME_JUMPED);
    const struct boot_info *info = loader_check_jumped();
    assert_true(info->map_bytes / info->map_stride > 8000);
    const char *text = (const char *)firmware_find_file("\\strata\\map.txt")->bytes;
    assert_non_null(strstr(text, "\n# complete: no\n"));
}

// Everything at once, by chance.
static void random_firmwares(void **state) {
    const char *rounds = getenv("STRATA_FIRMWARES");
    unsigned long count = rounds == NULL ? 300 : strtoul(rounds, NULL, 10);
    unsigned jumped = 0;
    for (unsigned long i = 0; i < count; i++) {
        loader_reset(state);
        uint64_t seed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        uint64_t bits = seed ^ seed >> 29;
        struct firmware_script *script = &firmware.script;
        *script = (struct firmware_script){
            .fail_nth = bits & 1 ? (unsigned)(bits >> 40) % 300 : 0,
            .fail_status = bits & 2 ? EFI_OUT_OF_RESOURCES : EFI_DEVICE_ERROR,
            .no_more_pages = bits >> 30 & 1 ? (unsigned)(bits >> 44) % 64 : 0,
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
            loader_check_returned(firmware.status);
        } else if (outcome == OUTCOME_JUMPED && (bits >> 28 & 1) == 0) {
            loader_check_jumped();
            jumped++;
        }
    }
    assert_true(jumped > count / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(page_0_is_not_used, loader_reset),
        cmocka_unit_test_setup(no_low_memory, loader_reset),
        cmocka_unit_test_setup(too_little_memory, loader_reset),
        cmocka_unit_test_setup(unhelpful_maps, loader_reset),
        cmocka_unit_test_setup(stale_keys, loader_reset),
        cmocka_unit_test_setup(exit_is_refused, loader_reset),
        cmocka_unit_test_setup(errors_on_serial, loader_reset),
        cmocka_unit_test_setup(barren_firmware, loader_reset),
        cmocka_unit_test_setup(every_service_fails, loader_reset),
        cmocka_unit_test_setup(no_more_pages, loader_reset),
        cmocka_unit_test_setup(memory_beyond_the_direct_map, loader_reset),
        cmocka_unit_test_setup(thousands_of_descriptors, loader_reset),
        cmocka_unit_test_setup(random_firmwares, loader_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
