// SPDX-License-Identifier: MIT
// UTF-16 and UTF-8 (RFC 3629, RFC 2781). Nothing here trusts its input; see utf.h.
#include "utf.h"

#include <string.h>

#define REPLACEMENT 0xfffd

static uint16_t unit_at(const uint8_t *text, size_t index, bool big_endian) {
    uint8_t first = text[2 * index], second = text[2 * index + 1];
    return big_endian ? (uint16_t)(first << 8 | second) : (uint16_t)(second << 8 | first);
}

// Reads the character at `*index` and moves on.
static uint32_t utf16_next(const uint8_t *text, size_t *index, size_t units, bool big_endian) {
    uint32_t unit = unit_at(text, (*index)++, big_endian);
    if (unit < 0xd800 || unit > 0xdfff) {
        return unit;
    }
    if (unit > 0xdbff || *index == units) {
        return REPLACEMENT;
    }
    uint32_t low = unit_at(text, *index, big_endian);
    if (low < 0xdc00 || low > 0xdfff) {
        return REPLACEMENT;
    }
    *index += 1;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

static size_t utf8_put(char out[4], uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    out[0] = (char)((0xf00 >> length) | c);
    return length;
}

size_t utf8_from_utf16(char *out, size_t capacity, const void *text, size_t units,
                       bool big_endian) {
    size_t length = 0;
    for (size_t i = 0; i < units;) {
        uint32_t c = utf16_next(text, &i, units, big_endian);
        char bytes[4];
        size_t count = utf8_put(bytes, c);
        if (c == 0 || length + count >= capacity) {
            break;
        }
        memcpy(out + length, bytes, count);
        length += count;
    }
    if (capacity > 0) {
        out[length] = '\0';
    }
    return length;
}

uint32_t utf8_next(const char **text, const char *end) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t) * *text;
    *text += 1;
    if (first < 0x80) {
        return first;
    }
    size_t more = first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0;
    if (more == 0 || first >= 0xf8 || (size_t)(end - *text) < more) {
        return REPLACEMENT;
    }
    uint32_t c = first & (0x3fu >> more);
    for (size_t i = 0; i < more; i++) {
        uint8_t byte = (uint8_t)(*text)[i];
        if ((byte & 0xc0) != 0x80) {
            return REPLACEMENT;
        }
        c = c << 6 | (byte & 0x3f);
    }
    if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return REPLACEMENT;
    }
    *text += more;
    return c;
}

size_t utf16_from_utf8(uint16_t *out, size_t capacity, const char *text) {
    const char *end = text + strlen(text);
    size_t length = 0;
    while (text < end) {
        uint32_t c = utf8_next(&text, end);
        size_t count = c < 0x10000 ? 1 : 2;
        if (length + count >= capacity) {
            break;
        }
        if (count == 1) {
            out[length++] = (uint16_t)c;
        } else {
            out[length++] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
            out[length++] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
        }
    }
    if (capacity > 0) {
        out[length] = 0;
    }
    return length;
}
