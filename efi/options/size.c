// SPDX-License-Identifier: MIT
// Numbers of bytes: decimal or 0x…, with K, M, G or T behind them or not.
#include "parse.h"

static unsigned digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static unsigned suffix_shift(char c) {
    switch (c | 0x20) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    case 't':
        return 40;
    default:
        return 0;
    }
}

bool parser_size(struct parser *parser, const char *option, const char **at, const char *end,
                 uint64_t *out) {
    const char *start = *at, *digits = start;
    unsigned base = 10;
    if (end - start > 2 && start[0] == '0' && (start[1] | 0x20) == 'x') {
        base = 16;
        digits += 2;
    }
    uint64_t value = 0;
    bool overflow = false;
    const char *p = digits;
    for (; p < end && digit_of(*p) < base; p++) {
        overflow |= __builtin_mul_overflow(value, (uint64_t)base, &value) ||
                    __builtin_add_overflow(value, (uint64_t)digit_of(*p), &value);
    }
    if (p == digits) {
        parser_wrong(parser, start, "%s: expected a number, as 4096, 4K or 0x1000", option);
        return false;
    }
    unsigned shift = p < end ? suffix_shift(*p) : 0;
    if (overflow || value > UINT64_MAX >> shift) {
        parser_wrong(parser, start, "%s: the number does not fit 64 bits", option);
        return false;
    }
    *at = p + (shift != 0);
    *out = value << shift;
    return true;
}
