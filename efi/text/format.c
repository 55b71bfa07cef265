// SPDX-License-Identifier: MIT
// Text into a buffer. See format.h.
#include "format.h"

#include <stdbool.h>
#include <string.h>

struct output {
    char *bytes;
    size_t capacity, length;
};

struct directive {
    char pad;
    size_t width, precision;
    unsigned longs; // 1: long, 2: long long, 3: size_t
    char kind;
};

static void put(struct output *out, char byte) {
    if (out->length + 1 < out->capacity) {
        out->bytes[out->length++] = byte;
    }
}

static void put_padded(struct output *out, const struct directive *d, const char *text,
                       size_t length) {
    for (size_t i = length; i < d->width; i++) {
        put(out, d->pad);
    }
    for (size_t i = 0; i < length; i++) {
        put(out, text[i]);
    }
}

static void put_number(struct output *out, const struct directive *d, uint64_t value) {
    char digits[20];
    size_t first = sizeof(digits);
    uint64_t base = d->kind == 'x' ? 16 : 10;
    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put_padded(out, d, digits + first, sizeof(digits) - first);
}

static const char *number_in(const char *text, size_t *value) {
    *value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        *value = *value * 10 + (size_t)(*text - '0');
    }
    return text;
}

// Reads what stands after a '%' but for a `*`, which the caller resolves; returns what follows.
static const char *directive_in(const char *text, struct directive *d, bool *star) {
    *d = (struct directive){.pad = ' ', .precision = SIZE_MAX};
    *star = false;
    if (*text == '0') {
        d->pad = '0';
    }
    text = number_in(text, &d->width);
    if (*text == '.') {
        *star = text[1] == '*';
        text = *star ? text + 2 : number_in(text + 1, &d->precision);
    }
    for (; *text == 'l' || *text == 'z'; text++) {
        d->longs += *text == 'z' ? 3 : 1;
    }
    d->kind = *text;
    return *text == '\0' ? text : text + 1;
}

static size_t length_up_to(const char *text, size_t most) {
    size_t length = 0;
    while (length < most && text[length] != '\0') {
        length++;
    }
    return length;
}

// A va_list is a plain pointer on one target: NOLINTNEXTLINE(readability-non-const-parameter)
size_t format_list(char *bytes, size_t capacity, const char *text, va_list arguments) {
    struct output out = {bytes, capacity, 0};
    while (*text != '\0') {
        if (*text != '%') {
            put(&out, *text++);
            continue;
        }
        struct directive d;
        bool star;
        text = directive_in(text + 1, &d, &star);
        if (star) {
            d.precision = (size_t)va_arg(arguments, int);
        }
        if (d.kind == 's') {
            const char *string = va_arg(arguments, const char *);
            put_padded(&out, &d, string, length_up_to(string, d.precision));
        } else if (d.kind == 'c') {
            put(&out, (char)va_arg(arguments, int));
        } else if (d.kind == 'u' || d.kind == 'x') {
            size_t size = d.longs == 0   ? sizeof(unsigned)
                          : d.longs == 1 ? sizeof(unsigned long)
                                         : sizeof(uint64_t);
            put_number(&out, &d,
                       size == sizeof(uint64_t) ? va_arg(arguments, uint64_t)
                                                : va_arg(arguments, uint32_t));
        } else if (d.kind != '\0') {
            put(&out, d.kind);
        }
    }
    if (capacity > 0) {
        bytes[out.length] = '\0';
    }
    return out.length;
}

size_t format(char *bytes, size_t capacity, const char *text, ...) {
    va_list arguments;
    va_start(arguments, text);
    size_t length = format_list(bytes, capacity, text, arguments);
    va_end(arguments);
    return length;
}
