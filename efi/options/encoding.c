// SPDX-License-Identifier: MIT
// The bytes that options come as. See encoding.h.
#include "encoding.h"

#include <string.h>
#include <text/utf.h>

size_t optiontext_from_file(char *out, size_t capacity, const void *bytes, size_t size) {
    const uint8_t *text = bytes;
    bool little = size >= 2 && text[0] == 0xff && text[1] == 0xfe;
    bool big = size >= 2 && text[0] == 0xfe && text[1] == 0xff;
    if (little || big) {
        return utf8_from_utf16(out, capacity, text + 2, (size - 2) / 2, big);
    }
    if (size >= 2 && text[0] != 0 && text[1] == 0) {
        return utf8_from_utf16(out, capacity, text, size / 2, false);
    }
    size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    size_t length = size - mark < capacity ? size - mark : capacity - 1;
    memcpy(out, text + mark, length);
    out[length] = '\0';
    return length;
}

static uint16_t word_at(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

// The list of device paths is one: nodes that fit, and an end.
static bool is_device_path(const uint8_t *path, size_t size) {
    while (size >= 4) {
        size_t length = word_at(path + 2);
        if (length < 4 || length > size) {
            return false;
        }
        if (path[0] == 0x7f && path[1] == 0xff) {
            return true;
        }
        path += length;
        size -= length;
    }
    return false;
}

// Where the optional data of an EFI_LOAD_OPTION (UEFI 2.10, 3.1.3) begins, if it is one; else 0.
static size_t load_option_data(const uint8_t *bytes, size_t size) {
    const uint16_t defined = 0x1f0b; // ACTIVE, FORCE_RECONNECT, HIDDEN, CATEGORY
    if (size < 6 || word_at(bytes + 2) != 0 || (word_at(bytes) & ~defined) != 0) {
        return 0;
    }
    size_t at = 6, path = word_at(bytes + 4);
    while (size - at >= 2 && word_at(bytes + at) != 0) {
        at += 2;
    }
    if (size - at < 2 || size - at - 2 < path || !is_device_path(bytes + at + 2, path)) {
        return 0;
    }
    return at + 2 + path;
}

// Text of 8-bit characters: UTF-16 of such text would have zeros in it.
static bool is_narrow_text(const uint8_t *bytes, size_t size) {
    size_t length = 0;
    while (length < size && bytes[length] >= 0x20 && bytes[length] < 0x7f) {
        length++;
    }
    return length >= 2 && (length == size || (length + 1 == size && bytes[length] == 0));
}

static bool is_wide_text(const uint8_t *bytes, size_t units) {
    for (size_t i = 0; i < units && word_at(bytes + 2 * i) != 0; i++) {
        uint16_t unit = word_at(bytes + 2 * i);
        bool low = unit < 0x20 && unit != '\t' && unit != '\r' && unit != '\n';
        bool high = (unit >= 0xd800 && unit <= 0xf8ff) || unit >= 0xfff0;
        if (low || high || unit == 0x7f) {
            return false;
        }
    }
    return true;
}

static int lower(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static bool equal_ignoring_case(const char *a, const char *b, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

// A first word that names the program and not an option: a path, NAME.EFI, or the program's name
// with or without its suffix.
static bool is_program_name(const char *word, size_t length, const char *program) {
    if (memchr(word, '=', length) != NULL) {
        return false;
    }
    if (memchr(word, '\\', length) != NULL || memchr(word, ':', length) != NULL) {
        return true;
    }
    if (length >= 4 && equal_ignoring_case(word + length - 4, ".efi", 4)) {
        return true;
    }
    return length > 0 && length <= strlen(program) && equal_ignoring_case(word, program, length) &&
           (program[length] == '.' || program[length] == '\0');
}

static void drop_program_name(char *text, const char *program) {
    char *word = text + (text[0] == '"');
    size_t length = 0;
    while (word[length] != '\0' && (text[0] == '"' ? word[length] != '"' : word[length] != ' ')) {
        length++;
    }
    if (is_program_name(word, length, program)) {
        char *rest = word + length + (word[length] == '"');
        memmove(text, rest, strlen(rest) + 1);
    }
}

const char *optiontext_from_load_options(char *out, size_t capacity, const void *bytes, size_t size,
                                         const char *program) {
    const uint8_t *text = bytes;
    const char *remark = NULL;
    out[0] = '\0';
    size_t data = load_option_data(text, size);
    if (data != 0) {
        remark = "they are a whole EFI_LOAD_OPTION: only its optional data is used";
        text += data;
        size -= data;
    }
    if (is_narrow_text(text, size)) {
        size_t length = size < capacity ? size : capacity - 1;
        memcpy(out, text, length);
        out[length] = '\0';
    } else if (!is_wide_text(text, size / 2)) {
        return "they are not text: ignored";
    } else {
        remark = size % 2 != 0 ? "their size is odd: the last byte is ignored" : remark;
        utf8_from_utf16(out, capacity, text, size / 2, false);
    }
    drop_program_name(out, program);
    return remark;
}
