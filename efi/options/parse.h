// SPDX-License-Identifier: MIT
// Between the words of the option text (parse.c) and what they mean (options.c): one
// option, cut out of the text.
#pragma once

#include "options.h"

struct word {
    const char *name;
    size_t name_length;
    const char *value; // without its quotes
    size_t value_length;
};

struct parser {
    struct options *options;
    enum options_source source;
    const char *source_name;
    const char *text, *end; // the whole input
    options_report *report;
    void *context;
    size_t wrong;
};

// Reports something wrong at `at`, which lies in the text: "source:line:column: …".
void parser_wrong(struct parser *parser, const char *at, const char *text, ...)
    __attribute__((format(printf, 3, 4)));

// Reads a number of bytes at `*at` and moves `*at` behind it: decimal or 0x…, with K, M, G or T
// behind it or not. False, with what is wrong reported as `option`'s and `*at` where it was, when
// there is none or it does not fit.
bool parser_size(struct parser *parser, const char *option, const char **at, const char *end,
                 uint64_t *out);

// Gives an option its meaning; reports what is wrong with its name or value.
void options_apply(struct parser *parser, const struct word *word);

// Reads `badram=`: see badram.c. False, with what was wrong reported and the options as
// they were.
bool badram_apply(struct parser *parser, const struct word *word);

// The same for `fail=`: see fail.c.
bool fail_apply(struct parser *parser, const struct word *word);

// The same for `guard=`: see guard.c.
bool guard_apply(struct parser *parser, const struct word *word);

// The same for `serial=`: see serial.c.
bool serial_apply(struct parser *parser, const struct word *word);

// The same for `reserve=`: see reserve.c.
bool reserve_apply(struct parser *parser, const struct word *word);
