// SPDX-License-Identifier: MIT
// Walking along one line of text: see cursor.h.
#include "cursor.h"

#include <stdio.h>
#include <string.h>

struct cursor cursor_on(const char *begin, const char *end) {
    return (struct cursor){.begin = begin, .at = begin, .end = end};
}

bool cursor_fail(struct cursor *cursor, const char *at, const char *expected) {
    if (cursor->failed_at == NULL) {
        cursor->failed_at = at;
        snprintf(cursor->expected, sizeof(cursor->expected), "%s", expected);
    }
    return false;
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

bool at_end(const struct cursor *cursor) {
    return cursor->at == cursor->end;
}

bool looking_at(const struct cursor *cursor, const char *text) {
    size_t length = strlen(text);
    return (size_t)(cursor->end - cursor->at) >= length && memcmp(cursor->at, text, length) == 0;
}

void skip_blanks(struct cursor *cursor) {
    while (!at_end(cursor) && is_blank(*cursor->at)) {
        cursor->at++;
    }
}

bool take_text(struct cursor *cursor, const char *text) {
    if (take_optional(cursor, text)) {
        return true;
    }
    char expected[64];
    snprintf(expected, sizeof(expected), "\"%s\"", text);
    return cursor_fail(cursor, cursor->at, expected);
}

bool take_optional(struct cursor *cursor, const char *text) {
    if (!looking_at(cursor, text)) {
        return false;
    }
    cursor->at += strlen(text);
    return true;
}

static int digit_value(char byte) {
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool take_number(struct cursor *cursor, const char *what, unsigned base, uint128_t limit,
                        uint128_t *out) {
    const char *start = cursor->at;
    uint128_t value = 0;
    for (; !at_end(cursor); cursor->at++) {
        int digit = digit_value(*cursor->at);
        if (digit < 0 || digit >= (int)base) {
            break;
        }
        if (value > (limit - (unsigned)digit) / base) {
            cursor->at = start;
            return cursor_fail(cursor, start, what);
        }
        value = value * base + (unsigned)digit;
    }
    *out = value;
    return cursor->at > start || cursor_fail(cursor, start, what);
}

bool take_hex128(struct cursor *cursor, const char *what, uint128_t *out) {
    return take_number(cursor, what, 16, ~(uint128_t)0, out);
}

bool take_hex(struct cursor *cursor, const char *what, uint64_t *out) {
    uint128_t value;
    bool taken = take_number(cursor, what, 16, UINT64_MAX, &value);
    *out = taken ? (uint64_t)value : 0;
    return taken;
}

bool take_decimal(struct cursor *cursor, const char *what, uint64_t limit, uint64_t *out) {
    uint128_t value;
    bool taken = take_number(cursor, what, 10, limit, &value);
    *out = taken ? (uint64_t)value : 0;
    return taken;
}

bool take_blanks(struct cursor *cursor, const char *before) {
    const char *start = cursor->at;
    skip_blanks(cursor);
    return cursor->at > start || cursor_fail(cursor, start, before);
}

bool take_end(struct cursor *cursor) {
    skip_blanks(cursor);
    return at_end(cursor) || cursor_fail(cursor, cursor->at, "the end of the line");
}

bool take_word(struct cursor *cursor, const char *what, const char *stops, const char **word,
               size_t *length) {
    *word = cursor->at;
    while (!at_end(cursor) && !is_blank(*cursor->at) &&
           (*cursor->at == '\0' || strchr(stops, *cursor->at) == NULL)) {
        cursor->at++;
    }
    *length = (size_t)(cursor->at - *word);
    return *length != 0 || cursor_fail(cursor, *word, what);
}
