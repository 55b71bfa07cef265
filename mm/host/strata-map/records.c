// SPDX-License-Identifier: MIT
// Strata's own records, one JSON object a line:
//
//   {"record":"efi","index":0,"type":7,"name":"Conventional","start":"0x0","pages":160,
//    "attributes":"0xf"}                                                          (on one line)
//
// Fields may come in any order, and fields that are not known here are passed over, whatever they
// hold: one may be added any day.
#include "formats.h"

#include <string.h>

enum field { FIELD_INDEX, FIELD_TYPE, FIELD_START, FIELD_PAGES, FIELD_ATTRIBUTES, FIELD_COUNT_ };

static const char *const field_names[FIELD_COUNT_] = {"index", "type", "start", "pages",
                                                      "attributes"};

static const char *const field_missing[FIELD_COUNT_] = {
    "a field \"index\"", "a field \"type\"",       "a field \"start\"",
    "a field \"pages\"", "a field \"attributes\"",
};

// A string, quotes and all; `*word` is what stands between them, escapes as they are.
static bool take_string(struct cursor *cursor, const char **word, size_t *length) {
    if (!take_text(cursor, "\"")) {
        return false;
    }
    *word = cursor->at;
    while (!at_end(cursor) && *cursor->at != '"') {
        cursor->at += *cursor->at == '\\' && cursor->at + 1 < cursor->end ? 2 : 1;
    }
    *length = (size_t)(cursor->at - *word);
    return take_text(cursor, "\"");
}

// A decimal number, or a string "0x…".
static bool take_value(struct cursor *cursor, uint64_t *out) {
    if (take_optional(cursor, "\"0x")) {
        return take_hex(cursor, "a hexadecimal number", out) && take_text(cursor, "\"");
    }
    return take_decimal(cursor, "a number, or \"0x…\"", UINT64_MAX, out);
}

// Any value at all. Brackets are counted, not matched: this is no validator.
static bool skip_value(struct cursor *cursor) {
    unsigned depth = 0;
    while (!at_end(cursor)) {
        char byte = *cursor->at;
        if (byte == '"') {
            const char *word;
            size_t length;
            if (!take_string(cursor, &word, &length)) {
                return false;
            }
            continue;
        }
        if (depth == 0 && (byte == ',' || byte == '}')) {
            return true;
        }
        if (byte == '[' || byte == '{') {
            depth++;
        } else if (byte == ']' || byte == '}') {
            depth--;
        }
        cursor->at++;
    }
    return cursor_fail(cursor, cursor->at, "\",\" or \"}\"");
}

static enum field field_named(const char *name, size_t length) {
    for (enum field field = 0; field < FIELD_COUNT_; field++) {
        if (strlen(field_names[field]) == length && memcmp(field_names[field], name, length) == 0) {
            return field;
        }
    }
    return FIELD_COUNT_;
}

// One `"name": value`.
static bool take_field(struct cursor *cursor, uint64_t *values, unsigned *seen) {
    const char *name;
    size_t length;
    skip_blanks(cursor);
    if (!take_string(cursor, &name, &length)) {
        return false;
    }
    skip_blanks(cursor);
    if (!take_text(cursor, ":")) {
        return false;
    }
    skip_blanks(cursor);
    enum field field = field_named(name, length);
    if (field == FIELD_COUNT_) {
        return skip_value(cursor);
    }
    *seen |= 1u << field;
    const char *where = cursor->at;
    if (!take_value(cursor, &values[field])) {
        return false;
    }
    return field != FIELD_TYPE || values[field] <= UINT32_MAX ||
           cursor_fail(cursor, where, "a memory type of 32 bits");
}

static bool take_object(struct cursor *cursor, uint64_t *values, unsigned *seen) {
    do {
        if (!take_field(cursor, values, seen)) {
            return false;
        }
        skip_blanks(cursor);
    } while (take_optional(cursor, ","));
    if (!take_optional(cursor, "}")) {
        return cursor_fail(cursor, cursor->at, "\",\" or \"}\"");
    }
    for (enum field field = FIELD_TYPE; field < FIELD_COUNT_; field++) {
        if ((*seen & 1u << field) == 0) {
            return cursor_fail(cursor, cursor->at - 1, field_missing[field]);
        }
    }
    return true;
}

// Moves behind the brace of {"record":"efi"; blanks may stand between.
static bool find_record(struct cursor *cursor) {
    for (; cursor->at < cursor->end; cursor->at++) {
        struct cursor ahead = *cursor;
        if (!take_optional(&ahead, "{")) {
            continue;
        }
        skip_blanks(&ahead);
        if (!take_optional(&ahead, "\"record\"")) {
            continue;
        }
        skip_blanks(&ahead);
        take_optional(&ahead, ":");
        skip_blanks(&ahead);
        take_optional(cursor, "{");
        return looking_at(&ahead, "\"efi\"");
    }
    return false;
}

enum line_kind records_line(struct cursor *cursor, bool inside, struct map_line *out) {
    (void)inside;
    uint64_t values[FIELD_COUNT_] = {0};
    unsigned seen = 0;
    if (!find_record(cursor)) {
        return LINE_FOREIGN;
    }
    if (!take_object(cursor, values, &seen)) {
        return LINE_MALFORMED;
    }
    out->has_index = (seen & 1u << FIELD_INDEX) != 0;
    out->index = values[FIELD_INDEX];
    out->entry = (struct efi_descriptor){
        .type = (uint32_t)values[FIELD_TYPE],
        .physical_start = values[FIELD_START],
        .pages = values[FIELD_PAGES],
        .attributes = values[FIELD_ATTRIBUTES],
    };
    return LINE_ENTRY;
}
