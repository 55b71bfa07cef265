// SPDX-License-Identifier: MIT
// A strict reader of JSON that keeps nothing: see json.h.
//
// The depth is counted and the kind of each open bracket kept in a word of bits, so there is no
// recursion for a hostile file to exhaust the stack with.
#include "json.h"

#include <string.h>

#define DEPTH_MAX 16

static bool is_digit(const struct cursor *cursor) {
    return !at_end(cursor) && *cursor->at >= '0' && *cursor->at <= '9';
}

static bool take_digits(struct cursor *cursor) {
    if (!is_digit(cursor)) {
        return cursor_fail(cursor, cursor->at, "a digit");
    }
    while (is_digit(cursor)) {
        cursor->at++;
    }
    return true;
}

static bool take_json_number(struct cursor *cursor) {
    take_optional(cursor, "-");
    if (!take_optional(cursor, "0") && !take_digits(cursor)) {
        return false;
    }
    if (take_optional(cursor, ".") && !take_digits(cursor)) {
        return false;
    }
    if (take_optional(cursor, "e") || take_optional(cursor, "E")) {
        if (!take_optional(cursor, "+")) {
            take_optional(cursor, "-");
        }
        return take_digits(cursor);
    }
    return true;
}

static bool take_escape(struct cursor *cursor) {
    if (take_optional(cursor, "u")) {
        for (int i = 0; i < 4; i++, cursor->at++) {
            if (at_end(cursor) || strchr("0123456789abcdefABCDEF", *cursor->at) == NULL ||
                *cursor->at == '\0') {
                return cursor_fail(cursor, cursor->at, "four hexadecimal digits");
            }
        }
        return true;
    }
    if (at_end(cursor) || *cursor->at == '\0' || strchr("\"\\/bfnrt", *cursor->at) == NULL) {
        return cursor_fail(cursor, cursor->at, "an escape, such as \\n");
    }
    cursor->at++;
    return true;
}

static bool take_json_string(struct cursor *cursor) {
    if (!take_text(cursor, "\"")) {
        return false;
    }
    while (!at_end(cursor) && *cursor->at != '"') {
        if ((unsigned char)*cursor->at < 0x20) {
            return cursor_fail(cursor, cursor->at, "no control character in a string");
        }
        if (take_optional(cursor, "\\")) {
            if (!take_escape(cursor)) {
                return false;
            }
        } else {
            cursor->at++;
        }
    }
    return take_text(cursor, "\"");
}

static bool take_key(struct cursor *cursor) {
    skip_blanks(cursor);
    if (!take_json_string(cursor)) {
        return false;
    }
    skip_blanks(cursor);
    return take_text(cursor, ":");
}

// A value that is neither object nor array.
static bool take_scalar(struct cursor *cursor) {
    if (looking_at(cursor, "\"")) {
        return take_json_string(cursor);
    }
    if (is_digit(cursor) || looking_at(cursor, "-")) {
        return take_json_number(cursor);
    }
    return take_optional(cursor, "true") || take_optional(cursor, "false") ||
           take_optional(cursor, "null") || cursor_fail(cursor, cursor->at, "a value");
}

// What is open: bit i of `objects` says whether the bracket at depth i + 1 is '{'.
struct nesting {
    unsigned depth, objects;
};

static bool is_in_object(const struct nesting *open) {
    return (open->objects >> (open->depth - 1) & 1) != 0;
}

// Closes what ends here, and takes what stands before the next value.
static bool take_closings(struct cursor *cursor, struct nesting *open) {
    while (open->depth != 0) {
        skip_blanks(cursor);
        bool object = is_in_object(open);
        if (take_optional(cursor, object ? "}" : "]")) {
            open->depth--;
            continue;
        }
        if (!take_optional(cursor, ",")) {
            return cursor_fail(cursor, cursor->at, object ? "\",\" or \"}\"" : "\",\" or \"]\"");
        }
        return !object || take_key(cursor);
    }
    return true;
}

static bool take_opening(struct cursor *cursor, struct nesting *open, bool *empty) {
    bool object = *cursor->at == '{';
    if (open->depth == DEPTH_MAX) {
        return cursor_fail(cursor, cursor->at, "at most 16 levels of brackets");
    }
    unsigned bit = 1u << open->depth++;
    open->objects = object ? open->objects | bit : open->objects & ~bit;
    cursor->at++;
    skip_blanks(cursor);
    *empty = looking_at(cursor, object ? "}" : "]");
    return *empty || !object || take_key(cursor);
}

bool take_json_object(struct cursor *cursor) {
    struct nesting open = {0, 0};
    bool empty;
    if (!looking_at(cursor, "{")) {
        return cursor_fail(cursor, cursor->at, "\"{\"");
    }
    do {
        skip_blanks(cursor);
        if (looking_at(cursor, "{") || looking_at(cursor, "[")) {
            if (!take_opening(cursor, &open, &empty)) {
                return false;
            }
            if (!empty) {
                continue;
            }
        } else if (!take_scalar(cursor)) {
            return false;
        }
        if (!take_closings(cursor, &open)) {
            return false;
        }
    } while (open.depth != 0);
    return true;
}

// Moves from '{' behind the colon of "record".
static bool take_record_key(struct cursor *cursor) {
    if (!take_optional(cursor, "{")) {
        return false;
    }
    skip_blanks(cursor);
    if (!take_optional(cursor, "\"record\"")) {
        return false;
    }
    skip_blanks(cursor);
    bool taken = take_optional(cursor, ":");
    skip_blanks(cursor);
    return taken;
}

bool is_record(struct cursor cursor, const char *kind) {
    return take_record_key(&cursor) && take_optional(&cursor, "\"") &&
           take_optional(&cursor, kind) && take_optional(&cursor, "\"");
}

bool find_any_record(struct cursor *cursor) {
    for (; !at_end(cursor); cursor->at++) {
        struct cursor ahead = *cursor;
        if (*cursor->at == '{' && take_record_key(&ahead)) {
            return true;
        }
    }
    return false;
}
