// SPDX-License-Identifier: MIT
// Check bytes: the remainder of the text, as a polynomial over GF(256), divided by one whose roots
// are powers of 2. (ISO/IEC 18004:2015, 7.5.2; the field is that of x^8 + x^4 + x^3 + x^2 + 1.)
#include "internal.h"
#include <string.h>

#define FIELD     0x11d
#define CHECK_MAX 30

static uint8_t multiply(unsigned a, unsigned b) {
    unsigned product = 0;
    for (; b != 0; b >>= 1) {
        product ^= (b & 1) != 0 ? a : 0;
        a = a << 1 ^ (a >= 0x80 ? FIELD : 0);
    }
    return (uint8_t)product;
}

// (x - 1)(x - 2)(x - 4)…, highest power first, without its leading 1.
static void make_divisor(uint8_t *divisor, size_t degree) {
    uint8_t root = 1;
    memset(divisor, 0, degree);
    divisor[degree - 1] = 1;
    for (size_t i = 0; i < degree; i++) {
        for (size_t j = 0; j < degree; j++) {
            uint8_t next = j + 1 < degree ? divisor[j + 1] : 0;
            divisor[j] = multiply(divisor[j], root) ^ next;
        }
        root = multiply(root, 2);
    }
}

void qr_reed_solomon(const uint8_t *bytes, size_t count, uint8_t *check, size_t check_count) {
    uint8_t divisor[CHECK_MAX];
    make_divisor(divisor, check_count);
    memset(check, 0, check_count);
    for (size_t i = 0; i < count; i++) {
        uint8_t factor = bytes[i] ^ check[0];
        memmove(check, check + 1, check_count - 1);
        check[check_count - 1] = 0;
        for (size_t j = 0; j < check_count; j++) {
            check[j] ^= multiply(divisor[j], factor);
        }
    }
}
