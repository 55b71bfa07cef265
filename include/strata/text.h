// SPDX-License-Identifier: MIT
// Where text goes: the serial line, a screen, a buffer, a file.
//
// Every report is written to a `struct text`, so the kernel's console, the hosted map tool and the
// tests get the same bytes from the same code.
#pragma once

#include <stdarg.h>
#include <strata/types.h>

// How text looks on a screen. It says nothing that the words do not say as well: most sinks show
// none of it.
enum text_style {
    TEXT_PLAIN,
    TEXT_HEADING,
    TEXT_GOOD,
    TEXT_WARNING,
    TEXT_ERROR,
    TEXT_INVERSE, // dark on light: what has to be read by a camera
    TEXT_TILE,    // TEXT_TILE + n: on the n-th of TEXT_TILES colours
};
#define TEXT_TILES 16

// A sink. Whoever owns one embeds it as the first member of its own struct and sets `write`.
struct text {
    // Takes `count` bytes. Cannot fail: a sink that runs full counts what it drops.
    void (*write)(struct text *self, const char *bytes, size_t count);
    // How what is written from now on looks; NULL for a sink of nothing but characters.
    void (*style)(struct text *self, unsigned style);
};

// Sets the style, where there is one. TEXT_PLAIN is what everything begins with and goes back to.
static inline void text_style(struct text *out, unsigned style) {
    if (out->style != NULL) {
        out->style(out, style);
    }
}

// Formats as printf does, without floating point, of any length.  Not for use while `out` is in use
// by another caller.
void text_printf(struct text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *out, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

// Writes a string as the beginning of a heading.
void text_heading(struct text *out, const char *string);

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

// An empty sink over `bytes`, of `capacity` bytes, at least 1; they stay the caller's and have to
// outlive it. `bytes[0]` becomes NUL. Cannot fail.  O(1). Any context; a buffer has one user at a
// time.
void text_buffer_init(struct text_buffer *buffer, char *bytes, size_t capacity);
