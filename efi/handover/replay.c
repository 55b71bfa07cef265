// SPDX-License-Identifier: MIT
// Laying one map over another: see replay.h. Invariants (tests/unit/test_boot_replay.c):
//   R1  no page is conventional that is not really so              pages_against_an_oracle
//   R2  what is really something else is handed over unchanged     pages_against_an_oracle
//   R3  a full table never costs a real descriptor                 little_room
#include "replay.h"

#include <string.h>

struct reader {
    const char *at, *end;
};

static void skip_blanks(struct reader *reader) {
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t')) {
        reader->at++;
    }
}

static unsigned digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

// A number of at most `limit`, with "0x" before it when it is hexadecimal.
static bool take_number(struct reader *reader, unsigned base, uint64_t limit, uint64_t *out) {
    uint64_t value = 0;
    bool fits = true;
    skip_blanks(reader);
    if (base == 16) {
        if (reader->end - reader->at < 2 || reader->at[0] != '0' || (reader->at[1] | 0x20) != 'x') {
            return false;
        }
        reader->at += 2;
    }
    const char *digits = reader->at;
    for (; reader->at < reader->end && digit_of(*reader->at) < base; reader->at++) {
        fits &= !__builtin_mul_overflow(value, (uint64_t)base, &value) &&
                !__builtin_add_overflow(value, (uint64_t)digit_of(*reader->at), &value);
    }
    *out = value;
    bool ends = reader->at == reader->end || *reader->at == ' ' || *reader->at == '\t';
    return fits && ends && reader->at != digits && value <= limit;
}

// The sentence that is wrong, or NULL. A line of blanks or a remark leaves `*is_entry` false.
static const char *read_line(struct reader line, struct efi_descriptor *out, bool *is_entry) {
    uint64_t type;
    if (line.end > line.at && line.end[-1] == '\r') {
        line.end--;
    }
    skip_blanks(&line);
    *is_entry = line.at < line.end && *line.at != '#';
    if (!*is_entry) {
        return NULL;
    }
    if (!take_number(&line, 10, UINT32_MAX, &type)) {
        return "a memory type, such as 7";
    }
    memset(out, 0, sizeof(*out));
    out->type = (uint32_t)type;
    if (!take_number(&line, 16, UINT64_MAX, &out->physical_start)) {
        return "a start, such as 0x100000";
    }
    if (!take_number(&line, 10, UINT64_MAX, &out->pages)) {
        return "a number of pages";
    }
    if (!take_number(&line, 16, UINT64_MAX, &out->attributes)) {
        return "attributes, such as 0xf";
    }
    skip_blanks(&line);
    return line.at < line.end ? "the end of the line" : NULL;
}

bool replay_parse(const char *text, size_t length, struct efi_descriptor *out, uint64_t capacity,
                  uint64_t *count, struct replay_error *error) {
    const char *end = text + length;
    *count = 0;
    *error = (struct replay_error){0, NULL};
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct reader line = {text, newline != NULL ? newline : end};
        struct efi_descriptor entry;
        bool is_entry;
        error->line++;
        error->expected = read_line(line, &entry, &is_entry);
        if (error->expected == NULL && is_entry && *count == capacity) {
            error->expected = "no more descriptors than there is room for";
        }
        if (error->expected != NULL) {
            return false;
        }
        if (is_entry) {
            out[(*count)++] = entry;
        }
        text = line.end + 1;
    }
    error->expected = *count == 0 ? "a descriptor, such as 7 0x100000 1792 0xf" : NULL;
    return *count != 0;
}

static bool is_free(const struct efi_descriptor *real) {
    return real->type == EFI_CONVENTIONAL && (real->attributes & EFI_ATTRIBUTE_WB) != 0 &&
           (real->attributes & EFI_ATTRIBUTE_RUNTIME) == 0;
}

static bool wraps(const struct efi_descriptor *entry, uint64_t *end) {
    uint64_t bytes;
    return __builtin_mul_overflow(entry->pages, PAGE_SIZE, &bytes) ||
           __builtin_add_overflow(entry->physical_start, bytes, end);
}

// [begin, end) of a descriptor; empty for one that wraps.
static uint64_t end_of(const struct efi_descriptor *entry) {
    uint64_t end;
    return wraps(entry, &end) ? entry->physical_start : end;
}

uint64_t replay_wrapping(const struct efi_descriptor *asked, uint64_t asked_count,
                         uint64_t *first) {
    uint64_t count = 0, end;
    for (uint64_t i = 0; i < asked_count; i++) {
        if (wraps(&asked[i], &end)) {
            *first = count++ == 0 ? i : *first;
        }
    }
    return count;
}

// What both have, as the asked one; no pages when that is nothing.
static struct efi_descriptor overlap(const struct efi_descriptor *real,
                                     const struct efi_descriptor *asked) {
    struct efi_descriptor piece = *asked;
    uint64_t begin = real->physical_start, end = end_of(real);
    uint64_t asked_end = end_of(asked);
    piece.physical_start = asked->physical_start > begin ? asked->physical_start : begin;
    end = asked_end < end ? asked_end : end;
    piece.pages = piece.physical_start < end ? (end - piece.physical_start) / PAGE_SIZE : 0;
    return piece;
}

uint64_t replay_room(const struct efi_map *really, const struct efi_descriptor *asked,
                     uint64_t asked_count) {
    uint64_t room = 0;
    for (uint64_t i = 0; i < efi_map_count(really); i++) {
        struct efi_descriptor real = efi_map_entry(really, i);
        if (!is_free(&real)) {
            room++;
            continue;
        }
        for (uint64_t j = 0; j < asked_count; j++) {
            room += overlap(&real, &asked[j]).pages != 0;
        }
    }
    return room;
}

uint64_t replay_merge(const struct efi_map *really, const struct efi_descriptor *asked,
                      uint64_t asked_count, struct efi_descriptor *out, uint64_t capacity,
                      uint64_t *left_out) {
    uint64_t kept = 0, count = 0, first; // kept: real descriptors still to come that have to be
    *left_out = replay_wrapping(asked, asked_count, &first);
    for (uint64_t i = 0; i < efi_map_count(really); i++) {
        struct efi_descriptor real = efi_map_entry(really, i);
        kept += !is_free(&real);
    }
    if (kept > capacity) {
        return 0;
    }
    for (uint64_t i = 0; i < efi_map_count(really); i++) {
        struct efi_descriptor real = efi_map_entry(really, i);
        if (!is_free(&real)) {
            out[count++] = real;
            kept--;
            continue;
        }
        for (uint64_t j = 0; j < asked_count; j++) {
            struct efi_descriptor piece = overlap(&real, &asked[j]);
            if (piece.pages != 0 && count + kept < capacity) {
                out[count++] = piece;
            } else {
                *left_out += piece.pages != 0;
            }
        }
    }
    return count;
}
