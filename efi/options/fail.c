// SPDX-License-Identifier: MIT
// `fail=`: which requests for memory are made to fail, to see who copes.
//
//    fail=nth:1000          the 1000th, and no other
//    fail=every:50          each 50th
//    fail=random:50         one in 50; the seed is chosen by the kernel, which says it
//    fail=random:50:0x1f    the same with a seed, decimal or 0x…: the same requests again
//    fail=off               none
#include "parse.h"

#include <string.h>

#define EXPECTED "expected off, nth:N, every:N, random:N or random:N:SEED"

struct rest {
    const char *at, *end;
};

static bool take(struct rest *rest, const char *text) {
    size_t length = strlen(text);
    if ((size_t)(rest->end - rest->at) < length || memcmp(rest->at, text, length) != 0) {
        return false;
    }
    rest->at += length;
    return true;
}

static unsigned digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

// Digits; false when there are none, or too many for 64 bits.
static bool take_number(struct rest *rest, uint64_t *out) {
    unsigned base = take(rest, "0x") || take(rest, "0X") ? 16 : 10;
    const char *digits = rest->at;
    uint64_t value = 0;
    bool fits = true;
    for (; rest->at < rest->end && digit_of(*rest->at) < base; rest->at++) {
        fits &= !__builtin_mul_overflow(value, (uint64_t)base, &value) &&
                !__builtin_add_overflow(value, (uint64_t)digit_of(*rest->at), &value);
    }
    *out = value;
    return fits && rest->at != digits;
}

bool fail_apply(struct parser *parser, const struct word *word) {
    static const char *const names[] = {
        [BOOT_FAIL_NEVER] = "off",
        [BOOT_FAIL_NTH] = "nth:",
        [BOOT_FAIL_EVERY] = "every:",
        [BOOT_FAIL_RANDOM] = "random:",
    };
    struct rest rest = {word->value, word->value + word->value_length};
    uint64_t n = 0, seed = 0;
    uint32_t failing = 0;
    while (failing < BOOT_FAIL_COUNT_ && !take(&rest, names[failing])) {
        failing++;
    }
    bool right = failing == BOOT_FAIL_NEVER ||
                 (failing < BOOT_FAIL_COUNT_ && take_number(&rest, &n) && n != 0);
    if (right && failing == BOOT_FAIL_RANDOM && take(&rest, ":")) {
        right = take_number(&rest, &seed);
    }
    if (!right || rest.at != rest.end) {
        parser_wrong(parser, rest.at, "fail: " EXPECTED);
        return false;
    }
    parser->options->boot.fail = failing;
    parser->options->boot.fail_n = n;
    parser->options->boot.fail_seed = seed;
    return true;
}
