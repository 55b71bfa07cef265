// SPDX-License-Identifier: MIT
// Maps printed as tables by firmware's shells and boot loaders.
//
// EDK2's shell, `memmap` (all numbers hexadecimal; the range's end is its last byte):
//   Type       Start            End              # Pages          Attributes
//   Available  0000000000000000-000000000009FFFF 00000000000000A0 000000000000000F
// and `memmap -sfo`:
//   MemoryMap,"Available","0","9FFFF","A0","F"
// U-Boot, `efidebug memmap` (the end is one past the last byte):
//   CONVENTIONAL     0000000000000000-00000000000a0000 WB
// FreeBSD, the loader's `memmap` or a verbose boot:
//     ConventionalMemory 000000000000          0x0 000000a0 UC WC WT WB
#include "formats.h"

#include <string.h>

#define ATTRIBUTE_EXPECTED "an attribute, such as WB"

static bool is_hex(char byte) {
    return byte != '\0' && strchr("0123456789abcdefABCDEF", byte) != NULL;
}

static size_t hex_digits(const char *at, const char *end) {
    size_t count = 0;
    while (at + count < end && is_hex(at[count])) {
        count++;
    }
    return count;
}

// Whether the line is "NAME HEX-HEX …": where the range begins, and where the name ends.
static bool find_range(const struct cursor *cursor, const char **range) {
    const char *dash = memchr(cursor->at, '-', (size_t)(cursor->end - cursor->at));
    if (dash == NULL || hex_digits(dash + 1, cursor->end) < 8) {
        return false;
    }
    const char *at = dash;
    while (at > cursor->at && is_hex(at[-1])) {
        at--;
    }
    *range = at;
    return dash - at >= 8 && at > cursor->at && (at[-1] == ' ' || at[-1] == '\t');
}

// The type's name, or an OEM's number as eight hexadecimal digits.
static bool take_type(struct cursor *cursor, const char *end, uint32_t *type) {
    const char *name = cursor->at;
    while (end > name && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    uint64_t number = 0;
    if (end - name == 8 && hex_digits(name, end) == 8) {
        struct cursor digits = cursor_on(name, end);
        take_hex(&digits, "", &number);
        *type = (uint32_t)number;
        return true;
    }
    return type_named(name, (size_t)(end - name), type) ||
           cursor_fail(cursor, name, "a memory type, such as Available");
}

static bool take_edk2(struct cursor *cursor, struct efi_descriptor *entry) {
    uint64_t last;
    if (!take_hex(cursor, "a start in hexadecimal", &entry->physical_start) ||
        !take_text(cursor, "-") || !take_hex(cursor, "an end in hexadecimal", &last) ||
        !take_blanks(cursor, "a number of pages in hexadecimal")) {
        return false;
    }
    const char *pages = cursor->at;
    return take_hex(cursor, "a number of pages in hexadecimal", &entry->pages) &&
           pages_agree(cursor, pages, entry->physical_start, entry->pages, last) &&
           take_blanks(cursor, "attributes in hexadecimal") &&
           take_hex(cursor, "attributes in hexadecimal", &entry->attributes) && take_end(cursor);
}

// "WB|RT" or "UC WC WT WB", up to the end of the line
static bool take_attribute_names(struct cursor *cursor, const char *separator,
                                 uint64_t *attributes) {
    skip_blanks(cursor);
    while (!at_end(cursor)) {
        const char *word;
        size_t length;
        if (!take_word(cursor, ATTRIBUTE_EXPECTED, separator, &word, &length)) {
            return false;
        }
        uint64_t bit = attribute_named(word, length);
        if (bit == 0) {
            return cursor_fail(cursor, word, ATTRIBUTE_EXPECTED);
        }
        *attributes |= bit;
        take_optional(cursor, separator);
        skip_blanks(cursor);
    }
    return true;
}

static bool take_uboot(struct cursor *cursor, struct efi_descriptor *entry) {
    uint64_t end;
    if (!take_hex(cursor, "a start in hexadecimal", &entry->physical_start) ||
        !take_text(cursor, "-")) {
        return false;
    }
    const char *where = cursor->at;
    return take_hex(cursor, "an end in hexadecimal", &end) &&
           pages_between(cursor, where, entry->physical_start,
                         last_before(end, entry->physical_start), &entry->pages) &&
           take_attribute_names(cursor, "|", &entry->attributes);
}

// Tells EDK2's lines from U-Boot's: only the former have numbers behind the range.
static bool numbers_follow(const struct cursor *cursor, const char *range) {
    struct cursor ahead = cursor_on(range, cursor->end);
    uint64_t ignored;
    take_hex(&ahead, "", &ignored);
    take_optional(&ahead, "-");
    take_hex(&ahead, "", &ignored);
    skip_blanks(&ahead);
    return hex_digits(ahead.at, ahead.end) >= 8;
}

static enum line_kind range_line(struct cursor *cursor, bool inside, bool numbers,
                                 struct map_line *out) {
    const char *range;
    skip_blanks(cursor);
    if (!find_range(cursor, &range)) {
        return LINE_FOREIGN;
    }
    bool mine = numbers_follow(cursor, range) == numbers;
    struct cursor name = *cursor;
    bool typed = take_type(&name, range, &out->entry.type);
    if (!inside && (!mine || !typed)) {
        return LINE_FOREIGN;
    }
    if (!typed) {
        *cursor = name;
        return LINE_MALFORMED;
    }
    cursor->at = range;
    bool taken = numbers ? take_edk2(cursor, &out->entry) : take_uboot(cursor, &out->entry);
    return taken ? LINE_ENTRY : LINE_MALFORMED;
}

enum line_kind edk2_line(struct cursor *cursor, bool inside, struct map_line *out) {
    return range_line(cursor, inside, true, out);
}

enum line_kind uboot_line(struct cursor *cursor, bool inside, struct map_line *out) {
    return range_line(cursor, inside, false, out);
}

static bool take_quoted_hex(struct cursor *cursor, const char *what, uint64_t *out) {
    return take_text(cursor, ",\"") && take_hex(cursor, what, out) && take_text(cursor, "\"");
}

enum line_kind edk2_sfo_line(struct cursor *cursor, bool inside, struct map_line *out) {
    (void)inside;
    struct efi_descriptor *entry = &out->entry;
    const char *name;
    size_t length;
    uint64_t last;
    skip_blanks(cursor);
    if (!take_optional(cursor, "MemoryMap,")) {
        return LINE_FOREIGN;
    }
    if (!take_text(cursor, "\"") ||
        !take_word(cursor, "a memory type, such as Available", "\"", &name, &length)) {
        return LINE_MALFORMED;
    }
    if (!type_named(name, length, &entry->type)) {
        cursor_fail(cursor, name, "a memory type, such as Available");
        return LINE_MALFORMED;
    }
    bool taken = take_text(cursor, "\"") &&
                 take_quoted_hex(cursor, "a start in hexadecimal", &entry->physical_start) &&
                 take_quoted_hex(cursor, "an end in hexadecimal", &last);
    const char *pages = cursor->at;
    taken = taken && take_quoted_hex(cursor, "a number of pages in hexadecimal", &entry->pages) &&
            pages_agree(cursor, pages + 2, entry->physical_start, entry->pages, last) &&
            take_quoted_hex(cursor, "attributes in hexadecimal", &entry->attributes) &&
            take_end(cursor);
    return taken ? LINE_ENTRY : LINE_MALFORMED;
}

// "NAME HEX12+ [0x]HEX HEX8+ …": the second word tells it from everything else.
static bool looks_like_freebsd(struct cursor ahead, uint32_t *type) {
    const char *name;
    size_t length;
    if (!take_word(&ahead, "", "", &name, &length) || !type_named(name, length, type)) {
        return false;
    }
    skip_blanks(&ahead);
    size_t digits = hex_digits(ahead.at, ahead.end);
    return digits >= 12 && ahead.at + digits < ahead.end && ahead.at[digits] == ' ';
}

enum line_kind freebsd_line(struct cursor *cursor, bool inside, struct map_line *out) {
    (void)inside;
    struct efi_descriptor *entry = &out->entry;
    const char *name;
    size_t length;
    uint64_t virtual_start;
    skip_blanks(cursor);
    if (!looks_like_freebsd(*cursor, &entry->type)) {
        return LINE_FOREIGN;
    }
    take_word(cursor, "", "", &name, &length);
    skip_blanks(cursor);
    bool taken = take_hex(cursor, "an address in hexadecimal", &entry->physical_start) &&
                 take_blanks(cursor, "a virtual address in hexadecimal");
    take_optional(cursor, "0x");
    taken = taken && take_hex(cursor, "a virtual address in hexadecimal", &virtual_start) &&
            take_blanks(cursor, "a number of pages in hexadecimal") &&
            take_hex(cursor, "a number of pages in hexadecimal", &entry->pages) &&
            take_attribute_names(cursor, " ", &entry->attributes);
    return taken ? LINE_ENTRY : LINE_MALFORMED;
}

// The format of tests/maps/: "7 0x100000 1792 0xf", everything else in it being "#" lines.
static bool take_plain(struct cursor *cursor, struct efi_descriptor *entry) {
    uint64_t type;
    if (!take_decimal(cursor, "a memory type, such as 7", UINT32_MAX, &type)) {
        return false;
    }
    entry->type = (uint32_t)type;
    return take_blanks(cursor, "a start, such as 0x100000") && take_text(cursor, "0x") &&
           take_hex(cursor, "a start in hexadecimal", &entry->physical_start) &&
           take_blanks(cursor, "a number of pages") &&
           take_decimal(cursor, "a number of pages", UINT64_MAX, &entry->pages) &&
           take_blanks(cursor, "attributes, such as 0xf") && take_text(cursor, "0x") &&
           take_hex(cursor, "attributes in hexadecimal", &entry->attributes) && take_end(cursor);
}

enum line_kind plain_line(struct cursor *cursor, bool inside, struct map_line *out) {
    skip_blanks(cursor);
    if (at_end(cursor) || *cursor->at == '#') {
        return LINE_FOREIGN;
    }
    struct cursor ahead = *cursor;
    uint64_t number;
    bool likely = take_decimal(&ahead, "", UINT64_MAX, &number) && take_blanks(&ahead, "") &&
                  looking_at(&ahead, "0x");
    if (!inside && !likely) {
        return LINE_FOREIGN;
    }
    return take_plain(cursor, &out->entry) ? LINE_ENTRY : LINE_MALFORMED;
}
