// SPDX-License-Identifier: MIT
// Where text goes: the serial line, a screen, a buffer, a file.
//
// Every report is written to a `struct text`, so the kernel's console, the hosted map tool and the
// tests get the same bytes from the same code.
#pragma once

#include <stdarg.h>
#include <strata/types.h>

// A sink. Whoever owns one embeds it as the first member of its own struct and sets `write`.
struct text {
    // Takes `count` bytes. Cannot fail: a sink that runs full counts what it drops.
    void (*write)(struct text *self, const char *bytes, size_t count);
};

// Formats as printf does, without floating point, of any length.  Not for use while `out` is in use
// by another caller.
void text_printf(struct text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *out, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

// Writes a NUL-terminated string as it is.
void text_puts(struct text *out, const char *string);

// Writes `string` as a JSON string, quotes included: quotes, backslashes and control characters
// escaped.
void text_json_string(struct text *out, const char *string);

// Writes a number of bytes for people: "640 KiB", "3.9 GiB"; exact when it is a whole number of the
// unit.
void text_size(struct text *out, uint64_t bytes);

// A sink over a caller's array. `length` never exceeds `capacity - 1`; the array always ends in
// NUL; what did not fit is counted in `dropped`.
struct text_buffer {
    struct text text;
    char *bytes;
    size_t capacity, length, dropped;
};

void text_buffer_init(struct text_buffer *buffer, char *bytes, size_t capacity);
