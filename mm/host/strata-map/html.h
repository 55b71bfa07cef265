// SPDX-License-Identifier: MIT
// A machine's records as one HTML page that needs nothing else: page/ has its parts, which the
// build puts into this program.
#pragma once

#include <strata/text.h>

// The page up to its records. `source`: where they come from.
void html_begin(struct text *out, const char *source);
// Records go in between, written to this sink: what would end the page's script is escaped.
struct html_records {
    struct text text;
    struct text *page;
};
void html_records_init(struct html_records *records, struct text *page);
void html_end(struct text *out);

// Writes `string` with what HTML and XML would read as more than text escaped.
void html_text(struct text *out, const char *string);
