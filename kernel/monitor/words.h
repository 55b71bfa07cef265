// SPDX-License-Identifier: MIT
// Words of a command line: splitting, numbers, and the name that somebody may have meant.
// Pure: tests/unit/test_words.c.
#pragma once

#include <strata/types.h>

// Splits `line` in place at blanks and tabs, and stores pointers to its words. Returns how many
// there are, which may be more than the `most` that were stored.
size_t words_split(char *line, char **words, size_t most);

// Reads a whole word as a number: decimal, or hexadecimal with 0x; digits may be grouped with '_';
// K, M, G or T at the end multiplies by a power of 1024. Returns NULL with the number in `*value`,
// or a sentence that says what is wrong, with `*value` unchanged.
const char *number_parse(const char *word, uint64_t *value);

// How many letters have to be added, dropped, changed or swapped with their neighbour to make one
// word the other; 99 when either is longer than 31 characters. (F. Damerau, 1964.)
unsigned words_distance(const char *left, const char *right);
