// SPDX-License-Identifier: MIT
// UTF-16, which the firmware speaks, and UTF-8, which everything else does. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Converts up to `units` UTF-16 code units at `text`, which need not be aligned, to the NUL or the
// end. Half a pair becomes U+FFFD. The result ends in NUL and is cut at a whole character. Returns
// its length in bytes.
size_t utf8_from_utf16(char *out, size_t capacity, const void *text, size_t units, bool big_endian);

// Converts NUL-terminated UTF-8. What is no UTF-8 becomes U+FFFD. The result ends in 0 and is cut
// at a whole character. Returns its length in code units.
size_t utf16_from_utf8(uint16_t *out, size_t capacity, const char *text);

// Reads one character at `*text` of the bytes up to `end` and moves on; U+FFFD for a byte that
// begins none.
uint32_t utf8_next(const char **text, const char *end);
