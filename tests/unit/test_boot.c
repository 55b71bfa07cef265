// SPDX-License-Identifier: MIT
// The boot contract: a kernel trusts a good one, and says what is wrong with any other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <strata/boot.h>
#include <string.h>

static struct boot_info good(void) {
    struct boot_info info;
    memset(&info, 0, sizeof(info));
    info.magic = BOOT_MAGIC;
    info.version = BOOT_VERSION;
    info.size = sizeof(info);
    memset(info.options.text, 'x', sizeof(info.options.text));
    info.checksum = boot_info_checksum(&info);
    return info;
}

static void a_good_contract_is_trusted(void **state) {
    (void)state;
    struct boot_info info = good();
    assert_null(boot_info_defect(&info));
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    struct boot_info info = good();
    info.magic++;
    assert_non_null(strstr(boot_info_defect(&info), "magic is wrong"));
    info = good();
    info.version++;
    assert_non_null(strstr(boot_info_defect(&info), "version is not this kernel's"));
    info = good();
    info.size--;
    assert_non_null(strstr(boot_info_defect(&info), "size is not this kernel's"));
    info = good();
    info.checksum ^= 1;
    assert_non_null(strstr(boot_info_defect(&info), "checksum is wrong"));
}

static void every_changed_byte_is_noticed(void **state) {
    (void)state;
    struct boot_info info = good();
    uint8_t *bytes = (uint8_t *)&info;
    for (size_t i = 0; i < sizeof(info); i++) {
        bytes[i] ^= 0x40;
        assert_non_null(boot_info_defect(&info));
        bytes[i] ^= 0x40;
    }
    assert_null(boot_info_defect(&info));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_contract_is_trusted),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(every_changed_byte_is_noticed),
    };
    return cmocka_run_group_tests_name("boot", tests, NULL, NULL);
}
