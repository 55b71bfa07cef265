// SPDX-License-Identifier: MIT
// Walking along one line of text that may be wrong.
//
// A `take_…` function either moves past what it names and returns true, or stays, notes what was
// expected and where, and returns false. The first failure is the one that is kept.
#pragma once

#include <strata/types.h>

struct cursor {
    const char *begin, *at, *end; // the line, without its newline
    const char *failed_at;        // NULL while nothing has failed
    char expected[96];
};

typedef unsigned __int128 uint128_t;

struct cursor cursor_on(const char *begin, const char *end);

// Notes what was expected at `at`. Always false.
bool cursor_fail(struct cursor *cursor, const char *at, const char *expected);

bool at_end(const struct cursor *cursor);
// Whether the rest of the line begins with `text`; letters' case matters.
bool looking_at(const struct cursor *cursor, const char *text);
void skip_blanks(struct cursor *cursor);

bool take_text(struct cursor *cursor, const char *text);
// Moves past `text` if it is there. Never a failure.
bool take_optional(struct cursor *cursor, const char *text);
// Hexadecimal digits without a prefix. `what` names the number for the message.
bool take_hex(struct cursor *cursor, const char *what, uint64_t *out);
bool take_hex128(struct cursor *cursor, const char *what, uint128_t *out);
bool take_decimal(struct cursor *cursor, const char *what, uint64_t limit, uint64_t *out);
// At least one blank.
bool take_blanks(struct cursor *cursor, const char *before);
// Nothing but blanks up to the end.
bool take_end(struct cursor *cursor);
// A run of bytes that are neither blank nor one of `stops`; empty is a failure.
bool take_word(struct cursor *cursor, const char *what, const char *stops, const char **word,
               size_t *length);
