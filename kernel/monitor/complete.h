// SPDX-License-Identifier: MIT
// Completion of a word that somebody began to type. Pure: tests/unit/test_complete.c.
//
//   completion_begin(&completion, "ma", 2);
//   completion_offer(&completion, "map", 3);     // as often as there are words
//   ... completion.count is how many fit, `common` what all of them begin with
#pragma once

#include <strata/types.h>

#define COMPLETION_MAX 32 // longer words are not offered

struct completion {
    const char *typed;
    size_t length;
    char common[COMPLETION_MAX]; // NUL at its end
    size_t count;
};

void completion_begin(struct completion *completion, const char *typed, size_t length);

// Whether a word of that length fits what was typed; it counts then.
bool completion_offer(struct completion *completion, const char *word, size_t length);

// The next word of a command's arguments as help shows them that is meant literally: "[nth|every
// N]" has nth and every. NULL when there is none from `*at` on; else `*at` is behind it.
const char *completion_next_literal(const char **at, size_t *length);
