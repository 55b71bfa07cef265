// SPDX-License-Identifier: MIT
// Reading a memory map out of a text: see read.h.
//
// Each line is shown to each format in turn. A new map begins where the format changes, where an
// index that the map has already comes again, and at the heading of a table.
#include "codes.h"
#include "remarks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    map_line_reader *read;
    const char *name;
} formats[MAP_FORMAT_COUNT_] = {
    [MAP_FORMAT_LINUX] = {linux_line, "a Linux log"},
    [MAP_FORMAT_RECORDS] = {records_line, "Strata's records"},
    [MAP_FORMAT_EDK2] = {edk2_line, "EDK2's memmap"},
    [MAP_FORMAT_EDK2_SFO] = {edk2_sfo_line, "EDK2's memmap -sfo"},
    [MAP_FORMAT_UBOOT] = {uboot_line, "U-Boot's efidebug memmap"},
    [MAP_FORMAT_FREEBSD] = {freebsd_line, "FreeBSD's table"},
    [MAP_FORMAT_PLAIN] = {plain_line, "the plain format"},
    [MAP_FORMAT_CODES] = {NULL, "codes from Strata's screen"},
};

const char *map_format_name(enum map_format format) {
    return formats[format].name;
}

// What is known while the text is walked through.
struct walk {
    struct map_reading *out;
    size_t line;
    bool has_zero; // the map that is being read has a descriptor of index 0
    bool heading;  // a table's heading was seen since the last descriptor
    // The first line that is neither empty, nor a remark, nor anything known: an error in a file of
    // the plain format.
    const char *stray;
    size_t stray_line;
    struct remarks remarks;
};

static void note_failure(struct walk *walk, const struct cursor *cursor) {
    struct map_reading *out = walk->out;
    const char *at = cursor->failed_at;
    out->error_line = walk->line;
    out->error_column = (size_t)(at - cursor->begin) + 1;
    snprintf(out->expected, sizeof(out->expected), "%s", cursor->expected);
    size_t length = (size_t)(cursor->end - at);
    while (length > 0 && at[length - 1] == '\r') {
        length--;
    }
    size_t shown = 0;
    while (shown < length && shown < 20 && at[shown] >= ' ' && at[shown] < 0x7f) {
        shown++;
    }
    if (length == 0) {
        snprintf(out->found, sizeof(out->found), "the end of the line");
    } else if (shown == 0) {
        snprintf(out->found, sizeof(out->found), "a byte 0x%02x", (unsigned char)*at);
    } else {
        snprintf(out->found, sizeof(out->found), "\"%.*s\"", (int)shown, at);
    }
}

static void begin_map(struct walk *walk, enum map_format format) {
    walk->out->count = 0;
    walk->out->format = format;
    walk->out->maps++;
    walk->out->first_line = walk->line;
    walk->has_zero = false;
    remarks_forget_findings(&walk->remarks);
}

static bool begins_map(const struct walk *walk, enum map_format format,
                       const struct map_line *line) {
    return walk->out->maps == 0 || walk->out->format != format || walk->heading ||
           (line->has_index && line->index == 0 && walk->has_zero);
}

static void add_entry(struct walk *walk, enum map_format format, const struct map_line *line) {
    struct map_reading *out = walk->out;
    if (begins_map(walk, format, line)) {
        begin_map(walk, format);
    }
    walk->heading = false;
    walk->has_zero |= line->has_index && line->index == 0;
    out->last_line = walk->line;
    if (out->count == out->capacity) {
        size_t capacity = out->capacity * 2 + 128;
        void *grown = realloc(out->entries, capacity * sizeof(*out->entries));
        if (grown == NULL) {
            fprintf(stderr, "strata-map: no memory for %zu descriptors\n", capacity);
            exit(2);
        }
        out->entries = grown;
        out->capacity = capacity;
    }
    out->entries[out->count++] = line->entry;
}

static bool is_heading(const struct cursor *cursor) {
    struct cursor words = *cursor;
    skip_blanks(&words);
    if (!take_optional(&words, "Type")) {
        return false;
    }
    skip_blanks(&words);
    return looking_at(&words, "Start") || looking_at(&words, "Physical");
}

static void note_stray(struct walk *walk, const struct cursor *line) {
    struct cursor rest = *line;
    skip_blanks(&rest);
    if (walk->stray == NULL && !at_end(&rest) && *rest.at != '#') {
        walk->stray = line->begin;
        walk->stray_line = walk->line;
    }
}

static enum map_read_status read_line(struct walk *walk, const char *begin, const char *end) {
    for (enum map_format format = 0; format < MAP_FORMAT_CODES; format++) {
        struct cursor cursor = cursor_on(begin, end);
        struct map_line line = {0};
        bool inside = walk->out->maps != 0 && walk->out->format == format;
        enum line_kind kind = formats[format].read(&cursor, inside, &line);
        if (kind == LINE_MALFORMED) {
            note_failure(walk, &cursor);
            return MAP_READ_MALFORMED;
        }
        if (kind == LINE_ENTRY) {
            add_entry(walk, format, &line);
            return MAP_READ_OK;
        }
    }
    struct cursor cursor = cursor_on(begin, end);
    remarks_line(&walk->remarks, begin, end);
    walk->heading |= is_heading(&cursor);
    note_stray(walk, &cursor);
    return MAP_READ_OK;
}

static const char *line_end(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline != NULL ? newline : end;
}

// A file of the plain format holds nothing but descriptors and remarks.
static enum map_read_status check_stray(struct walk *walk, const char *end) {
    if (walk->out->format != MAP_FORMAT_PLAIN || walk->stray == NULL || walk->out->maps != 1) {
        return MAP_READ_OK;
    }
    struct cursor cursor = cursor_on(walk->stray, line_end(walk->stray, end));
    struct map_line ignored = {0};
    walk->line = walk->stray_line;
    plain_line(&cursor, true, &ignored);
    note_failure(walk, &cursor);
    return MAP_READ_MALFORMED;
}

// Codes last: a log in which somebody also typed `qr` has the map in its lines.
static enum map_read_status read_bytes(const char *at, const char *end, struct map_reading *out) {
    struct walk walk = {.out = out};
    const char *begin = at;
    while (at < end) {
        const char *stop = line_end(at, end);
        walk.line++;
        if (read_line(&walk, at, stop) == MAP_READ_MALFORMED) {
            remarks_forget_findings(&walk.remarks);
            return MAP_READ_MALFORMED;
        }
        at = stop + 1;
    }
    if (out->maps == 0) {
        remarks_forget_findings(&walk.remarks);
        return codes_read(begin, (size_t)(end - begin), out);
    }
    out->findings = walk.remarks.findings;
    out->announced = walk.remarks.announced;
    return check_stray(&walk, end);
}

// UTF-16 as bytes: what is not ASCII becomes '?', which no format knows.
static char *narrow(const unsigned char *text, size_t units, bool big_endian) {
    char *bytes = malloc(units + 1);
    for (size_t i = 0; bytes != NULL && i < units; i++) {
        unsigned high = text[2 * i + (big_endian ? 0 : 1)];
        unsigned low = text[2 * i + (big_endian ? 1 : 0)];
        bytes[i] = (char)(high == 0 && low < 0x80 ? low : (unsigned)'?');
    }
    return bytes;
}

enum map_read_status map_read_text(const char *text, size_t length, struct map_reading *out) {
    *out = (struct map_reading){0};
    const unsigned char *bytes = (const unsigned char *)text;
    bool big_endian = length >= 2 && bytes[0] == 0xfe && bytes[1] == 0xff;
    bool little_endian = length >= 2 && bytes[0] == 0xff && bytes[1] == 0xfe;
    if (big_endian || little_endian) {
        size_t units = length / 2 - 1;
        char *narrowed = narrow(bytes + 2, units, big_endian);
        enum map_read_status status = MAP_READ_NOTHING;
        if (narrowed != NULL) {
            status = read_bytes(narrowed, narrowed + units, out);
        }
        free(narrowed);
        return status;
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        length -= 3;
    }
    return read_bytes(text, text + length, out);
}

void map_reading_free(struct map_reading *reading) {
    free(reading->entries);
    free(reading->findings);
    *reading = (struct map_reading){0};
}
