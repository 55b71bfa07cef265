// SPDX-License-Identifier: MIT
// The map in a Linux log (boot with efi=debug), and in Strata's own text, which is written alike:
//
//   efi: mem00: [Conventional|   |  |…|WB|WT|WC|UC] range=[0x…00000-0x…9ffff] (0MB)   Linux
//   efi: mem42: [Reserved    |attr=0x0…] range=[0x0…-0x0…] (invalid)
//   efi: mem00: [Conventional      |…] range=[0x…00000-0x…9ffff] (160 pages)          Strata
//   efi: mem00: type=7, attr=0xf, range=[0x…00000-0x…a0000) (0MB)                     older Linux
//   EFI: mem00: type=7, …                                                             still older
//
// Anything may stand before "mem" (time stamps, a syslog's host). The end is the last byte before
// ']' and one past it before ')'. An invalid entry's end may have more than 64 bits.
#include "formats.h"

#include <string.h>

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

// Whether what stands before the cursor is "efi: " or "EFI: ".
static bool after_efi(const struct cursor *cursor) {
    size_t before = (size_t)(cursor->at - cursor->begin);
    return before >= 5 &&
           (memcmp(cursor->at - 5, "efi: ", 5) == 0 || memcmp(cursor->at - 5, "EFI: ", 5) == 0);
}

// Whether "mem0…" at the cursor begins an entry; without "efi:" before it, only when all of the
// rest looks like one.
static bool begins_entry(const struct cursor *cursor) {
    struct cursor ahead = *cursor;
    uint64_t index;
    if (!take_optional(&ahead, "mem") || at_end(&ahead) || !is_digit(*ahead.at)) {
        return false;
    }
    if (after_efi(cursor)) {
        return true;
    }
    bool alone = cursor->at == cursor->begin || cursor->at[-1] == ' ';
    if (!alone || !take_decimal(&ahead, "", UINT64_MAX, &index) || !take_optional(&ahead, ":")) {
        return false;
    }
    skip_blanks(&ahead);
    bool likely = looking_at(&ahead, "type=") || looking_at(&ahead, "[");
    return likely && memmem(ahead.at, (size_t)(ahead.end - ahead.at), "range=[", 7) != NULL;
}

static bool find_entry(struct cursor *cursor) {
    for (; cursor->at < cursor->end; cursor->at++) {
        if (*cursor->at == 'm' && begins_entry(cursor)) {
            return true;
        }
    }
    return false;
}

static bool take_type_number(struct cursor *cursor, uint32_t *type) {
    uint64_t number;
    if (!take_decimal(cursor, "a memory type, such as 7", UINT32_MAX, &number)) {
        return false;
    }
    *type = (uint32_t)number;
    return true;
}

// "Conventional      " or "type=20480"
static bool take_type_field(struct cursor *cursor, uint32_t *type) {
    if (take_optional(cursor, "type=")) {
        bool taken = take_type_number(cursor, type);
        skip_blanks(cursor);
        return taken;
    }
    const char *name = cursor->at;
    while (!at_end(cursor) && *cursor->at != '|' && *cursor->at != ']') {
        cursor->at++;
    }
    return type_named(name, (size_t)(cursor->at - name), type) ||
           cursor_fail(cursor, name, "a memory type, such as Conventional");
}

// "|RUN|  |WB" or "|attr=0x…", up to "]"
static bool take_attribute_fields(struct cursor *cursor, uint64_t *attributes) {
    while (take_optional(cursor, "|")) {
        skip_blanks(cursor);
        if (take_optional(cursor, "attr=0x")) {
            if (!take_hex(cursor, "attributes in hexadecimal", attributes)) {
                return false;
            }
            continue;
        }
        if (looking_at(cursor, "|") || looking_at(cursor, "]")) {
            continue;
        }
        const char *word;
        size_t length;
        if (!take_word(cursor, "an attribute, such as WB", "|]", &word, &length)) {
            return false;
        }
        uint64_t bit = attribute_named(word, length);
        if (bit == 0) {
            return cursor_fail(cursor, word, "an attribute, such as WB");
        }
        *attributes |= bit;
        skip_blanks(cursor);
    }
    return take_text(cursor, "]");
}

static bool take_kind(struct cursor *cursor, struct efi_descriptor *entry) {
    if (take_optional(cursor, "type=")) {
        bool taken = take_type_number(cursor, &entry->type) && take_text(cursor, ",");
        skip_blanks(cursor);
        taken = taken && take_text(cursor, "attr=0x") &&
                take_hex(cursor, "attributes in hexadecimal", &entry->attributes) &&
                take_text(cursor, ",");
        skip_blanks(cursor);
        return taken;
    }
    if (!take_optional(cursor, "[")) {
        return cursor_fail(cursor, cursor->at, "\"[\" or \"type=\"");
    }
    bool taken =
        take_type_field(cursor, &entry->type) && take_attribute_fields(cursor, &entry->attributes);
    skip_blanks(cursor);
    return taken;
}

// What follows the range: "(160 pages)" and "(invalid)" mean something.
static bool take_pages(struct cursor *cursor, struct efi_descriptor *entry, const char *where,
                       uint128_t last) {
    skip_blanks(cursor);
    struct cursor ahead = *cursor;
    uint64_t pages;
    if (take_optional(&ahead, "(") && take_decimal(&ahead, "", UINT64_MAX, &pages) &&
        take_optional(&ahead, " pages)")) {
        entry->pages = pages;
        return pages_agree(cursor, cursor->at + 1, entry->physical_start, pages, (uint64_t)last);
    }
    if (last == 0 && looking_at(cursor, "(invalid)")) {
        return true; // Linux prints the end of an empty descriptor as 0
    }
    return pages_between(cursor, where, entry->physical_start, last, &entry->pages);
}

static bool take_range(struct cursor *cursor, struct efi_descriptor *entry) {
    uint128_t end;
    if (!take_text(cursor, "range=[0x") ||
        !take_hex(cursor, "a start in hexadecimal", &entry->physical_start) ||
        !take_text(cursor, "-0x")) {
        return false;
    }
    const char *where = cursor->at;
    if (!take_hex128(cursor, "an end in hexadecimal", &end)) {
        return false;
    }
    if (take_optional(cursor, ")")) {
        return take_pages(cursor, entry, where, last_before(end, entry->physical_start));
    }
    if (!take_optional(cursor, "]")) {
        return cursor_fail(cursor, cursor->at, "\"]\" or \")\"");
    }
    return take_pages(cursor, entry, where, end);
}

enum line_kind linux_line(struct cursor *cursor, bool inside, struct map_line *out) {
    (void)inside;
    if (!find_entry(cursor)) {
        return LINE_FOREIGN;
    }
    out->has_index = true;
    bool taken = take_text(cursor, "mem") &&
                 take_decimal(cursor, "a number", UINT64_MAX, &out->index) &&
                 take_text(cursor, ":");
    skip_blanks(cursor);
    taken = taken && take_kind(cursor, &out->entry) && take_range(cursor, &out->entry);
    return taken ? LINE_ENTRY : LINE_MALFORMED;
}
