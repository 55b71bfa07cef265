// SPDX-License-Identifier: MIT
// Text sinks: formatting (stb_sprintf, public domain), JSON strings, sizes for people.
#include <strata/text.h>
#include <string.h>

#define STB_SPRINTF_IMPLEMENTATION
#define STB_SPRINTF_NOFLOAT
#define STB_SPRINTF_NOUNALIGNED
#define STB_SPRINTF_STATIC
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <stb/stb_sprintf.h>
#pragma clang diagnostic pop

static char *text_chunk(const char *bytes, void *user, int count) {
    struct text *out = user;
    out->write(out, bytes, (size_t)count);
    return (char *)(uintptr_t)bytes;
}

void text_vprintf(struct text *out, const char *format, va_list arguments) {
    char chunk[STB_SPRINTF_MIN];
    stbsp_vsprintfcb(text_chunk, out, chunk, format, arguments);
}

void text_printf(struct text *out, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(out, format, arguments);
    va_end(arguments);
}

void text_puts(struct text *out, const char *string) {
    out->write(out, string, strlen(string));
}

void text_heading(struct text *out, const char *string) {
    text_style(out, TEXT_HEADING);
    text_puts(out, string);
    text_style(out, TEXT_PLAIN);
}

void text_json_string(struct text *out, const char *string) {
    text_puts(out, "\"");
    for (; *string != '\0'; string++) {
        unsigned char byte = (unsigned char)*string;
        if (byte == '"' || byte == '\\') {
            text_printf(out, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            text_printf(out, "\\u%04x", byte);
        } else {
            out->write(out, string, 1);
        }
    }
    text_puts(out, "\"");
}

void text_size(struct text *out, uint64_t bytes) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    while (unit + 1 < sizeof(units) / sizeof(units[0]) && bytes >> (10 * (unit + 1)) != 0) {
        unit++;
    }
    uint64_t tenths = unit == 0 ? bytes * 10 : (bytes >> (10 * (unit - 1))) * 10 >> 10;
    if (bytes % (UINT64_C(1) << (10 * unit)) == 0) {
        text_printf(out, "%lu %s", tenths / 10, units[unit]);
    } else {
        text_printf(out, "%lu.%lu %s", tenths / 10, tenths % 10, units[unit]);
    }
}

static void text_buffer_write(struct text *self, const char *bytes, size_t count) {
    struct text_buffer *buffer = (struct text_buffer *)self;
    size_t room = buffer->capacity - 1 - buffer->length;
    size_t taken = count < room ? count : room;
    memcpy(buffer->bytes + buffer->length, bytes, taken);
    buffer->length += taken;
    buffer->dropped += count - taken;
    buffer->bytes[buffer->length] = '\0';
}

void text_buffer_init(struct text_buffer *buffer, char *bytes, size_t capacity) {
    *buffer = (struct text_buffer){{.write = text_buffer_write}, bytes, capacity, 0, 0};
    bytes[0] = '\0';
}
