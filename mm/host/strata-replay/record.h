// SPDX-License-Identifier: MIT
// One record: a line with one flat JSON object, as Strata writes it (no nested values, no escapes
// but \" and \\ in what is read here).
#pragma once

#include <strata/types.h>

#define RECORD_FIELDS 24

struct record_field {
    const char *name, *value; // not NUL-terminated
    size_t name_length, value_length;
    bool quoted;
};

struct record {
    struct record_field fields[RECORD_FIELDS];
    size_t count;
    char defect[160]; // "" while nothing was wrong
};

// Takes a line that begins with '{' apart. False, with the defect said, when it is no such object.
bool record_read(struct record *record, const char *line, size_t length);

// What a field says. A field that is not there, or says something else than what is asked for, is a
// defect; the first one is kept. Numbers are decimal, or hexadecimal in quotes.
uint64_t record_number(struct record *record, const char *name, uint64_t most);
// Which of `count` names.
unsigned record_choice(struct record *record, const char *name, const char *(*name_of)(unsigned),
                       unsigned count);
// False when it is not there.
bool record_flag(struct record *record, const char *name);
// Copies a string, cut to `capacity - 1` bytes.
void record_string(struct record *record, const char *name, char *out, size_t capacity);
// Whether the field `name` is the string `value`.
bool record_is(const struct record *record, const char *name, const char *value);
