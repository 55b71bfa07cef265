// SPDX-License-Identifier: MIT
// Finding the records of a report: see dump.h.
#include "dump.h"

#include "json.h"

#include <stdio.h>
#include <string.h>

static const char *end_of_line(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline != NULL ? newline : end;
}

// What a dump needs to be one.
enum { HAS_REGIONS = 1, HAS_LEDGER = 2, IS_WHOLE = HAS_REGIONS | HAS_LEDGER };

static unsigned part_of(const struct cursor *record) {
    return (is_record(*record, "region") ? HAS_REGIONS : 0u) |
           (is_record(*record, "ledger") ? HAS_LEDGER : 0u);
}

// The last line with a "strata" record.
static bool find_start(const char *text, const char *end, struct dump *out) {
    size_t line = 0;
    *out = (struct dump){0};
    for (const char *at = text; at < end; at = end_of_line(at, end) + 1) {
        struct cursor cursor = cursor_on(at, end_of_line(at, end));
        line++;
        if (find_any_record(&cursor) && is_record(cursor, "strata")) {
            out->begin = at;
            out->first_line = line;
        }
    }
    return out->begin != NULL;
}

enum dump_status dump_find(const char *text, size_t length, struct dump *out) {
    const char *end = text + length;
    if (!find_start(text, end, out)) {
        return DUMP_NONE;
    }
    unsigned parts = 0;
    size_t line = out->first_line;
    for (const char *at = out->begin; at < end; at = end_of_line(at, end) + 1, line++) {
        struct cursor cursor = cursor_on(at, end_of_line(at, end));
        if (!find_any_record(&cursor)) {
            if (memmem(at, (size_t)(cursor.end - at), "--- end ---", 11) != NULL) {
                break;
            }
            continue;
        }
        struct cursor record = cursor;
        if (!take_json_object(&record)) {
            out->error_line = line;
            out->error_column = (size_t)(record.failed_at - record.begin) + 1;
            snprintf(out->expected, sizeof(out->expected), "%s", record.expected);
            return DUMP_MALFORMED;
        }
        parts |= part_of(&cursor);
        out->records++;
        out->last_line = line;
        out->end = record.at;
    }
    return parts == IS_WHOLE ? DUMP_FOUND : DUMP_NONE;
}

void dump_copy(struct text *out, const struct dump *dump) {
    for (const char *at = dump->begin; at < dump->end; at = end_of_line(at, dump->end) + 1) {
        struct cursor cursor = cursor_on(at, end_of_line(at, dump->end));
        if (find_any_record(&cursor)) {
            const char *begin = cursor.at;
            take_json_object(&cursor);
            out->write(out, begin, (size_t)(cursor.at - begin));
            text_puts(out, "\n");
        }
    }
}
