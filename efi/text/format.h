// SPDX-License-Identifier: MIT
// Text into a buffer: the little of printf that the loader needs.
//
// The loader is compiled for Windows' ABI, where long has 32 bits, and for the host's in the tests.
// So 64-bit numbers are written with these two:  format(out, n, "at " X64 ", " U64 " pages", a, b)
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define U64 "%" __UINT64_FMTu__
#define X64 "0x%" __UINT64_FMTx__

// Knows %s %c %u %x %%, the sizes l, ll and z, a width with 0 or blanks, and a precision for %s (a
// number or *). The result always ends in NUL and is cut to fit. Returns its length.
size_t format(char *bytes, size_t capacity, const char *text, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_list(char *bytes, size_t capacity, const char *text, va_list arguments)
    __attribute__((format(printf, 3, 0)));
