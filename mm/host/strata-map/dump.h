// SPDX-License-Identifier: MIT
// The records of a whole report in a text: what the kernel printed itself, with its own slabs,
// phases and tables, which no memory map lets anybody compute again.
#pragma once

#include <strata/text.h>

enum dump_status {
    DUMP_NONE, // none, or not whole: no regions or no ledger behind the last "strata" record
    DUMP_FOUND,
    DUMP_MALFORMED, // a record that is no JSON
};

struct dump {
    const char *begin, *end; // from the "strata" record to behind the last one
    size_t records, first_line, last_line;
    size_t error_line, error_column;
    char expected[96];
};

// Looks for the last dump in `text`.
enum dump_status dump_find(const char *text, size_t length, struct dump *out);

// Writes its records, one a line, without what stands around them.
void dump_copy(struct text *out, const struct dump *dump);
