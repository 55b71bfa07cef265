// SPDX-License-Identifier: MIT
// Reading a memory map out of a text, whatever format it is in and whatever stands around it.
#pragma once

#include "formats.h"

enum map_read_status {
    MAP_READ_OK,
    MAP_READ_NOTHING,   // no line of the text is a descriptor in any format
    MAP_READ_MALFORMED, // a line begins as a descriptor and goes on otherwise; or, with `problem`,
                        // codes from the screen are not all there, or mistyped
};

// The last map of the text: a log may hold several.
struct map_reading {
    struct efi_descriptor *entries; // malloc'ed; map_reading_free
    size_t count, capacity;
    enum map_format format;
    size_t maps;                  // how many maps the text holds
    size_t first_line, last_line; // of the one that is given, counted from 1
    size_t error_line, error_column;
    char expected[96];
    char found[40];    // "end of line", or what stands there in quotes
    char problem[200]; // of codes, a sentence instead of those two and the column; "" for none
    char *findings;    // what the machine itself found, a line each; malloc'ed, or NULL
    size_t announced;  // how many descriptors the text says that the map has; 0: it does not
};

// Reads `text`, which is ASCII, UTF-8 or UTF-16 with a byte order mark (EDK2's shell writes it).
enum map_read_status map_read_text(const char *text, size_t length, struct map_reading *out);
void map_reading_free(struct map_reading *reading);

// "a Linux log", "Strata's records", …
const char *map_format_name(enum map_format format);
