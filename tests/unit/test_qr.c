// SPDX-License-Identifier: MIT
// QR codes, compared module by module with those of libqrcodegen. (That cameras read them is in
// tests/boot/test_qr.py.)
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <qr/qr.h>
#include <qrcodegen/qrcodegen.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
static const enum qrcodegen_Ecc levels[] = {
    [QR_LOW] = qrcodegen_Ecc_LOW, [QR_MEDIUM] = qrcodegen_Ecc_MEDIUM};

static struct qr qr;
static uint8_t theirs[qrcodegen_BUFFER_LEN_MAX], work[qrcodegen_BUFFER_LEN_MAX];
static char text[4400];

// Some text, of capitals and the like or of any letters, NUL-terminated.
static void make_text(size_t length, bool alphanumeric, unsigned seed) {
    static const char small[] = "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1103515245 + 12345;
        text[i] = (char)(alphanumeric ? alphabet[(seed >> 16) % 45] : small[(seed >> 16) % 26]);
    }
    text[length] = '\0';
}

// Bytes that are no text: as one segment. `mask` of ours and of theirs have the same numbers.
static bool encode_theirs(size_t length, enum qr_level level, unsigned most, unsigned mask) {
    int number = mask == QR_MASK_BEST ? qrcodegen_Mask_AUTO : (int)mask;
    if (qrcodegen_isAlphanumeric(text)) {
        struct qrcodegen_Segment segment = qrcodegen_makeAlphanumeric(text, work);
        return qrcodegen_encodeSegmentsAdvanced(&segment, 1, levels[level], 1, (int)most,
                                                (enum qrcodegen_Mask)number, false, work, theirs);
    }
    memcpy(work, text, length);
    return qrcodegen_encodeBinary(work, length, theirs, levels[level], 1, (int)most,
                                  (enum qrcodegen_Mask)number, false);
}

static void compare(size_t length, enum qr_level level, unsigned mask) {
    bool fits = qr_encode(&qr, text, length, level, QR_VERSION_MAX, mask);
    assert_int_equal(fits, encode_theirs(length, level, QR_VERSION_MAX, mask));
    if (!fits) {
        return;
    }
    assert_int_equal(qr.side, qrcodegen_getSize(theirs));
    for (unsigned y = 0; y < qr.side; y++) {
        for (unsigned x = 0; x < qr.side; x++) {
            if (qr_dark(&qr, x, y) != qrcodegen_getModule(theirs, (int)x, (int)y)) {
                fail_msg("%zu characters, level %d, version %u, mask %u: module (%u, %u) differs",
                         length, level, qr.version, qr.mask, x, y);
            }
        }
    }
}

// Every version, both levels, both kinds of text, every mask and the best one.
static void agrees_with_a_library(void **state) {
    (void)state;
    for (enum qr_level level = 0; level < QR_LEVEL_COUNT_; level++) {
        for (unsigned version = 1; version <= QR_VERSION_MAX; version++) {
            size_t most = qr_capacity(version, level);
            unsigned mask = version % (QR_MASKS + 1);
            make_text(most, true, version);
            compare(most, level, mask);
            assert_int_equal(qr.version, version);
            compare(most, level, QR_MASK_BEST);
            make_text(most + 1, true, version);
            compare(most + 1, level, (mask + 3) % QR_MASKS);
            assert_true(version == QR_VERSION_MAX || qr.version == version + 1);
            make_text(most / 2, false, version);
            compare(most / 2, level, QR_MASK_BEST);
        }
    }
}

static void any_length_agrees(void **state) {
    (void)state;
    for (size_t length = 0; length < 120; length++) {
        for (unsigned kind = 0; kind < 2; kind++) {
            make_text(length, kind == 0, (unsigned)length + 77);
            compare(length, (enum qr_level)(length % QR_LEVEL_COUNT_), QR_MASK_BEST);
        }
    }
    for (unsigned mask = 0; mask < QR_MASKS; mask++) {
        make_text(40, true, mask);
        compare(40, QR_MEDIUM, mask);
    }
}

// All one colour, or striped: the penalties for balance, blocks and runs decide.
static void plain_texts_agree(void **state) {
    (void)state;
    static const char letters[] = "0:A \x01\x55\x7f";
    for (size_t i = 0; i + 1 < sizeof(letters); i++) {
        for (size_t length = 10; length < 1200; length += 97) {
            memset(text, letters[i], length);
            text[length] = '\0';
            compare(length, QR_LOW, QR_MASK_BEST);
        }
    }
}

static void too_long_is_refused(void **state) {
    (void)state;
    size_t most = qr_capacity(QR_VERSION_MAX, QR_LOW);
    assert_int_equal(most, 4296);
    assert_int_equal(qr_capacity(25, QR_MEDIUM), 1451);
    make_text(most + 1, true, 1);
    assert_false(qr_encode(&qr, text, most + 1, QR_LOW, QR_VERSION_MAX, QR_MASK_BEST));
    assert_true(qr_encode(&qr, text, most, QR_LOW, QR_VERSION_MAX, 0));
    assert_false(qr_encode(&qr, text, most, QR_LOW, QR_VERSION_MAX - 1, 0));
    assert_false(qr_encode(&qr, text, most, QR_MEDIUM, QR_VERSION_MAX, 0));
}

static void outside_is_light(void **state) {
    (void)state;
    make_text(10, true, 1);
    assert_true(qr_encode(&qr, text, 10, QR_LOW, 1, QR_MASK_BEST));
    assert_int_equal(qr.side, 21);
    assert_true(qr_dark(&qr, 0, 0) && qr_dark(&qr, 20, 0) && qr_dark(&qr, 0, 20));
    assert_false(qr_dark(&qr, 21, 0) || qr_dark(&qr, 0, 21) || qr_dark(&qr, ~0u, ~0u));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_library), cmocka_unit_test(any_length_agrees),
        cmocka_unit_test(plain_texts_agree),     cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(outside_is_light),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
