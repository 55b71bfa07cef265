// SPDX-License-Identifier: MIT
// Taking a flat JSON object apart.
#include "record.h"

#include <stdio.h>
#include <string.h>

struct scan {
    const char *begin, *at, *end;
};

static bool wrong(struct record *record, const struct scan *scan, const char *expected) {
    snprintf(record->defect, sizeof(record->defect), "column %zu: expected %s",
             (size_t)(scan->at - scan->begin) + 1, expected);
    return false;
}

static bool take(struct scan *scan, char byte) {
    while (scan->at < scan->end && *scan->at == ' ') {
        scan->at++;
    }
    if (scan->at == scan->end || *scan->at != byte) {
        return false;
    }
    scan->at++;
    return true;
}

// The rest of a string whose opening quote was taken.
static bool take_string(struct scan *scan, const char **text, size_t *length) {
    *text = scan->at;
    while (scan->at < scan->end && *scan->at != '"') {
        scan->at += *scan->at == '\\' && scan->at + 1 < scan->end ? 2 : 1;
    }
    *length = (size_t)(scan->at - *text);
    return take(scan, '"');
}

static bool take_value(struct scan *scan, struct record_field *field) {
    field->quoted = take(scan, '"');
    if (field->quoted) {
        return take_string(scan, &field->value, &field->value_length);
    }
    field->value = scan->at;
    while (scan->at < scan->end && strchr(",} \"{[]:", *scan->at) == NULL) {
        scan->at++;
    }
    field->value_length = (size_t)(scan->at - field->value);
    return field->value_length != 0;
}

bool record_read(struct record *record, const char *line, size_t length) {
    struct scan scan = {line, line, line + length};
    *record = (struct record){.count = 0};
    if (!take(&scan, '{')) {
        return wrong(record, &scan, "'{'");
    }
    do {
        struct record_field *field = &record->fields[record->count];
        if (record->count == RECORD_FIELDS) {
            return wrong(record, &scan, "'}': there are too many fields");
        }
        if (!take(&scan, '"') || !take_string(&scan, &field->name, &field->name_length) ||
            !take(&scan, ':')) {
            return wrong(record, &scan, "\"name\":");
        }
        if (!take_value(&scan, field)) {
            return wrong(record, &scan, "a value");
        }
        record->count++;
    } while (take(&scan, ','));
    if (!take(&scan, '}')) {
        return wrong(record, &scan, "',' or '}'");
    }
    return scan.at == scan.end || wrong(record, &scan, "the end of the line");
}

static const struct record_field *find(const struct record *record, const char *name) {
    for (size_t i = 0; i < record->count; i++) {
        const struct record_field *field = &record->fields[i];
        if (field->name_length == strlen(name) &&
            memcmp(field->name, name, field->name_length) == 0) {
            return field;
        }
    }
    return NULL;
}

static void defect(struct record *record, const char *name, const char *expected) {
    const struct record_field *field = find(record, name);
    if (record->defect[0] != '\0') {
        return;
    }
    if (field == NULL) {
        snprintf(record->defect, sizeof(record->defect), "it has no \"%s\"", name);
    } else {
        snprintf(record->defect, sizeof(record->defect), "\"%s\" is %.*s: expected %s", name,
                 (int)(field->value_length < 40 ? field->value_length : 40), field->value,
                 expected);
    }
}

static bool read_number(const struct record_field *field, uint64_t *number) {
    const char *at = field->value, *end = at + field->value_length;
    unsigned base = 10;
    if (field->quoted) {
        if (end - at < 3 || at[0] != '0' || at[1] != 'x') {
            return false;
        }
        base = 16;
        at += 2;
    }
    *number = 0;
    for (; at < end; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a') + 10
                                                    : 16;
        if (digit >= base || __builtin_mul_overflow(*number, (uint64_t)base, number) ||
            __builtin_add_overflow(*number, (uint64_t)digit, number)) {
            return false;
        }
    }
    return true;
}

uint64_t record_number(struct record *record, const char *name, uint64_t most) {
    const struct record_field *field = find(record, name);
    uint64_t number = 0;
    if (field == NULL || !read_number(field, &number) || number > most) {
        char expected[64];
        snprintf(expected, sizeof(expected), "a number up to %lu", most);
        defect(record, name, most == UINT64_MAX ? "a number" : expected);
        return 0;
    }
    return number;
}

static bool is(const struct record_field *field, const char *value) {
    return field->quoted && field->value_length == strlen(value) &&
           memcmp(field->value, value, field->value_length) == 0;
}

unsigned record_choice(struct record *record, const char *name, const char *(*name_of)(unsigned),
                       unsigned count) {
    const struct record_field *field = find(record, name);
    for (unsigned i = 0; field != NULL && i < count; i++) {
        if (is(field, name_of(i))) {
            return i;
        }
    }
    defect(record, name, "one of the names that Strata knows");
    return 0;
}

bool record_flag(struct record *record, const char *name) {
    const struct record_field *field = find(record, name);
    if (field == NULL) {
        return false;
    }
    bool yes = field->value_length == 4 && memcmp(field->value, "true", 4) == 0;
    if (!yes && (field->value_length != 5 || memcmp(field->value, "false", 5) != 0)) {
        defect(record, name, "true or false");
    }
    return yes;
}

void record_string(struct record *record, const char *name, char *out, size_t capacity) {
    const struct record_field *field = find(record, name);
    out[0] = '\0';
    if (field == NULL || !field->quoted) {
        defect(record, name, "a string");
        return;
    }
    size_t length = field->value_length < capacity ? field->value_length : capacity - 1;
    memcpy(out, field->value, length);
    out[length] = '\0';
}

bool record_is(const struct record *record, const char *name, const char *value) {
    const struct record_field *field = find(record, name);
    return field != NULL && is(field, value);
}
